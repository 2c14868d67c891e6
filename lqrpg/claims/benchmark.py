"""What the literature says of learning methods for the linear quadratic regulator, on the plants of the benchmark.

Each source was read before its claim was written; what is said here is in our words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lqrpg.claims.needs import distinct
from lqrpg.claims.registry import Interval, Need, Tables, claim
from lqrpg.results.prices import middle, prices, ratios

_FAR = 0.001
_ROUNDED = 1e-8
"""Relative gaps below it may be rounding on a plant of many digits."""
_INTERVAL = "geometric mean over plants, and a 95 % interval: plants drawn anew 2000 times"
_PLANTS = distinct("systems", "system", 20, "plants", "an interval over plants is wide for fewer")
_FROM = 4
"""States from which slopes are fitted."""
_STATES = distinct("scaling", "states", 4, "numbers of states", "a slope over fewer says little")
_RUNS = distinct("final", "replicate", 5, "runs of each method", "prices are medians over them")


def _both(dear: str, cheap: str) -> Need:
    """Five plants on which two methods reach a target."""

    def lacking(tables: Tables) -> str:
        count = ratios(tables, dear, cheap).index.get_level_values("system").nunique()
        return "" if count >= _LEAST else f"{dear} and {cheap} both reach a target on {count} plants"

    return Need(f"{_LEAST} such plants are needed for an interval", lacking)


_LEAST = 5


def _ratio(tables: Tables, dear: str, cheap: str) -> Interval:
    found = ratios(tables, dear, cheap)
    plants = found.index.get_level_values("system").nunique()
    return Interval(*middle(found), note=f"{plants} plants, {len(found)} targets that both reach; {_INTERVAL}")


@claim(
    "benchmark_newton_contraction",
    "benchmark",
    "Fazel, Ge, Kakade and Mesbahi 2018, Theorem 7 and its proof",
    "A step of the Gauss-Newton method with step size 1, which is policy iteration, leaves at most the part "
    "1 - s_min(Sigma_0) / ||Sigma_K*|| of the gap.",
    measures="largest part that a step left, over that bound, on all plants, for gaps above 1e-8 of the first",
    accepted=(0.0, 1.0),
    because="it is a bound on every step",
    caveat="the covariance of the noise takes the place of that of the first state, as the cost is an average",
    needs=(_PLANTS,),
)
def newton_contraction(tables: Tables) -> float:
    """The largest ratio."""
    rates = tables["systems"].set_index("system")["newton_rate"]
    rows = tables["paths"][tables["paths"]["method"] == "policy_iteration"]
    worst = 0.0
    for (system, _), own in rows.groupby(["system", "replicate"]):
        gaps, steps = own["gap"].to_numpy(), np.diff(own["iteration"].to_numpy())
        kept = gaps[1:] > _ROUNDED
        left = (gaps[1:] / gaps[:-1])[kept] ** (1.0 / steps[kept])
        worst = max(worst, float(np.max(left / rates[system], initial=0.0)))
    return worst


@claim(
    "benchmark_natural_before_plain",
    "benchmark",
    "Fazel, Ge, Kakade and Mesbahi 2018, Theorem 7 and the text after eq. (7)",
    "With the model, the natural gradient has a stronger guarantee than the gradient.",
    measures="part of the plants on which it needs no more iterations to a relative gap of 0.001",
    accepted=(1.0, 1.0),
    because="the paper orders guarantees; that iterations are in the same order on every plant is our test of it",
    caveat="steps of both are chosen by pilot runs; a target that is not reached counts as infinitely late",
    needs=(_PLANTS,),
)
def natural_before_plain(tables: Tables) -> float:
    """Part of the plants in that order."""
    return _in_order(tables, "natural_gradient", "exact_gradient")


@claim(
    "benchmark_newton_first",
    "benchmark",
    "Fazel, Ge, Kakade and Mesbahi 2018, Theorem 7 and the text after eq. (7)",
    "The Gauss-Newton method (policy iteration) has a stronger guarantee than the natural gradient.",
    measures="part of the plants on which it needs no more iterations to a relative gap of 0.001",
    accepted=(1.0, 1.0),
    because="as for the natural gradient and the gradient",
    caveat="the step of the natural gradient is chosen by pilot runs; that of policy iteration is 1",
    needs=(_PLANTS,),
    discrepancy="a step size that is tuned is worth more than the better direction: with one input R + B'PB is a "
    "number and both go the same way, and pilot runs choose longer steps than the 1 of policy iteration; the order of "
    "the guarantees is for step sizes that are safe everywhere",
)
def newton_first(tables: Tables) -> float:
    """Part of the plants in that order."""
    return _in_order(tables, "policy_iteration", "natural_gradient")


def _in_order(tables: Tables, first: str, second: str) -> float:
    """Part of the plants on which the first method needs no more iterations than the second."""
    found = prices(tables, "iteration").xs(_FAR, level="target")
    fast, slow = (found.xs(name, level="method").sort_index() for name in (first, second))
    return float(np.mean(fast <= slow))


@claim(
    "benchmark_direct_needs_more",
    "benchmark",
    "Song, Weissmann, Staudigl and Iannelli 2026, Section V.C",
    "Direct methods (zeroth order) need substantially more data than indirect ones, which learn a model first.",
    measures="samples of two-point descent over those of the indirect gradient to the same relative gap",
    accepted=(10.0, math.inf),
    because="'substantially more' is read as ten times [chosen]",
    needs=(_PLANTS, _RUNS, _both("two_point", "indirect")),
)
def direct_needs_more(tables: Tables) -> Interval:
    """The ratio of samples."""
    return _ratio(tables, "two_point", "indirect")


@claim(
    "benchmark_two_points_need_less",
    "benchmark",
    "Malik, Pananjady, Bhatia, Khamaru, Bartlett and Wainwright 2019, Table 1",
    "To an accuracy e, estimates from one point need of the order of 1/e^2 evaluations, those from two points 1/e.",
    measures="samples of one-point descent over those of two-point descent to the same relative gap",
    accepted=(1.0, math.inf),
    because="the orders differ, so that one point has to need more; its runs reach large gaps only, which leaves no "
    "slope to measure",
    caveat="one point has the mean of the other rollouts' costs subtracted, which the paper does not do; it favours it",
    needs=(_PLANTS, _RUNS, _both("one_point", "two_point")),
)
def two_points_need_less(tables: Tables) -> Interval:
    """The ratio of samples."""
    return _ratio(tables, "one_point", "two_point")


@claim(
    "benchmark_natural_from_data",
    "benchmark",
    "Fazel, Ge, Kakade and Mesbahi 2018, Theorems 7 and 9",
    "The natural gradient has a stronger guarantee than the gradient; it can be estimated from rollouts, too.",
    measures="samples of two-point descent over those of its natural variant to the same relative gap",
    accepted=(1.0, math.inf),
    because="above 1 the natural direction pays; the paper has no rates for the methods from data to compare with",
    needs=(_PLANTS, _RUNS, _both("two_point", "natural_two_point")),
)
def natural_from_data(tables: Tables) -> Interval:
    """The ratio of samples."""
    return _ratio(tables, "two_point", "natural_two_point")


@claim(
    "benchmark_deterministic_probing",
    "benchmark",
    "Chen, Devraj, Bernstein and Meyn 2020, Section 1",
    "With a deterministic probing signal, convergence is faster than stochastic approximation allows.",
    measures="samples of two-point descent with random directions over those with a deterministic basis in turn",
    accepted=(1.0, math.inf),
    because="above 1 deterministic directions pay",
    caveat="stated for functions without noise; here rollouts are noisy, only the directions are deterministic",
    needs=(_PLANTS, _RUNS, _both("two_point", "deterministic_probing")),
)
def deterministic_probing(tables: Tables) -> Interval:
    """The ratio of samples."""
    return _ratio(tables, "two_point", "deterministic_probing")


@claim(
    "benchmark_plug_in_evaluation",
    "benchmark",
    "Tu and Recht 2019, Theorems 2.1 and 2.2",
    "For the value of a policy, T times the mean squared error is of order n^2 for the plug-in estimate, and at least "
    "of order n^3 for LSTD: the ratio grows with the number of states.",
    measures="slope, over log n from 4 states on, of the log of the ratio of mean squared errors, LSTD over plug-in",
    accepted=(0.0, math.inf),
    because="the ratio grows if the slope is positive; in the limit of many states it is at least 1",
    needs=(_STATES,),
)
def plug_in_evaluation(tables: Tables) -> Interval:
    """The slope of the ratio."""
    return _slope(tables, "lstd", over="plug_in")


@claim(
    "benchmark_pair_along",
    "benchmark",
    "Mohammadi, Soltanolkotabi and Jovanovic 2020, Theorem 1 and the text after it",
    "A number of pairs that grows like the number of states, up to logarithms, suffices for an iteration, since their "
    "estimate is concentrated along the gradient.",
    measures="slope, over log n from 4 states on, of the log of the variance of a pair's estimate along the gradient",
    accepted=(-math.inf, 1.0),
    because="pairs in proportion to that variance keep that part near 1; in proportion to the n^2 entries would be 2",
    caveat="in discrete time, where the paper is in continuous time",
    needs=(_STATES,),
)
def pair_along(tables: Tables) -> Interval:
    """The slope of the variance along the gradient."""
    return _slope(tables, "pair_along")


def _slope(tables: Tables, column: str, over: str = "") -> Interval:
    """Slope of the log of a mean, or of a ratio of means, over log n, with its interval over replicates drawn anew."""
    columns = [column, over] if over else [column]
    rows = tables["scaling"][tables["scaling"]["states"] >= _FROM]
    groups = [(math.log(n), own[columns].to_numpy()) for n, own in rows.groupby("states")]
    x = np.array([place for place, _ in groups])
    rng = np.random.default_rng(0)

    def slope(picked: Sequence[np.ndarray]) -> float:
        means = np.array([own.mean(axis=0) for own in picked])
        return float(np.polyfit(x, np.log(means[:, 0] / (means[:, 1] if over else 1.0)), 1)[0])

    drawn = [slope([own[rng.integers(0, len(own), len(own))] for _, own in groups]) for _ in range(1000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    note = f"{_FROM} to {math.exp(x[-1]):.0f} states; 95 % interval: replicates drawn anew 1000 times"
    return Interval(float(low), slope([own for _, own in groups]), float(high), note)
