"""Normals, schedules, least squares and the two oracles: against definitions, never against their own
output."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from lqrpg.kernels.discrete_small import gradient
from lqrpg.kernels.finite_horizon import rollout_gradient
from lqrpg.kernels.normals import EDGES, next_normal, normal_stream, normals, seed_streams
from lqrpg.lqr.definite import covariance_root
from lqrpg.lqr.stability import unstable_fraction
from lqrpg.methods import schedules
from lqrpg.methods.least_squares import least_squares
from lqrpg.methods.oracles.direct import direct_estimates
from lqrpg.methods.oracles.indirect import indirect_estimates, oracle_moments
from lqrpg.methods.oracles.short_rollouts import ball_design, smoothed_gradient, smoothed_optimum
from lqrpg.systems.boeing747 import Boeing747
from lqrpg.systems.three_state import ThreeState


def test_normals_are_normal_and_their_lanes_independent():
    numbers = normals(seed_streams(1), 20000)
    assert stats.kstest(numbers.ravel(), "norm").pvalue > 1e-3
    expected = 2.0 * special.ndtr(-4.0) * numbers.size  # numbers beyond 4: all from the tail
    assert abs(np.sum(np.abs(numbers) > 4.0) - expected) < 5.0 * math.sqrt(expected)
    correlations = np.corrcoef(numbers.T) - np.eye(numbers.shape[1])
    assert np.abs(correlations).max() < 5.0 / math.sqrt(len(numbers))
    lagged = np.mean(numbers[1:] * numbers[:-1], axis=0)
    assert np.abs(lagged).max() < 5.0 / math.sqrt(len(numbers))


def test_layers_close_at_the_mode_and_streams_follow_their_seed():
    area = EDGES[0] * math.exp(-0.5 * EDGES[1] ** 2)
    assert EDGES[255] * (1.0 - math.exp(-0.5 * EDGES[255] ** 2)) == pytest.approx(area, rel=1e-6)
    children = np.random.SeedSequence(3).spawn(2)
    first, again, other = (normals(seed_streams(child), 4) for child in (children[0], children[0], children[1]))
    np.testing.assert_array_equal(first, again)
    assert not np.any(first == other)
    source = normal_stream(children[0])
    np.testing.assert_array_equal([next_normal(source) for _ in range(first.size)], first.ravel())


@given(
    i=st.integers(1, 10**7),
    value=st.floats(1e-6, 1e3),
    exponent=st.floats(0.1, 1.0),
    period=st.floats(0.5, 1e5),
)
def test_schedules_are_their_formulas(i, value, exponent, period):
    assert schedules.ConstantSchedule(value)(i) == value
    assert schedules.PowerSchedule(value, exponent)(i) == pytest.approx(value * i**-exponent)
    assert schedules.StaircaseGrowth(value, period)(i) == pytest.approx(value * math.ceil(i / period))
    fell = schedules.StaircaseDecay(value, exponent, period)(i)
    assert fell == pytest.approx(value / math.ceil(i**exponent / period))
    assert 0.0 < fell <= value


def test_lengths_that_grow_with_the_same_period_change_together():
    growths = [schedules.StaircaseGrowth(value, 62500) for value in (1000, 5)]
    assert [growth(62500) for growth in growths] == [1000, 5]
    assert [growth(62501) for growth in growths] == [2000, 10]
    radius = schedules.StaircaseDecay(0.02, 0.5, 250)
    assert radius(62500) == 0.02
    assert radius(62501) == 0.01


@pytest.mark.parametrize(
    "build",
    [
        lambda: schedules.ConstantSchedule(0.0),
        lambda: schedules.ConstantSchedule(math.nan),
        lambda: schedules.PowerSchedule(-1.0, 0.5),
        lambda: schedules.StaircaseDecay(0.05, 0.51, 0.0),
        lambda: schedules.StaircaseGrowth(math.inf, 10.0),
    ],
)
def test_schedules_that_are_not_positive_are_refused(build):
    with pytest.raises(ValueError, match="expected a positive number"):
        build()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(9, 80), extra=st.integers(0, 6))
def test_recursion_agrees_with_batch_least_squares(seed, count, extra):
    rng = np.random.default_rng(seed)
    regressors, following = rng.standard_normal((count + extra, 6)), rng.standard_normal((count + extra, 3))
    theta, M = least_squares(regressors, following, start=9)
    batch = np.linalg.lstsq(regressors, following)[0].T
    np.testing.assert_allclose(theta, batch, rtol=1e-6, atol=1e-7 * max(1.0, np.abs(batch).max()))
    np.testing.assert_allclose(M @ (regressors.T @ regressors), np.eye(6), atol=1e-6)


def test_too_short_a_first_batch_is_refused():
    with pytest.raises(ValueError, match="at least n \\+ m = 6 samples"):
        least_squares(np.ones((9, 6)), np.ones((9, 3)), start=5)


def test_indirect_error_falls_like_the_root_of_the_samples_and_grows_with_the_noise():
    records = np.array([1, 951, 15951])
    errors = []
    for noise in (1e-4, 1e-3):
        system = ThreeState(noise=noise)
        plant, start, gain = system.plant(), system.initial_covariance(), system.initial_gain()
        seeds = np.random.SeedSequence(2).spawn(40)
        estimates = np.array([indirect_estimates(plant, start, gain, records, seed) for seed in seeds])
        errors.append(oracle_moments(estimates, gradient(plant, gain))[0])
    assert errors[0][1] / errors[0][2] == pytest.approx(4.0, rel=0.25)  # 1000 and 16000 samples
    assert np.all(errors[1] > errors[0])


def test_moments_of_a_known_sample():
    estimates = np.array([[[3.0, 0.0]], [[0.0, 4.0]]])
    error, bias, variance = oracle_moments(estimates, np.zeros((1, 2)))
    assert (error, bias, variance) == (3.5, 2.5, 6.25)


@pytest.mark.parametrize(("baseline", "rollouts"), [("none", 1), ("none", 7), ("mean", 40)])
def test_direct_oracle_is_unbiased_for_the_smoothed_cost_of_finite_rollouts(baseline, rollouts):
    system = ThreeState(noise=1e-3)
    plant, start, gain = system.plant(), system.initial_covariance(), system.initial_gain()
    radius, length = 0.15, 6
    samples = 400000 // rollouts
    settings_ = {
        "radius": radius,
        "rollouts": rollouts,
        "length": length,
        "samples": samples,
        "baseline": baseline,
    }
    estimates = direct_estimates(plant, start, gain, seed=11, **settings_)
    _, exact = smoothed_gradient(plant, start, gain, length, ball_design((3, 3), radius, 40, 1))
    standard_error = estimates.std(axis=0) / math.sqrt(samples)
    assert np.max(np.abs(estimates.mean(axis=0) - exact) / standard_error) < 4.5
    if baseline == "mean":  # the test can tell: the signal is far above the noise
        assert np.linalg.norm(exact) > 10.0 * np.linalg.norm(standard_error)


def test_direct_estimates_scale_with_the_noise_and_follow_their_seed():
    system = Boeing747()
    plant, start, gain = system.plant(), system.initial_covariance(), system.initial_gain()
    settings_ = {"radius": 0.01, "rollouts": 50, "length": 10, "samples": 3, "seed": 5}
    plain = direct_estimates(plant, start, gain, **settings_)
    louder = direct_estimates(plant._replace(Sigma=4.0 * plant.Sigma), 4.0 * start, gain, **settings_)
    np.testing.assert_allclose(louder, 4.0 * plain, rtol=1e-9)
    np.testing.assert_array_equal(plain, direct_estimates(plant, start, gain, **settings_))
    steady = direct_estimates(plant, start, gain, **{**settings_, "samples": 200, "baseline": "mean"})
    noisy = direct_estimates(plant, start, gain, **{**settings_, "samples": 200})
    assert steady.var() < noisy.var()


def test_ball_design_has_the_moments_of_the_ball():
    points, weights = ball_design((4, 5), 0.3, 2, 0)
    flat = points.reshape(len(points), -1, 20)
    second = np.einsum("r,rki,rkj->ij", weights, flat, flat) / flat.shape[1]
    np.testing.assert_allclose(second, 0.3**2 / 22.0 * np.eye(20), atol=1e-12)
    fourth = weights @ np.mean(np.sum(flat**2, axis=2) ** 2, axis=1)
    assert fourth == pytest.approx(0.3**4 * 20.0 / 24.0)


def test_longer_rollouts_leave_less_bias_and_the_minimiser_is_one():
    system = Boeing747()
    plant, start = system.plant(), system.initial_covariance()
    gaps = [smoothed_optimum(plant, start, length, 0.0).gap for length in (3, 6, 12)]
    assert gaps[0] > gaps[1] > gaps[2] > 0.0
    found = smoothed_optimum(plant, start, 5, 0.01, turns=2)
    smoothed = ball_design((4, 5), 0.01, 1, 0)
    cost, _ = smoothed_gradient(plant, start, found.gain, 5, smoothed)
    nudge = 1e-3 * np.random.default_rng(0).standard_normal(found.gain.shape)
    assert cost < smoothed_gradient(plant, start, found.gain + nudge, 5, smoothed)[0]
    assert found.gradient_norm < 1e-5


def test_rollouts_of_unstable_gains_have_a_finite_cost():
    plant = ThreeState().plant()
    cost, _ = rollout_gradient(plant, np.eye(3), np.zeros((3, 3)), 50)
    assert np.isfinite(cost)


def test_unstable_fraction_grows_with_the_radius():
    system = Boeing747()
    fractions = [unstable_fraction(system.plant(), system.initial_gain(), radius) for radius in (1e-4, 0.03, 1.0)]
    assert fractions[0] == 0.0
    assert 0.0 < fractions[1] < fractions[2] <= 1.0


def test_covariance_roots():
    draw = np.random.default_rng(1).standard_normal((4, 3))
    root = covariance_root(draw @ draw.T)  # singular on purpose
    np.testing.assert_allclose(root @ root.T, draw @ draw.T, atol=1e-12)
    assert np.all(np.triu(root, 1) == 0.0)
    with pytest.raises(ValueError, match="positive semidefinite"):
        covariance_root(-np.eye(2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"radius": 0.0}, "radius must be positive"),
        ({"rollouts": 0}, "at least one rollout"),
        ({"baseline": "median"}, "'none' or 'mean'"),
        ({"baseline": "mean", "rollouts": 1}, "at least 2 rollouts"),
    ],
)
def test_direct_oracle_refuses_bad_settings(change, message):
    system = ThreeState()
    good = {"radius": 0.1, "rollouts": 2, "length": 3, "samples": 1, "seed": 0}
    with pytest.raises(ValueError, match=message):
        direct_estimates(system.plant(), np.eye(3), system.initial_gain(), **{**good, **change})
