"""Medians of what runs need for a target, and slopes of their logarithm against that of the number of states.

Every chain on which at least half of the runs reach the target is a point. The interval is by bootstrap over the runs;
it says nothing of whether the points lie on a line, which `misfit` does.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from lqrpg.compiler.jit import SMALL
from lqrpg.lqr.plant import Array

Tables = Mapping[str, pd.DataFrame]
SLOPES = (
    "method",
    "target",
    "quantity",
    "slope",
    "low",
    "high",
    "misfit",
    "points",
    "smallest",
    "largest",
    "censored",
    "theory",
    "source",
)
"""Columns of a table of slopes."""
FEWEST, DRAWS = 3, 2000
"""Chains that a slope needs, and resamples of the runs."""
START = 1.0
"""The relative gap at the start, beside the time of an iteration, which is to no target."""
TWO_POINTS = ("two_point", "random_search", "deterministic_probing", "svrpg", "natural_two_point")
WITH_MODEL = ("exact_gradient", "natural_gradient", "policy_iteration")
Law = tuple[int, str]
_BATCH: Law = (
    2,
    "[stated] P1, after Theorem 1: of the order of n m rollouts an iteration, whose number depends on e",
)
_COUNTED = "[inferred] n m rollouts of n (n + m) multiplications a step"
_PARAMETERS: Law = (1, "[inferred] n + m unknowns in each row of the model")
_CUBIC: Law = (3, "[inferred] products of n x n matrices, or n updates of n x n numbers")
_PACE = "seconds_per_iteration"
THEORY: dict[tuple[str, str], Law] = {
    **{(name, "samples"): _BATCH for name in TWO_POINTS},
    **{(name, "rollouts"): _BATCH for name in TWO_POINTS},
    **{(name, "iterations"): (0, "[stated] P1, Theorem 1: of the order of log(1 / e)") for name in TWO_POINTS},
    **{(name, "seconds"): (4, _COUNTED) for name in TWO_POINTS},
    **{(name, _PACE): (4, _COUNTED) for name in (*TWO_POINTS, "one_point", "reinforce")},
    **{(name, quantity): _CUBIC for name in WITH_MODEL for quantity in ("seconds", _PACE)},
    **{(name, "iterations"): (0, "[inferred] the conditioning of the chain levels off") for name in WITH_MODEL},
    **{(name, "samples"): _PARAMETERS for name in ("certainty_equivalence", "indirect")},
    **{(name, quantity): _CUBIC for name in ("certainty_equivalence", "indirect") for quantity in ("seconds", _PACE)},
    ("qsa_policy_iteration", "samples"): (2, "[inferred] (n + m) (n + m + 1) / 2 + 1 unknowns of a policy's value"),
    **{("qsa_policy_iteration", key): (6, "[inferred] a linear system of n^2 unknowns") for key in ("seconds", _PACE)},
}
"""What an exponent of n should be, m being n / 2, and why; e is the accuracy."""


class Line(NamedTuple):
    """A power law through prices.

    Attributes
    ----------
    slope, low, high : the exponent, with its 95 % interval.
    misfit : largest factor between a median and the line.
    points : chains.
    smallest, largest : their numbers of states; 0 if there are none.
    """

    slope: float
    low: float
    high: float
    misfit: float
    points: int
    smallest: int
    largest: int


def middle(paid: Array) -> Array:
    """Median of runs along the last axis, the lower one of an even number; infinite unless half of them are finite."""
    return np.asarray(np.sort(paid, axis=-1)[..., (paid.shape[-1] - 1) // 2])


def line(paid: Mapping[int, Array]) -> Line:
    """The power law through the medians of what runs need.

    Parameters
    ----------
    paid : by number of states, (runs,), infinite for a run that does not reach the target.
    """
    reached = {n: runs for n, runs in sorted(paid.items()) if 0.0 < middle(runs) < np.inf}
    smallest, largest, count = min(reached, default=0), max(reached, default=0), len(reached)
    if count < FEWEST:
        return Line(np.nan, np.nan, np.nan, np.nan, count, smallest, largest)
    x, rng = np.log([*reached]), np.random.default_rng(0)
    medians = np.log([middle(runs) for runs in reached.values()])
    drawn = [middle(runs[rng.integers(0, len(runs), (DRAWS, len(runs)))]) for runs in reached.values()]
    found = _slopes(x, np.log(np.stack(drawn, axis=-1)))
    low, high = np.nanquantile(found, [0.025, 0.975])
    (slope,) = _slopes(x, medians[None])
    residuals = medians - medians.mean() - slope * (x - x.mean())
    return Line(float(slope), float(low), float(high), math.exp(np.abs(residuals).max()), count, smallest, largest)


def _slopes(x: Array, y: Array) -> Array:
    """Slopes of least squares of each row of y, (draws, points), over its finite entries; NaN for fewer than two."""
    kept = np.isfinite(y)
    count = kept.sum(axis=1, keepdims=True)
    values = np.where(kept, y, 0.0)
    centred = np.where(kept, x - (kept * x).sum(axis=1, keepdims=True) / np.maximum(count, 1), 0.0)
    spread = np.sum(centred**2, axis=1)
    return np.asarray(
        np.where(spread > 0.0, np.sum(centred * values, axis=1) / np.where(spread > 0.0, spread, 1.0), np.nan)
    )


def summary_table(tables: Tables) -> pd.DataFrame:
    """Medians of each method on each chain to each target, with the status of most of its runs."""
    ends = {
        key: Counter(own).most_common(1)[0][0] for key, own in tables["final"].groupby(["states", "method"])["status"]
    }
    rows = []
    for (n, method, target), own in tables["targets"].groupby(["states", "method", "target"], sort=True):
        missed = own["censored"].to_numpy(bool)
        iteration, samples = (
            float(middle(np.where(missed, np.inf, own[column].to_numpy(float)))) for column in ("iteration", "samples")
        )
        censored = not math.isfinite(iteration)
        counts = (-1, -1) if censored else (int(iteration), int(samples))
        rows.append((n, method, target, len(own), int((~missed).sum()), *counts, censored, ends[n, method]))
    names = ["states", "method", "target", "runs", "reached", "iteration", "samples", "censored", "status"]
    return pd.DataFrame(rows, columns=names)


def slope_table(tables: Tables) -> pd.DataFrame:
    """Slopes of samples, rollouts and iterations to each target."""
    lengths = tables["chains"].set_index("states")["length"]
    rows = []
    for method, target, own in _groups(tables):
        kind = tables["methods"].set_index("method").loc[method, "budget"]
        if kind.endswith("_samples"):
            rows.append(_row(method, target, "samples", _paid(own, "samples")))
        if kind == "rollout_samples":
            rollouts = {n: runs / lengths[n] for n, runs in _paid(own, "samples").items()}
            rows.append(_row(method, target, "rollouts", rollouts))
        rows.append(_row(method, target, "iterations", _paid(own, "iteration")))
    return pd.DataFrame(rows, columns=list(SLOPES))


def time_slope_table(tables: Tables) -> pd.DataFrame:
    """Slopes of processor time to each target, and of an iteration from the sizes on that share kernels.

    Up to eight states some kernels are compiled for the size, and their times follow another law.
    """
    paces = tables["runtime"].drop_duplicates(["states", "method"]).set_index(["states", "method"])[_PACE].dropna()
    rows = []
    for method, target, own in _groups(tables):
        paid = _paid(own, "iteration").items()
        seconds = {n: runs * paces[n, method] for n, runs in paid if (n, method) in paces.index}
        rows.append(_row(method, target, "seconds", seconds))
    for method in tables["methods"]["method"]:
        own = {n: np.array([pace]) for (n, name), pace in paces.items() if name == method and n > SMALL}
        rows.append(_row(method, START, _PACE, own))
    return pd.DataFrame(rows, columns=list(SLOPES))


def _groups(tables: Tables) -> Iterator[tuple[str, float, pd.DataFrame]]:
    """Each method, by its place, with each target, the largest first, and its rows."""
    rows = tables["targets"]
    for method in tables["methods"]["method"]:
        for target in sorted(rows["target"].unique(), reverse=True):
            yield method, target, rows[(rows["method"] == method) & (rows["target"] == target)]


def _paid(rows: pd.DataFrame, column: str) -> dict[int, Array]:
    """What runs need, by number of states, infinite where a run does not reach the target."""
    paid = rows[column].astype(np.float64).where(~rows["censored"], np.inf)
    return {int(n): own.to_numpy() for n, own in paid.groupby(rows["states"])}


def _row(method: str, target: float, quantity: str, paid: Mapping[int, Array]) -> tuple[object, ...]:
    found = line(paid)
    exponent, source = THEORY.get((method, quantity), ("", ""))
    return (method, target, quantity, *found, found.points < FEWEST, str(exponent), source)
