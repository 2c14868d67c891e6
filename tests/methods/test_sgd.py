"""The descent loops: exact descent, what each oracle needs, lost runs, bad input."""

import math

import numpy as np
import pytest

from lqrpg.kernels.discrete_small import gradient, lyapunov_workspace, relative_gap
from lqrpg.kernels.finite_horizon import rollout_moments
from lqrpg.methods.schedules import CeilingDecay, CeilingGrowth, Constant, Power
from lqrpg.methods.sgd import (
    OUTCOMES,
    BiasedOracle,
    DirectOracle,
    GaussianSurrogate,
    IndirectOracle,
    bias_direction,
    log_spaced,
    run_sgd,
)
from lqrpg.systems.boeing747 import Boeing747
from lqrpg.systems.three_state import ThreeState

EXACT = BiasedOracle(deviation=0.0)
CHAIN = ThreeState(noise=1e-3)


def descend(system, oracle, step, iterations, seed=0, **changes):
    plant = changes.get("plant", system.plant())
    start = changes.get("start", system.initial_covariance())
    gain = changes.get("gain", system.initial_gain())
    return run_sgd(plant, start, gain, oracle, step, iterations, np.arange(iterations + 1), seed)


@pytest.mark.parametrize(("system", "step"), [(CHAIN, 1.0), (Boeing747(), 0.005)])
def test_exact_descent_with_a_small_constant_step_is_monotone(system, step):
    run = descend(system, EXACT, Constant(step), 300)
    assert np.all(np.diff(run.gaps) < 0.0)
    assert run.gaps[0] == pytest.approx(relative_gap(system.plant(), system.initial_gain()))
    assert run.final_gap == run.min_gap == run.gaps[-1] > 0.0
    assert run.gaps[-1] == pytest.approx(relative_gap(system.plant(), run.gain), rel=1e-6)
    assert OUTCOMES[run.outcome] == "completed"
    assert run.fail_step == -1


def test_exact_descent_reaches_the_optimum():
    run = descend(CHAIN, EXACT, Constant(20.0), 3000)
    assert abs(run.final_gap) < 1e-9


def test_one_step_is_the_formula():
    system = Boeing747()
    run = descend(system, BiasedOracle(0.0, Power(0.05, 0.5)), CeilingDecay(0.05, 0.51, 0.5), 1)
    expected = gradient(system.plant(), system.initial_gain()) + 0.05 * bias_direction(4, 5)
    np.testing.assert_allclose(run.gain, system.initial_gain() - 0.025 * expected, rtol=1e-9, atol=1e-14)
    assert np.linalg.norm(bias_direction(4, 5)) == pytest.approx(1.0)
    assert bias_direction(4, 5)[0, 0] == 0.5


def test_noise_has_the_deviation_asked_for():
    system, deviation = Boeing747(), 1e-3
    quiet = descend(system, EXACT, Constant(1e-3), 1).gain
    noisy = np.array([descend(system, BiasedOracle(deviation), Constant(1e-3), 1, seed).gain for seed in range(60)])
    errors = (noisy - quiet) / (1e-3 * deviation)
    assert abs(errors.mean()) < 5.0 / math.sqrt(errors.size)
    assert errors.std() == pytest.approx(1.0, abs=5.0 / math.sqrt(2.0 * errors.size))


def test_a_lost_run_stops_with_its_step():
    run = descend(Boeing747(), BiasedOracle(1e-3, Constant(0.05)), Constant(0.05), 1000)
    assert OUTCOMES[run.outcome] == "gain left the stabilising set"
    assert run.final_gap == math.inf
    assert 0 < run.fail_step <= 1000
    assert np.all(np.isfinite(run.gaps[: run.fail_step]))
    assert np.all(np.isnan(run.gaps[run.fail_step :]))
    assert np.all(run.samples[run.fail_step :] == -1)
    assert relative_gap(Boeing747().plant(), run.gain) == math.inf


@pytest.mark.parametrize("on_policy", [False, True])
def test_indirect_descent_comes_close_and_uses_one_sample_an_iteration(on_policy):
    run = descend(CHAIN, IndirectOracle(on_policy=on_policy), Constant(20.0), 3000, seed=4)
    assert run.final_gap < 0.01 * run.gaps[0]
    np.testing.assert_array_equal(run.samples, 50 + np.arange(3001))


def test_off_and_on_policy_differ_only_after_the_gain_has_moved():
    runs = [descend(CHAIN, IndirectOracle(on_policy=on), Constant(20.0), 5, seed=4) for on in (False, True)]
    np.testing.assert_array_equal(runs[0].gaps[:2], runs[1].gaps[:2])
    assert not np.any(runs[0].gaps[3:] == runs[1].gaps[3:])


def test_direct_descent_improves_and_counts_its_samples():
    oracle = DirectOracle(CeilingGrowth(64, 10), CeilingGrowth(40, 10), Constant(0.05), baseline="mean")
    run = descend(CHAIN, oracle, Constant(1.0), 60, seed=1)
    assert run.final_gap < run.gaps[0]
    growth = np.ceil(np.arange(1, 61) / 10)
    np.testing.assert_array_equal(run.samples, np.concatenate(([0], np.cumsum(64 * 40 * growth**2))))


@pytest.mark.parametrize("oracle", [BiasedOracle(), IndirectOracle(), DirectOracle(), GaussianSurrogate()])
def test_equal_seeds_give_equal_bits_and_records_do_not_matter(oracle):
    system = Boeing747()
    task = system.plant(), system.initial_covariance(), system.initial_gain(), oracle, Constant(1e-4), 20
    first, again, other = (run_sgd(*task, records, seed) for records, seed in (([0, 20], 3), ([5, 20], 3), ([20], 4)))
    np.testing.assert_array_equal(first.gain, again.gain)
    assert first.gaps[-1] == again.gaps[-1]
    assert not np.any(first.gain == other.gain)


@pytest.mark.parametrize("baseline", ["none", "mean"])
def test_surrogate_has_the_mean_and_the_variance_of_small_perturbations(baseline):
    system, radius, rollouts, length = Boeing747(), 1e-4, 30, 8
    plant, start, gain = system.plant(), system.initial_covariance(), system.initial_gain()
    schedule = Constant(rollouts), Constant(length), Constant(radius)
    step, gains = 1e-9, {}
    for kind in (DirectOracle, GaussianSurrogate):
        oracle = kind(*schedule, baseline=baseline)
        gains[kind] = np.array([descend(system, oracle, Constant(step), 1, seed).gain for seed in range(400)])
    estimates = {kind: (gain - values) / step for kind, values in gains.items()}
    mean, variance, exact = rollout_moments(plant, start, gain, length, lyapunov_workspace(5, 4))
    second = variance + (0.0 if baseline == "mean" else mean**2)
    expected = math.sqrt(20 * second / rollouts) / radius
    assert estimates[GaussianSurrogate].std() == pytest.approx(expected, rel=0.04)
    assert estimates[DirectOracle].std() == pytest.approx(expected, rel=0.1)
    for values in estimates.values():
        assert np.abs(values.mean(axis=0) - exact).max() < 4.5 * expected / math.sqrt(400)


def test_only_step_times_noise_matters():
    system = Boeing747()
    louder = system.plant()._replace(Sigma=9.0 * system.plant().Sigma)
    oracle = DirectOracle(Constant(40), Constant(6), Constant(0.01))
    plain = descend(system, oracle, Constant(9e-4), 30, seed=2)
    scaled = descend(system, oracle, Constant(1e-4), 30, seed=2, plant=louder, start=9.0 * system.initial_covariance())
    np.testing.assert_allclose(scaled.gaps, plain.gaps, rtol=1e-6)


def test_log_spaced_records():
    records = log_spaced(10**5, 100)
    assert records[0] == 0
    assert records[1] == 1
    assert records[-1] == 10**5
    assert np.all(np.diff(records) > 0)
    with pytest.raises(ValueError, match="at least 1 iteration"):
        log_spaced(0)


def test_bad_input_is_refused_in_one_line():
    system = ThreeState()
    with pytest.raises(ValueError, match=r"does not stabilise the plant: spectral radius of A - B K is 1\.0"):
        descend(system, EXACT, Constant(1.0), 1, gain=np.zeros((3, 3)))
    with pytest.raises(ValueError, match=r"must have shape \(3, 3\)"):
        descend(system, EXACT, Constant(1.0), 1, gain=np.zeros((3, 2)))
    with pytest.raises(ValueError, match="not finite"):
        descend(system, EXACT, Constant(1.0), 1, gain=np.full((3, 3), np.nan))
    with pytest.raises(ValueError, match="iterations must be"):
        descend(system, EXACT, Constant(1.0), 0)
    with pytest.raises(ValueError, match="records must increase"):
        run_sgd(system.plant(), np.eye(3), system.initial_gain(), EXACT, Constant(1.0), 5, np.array([3, 6]), 0)
    with pytest.raises(ValueError, match="at least n \\+ m"):
        descend(system, IndirectOracle(start=5), Constant(1.0), 1)
    for build in (
        lambda: BiasedOracle(-1.0),
        lambda: IndirectOracle(dither=0.0),
        lambda: DirectOracle(baseline="best"),
        lambda: GaussianSurrogate(refresh=0),
    ):
        with pytest.raises(ValueError):  # noqa: PT011 (the messages differ)
            build()
