"""The descent loops: exact descent, what each oracle needs, lost runs, bad input."""

import math
import zlib
from pathlib import Path

import numpy as np
import pytest

from lqrpg.checks import SettingError
from lqrpg.kernels.discrete_small import gradient, lyapunov_workspace, relative_gap
from lqrpg.kernels.finite_horizon import rollout_moments
from lqrpg.methods.biased_gradient import BiasedGradient
from lqrpg.methods.descent import descend as run_descent
from lqrpg.methods.descent import log_spaced
from lqrpg.methods.exact_gradient import ExactGradient
from lqrpg.methods.indirect import IndirectGradient
from lqrpg.methods.minimise import minimise
from lqrpg.methods.natural_gradient import NaturalGradient
from lqrpg.methods.one_point import OnePointZerothOrder
from lqrpg.methods.oracles.exact import bias_direction
from lqrpg.methods.policy_iteration import PolicyIteration
from lqrpg.methods.schedules import ConstantSchedule, PowerSchedule, StaircaseDecay, StaircaseGrowth
from lqrpg.methods.surrogate_gradient import SurrogateGradient
from lqrpg.methods.two_point import TwoPointZerothOrder
from lqrpg.results.lookup import finished_runs
from lqrpg.systems.boeing747 import Boeing747
from lqrpg.systems.three_state import ThreeState

CHAIN = ThreeState(noise=1e-3)


def descend(system, method, iterations, seed=0, **changes):
    plant = changes.get("plant", system.plant())
    start = changes.get("start", system.initial_covariance())
    gain = changes.get("gain", system.initial_gain())
    return run_descent(method, plant, start, gain, iterations, np.arange(iterations + 1), seed)


@pytest.mark.parametrize(("system", "step"), [(CHAIN, 1.0), pytest.param(Boeing747(), 0.005, marks=pytest.mark.slow)])
def test_exact_descent_with_a_small_constant_step_is_monotone(system, step):
    run = descend(system, ExactGradient(step), 300)
    assert np.all(np.diff(run.gaps) < 0.0)
    assert run.gaps[0] == pytest.approx(relative_gap(system.plant(), system.initial_gain()))
    assert run.final_gap == run.min_gap == run.gaps[-1] > 0.0
    assert run.gaps[-1] == pytest.approx(relative_gap(system.plant(), run.gain), rel=1e-6)
    assert run.status == "completed"
    assert run.fail_step == -1


def test_exact_descent_reaches_the_optimum():
    run = descend(CHAIN, ExactGradient(20.0), 3000)
    assert abs(run.final_gap) < 1e-9


def test_one_step_is_the_formula():
    system = Boeing747()
    run = descend(system, BiasedGradient(StaircaseDecay(0.05, 0.51, 0.5), 0.0, PowerSchedule(0.05, 0.5)), 1)
    expected = gradient(system.plant(), system.initial_gain()) + 0.05 * bias_direction(4, 5)
    np.testing.assert_allclose(run.gain, system.initial_gain() - 0.025 * expected, rtol=1e-9, atol=1e-14)
    assert np.linalg.norm(bias_direction(4, 5)) == pytest.approx(1.0)
    assert bias_direction(4, 5)[0, 0] == 0.5


def test_noise_has_the_deviation_asked_for():
    system, deviation = Boeing747(), 1e-3
    quiet = descend(system, ExactGradient(1e-3), 1).gain
    noisy = np.array([descend(system, BiasedGradient(1e-3, deviation), 1, seed).gain for seed in range(60)])
    errors = (noisy - quiet) / (1e-3 * deviation)
    assert abs(errors.mean()) < 5.0 / math.sqrt(errors.size)
    assert errors.std() == pytest.approx(1.0, abs=5.0 / math.sqrt(2.0 * errors.size))


def test_a_lost_run_stops_with_its_step():
    run = descend(Boeing747(), BiasedGradient(0.05, 1e-3, 0.05), 1000)
    assert run.status == "gain left the stabilising set"
    assert run.final_gap == math.inf
    assert 0 < run.fail_step <= 1000
    assert np.all(np.isfinite(run.gaps[: run.fail_step]))
    assert np.all(np.isnan(run.gaps[run.fail_step :]))
    assert np.all(run.samples[run.fail_step :] == -1)
    assert relative_gap(Boeing747().plant(), run.gain) == math.inf


@pytest.mark.parametrize("on_policy", [False, True])
def test_indirect_descent_comes_close_and_uses_one_sample_an_iteration(on_policy):
    run = descend(CHAIN, IndirectGradient(20.0, on_policy=on_policy), 3000, seed=4)
    assert run.final_gap < 0.01 * run.gaps[0]
    np.testing.assert_array_equal(run.samples, 50 + np.arange(3001))


def test_off_and_on_policy_differ_only_after_the_gain_has_moved():
    runs = [descend(CHAIN, IndirectGradient(20.0, on_policy=on), 5, seed=4) for on in (False, True)]
    np.testing.assert_array_equal(runs[0].gaps[:2], runs[1].gaps[:2])
    assert not np.any(runs[0].gaps[3:] == runs[1].gaps[3:])


def test_direct_descent_improves_and_counts_its_samples():
    method = OnePointZerothOrder(1.0, 0.05, StaircaseGrowth(64, 10), StaircaseGrowth(40, 10), baseline="mean")
    run = descend(CHAIN, method, 60, seed=1)
    assert run.final_gap < run.gaps[0]
    growth = np.ceil(np.arange(1, 61) / 10)
    np.testing.assert_array_equal(run.samples, np.concatenate(([0], np.cumsum(64 * 40 * growth**2))))


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [
        BiasedGradient(1e-4),
        IndirectGradient(1e-4),
        OnePointZerothOrder(1e-4, 0.01, 300, 20),
        SurrogateGradient(1e-4, 0.01, 300, 20),
    ],
)
def test_equal_seeds_give_equal_bits_and_records_do_not_matter(method):
    system = Boeing747()
    task = method, system.plant(), system.initial_covariance(), system.initial_gain(), 20
    first, again, other = (
        run_descent(*task, records, seed) for records, seed in (([0, 20], 3), ([5, 20], 3), ([20], 4))
    )
    np.testing.assert_array_equal(first.gain, again.gain)
    assert first.gaps[-1] == again.gaps[-1]
    assert not np.any(first.gain == other.gain)


@pytest.mark.slow
@pytest.mark.parametrize("baseline", ["none", "mean"])
def test_surrogate_has_the_mean_and_the_variance_of_small_perturbations(baseline):
    system, radius, rollouts, length = Boeing747(), 1e-4, 30, 8
    plant, start, gain = system.plant(), system.initial_covariance(), system.initial_gain()
    step, gains = 1e-9, {}
    for kind in (OnePointZerothOrder, SurrogateGradient):
        method = kind(step, radius, rollouts, length, baseline)
        gains[kind] = np.array([descend(system, method, 1, seed).gain for seed in range(400)])
    estimates = {kind: (gain - values) / step for kind, values in gains.items()}
    mean, variance, exact = rollout_moments(plant, start, gain, length, lyapunov_workspace(5, 4))
    second = variance + (0.0 if baseline == "mean" else mean**2)
    expected = math.sqrt(20 * second / rollouts) / radius
    assert estimates[SurrogateGradient].std() == pytest.approx(expected, rel=0.04)
    assert estimates[OnePointZerothOrder].std() == pytest.approx(expected, rel=0.1)
    for values in estimates.values():
        assert np.abs(values.mean(axis=0) - exact).max() < 4.5 * expected / math.sqrt(400)


def test_only_step_times_noise_matters():
    system = Boeing747()
    louder = system.plant()._replace(Sigma=9.0 * system.plant().Sigma)
    soft, loud = (OnePointZerothOrder(step, 0.01, 40, 6) for step in (9e-4, 1e-4))
    plain = descend(system, soft, 30, seed=2)
    scaled = descend(system, loud, 30, seed=2, plant=louder, start=9.0 * system.initial_covariance())
    np.testing.assert_allclose(scaled.gaps, plain.gaps, rtol=1e-6)


def test_log_spaced_records():
    records = log_spaced(10**5, 100)
    assert records[0] == 0
    assert records[1] == 1
    assert records[-1] == 10**5
    assert np.all(np.diff(records) > 0)
    with pytest.raises(ValueError, match="at least 1 iteration"):
        log_spaced(0)


def test_bad_input_is_rejected_in_one_line():
    system, exact = ThreeState(), ExactGradient(1.0)
    with pytest.raises(SettingError, match=r"does not stabilise the plant"):
        descend(system, exact, 1, gain=np.zeros((3, 3)))
    with pytest.raises(SettingError, match=r"\(3, 3\)"):
        descend(system, exact, 1, gain=np.zeros((3, 2)))
    with pytest.raises(SettingError, match="finite"):
        descend(system, exact, 1, gain=np.full((3, 3), np.nan))
    with pytest.raises(SettingError, match="iterations=0"):
        descend(system, exact, 0)
    with pytest.raises(SettingError, match="increasing iterations"):
        run_descent(exact, system.plant(), np.eye(3), system.initial_gain(), 5, np.array([3, 6]), 0)
    with pytest.raises(SettingError, match="at least n \\+ m"):
        descend(system, IndirectGradient(1.0, start_samples=5), 1)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: BiasedGradient(1.0, -1.0), "deviation=-1.0: expected a non-negative number"),
        (lambda: BiasedGradient(1.0, bias="x"), "bias='x': expected a positive number, or a schedule"),
        (lambda: IndirectGradient(1.0, dither=0.0), "dither=0.0: expected a positive number, or a schedule"),
        (lambda: OnePointZerothOrder(1.0, 0.1, baseline="best"), "baseline='best': expected one of none, mean"),
        (lambda: OnePointZerothOrder(1.0, 0.1, 1, 5, "mean"), "rollouts=1: expected at least 2"),
        (lambda: OnePointZerothOrder(1.0, 0.1, 2.5, 5), "rollouts=2.5: expected an integer"),
        (lambda: SurrogateGradient(1.0, 0.1, refresh=0), "refresh=0: expected a whole number from 1 on"),
        (lambda: ExactGradient(PowerSchedule), "step_size=<class"),
        (lambda: ExactGradient(ConstantSchedule), "step_size=<class"),
        (lambda: PowerSchedule(1.0, -0.5), "PowerSchedule: exponent=-0.5: expected a positive number"),
        (lambda: StaircaseGrowth(float("nan"), 2), "StaircaseGrowth: value=nan: expected a positive number"),
    ],
)
def test_settings_that_make_no_sense_are_named(build, words):
    with pytest.raises(SettingError) as error:
        build()
    assert str(error.value).startswith(words)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [
        ExactGradient(StaircaseDecay(20.0, 0.6, 3.0)),
        NaturalGradient(PowerSchedule(0.3, 0.5)),
        PolicyIteration(),
        BiasedGradient(PowerSchedule(2.0, 0.5), 1e-3, PowerSchedule(0.01, 0.5)),
        IndirectGradient(StaircaseDecay(20.0, 0.6, 3.0), dither=PowerSchedule(1.0, 0.25), on_policy=True),
        OnePointZerothOrder(PowerSchedule(0.5, 0.5), PowerSchedule(0.1, 0.1), StaircaseGrowth(20, 3), 30, "mean"),
        TwoPointZerothOrder(PowerSchedule(0.5, 0.5), PowerSchedule(0.1, 0.1), StaircaseGrowth(21, 3), 30),
        SurrogateGradient(PowerSchedule(0.5, 0.5), 0.1, StaircaseGrowth(64, 3), StaircaseGrowth(20, 4), refresh=3),
    ],
    ids=lambda method: method.name,
)
def test_schedules_go_on_where_a_state_is_and_watching_changes_no_bit(method):
    plant, start, gain = CHAIN.plant(), CHAIN.initial_covariance(), CHAIN.initial_gain()
    watched = run_descent(method, plant, start, gain, 9, np.arange(10), 3)
    first = method.start(plant, gain, 3, initial_covariance=start)
    segment = method.advance(first, [2, 5, 9])
    np.testing.assert_array_equal(segment.gains[-1], watched.gain)
    state = first
    for _ in range(9):
        state = method.step(state)
    np.testing.assert_array_equal(state.gain, watched.gain)
    assert state.samples == segment.state.samples == watched.total_samples == watched.samples[-1]
    assert watched.min_gap == min(watched.gaps)


def test_a_schedule_changes_the_steps_as_it_says():
    system, schedule = CHAIN, PowerSchedule(20.0, 0.5)
    run = minimise(ExactGradient(schedule), system.plant(), system.initial_gain(), steps=3)
    gain = system.initial_gain()
    for i in (1, 2, 3):
        gain = gain - 20.0 / np.sqrt(i) * gradient(system.plant(), gain)
    np.testing.assert_allclose(run.gain, gain, rtol=1e-10)


RESULTS = Path(__file__).resolve().parents[2] / "results"
FIGURES = {
    ("sgd_indirect", "off_policy-decreasing_step"): IndirectGradient(StaircaseDecay(0.05, 0.51, 100.0)),
    ("sgd_indirect", "on_policy-constant_step"): IndirectGradient(0.05, on_policy=True),
    ("sgd_direct", "printed-varying"): OnePointZerothOrder(
        StaircaseDecay(0.002, 0.51, 250),
        StaircaseDecay(0.01, 0.5, 250),
        StaircaseGrowth(300, 40_000),
        StaircaseGrowth(20, 40_000),
    ),
    ("sgd_direct", "baseline-constant"): OnePointZerothOrder(0.002, 0.01, 300, 20, "mean"),
    ("sgd_direct", "surrogate-constant"): SurrogateGradient(0.002, 0.01, 300, 20, "mean"),
}


@pytest.mark.parametrize(("experiment", "case"), FIGURES)
def test_the_settings_of_figures_5_and_6_in_python_give_the_numbers_of_the_tables(experiment, case):
    """Over as many iterations as take a second."""
    system = Boeing747()
    tables = (run.table("trajectories") for run in finished_runs(RESULTS, experiment))
    (told,) = (
        table[(table["case"] == case) & (table["replicate"] == 0) & table["iteration"].between(1, 500)]
        for table in tables
        if case in set(table["case"])
    )
    seed = np.random.SeedSequence(0, spawn_key=[zlib.crc32(word.encode()) for word in (experiment, case)] + [0])
    marks = told["iteration"].to_numpy()
    found = minimise(
        FIGURES[experiment, case],
        system.plant(),
        system.initial_gain(),
        steps=500,
        seed=seed,
        initial_covariance=system.initial_covariance(),
        marks=marks,
    )
    gaps = [relative_gap(system.plant(), gain) for gain in found.gains[1 : len(marks) + 1]]
    assert len(gaps) > 40
    np.testing.assert_allclose(gaps, told["gap"], rtol=1e-6)
