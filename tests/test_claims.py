"""Claims fail when what they claim is false, and their bounds are what they say."""

import numpy as np
import pandas as pd
import pytest

from lqrpg.claims import azopg
from lqrpg.claims.extremes import farthest, largest, least
from lqrpg.claims.registry import Outcome, claims
from lqrpg.cli.compose import requests
from lqrpg.rooms import choices

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
        assert claim.outcome(float("nan")) is Outcome.NOT_REPRODUCED


def curve(gap, updates=400, fleets=(("normal", 1), ("normal", 4))):
    step = np.arange(1, updates + 1)
    return {
        "curves": pd.concat(
            [
                pd.DataFrame({"case": case, "workers": workers, "seed": 0, "update": step, "gap": gap(step)})
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
            "seed": seed,
            "rollouts": 1e5 * workers ** (1.0 - exponent) * np.exp(spread * rng.normal()),
            "time_to_tol_s": workers**-exponent * np.exp(spread * rng.normal()),
            "speedup": workers**exponent * (2 / 3 if case == "slow" else 1.0),
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
        {"case": ["off_policy-decreasing_step", "off_policy-constant_step"], "run": [0, 0]}
        | {"final_gap": [1e-4, np.inf], "min_gap": [1e-5, 0.1], "fail_step": [-1, 500]}
    )
    tables = {"trajectories": gaps, "outcomes": left}
    for name in ("sgd_indirect_decreasing_converges", "sgd_indirect_constant_diverges"):
        claim = NAMES[name]
        assert claim.outcome(claim.measure(tables)) is Outcome.NOT_REPRODUCED
        on_policy = left.assign(case=left["case"].str.replace("off", "on"))
        whole = {**tables, "outcomes": pd.concat([left, on_policy])}
        assert claim.outcome(claim.measure(whole)) is Outcome.REPRODUCED
    iteration = pd.DataFrame({"method": "qsa", "iteration": [1, 1], "seed": [0, 1], "gain_error": [1e-9, np.nan]})
    claim = NAMES["qsa_policy_iteration_converges"]
    assert claim.outcome(claim.measure({"iteration": iteration})) is Outcome.NOT_REPRODUCED
    assert claim.outcome(claim.measure({"iteration": iteration.fillna(1e-9)})) is Outcome.REPRODUCED


def test_a_gap_that_rises_in_between_is_read_where_it_first_goes_below():
    steady = curve(lambda step: np.exp(-0.02 * step))
    bumpy = curve(lambda step: np.exp(-0.02 * step) * np.where(step % 20 == 10, 1.5, 1.0))
    assert azopg.rollouts_logarithmic(bumpy) == pytest.approx(azopg.rollouts_logarithmic(steady), abs=0.05)
