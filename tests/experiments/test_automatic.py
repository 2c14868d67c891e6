"""Settings that are found for plants of the user's own, and what the last lines say where they do not suffice."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lqrpg.checks import SettingWarning
from lqrpg.cli.compose import requests
from lqrpg.cli.outcome import divergence_lines, partly_lost_lines
from lqrpg.experiments import sgd_automatic, sgd_direct
from lqrpg.experiments.sgd_settings import start_of
from lqrpg.lqr.discrete import gradient, optimal_gain
from lqrpg.lqr.plant import Plant
from lqrpg.methods.biased_gradient import BiasedGradient
from lqrpg.methods.descent import descend, log_spaced
from lqrpg.methods.minimise import Optimum
from lqrpg.methods.oracles.exact import bias_direction
from lqrpg.methods.oracles.indirect import indirect_estimates
from lqrpg.methods.tuning import Pilot, reference_step, steady
from lqrpg.runner import automatic
from lqrpg.systems.from_python import load_system


@dataclass(frozen=True)
class Adjusted:
    """Settings with one that is found."""

    value: Any


MASS = [
    "system=custom",
    "system.sample_time=0.1",
    "system.A=[[1,0.1],[0,1]]",
    "system.B=[0.005,0.1]",
    "system.K0=[3,4]",
]
GIVEN = ["steps.constant.value=1", "steps.decreasing.value=1"]


def experiment(name, *overrides):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return requests([f"experiment={name}", "scale=smoke", *overrides], None, multirun=False)[0].job.experiment


@pytest.mark.slow
def test_a_slow_mode_gets_as_many_samples_as_its_model_needs():
    counts = {}
    for decay in (0.5, 1e-2, 1e-4):
        A, B = np.diag([1.0 - decay, 0.3]), np.ones((2, 1))
        plant = Plant(A, B, np.eye(2), np.eye(1), 1e-3 * np.eye(2))
        gain, covariance, dither = np.zeros((1, 2)), np.eye(2), 1.0
        counts[decay] = sgd_automatic.first_samples(plant, covariance, [gain], dither, 0, "sgd_indirect")
        records, exact = np.array([1, 50]), gradient(plant, gain)
        found = [
            indirect_estimates(plant, covariance, gain, records, seed, start=counts[decay], dither=dither)
            for seed in range(100, 150)
        ]
        near = np.linalg.norm(np.array(found) - exact, axis=(-2, -1)) < 2.0 * np.linalg.norm(exact)
        assert np.mean(near) >= 0.95, decay  # on streams that the rule has not seen; nan is not near
    assert counts[0.5] == 50 < counts[1e-4]


MASSES = {
    "mass": ([[1, 0.1], [0, 1]], [0.005, 0.1], [3, 4]),
    "unstable": ([[1.1, 0.2], [0, 0.7]], [0.3, 0.2], [0.9, 0.4]),
}


def biased(name, state=1.0, cost=1.0):
    """A plant in other units of its states and its cost, and what is found for it."""
    A, B, K0 = (np.array(each, dtype=float) for each in MASSES[name])
    matrices = {"Q": cost / state**2, "R": cost, "noise": 0.01 * state**2, "first_state": state**2}
    system = load_system((A, state * B), sample_time=0.1, K0=K0 / state, **matrices)
    return system, sgd_automatic.bias(SimpleNamespace(system=system))


@pytest.mark.slow
@pytest.mark.parametrize("name", MASSES)
def test_a_constant_bias_lets_descent_level_off_at_a_tenth_of_the_gap(name):
    system, size = biased(name)
    plant, covariance, gain = start_of(system)
    optimum = Optimum(plant)
    aim = 0.1 * min(float(optimum.excess(gain[None])[0]), optimum.cost)
    method = BiasedGradient(reference_step(plant, gain) / 8.0, 0.0, size)
    run = descend(method, plant, covariance, gain, 20_000, log_spaced(20_000), 0)
    level = float(optimum.excess(run.gain[None])[0])
    assert 0.3 * aim < level < 3.0 * aim  # the rule is of second order
    for state, cost in ((1e-4, 1.0), (1e3, 1e5)):
        assert biased(name, state, cost)[1] == pytest.approx(size * cost * state, rel=0.1)  # of two digits


CART = {
    "A": [[0, 1, 0, 0], [0, -0.19, 2.67, 0], [0, 0, 0, 1], [0, -0.47, 31.2, 0]],
    "B": [[0], [1.82], [0], [4.55]],
    "sample_time": 0,
    "convert_to": 0.03,
}


@pytest.mark.filterwarnings("ignore::lqrpg.checks.SettingWarning")
def test_where_the_hessian_overstates_the_cost_a_smaller_bias_is_found():
    system = load_system({"A": CART["A"], "B": CART["B"]}, sample_time=0, convert_to=CART["convert_to"])
    plant, _, start = start_of(system)
    optimum, direction = Optimum(plant), bias_direction(1, 4)
    size = sgd_automatic.bias(SimpleNamespace(system=system))
    levels = {}
    for times in (1.0, 2.0):
        gain = sgd_automatic.biased_optimum(plant, optimal_gain(plant), times * size * direction)
        if gain is not None:
            at_level = -times * size * direction
            assert gradient(plant, gain) == pytest.approx(at_level, abs=1e-6 * np.linalg.norm(at_level))
            levels[times] = float(optimum.excess(gain[None])[0] / optimum.excess(start[None])[0])
    assert levels[1.0] <= 1.5 * sgd_automatic.LEVEL
    assert levels.get(2.0, np.inf) > 4.5 * levels[1.0]  # a quadratic cost would have 4 times as much


def test_a_pilot_run_that_overflows_is_a_run_that_diverged():
    finders = {"value": (1.0, lambda settings: 1.0 if np.isinf(np.float64(1e300) / np.float64(1e-300)) else 2.0)}
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", SettingWarning)
        found = automatic.found(finders, Adjusted(automatic.AUTO), ["value"])
    assert found.value == 1.0


@pytest.mark.filterwarnings("ignore::lqrpg.checks.SettingWarning")
def test_the_step_of_real_rollouts_is_tested_by_runs_of_full_length(monkeypatch):
    checked = []

    def run_and_tell(settings, makes, iterations, purpose, numbers):
        if purpose == "check":
            checked.append((iterations, len(numbers)))
        return gaps_of_runs(settings, makes, iterations, purpose, numbers)

    gaps_of_runs = sgd_automatic.gaps_of_runs
    monkeypatch.setattr(sgd_automatic, "gaps_of_runs", run_and_tell)
    found = experiment("sgd_direct", *MASS, "printed.iterations=150")
    assert checked == [(150, sgd_direct.LONG_CHECKS)]
    last = [sgd_direct.stream(found.seed, found.name, "check", number) for number in range(sgd_direct.LONG_CHECKS)]
    start, method = start_of(found.system), found.printed.constant.method(found.baseline)
    assert all(np.isfinite(descend(method, *start, 150, log_spaced(150), seed).final_gap) for seed in last)
    assert "radius" not in found.advice  # estimates from rollouts are noisier the smaller it is
    step = float(re.search(r"printed.constant.step.value=(\S+)", found.advice)[1])
    assert 0 < step < found.printed.constant.step.value


def test_a_step_is_halved_until_no_further_run_is_lost():
    asked = []

    def runs(size):
        asked.append(size)
        return [np.array([1.0, 0.5]), np.array([1.0, np.inf if size > 0.3 else 0.5])]

    assert steady(runs, Pilot(2.0, 0, -1.0), 0.5) == 0.25
    assert asked == [1.0, 0.5, 0.25]
    assert steady(runs, Pilot(2.0, 1, np.inf), 0.5) == 1.0  # nothing was steady: no further runs
    assert asked == [1.0, 0.5, 0.25]


def tables_of(gaps):
    """Tables of runs that go from a gap of 1 to others."""
    first = [{"case": case, "run": 0, "iteration": 0, "gap": 1.0} for case in gaps]
    last = [{"case": case, "run": run, "final_gap": gap} for case, each in gaps.items() for run, gap in enumerate(each)]
    return {"trajectories": pd.DataFrame(first), "outcomes": pd.DataFrame(last)}


@pytest.mark.parametrize("name", ["sgd_biased", "sgd_indirect"])
def test_gaps_that_did_not_fall_are_said_with_the_reason(name):
    others = ["deviation=1e-3", "biases.constant.value=1e-3", "biases.vanishing.value=1e-3"]
    found = experiment(name, *MASS, *GIVEN, *(others if name == "sgd_biased" else ["start=50", "dither=1"]))
    assert found.shortfall(tables_of({"a": [0.4, 0.1], "b": [np.inf, 0.2]})) == []
    told, mend = found.shortfall(tables_of({"a": [0.9, 0.7], "b": [0.2, 0.2]}))
    assert told == "the gap of a did not fall by half: from 1 to 0.8 at best within iterations=300"
    assert "try iterations=30000" in mend
    assert "times as curved" not in mend
    told, _ = found.shortfall(tables_of({"a": [0.9, 0.7], "b": [0.75, 0.75]}))
    assert told.startswith("the gap did not fall by half: from 1 to 0.75")
    told, rise, slow, _ = found.shortfall(tables_of({"a": [0.9, 0.7], "b": [3.0, 4.0]}))
    assert told == "the gap of b rose: from 1 to 3.5 within iterations=300"
    assert rise == found.advice
    assert slow.startswith("the gap of a did not fall by half")
    far = experiment(
        name,
        *MASS[:2],
        *("system.A=[[1,1e-4],[0,1]]", "system.B=[0.005,100]", "system.K0=[3,0.004]"),  # speed in mm/s
        *GIVEN,
        *others[: 3 * (name == "sgd_biased")],
        *(["start=50", "dither=1"] if name == "sgd_indirect" else []),
    )
    _, mend = far.shortfall(tables_of({"a": [0.9]}))
    condition = float(re.search(r"the cost is (\S+) times as curved", mend)[1])
    assert condition > 300


def test_advice_concerns_the_methods_that_lost_runs():
    found = experiment("shootout", *MASS, "methods=[two_point,indirect]", "start_samples=50", "excitation=1")
    assert "start_samples" not in found.advice_for(["two_point"])
    assert f"pilots={4 * found.pilots}" in found.advice_for(["two_point"])
    assert "pilots=" not in found.advice_for(["indirect"])
    assert "start_samples=500" in found.advice_for(["indirect"])
    both = found.advice_for(["indirect", "two_point"])
    assert "(start_samples=500 excitation=10), or more pilot runs" in both
    model = experiment("shootout", *MASS, "methods=[natural_gradient,two_point]").advice_for(["natural_gradient"])
    assert "pilots=" not in model
    assert "system.K0" in model
    for given, advised in ((800, "pilots=1000"), (1000, "system.K0")):
        many = experiment("shootout", *MASS, "methods=[two_point]", f"pilots={given}").advice_for(["two_point"])
        assert advised in many
        assert f"pilots={given})" not in many


def test_a_first_gain_that_leaves_little_to_find_is_the_reason_where_gaps_rose():
    weak = ["system.A=[[0.9,0.1],[0,0.8]]", "system.B=[0,1e-4]", "system.sample_time=1", "system.K0=[0,0]"]
    others = [f"biases.{kind}.value=1e-3" for kind in ("constant", "vanishing")] + ["deviation=1e-3"]
    for weight, noted in ((1.0, True), (1e9, False)):
        found = experiment("sgd_biased", "system=custom", *weak, f"system.Q={weight}", *GIVEN, *others)
        _, reason = found.shortfall(tables_of({"a": [9.0], "b": [0.1]}))
        assert ("leaves more to find" in reason) == noted
        assert (reason == found.advice) != noted


def test_a_policy_iteration_that_stops_early_says_how_long_it_takes():
    found = experiment("qsa_policy_iteration")
    table = pd.DataFrame(
        {"method": ["exact", "exact", "qsa"], "iteration": [0, 1, 1], "weighted_error": [9.0, 1e-9, 5.0]}
    )
    assert found.shortfall({"iteration": table}) == []
    table.loc[1, "weighted_error"] = 0.25
    [line] = found.shortfall({"iteration": table})
    assert re.search(rf"within iterations={found.iterations}: .* the part 0.25; try iterations=\d+$", line)


def test_runs_that_are_lost_beside_others_are_said():
    gains = pd.DataFrame(
        [("a", 0, "completed"), ("a", 1, "gone"), ("b", 0, "completed"), ("b", 1, "completed")],
        columns=["method", "replicate", "status"],
    )
    assert partly_lost_lines(gains, "try this") == ["1 of 2 runs of a diverged: gone", "try this"]
    assert partly_lost_lines(gains[gains["status"] == "completed"], "try this") == []


def test_each_method_that_lost_all_runs_is_said_with_its_own_reason():
    rows = [
        (method, run, reason) for method, reason in zip("abc", ("gone", "lost", "gone"), strict=True) for run in (0, 1)
    ]
    gains = pd.DataFrame([*rows, ("d", 0, "completed")], columns=["method", "replicate", "status"])
    said = divergence_lines(gains, ["a", "b", "c"], "try this")
    assert said == ["all 4 runs of a, c diverged: gone", "all 2 runs of b diverged: lost", "try this"]
    alone = gains[gains["method"] == "a"].assign(status="diverged")
    assert divergence_lines(alone, ["a"], "") == ["all 2 runs diverged"]


def test_a_slow_plant_is_evaluated_with_steps_that_the_recursion_allows():
    slow = [
        "system=custom",
        "system.sample_time=0",
        "system.A=[[-1e-5,0],[0,-1e-4]]",
        "system.B=[1,1]",
        "system.K0=[0,0]",
    ]
    found = experiment("qsa_policy_evaluation", *slow)
    assert found.step_s < 1.0
