"""What to say where descent neither diverged nor made the gap fall: how far it came, why, and what helps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lqrpg.experiments.sgd_settings import start_of
from lqrpg.lqr.discrete import optimum, state_covariance

ENOUGH = 0.5
"""Part of the first gap below which the gap of a case has fallen."""
LONGER = 100


def shortfall_lines(
    settings: Any, tables: Mapping[str, pd.DataFrame], key: str, iterations: int, most: int
) -> list[str]:
    """Lines on the cases whose gap did not fall by half; none if there is no such case.

    Parameters
    ----------
    settings : of the experiment.
    tables : `trajectories` and `outcomes`.
    key, iterations, most : the setting of the iterations, its value and its limit.
    """
    trajectories, outcomes = tables["trajectories"], tables["outcomes"]
    first = float(trajectories.loc[trajectories["iteration"] == 0, "gap"].median())
    last = outcomes[np.isfinite(outcomes["final_gap"])].groupby("case", sort=False)["final_gap"].median()
    slow = last[last > ENOUGH * first]
    if slow.empty:
        return []
    cases = "" if len(slow) == len(last) else f" of {', '.join(map(str, slow.index))}"
    condition, more = _condition(settings), min(most, LONGER * iterations)
    reason = (
        f"near the optimum the cost is {condition:.1g} times as curved along some gains as along others, and the "
        "gradient's descent takes about as many iterations: "
        if condition > iterations
        else ""
    )
    return [
        f"the gap{cases} did not fall by half: from {first:.2g} to {float(slow.min()):.2g} at best within "
        f"{key}={iterations}",
        f"{reason}try {key}={more}, or a first gain nearer to the optimum (system.K0)",
    ]


def _condition(settings: Any) -> float:
    """The condition number of the cost's Hessian at the optimum, 2 (R + B'P*B) x Sigma_K*."""
    plant = start_of(settings.system)[0]
    best = optimum(plant)
    curvature = plant.R + plant.B.T @ best.cost_to_go @ plant.B
    return float(np.linalg.cond(curvature) * np.linalg.cond(state_covariance(plant, best.gain)))
