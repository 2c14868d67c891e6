"""What to try first where methods diverge or do not progress on a plant of the user's own, from the plant's numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lqrpg.experiments.plants import little_to_find
from lqrpg.results.lookup import FULL_SCALE
from lqrpg.runner.settings import Job

if TYPE_CHECKING:
    import pandas as pd

TABLES = ("methods", "summary", "gains")
"""What an experiment that compares methods has."""
PROGRESS = 0.5
"""Relative gap above which a method has hardly moved."""


def hints(job: Job, tables: Mapping[str, pd.DataFrame], diverged: Sequence[str]) -> list[str]:
    """A line for each kind of method that diverged or did not progress: the setting to try first, and why.

    Parameters
    ----------
    job : the run's.
    tables : those of `TABLES`.
    diverged : methods all runs of which diverged.
    """
    methods = tables["methods"].set_index("method")
    gaps = tables["summary"].set_index("method")["median"]
    stuck = [name for name in methods.index if name not in diverged and PROGRESS < gaps[name] < math.inf]
    lines = []
    for kind, words in _KINDS.items():
        own = [name for name in methods.index if _kind(methods.loc[name]) == kind]
        if lost := [name for name in own if name in diverged]:
            lines.append(f"{', '.join(lost)}: try first {words[0](job, methods.loc[lost], tables['gains'])}")
        if slow := [name for name in own if name in stuck]:
            left = ", ".join(f"{name}: gap {_moved(gaps[name])} the first" for name in slow)
            little = little_to_find(job.experiment.system) if max(gaps[slow]) > 1.0 else ""  # type: ignore[attr-defined]
            lines.append(f"{left}; {little or f'try first {_longer(job, words[1])}'}")
    return lines


def _moved(gap: float) -> str:
    return f"still {gap:.2g} of" if gap <= 1.0 else f"rose to {gap:.2g} times"


def leave_out(keys: Sequence[str]) -> str:
    """What to try where settings were given that would have been found for the plant."""
    return f"leave {' and '.join(keys)} out: what is not given is found for the plant"


def _kind(method: pd.Series[Any]) -> str:
    """How a method learns: by rollouts, along a trajectory, or from the model."""
    return "model" if not method["samples"] else "rollouts" if method["length"] else "trajectory"


def _smaller_radius(job: Job, methods: pd.DataFrame, gains: pd.DataFrame) -> str:
    radius = float(methods["radius"].max())
    if job.settings["radius"] is not None:
        return f"to leave radius={job.settings['radius']:g} out: one within which gains are stable is found"
    return f"radius={radius / 4:.2g}: with {radius:.2g} a perturbed gain can leave the stabilizing set"


def _more_samples(job: Job, methods: pd.DataFrame, gains: pd.DataFrame) -> str:
    if job.given:
        return f"to {leave_out(job.given)}"
    states, inputs = int(gains["column"].nunique()), int(gains["row"].nunique())
    unknowns, start = states * (states + inputs), int(job.settings["start_samples"])
    more = max(10 * start, 10 * unknowns)
    return (
        f"start_samples={more}: the first model has {unknowns} unknown entries of A and B, and {start} samples; then "
        f"excitation={10 * float(job.settings['excitation']):g}"
    )


def _nearer_start(job: Job, methods: pd.DataFrame, gains: pd.DataFrame) -> str:
    return "a first gain nearer to the optimum (system.K0): step sizes found at K0 are too large further on"


def _longer(job: Job, key: str) -> str:
    """A run of more samples or steps, by a larger scale if there is one."""
    if job.scale != FULL_SCALE:
        return f"scale={FULL_SCALE}: this run is a small one"
    return f"iterations.{key}={10 * int(job.settings['iterations'][key])}: the run is short for this plant"


_KINDS = {
    "rollouts": (_smaller_radius, "rollout_samples"),
    "trajectory": (_more_samples, "trajectory_samples"),
    "model": (_nearer_start, "gradient"),
}
"""What to try where methods of a kind diverge, and the key of how long they run."""
