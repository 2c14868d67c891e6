"""What the literature says of learning methods for the linear quadratic regulator, on the plants of the benchmark.

What is said here is in our words. The texts at hand have lost some of their formulas: what a claim needs of these is
marked as inferred.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from lqrpg.claims.groups import each_group
from lqrpg.claims.needs import distinct, present
from lqrpg.claims.registry import Interval, Need, Tables, claim
from lqrpg.results.prices import geometric_mean, prices, ratios, reached

_FAR = 0.001
_ROUNDED = 1e-8
"""Relative gaps below it may be rounding on a plant of many digits."""
_INTERVAL = "geometric mean over plants, and a 95 % interval by bootstrap over plants, 2000 draws"
_AT = present("targets", "target", [_FAR], "target")
_PLANTS = distinct("systems", "system", 20, "plants", "an interval over plants is wide for fewer")
_FROM = 4
"""States from which slopes are fitted."""


def _few_states(tables: Tables) -> str:
    count = len({n for n in tables["scaling"]["states"] if n >= _FROM})
    return "" if count >= _SLOPE else f"the run has {count} numbers of states from {_FROM} on"


_SLOPE = 3
_STATES = Need(f"{_SLOPE} are needed: a slope over fewer says little", _few_states)
_RUNS = distinct("final", "replicate", 5, "runs of each method", "prices are medians over them")


def _both(slower: str, faster: str) -> Need:
    """Five plants on which two methods reach a target."""

    def lacking(tables: Tables) -> str:
        count = ratios(tables, slower, faster).index.get_level_values("system").nunique()
        return "" if count >= _LEAST else f"{slower} and {faster} both reach a target on {count} plants"

    return Need(f"{_LEAST} such plants are needed for an interval", lacking)


_LEAST = 5


def _claim_on_samples(
    name: str, paper: str, says: str, slower: str, faster: str, accepted: tuple[float, float], **texts: str
) -> None:
    """Declare a claim on the samples of one method over those of another, to the same relative gap."""

    def measure(tables: Tables) -> Interval:
        return _ratio(tables, slower, faster)

    needs = (_PLANTS, _RUNS, _both(slower, faster))
    claim(name, "benchmark", paper, says, accepted=accepted, needs=needs, **texts)(measure)


def _ratio(tables: Tables, slower: str, faster: str) -> Interval:
    found = ratios(tables, slower, faster)
    plants = found.index.get_level_values("system").nunique()
    alone = [len(reached(tables, name)) - len(found) for name in (slower, faster)]
    note = (
        f"{plants} plants, {len(found)} targets that both reach; {alone[0]} more that only {slower} reaches, "
        f"{alone[1]} that only {faster} does; {_INTERVAL}"
    )
    return Interval(*geometric_mean(found), note=note)


@claim(
    "benchmark_newton_contraction",
    "benchmark",
    "Fazel, Ge, Kakade and Mesbahi 2018, Theorem 7 and its proof",
    "A step of the Gauss-Newton method with step size 1, which is policy iteration, leaves at most the part "
    "1 - s_min(Sigma_0) / ||Sigma_K*|| of the gap.",
    measures="largest part that a step left, over that bound, on all plants, for gaps above 1e-8 of the first",
    accepted=(0.0, 1.0),
    because="it is a bound on every step",
    caveat="s_min(Sigma_0) is inferred, as the formula of that constant could not be read; the covariance of the noise "
    "takes the place of Sigma_0, as the cost is an average; on most plants the bound is above 0.9 and says little",
    needs=(_PLANTS, present("final", "method", ["policy_iteration"], "method")),
)
def newton_contraction(tables: Tables) -> float:
    """The largest ratio."""
    rates = tables["systems"].set_index("system")["newton_rate"]
    rows = tables["paths"][tables["paths"]["method"] == "policy_iteration"]
    worst = 0.0
    for (system, _), (gaps, iterations) in each_group(rows, ["system", "replicate"], "gap", "iteration"):
        steps = np.diff(iterations)
        kept = gaps[1:] > _ROUNDED
        left = (gaps[1:][kept] / gaps[:-1][kept]) ** (1.0 / steps[kept])
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
    caveat="steps of both are chosen by pilot runs; plants on which neither gets there are left out",
    needs=(_PLANTS, _AT, present("final", "method", ["natural_gradient", "exact_gradient"], "method")),
)
def natural_before_plain(tables: Tables) -> Interval:
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
    needs=(_PLANTS, _AT, present("final", "method", ["natural_gradient", "policy_iteration"], "method")),
    discrepancy="with a step size that is tuned to the plant the natural gradient is often faster by one iteration; "
    "with one input R + B'PB is a number and both go the same way, so that a step longer than 1 is a gain; the order "
    "of the guarantees is for step sizes that are safe everywhere",
)
def newton_first(tables: Tables) -> Interval:
    """Part of the plants in that order."""
    return _in_order(tables, "policy_iteration", "natural_gradient")


def _in_order(tables: Tables, first: str, second: str) -> Interval:
    """Part of the plants, of those on which either gets there, on which the first needs no more iterations."""
    found = prices(tables, "iteration").xs(_FAR, level="target")
    fast, slow = (found.xs(name, level="method").sort_index() for name in (first, second))
    either = np.isfinite(fast) | np.isfinite(slow)
    good = int((fast <= slow)[either].sum())
    part = good / max(1, int(either.sum()))
    return Interval(part, part, part, f"{good} of {int(either.sum())} plants")


_claim_on_samples(
    "benchmark_direct_needs_more",
    "Song, Weissmann, Staudigl and Iannelli 2026, Section V.C",
    "Direct methods (zeroth order) need substantially more data than indirect ones, which learn a model first.",
    "two_point",
    "indirect",
    (10.0, math.inf),
    measures="samples of two-point descent over those of the indirect gradient to the same relative gap",
    because="'substantially more' is read as ten times [chosen]",
)


_claim_on_samples(
    "benchmark_two_points_need_less",
    "Malik, Pananjady, Bhatia, Khamaru, Bartlett and Wainwright 2019, Table 1",
    "To an accuracy e, estimates from one point need of the order of 1/e^2 evaluations, those from two points 1/e.",
    "one_point",
    "two_point",
    (1.0, math.inf),
    measures="samples of one-point descent over those of two-point descent to the same relative gap",
    because="the orders differ, so that one point has to need more; its runs reach large gaps only, which leaves no "
    "slope to measure",
    caveat="one point has the mean of the other rollouts' costs subtracted, which the paper does not do; it favours it",
)


_claim_on_samples(
    "benchmark_natural_from_data",
    "Fazel, Ge, Kakade and Mesbahi 2018, Theorems 7 and 9",
    "The natural gradient has a stronger guarantee than the gradient; it can be estimated from rollouts, too.",
    "two_point",
    "natural_two_point",
    (1.0, math.inf),
    measures="samples of two-point descent over those of its natural variant to the same relative gap",
    because="above 1 the natural direction pays; the paper has no rates for the methods from data to compare with",
)


_claim_on_samples(
    "benchmark_deterministic_probing",
    "Chen, Devraj, Bernstein and Meyn 2020, Section 1",
    "With a deterministic probing signal, convergence is faster than stochastic approximation allows.",
    "two_point",
    "deterministic_probing",
    (1.0, math.inf),
    measures="samples of two-point descent with random directions over those with a deterministic basis in turn",
    because="above 1 deterministic directions pay",
    caveat="stated for functions without noise; here rollouts are noisy, only the directions are deterministic",
)


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
    found, single = _slope(tables, "lstd", over="plug_in"), [_slope(tables, name) for name in ("plug_in", "lstd")]
    slopes = f"slopes of the errors themselves: plug-in {single[0].value:.2f}, LSTD {single[1].value:.2f}"
    return replace(found, note=f"{found.note}; {slopes}, so that these sizes are not yet large")


@claim(
    "benchmark_pair_along",
    "benchmark",
    "Mohammadi, Soltanolkotabi and Jovanovic 2020, Theorem 1 and the text after it",
    "A number of pairs that grows like the number of states, up to logarithms, suffices for an iteration, since their "
    "estimate is concentrated along the gradient.",
    measures="slope, over log n from 4 states on, of the log of the variance of a pair's estimate along the gradient",
    accepted=(-math.inf, 1.0),
    because="with a slope of 1 pairs in proportion to n suffice; a slope of 2 would ask for n^2 of them",
    caveat="in discrete time, where the paper is in continuous time",
    needs=(_STATES,),
)
def pair_along(tables: Tables) -> Interval:
    """The slope of the variance along the gradient."""
    return _slope(tables, "pair_along")


def _slope(tables: Tables, column: str, over: str = "") -> Interval:
    """Slope of the log of a mean, or of a ratio of means, over log n, with its bootstrap interval over replicates."""
    columns = [column, over] if over else [column]
    rows = tables["scaling"][tables["scaling"]["states"] >= _FROM]
    groups = [(math.log(n), own[columns].to_numpy()) for n, own in rows.groupby("states")]
    x = np.array([place for place, _ in groups])
    rng = np.random.default_rng(0)

    def slopes(means: np.ndarray) -> np.ndarray:
        y = np.log(means[..., 0] / (means[..., 1] if over else 1.0))
        return np.asarray(y @ (x - x.mean()) / np.sum((x - x.mean()) ** 2))

    drawn = [own[rng.integers(0, len(own), (1000, len(own)))].mean(axis=1) for _, own in groups]
    low, high = np.quantile(slopes(np.stack(drawn, axis=1)), [0.025, 0.975])
    value = slopes(np.array([own.mean(axis=0) for _, own in groups]))
    note = f"{_FROM} to {math.exp(x[-1]):.0f} states; 95 % interval by bootstrap over replicates, 1000 draws"
    return Interval(float(low), float(value), float(high), note)
