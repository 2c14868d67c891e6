"""Claims fail when what they claim is false, and their bounds are what they say."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lqrpg.claims import azopg, dr_lqr
from lqrpg.claims.extremes import farthest, largest, least
from lqrpg.claims.groups import each_group
from lqrpg.claims.needs import computed, decades, distinct, present, setting
from lqrpg.claims.registry import Claim, Interval, Outcome, claims
from lqrpg.cli.compose import requests
from lqrpg.plugins import choices
from lqrpg.results.intervals import median_ranks

NAMES = {claim.name: claim for claim in claims()}


def test_every_claim_says_what_it_measures_and_why_its_range_is_what_it_is():
    assert len(NAMES) == len(claims())
    experiments = {
        request.job.experiment.name
        for name in choices("experiment")
        for request in requests([f"experiment={name}"], None, multirun=False)
    }
    for claim in claims():
        assert claim.experiment in experiments
        assert all((claim.paper, claim.says, claim.measures, claim.because))
        assert claim.accepted[0] <= claim.accepted[1]
        assert np.isfinite(claim.accepted).any()
        assert all(need.text for need in claim.needs)


def test_a_missing_or_infinite_number_is_not_tested_and_not_to_be_expected():
    for claim in claims():
        for number in (math.nan, math.inf, -math.inf, Interval(0.0, math.nan, 1.0), Interval(-math.inf, 0.0, 1.0)):
            verdict = claim.verdict(number)
            assert verdict.outcome is Outcome.NOT_TESTED
            assert verdict.reason
            assert not verdict.is_documented


def test_a_claim_that_is_documented_as_not_reproduced_is_seen_when_it_holds():
    known = [claim for claim in claims() if claim.discrepancy]
    assert {claim.name for claim in known} == {"sgd_direct_printed_stable", "benchmark_newton_first"}
    for claim in claims():
        low, high = claim.accepted
        inside = low if math.isfinite(low) else high
        assert claim.verdict(inside).is_documented is (claim not in known)
        outside = low - 1.0 if math.isfinite(low) else high + 1.0
        assert claim.verdict(outside).is_documented is (claim in known)
        assert claim.verdict(outside).outcome is Outcome.NOT_REPRODUCED


numbers = st.floats(-10.0, 10.0)


@given(st.lists(numbers, min_size=3, max_size=3), st.lists(numbers, min_size=2, max_size=2))
def test_an_interval_decides_only_as_a_whole(ends, accepted):
    low, value, high = sorted(ends)
    least, most = sorted(accepted)
    claim = Claim("c", "e", "P", "s", "m", (least, most), "b", lambda tables: 0.0)
    outcome = claim.verdict(Interval(low, value, high)).outcome
    outcomes = {claim.verdict(number).outcome for number in np.linspace(low, high, 50)}
    if least <= low <= high <= most:
        assert outcome is Outcome.REPRODUCED
    elif high < least or most < low:
        assert outcome is Outcome.NOT_REPRODUCED
    else:
        assert outcome is Outcome.NOT_TESTED
    assert outcome is Outcome.NOT_TESTED or outcomes == {outcome}


def test_what_a_claim_needs_is_counted_in_the_tables():
    table = pd.DataFrame({"case": ["a", "a", "b"], "replicate": [0, 1, 0], "gap": [1.0, 0.1, 0.01]})
    table.attrs["settings"] = {"runs": 3, "inner": {"steps": 50}}
    tables = {"t": table}
    assert distinct("t", "replicate", 2, "seeds", "why").lacking(tables) == ""
    assert distinct("t", "replicate", 2, "seeds", "why", {"case": ["a", "b"]}).lacking(tables) == "the run has 1 seeds"
    assert "no path x" in present("t", "case", ["a", "x"], "path").lacking(tables)
    assert setting("runs", 3, "why").lacking(tables) == ""
    assert setting("inner.steps", 51, "why").lacking(tables) == "the run has inner.steps=50"
    need = computed(lambda tables: decades(tables["t"]["gap"]), 2, "decades", "why")
    assert need.lacking(tables) == ""
    shorter = {"t": table.iloc[:2]}
    assert need.lacking(shorter) == "the run has 1 decades"
    claim = Claim("c", "e", "P", "s", "m", (0.0, 1.0), "b", lambda tables: 5.0, needs=(need,))
    verdict = claim.judge(shorter)
    assert (verdict.outcome, verdict.is_documented) == (Outcome.NOT_TESTED, True)
    assert verdict.reason == "the run has 1 decades, and 2 are needed: why"
    assert claim.judge(tables).outcome is Outcome.NOT_REPRODUCED


@pytest.mark.parametrize("count", [1, 7, 8, 9, 30, 100, 1000])
def test_the_interval_of_a_median_is_the_narrowest_by_ranks(count):
    ranks = median_ranks(count, 0.99)
    if ranks is None:
        assert 1.0 - 2.0 * stats.binom.cdf(0, count, 0.5) < 0.99
        return
    low, high = ranks
    assert high == count - 1 - low
    assert 1.0 - 2.0 * stats.binom.cdf(low, count, 0.5) >= 0.99 > 1.0 - 2.0 * stats.binom.cdf(low + 1, count, 0.5)


def timed_pairs(ratio, scatter, pairs=100):
    """Pairs of run times, with a load that slows both of a pair alike up to fourfold, and scatter of their ratio."""
    rng = np.random.default_rng(0)
    load = rng.uniform(1.0, 4.0, pairs)
    table = pd.DataFrame({"controllers": 1000, "sa_seconds": load, "device": "a machine"})
    table["dr_seconds"] = load * ratio * np.exp(scatter * rng.normal(size=pairs))
    table.attrs["settings"] = {"runtime": {"repeats": pairs}}
    return {"runtime": table}


@pytest.mark.parametrize(
    ("ratio", "scatter", "pairs", "expected"),
    [
        (1.15, 0.0, 100, Outcome.REPRODUCED),
        (1.15, 0.15, 100, Outcome.REPRODUCED),
        (1.22, 0.15, 100, Outcome.NOT_TESTED),
        (1.15, 0.15, 8, Outcome.NOT_TESTED),
        (1.15, 0.0, 7, Outcome.NOT_TESTED),
        (1.4, 0.15, 100, Outcome.NOT_REPRODUCED),
        (0.8, 0.1, 100, Outcome.NOT_REPRODUCED),
    ],
)
def test_the_ratio_of_run_times_is_decided_by_its_interval_over_pairs(ratio, scatter, pairs, expected):
    claim = NAMES["dr_lqr_runtime"]
    verdict = claim.judge(timed_pairs(ratio, scatter, pairs))
    assert verdict.outcome is expected
    assert verdict.is_documented is (expected is not Outcome.NOT_REPRODUCED)
    if verdict.interval:
        assert "a machine" in verdict.note


def final_excess(ratio, runs, rng):
    """Final excesses of batch sizes 1, 2 and 4, whose medians have this ratio."""
    rows = [
        pd.DataFrame({"method": "dr", "batch_size": size, "excess": ratio**power * np.exp(rng.normal(size=runs))})
        for power, size in enumerate((1, 2, 4))
    ]
    return {"final": pd.concat(rows)}


@pytest.mark.parametrize(
    ("ratio", "runs", "expected"),
    [(0.5, 1000, Outcome.REPRODUCED), (0.9, 30, Outcome.NOT_TESTED), (2.0, 1000, Outcome.NOT_REPRODUCED)],
)
def test_few_runs_leave_the_order_of_medians_open(ratio, runs, expected):
    measured = dr_lqr.larger_batches_lower(final_excess(ratio, runs, np.random.default_rng(1)))
    assert NAMES["dr_lqr_larger_batches_lower"].outcome(measured) is expected


def curve(gap, updates=400, fleets=(("normal", 1), ("normal", 4))):
    step = np.arange(1, updates + 1)
    return {
        "curves": pd.concat(
            [
                pd.DataFrame({"case": case, "workers": workers, "replicate": 0, "update": step, "gap": gap(step)})
                for case, workers in fleets
            ]
        )
    }


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0, 3.0])
def test_sublinear_convergence_is_refused(power):
    decay = curve(lambda step: (step / 1000.0) ** -power, updates=int(1000 * 10 ** (1.0 / power)))
    ratio = azopg.rollouts_logarithmic(decay)
    assert ratio == pytest.approx(10 ** (0.5 / power), rel=0.01)
    assert NAMES["azopg_rollouts_logarithmic"].outcome(ratio) is Outcome.NOT_REPRODUCED
    if power <= 2:
        fit = azopg.linear_convergence(decay)
        assert NAMES["azopg_linear_convergence"].outcome(fit) is Outcome.NOT_REPRODUCED


def test_linear_convergence_is_accepted():
    decay = curve(lambda step: np.exp(-0.02 * step))
    assert azopg.linear_convergence(decay) == pytest.approx(1.0)
    assert azopg.rollouts_logarithmic(decay) == pytest.approx(1.0, abs=0.05)


def speedups(exponent, spread, rng):
    rows = [
        {
            "streams": streams,
            "case": case,
            "workers": workers,
            "replicate": seed,
            "rollouts": 1e5 * workers ** (1.0 - exponent) * np.exp(spread * rng.normal()),
            "time_to_tol_s": workers**-exponent * np.exp(spread * rng.normal()),
            "speedup": workers**exponent * (2 / 3 if case == "slow" else 1.0),
            "ideal_speedup": workers * (2 / 3 if case == "slow" else 1.0),
            "fail_step": -1,
            "max_delay": 1,
            "delay_bound": 1,
        }
        for streams in ("tickets", "independent")
        for case in ("normal", "slow")
        for workers in (1, 2, 4, 6, 8)
        for seed in range(10)
    ]
    table = pd.DataFrame(rows)
    table.attrs["settings"] = {"clock": "virtual", "service": {"rollout_s": 0.05, "slow_wait_s": 0.1}}
    return {"speedup": table}


MEASURES = {
    "azopg_inverse_time": azopg.inverse_time,
    "azopg_inverse_time_independent": azopg.inverse_time_independent,
    "azopg_slowed_speedup": azopg.slowed_speedup,
    "azopg_rollouts_independent_of_workers": azopg.rollouts_independent_of_workers,
}


@pytest.mark.parametrize("name", MEASURES)
def test_a_linear_speedup_is_accepted_and_one_that_saturates_is_not(name):
    rng = np.random.default_rng(0)
    assert NAMES[name].outcome(MEASURES[name](speedups(1.0, 0.03, rng))) is Outcome.REPRODUCED
    assert NAMES[name].outcome(MEASURES[name](speedups(0.9, 0.03, rng))) is Outcome.NOT_REPRODUCED


def test_a_run_that_never_met_the_tolerance_is_not_overlooked():
    tables = speedups(1.0, 0.03, np.random.default_rng(0))
    tables["speedup"].loc[3, "speedup"] = np.nan
    assert np.isnan(azopg.inverse_time(tables))


def test_a_lost_gain_and_a_late_estimate_are_counted():
    tables = speedups(1.0, 0.03, np.random.default_rng(0))
    tables["speedup"].loc[3, "fail_step"] = 17
    tables["speedup"].loc[4, "max_delay"] = 3
    assert azopg.stabilising(tables) == 1
    assert azopg.delay_bound(tables) == 2
    scaling = pd.DataFrame({"max_delay": [13, 4], "counted_delay_bound": [16, 4]})
    assert azopg.delay_bound_large_fleets({"scaling": scaling}) == 0


def test_what_is_missing_is_worse_than_anything():
    assert np.isnan([least([]), least([2.0, np.nan, 1.0]), largest([]), largest([np.nan, 1.0])]).all()
    assert np.isnan([farthest([], 1.0), farthest([5.0, np.nan], 1.0)]).all()
    assert (least([2.0, 1.0]), largest([2.0, 1.0]), farthest([1.1, 0.8], 1.0)) == (1.0, 2.0, 0.8)


def test_a_claim_on_every_run_is_not_made_of_those_that_are_left():
    gaps = pd.DataFrame({"iteration": [0], "gap": [1.0]})
    left = pd.DataFrame(
        {"case": ["off_policy-decreasing_step", "off_policy-constant_step"], "replicate": [0, 0]}
        | {"final_gap": [1e-4, np.inf], "min_gap": [1e-5, 0.1], "fail_step": [-1, 500]}
    )
    tables = {"trajectories": gaps, "outcomes": left}
    for name in ("sgd_indirect_decreasing_converges", "sgd_indirect_constant_diverges"):
        claim = NAMES[name]
        assert claim.outcome(claim.measure(tables)) is Outcome.NOT_TESTED
        on_policy = left.assign(case=left["case"].str.replace("off", "on"))
        whole = {**tables, "outcomes": pd.concat([left, on_policy])}
        assert claim.outcome(claim.measure(whole)) is Outcome.REPRODUCED
    iteration = pd.DataFrame({"method": "qsa", "iteration": [1, 1], "replicate": [0, 1], "gain_error": [1e-9, np.nan]})
    claim = NAMES["qsa_policy_iteration_converges"]
    assert claim.outcome(claim.measure({"iteration": iteration})) is Outcome.NOT_TESTED
    assert claim.outcome(claim.measure({"iteration": iteration.fillna(1e-9)})) is Outcome.REPRODUCED


def test_a_gap_that_rises_in_between_is_read_where_it_first_goes_below():
    steady = curve(lambda step: np.exp(-0.02 * step))
    bumpy = curve(lambda step: np.exp(-0.02 * step) * np.where(step % 20 == 10, 1.5, 1.0))
    assert azopg.rollouts_logarithmic(bumpy) == pytest.approx(azopg.rollouts_logarithmic(steady), abs=0.05)


def test_groups_are_those_of_pandas_in_any_order():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"case": rng.choice(list("ab"), 50), "run": rng.integers(0, 4, 50), "gap": rng.normal(size=50)}
    )
    found = {keys: gap for keys, (gap,) in each_group(table, ["case", "run"], "gap")}
    expected = {keys: own["gap"].to_numpy() for keys, own in table.groupby(["case", "run"])}
    assert list(found) == list(expected)
    for keys, gap in expected.items():
        np.testing.assert_array_equal(found[keys], gap)
    assert list(each_group(table[:0], ["case", "run"], "gap")) == []
