"""What to say where descent did not diverge, but the gap did not fall: how far it came, why, and what helps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lqrpg.experiments.plants import little_to_find
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
    rose, slow = last[last > first], last[(last > ENOUGH * first) & (last <= first)]
    return [
        *_rise_lines(settings, first, rose, of_all=len(rose) == len(last), length=f"{key}={iterations}"),
        *_slow_lines(settings, first, slow, len(slow) == len(last), (key, iterations, most)),
    ]


def _rise_lines(settings: Any, first: float, rose: pd.Series[float], *, of_all: bool, length: str) -> list[str]:
    """What to say of cases that ended further from the optimum than they began."""
    if rose.empty:
        return []
    return [
        f"the gap{_of(rose, of_all)} rose: from {first:.2g} to {float(rose.max()):.2g} within {length}",
        little_to_find(settings.system) or settings.advice,
    ]


def _slow_lines(
    settings: Any, first: float, slow: pd.Series[float], of_all: bool, length: tuple[str, int, int]
) -> list[str]:
    """What to say of cases that came nearer by less than half."""
    if slow.empty:
        return []
    key, iterations, most = length
    condition, more = _condition(settings), min(most, LONGER * iterations)
    reason = (
        f"near the optimum the cost is {condition:.1g} times as curved along some gains as along others, and the "
        "gradient's descent takes about as many iterations: "
        if condition > iterations
        else ""
    )
    return [
        f"the gap{_of(slow, of_all)} did not fall by half: from {first:.2g} to {float(slow.min()):.2g} at best within "
        f"{key}={iterations}",
        f"{reason}try {key}={more}, or a first gain nearer to the optimum (system.K0)",
    ]


def _of(cases: pd.Series[float], of_all: bool) -> str:
    return "" if of_all else f" of {', '.join(map(str, cases.index))}"


def _condition(settings: Any) -> float:
    """The condition number of the cost's Hessian at the optimum, 2 (R + B'P*B) x Sigma_K*."""
    plant = start_of(settings.system)[0]
    best = optimum(plant)
    curvature = plant.R + plant.B.T @ best.cost_to_go @ plant.B
    return float(np.linalg.cond(curvature) * np.linalg.cond(state_covariance(plant, best.gain)))
