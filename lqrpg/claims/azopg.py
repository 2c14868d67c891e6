"""What P1 claims (Sha, Zhao, You, arXiv 2407.03233)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lqrpg.claims.extremes import farthest, largest, least
from lqrpg.claims.groups import each_group
from lqrpg.claims.needs import NORMAL_REPLICATES, computed, decades, distinct
from lqrpg.claims.registry import Tables, claim
from lqrpg.results.lookup import EmptyTableError

Array = NDArray[np.float64]
_RUN = ["case", "workers", "replicate"]
_TENTH = "the paper's words ('roughly', 'almost linear'), read as within a tenth"
_THREE_ERRORS = "Monte Carlo: three standard errors over the seeds (normal approximation)"


def _least_decades(tables: Tables) -> float:
    return least(decades(gap) for _, (gap,) in each_group(tables["curves"], _RUN, "gap"))


def _least_updates(tables: Tables) -> float:
    return float(tables["speedup"]["updates"].min())


_TWO_DECADES = computed(
    _least_decades, 2, "decades of the gap", "the last one is measured, after one in which faster modes decay"
)


def _last_points(tables: Tables) -> float:
    """Least number of recorded points in the last decade of a curve."""
    curves = each_group(tables["curves"], _RUN, "gap")
    return least(float(np.count_nonzero(gap <= 10.0 * np.min(gap))) for _, (gap,) in curves)


_POINTS = computed(_last_points, 10, "points in the last decade", "fewer do not tell a line from a curve")
_LONG_ENOUGH = computed(
    _least_updates, 100, "updates to the tolerance", "one update more or less is then a tenth of the accepted tenth"
)
_FLEETS = distinct("speedup", "workers", 2, "number of workers", "numbers of workers are compared")
_LARGE_FLEETS = computed(
    lambda tables: float(tables["scaling"]["workers"].max()),
    64,
    "workers at most",
    "from there on the lemma's own count falls short",
)
_SEEDS = distinct(
    "speedup", "replicate", NORMAL_REPLICATES, "replicates", "with fewer, chance leaves the range more than once in 50"
)


@claim(
    "azopg_linear_convergence",
    "azopg",
    "P1, Section V, Fig. 3a",
    "AZOPG converges linearly for every number of workers.",
    measures="least R² of log gap against updates, over the last decade of the gap, all numbers of workers and seeds",
    accepted=(0.99, 1.0),
    because="a bound: sublinear decay t^-p with p up to 2 stays below 0.99 over a decade",
    needs=(_TWO_DECADES, _POINTS),
)
def linear_convergence(tables: Tables) -> float:
    """Least squared correlation of log gap and updates in the last decade."""
    runs = each_group(tables["curves"], _RUN, "update", "gap")
    return least(_last_decade_fit(update, gap) for _, (update, gap) in runs)


def _last_decade_fit(update: Array, gap: Array) -> float:
    last = gap <= 10.0 * np.min(gap)
    return float(np.corrcoef(update[last], np.log(gap[last]))[0, 1] ** 2)


@claim(
    "azopg_inverse_time",
    "azopg",
    "P1, Section V, Fig. 3a and 3c",
    "The time to the tolerance is inversely proportional to the number of workers.",
    measures="worst T_1 / (M T_M), homogeneous workers, same samples for all numbers of workers",
    accepted=(0.9, 1.1),
    because=_TENTH,
    caveat="as all see the same samples this measures throughput; see azopg_inverse_time_independent",
    needs=(_FLEETS, _LONG_ENOUGH),
)
def inverse_time(tables: Tables) -> float:
    """The ratio that is farthest from one."""
    rows = _runs(tables, "tickets", "normal")
    return farthest(rows["speedup"] / rows["workers"], 1.0)


@claim(
    "azopg_inverse_time_independent",
    "azopg",
    "P1, Section V, Fig. 3a and 3c",
    "The same, with independent samples for every number of workers.",
    measures="standard errors between the slope of log time against log M and -1",
    accepted=(-3.0, 3.0),
    because=_THREE_ERRORS,
    needs=(_FLEETS, _SEEDS),
)
def inverse_time_independent(tables: Tables) -> float:
    """How many standard errors the mean slope over replicates is from -1."""
    rows = _runs(tables, "independent", "normal")
    slopes = [
        np.polyfit(np.log(run["workers"]), np.log(run["time_to_tol_s"]), 1)[0] for _, run in rows.groupby("replicate")
    ]
    return _standard_errors(np.array(slopes) + 1.0)


@claim(
    "azopg_slowed_speedup",
    "azopg",
    "P1, Section V, Fig. 3b and 3c",
    "With half of the workers slowed the speedup is still nearly linear in their number.",
    measures="worst speedup over the ideal line M (2s + w) / (2 (s + w)), half of the workers slowed",
    accepted=(0.9, 1.1),
    because=_TENTH,
    needs=(_FLEETS, _LONG_ENOUGH),
)
def slowed_speedup(tables: Tables) -> float:
    """The ratio to the ideal line that is farthest from one."""
    rows = _runs(tables, "tickets", "slow")
    return farthest(rows["speedup"] / rows["ideal_speedup"], 1.0)


@claim(
    "azopg_stabilising",
    "azopg",
    "P1, Theorem 1 and Section IV",
    "Every iterate stabilises the plant.",
    measures="runs in which an iterate is not stabilising, both kinds of samples",
    accepted=(0, 0),
    because="the theorem: none",
)
def stabilising(tables: Tables) -> float:
    """Number of runs that lost stability."""
    return float((tables["speedup"]["fail_step"] >= 0).sum())


@claim(
    "azopg_rollouts_independent_of_workers",
    "azopg",
    "P1, Theorem 1 and the remark after it",
    "The number of rollouts to the tolerance does not depend on the number of workers.",
    measures="standard errors between the slope of log rollouts against log M and 0, independent samples for each M",
    accepted=(-3.0, 3.0),
    because=_THREE_ERRORS,
    needs=(_FLEETS, _SEEDS),
)
def rollouts_independent_of_workers(tables: Tables) -> float:
    """How many standard errors the mean slope over replicates is from 0."""
    rows = _runs(tables, "independent", "normal")
    slopes = [np.polyfit(np.log(run["workers"]), np.log(run["rollouts"]), 1)[0] for _, run in rows.groupby("replicate")]
    return _standard_errors(np.array(slopes))


@claim(
    "azopg_rollouts_logarithmic",
    "azopg",
    "P1, Theorem 1",
    "The number of rollouts is proportional to log(1/tolerance).",
    measures="updates for the second half of the last decade of the gap over those for its first half: "
    "the largest over numbers of workers of the median over replicates",
    accepted=(0.0, 1.46),
    because="a bound: proportional gives 1 and slower starts less; decay t^-p with p up to 3 gives 10^(1/6) or more",
    caveat="several modes decay at their own rates, so the ratio comes down to 1 only as the tolerance tightens",
    needs=(_TWO_DECADES, _POINTS),
)
def rollouts_logarithmic(tables: Tables) -> float:
    """Largest over fleets of the median over replicates of the ratio of updates between two half decades."""
    rows = [
        (case, workers, _half_decade_ratio(update, gap))
        for (case, workers, _), (update, gap) in each_group(tables["curves"], _RUN, "update", "gap")
    ]
    ratios = pd.DataFrame(rows, columns=["case", "workers", "ratio"])
    return largest(ratios.groupby(["case", "workers"])["ratio"].median())


def _half_decade_ratio(update: Array, gap: Array) -> float:
    """Updates are read off where the least gap so far meets a level, on a line in log gap between records."""
    lowest = np.minimum.accumulate(gap)
    levels = lowest[-1] * np.array([10.0, np.sqrt(10.0), 1.0])
    start, middle, end = np.interp(-np.log(levels), -np.log(lowest), update)
    return float((end - middle) / (middle - start))


@claim(
    "azopg_delay_bound",
    "azopg",
    "P1, Lemma 2",
    "At most floor(t_max (M-1) / (t_min N)) + 1 updates fall into one estimate, slow case included.",
    measures="largest excess of a delay over that bound, numbers of workers of the paper",
    accepted=(-np.inf, 0),
    because="the lemma's bound, with the realised times",
)
def delay_bound(tables: Tables) -> float:
    """Largest difference between a delay and the bound."""
    return largest(tables["speedup"]["max_delay"] - tables["speedup"]["delay_bound"])


@claim(
    "azopg_delay_bound_large_fleets",
    "azopg",
    "P1, Lemma 2, beyond the paper's numbers of workers",
    "Delays of many workers are bounded in the same way.",
    measures="largest excess of a delay over floor((M-1) (floor(t_max/t_min) + 1) / N) + 1, up to thousands of workers",
    accepted=(-np.inf, 0),
    because="a bound: a worker's pushes are t_min or more apart",
    change="the lemma counts t_max/t_min pushes a worker in an estimate; one more fits in, and many workers reach it",
    needs=(_LARGE_FLEETS,),
)
def delay_bound_large_fleets(tables: Tables) -> float:
    """Largest difference between a delay and the bound that counts every push."""
    return largest(tables["scaling"]["max_delay"] - tables["scaling"]["counted_delay_bound"])


def _runs(tables: Tables, streams: str, case: str) -> pd.DataFrame:
    table = tables["speedup"]
    chosen = table[(table["streams"] == streams) & (table["case"] == case)]
    if chosen.empty:
        raise EmptyTableError(f"table 'speedup' has no runs with streams={streams}, case={case}")
    return chosen


def _standard_errors(sample: np.ndarray) -> float:
    """The mean of a sample in units of its standard error; NaN for less than three."""
    if len(sample) < 3 or not np.all(np.isfinite(sample)):
        return float("nan")
    return float(sample.mean() / (sample.std(ddof=1) / np.sqrt(len(sample))))
