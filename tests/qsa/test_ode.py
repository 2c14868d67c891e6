"""The pieces that all QSA experiments share: gains, probing signals, Euler's method, averaging."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lqrpg.qsa.ode import Gain, ruppert_polyak, steps_of
from lqrpg.qsa.probing import Sawtooth, Sinusoids, random_sinusoids
from tests.qsa.oracles import euler, matrix_gain_step, running_average


@settings(deadline=None)
@given(g=st.floats(1e-3, 1e3), rho=st.floats(0.01, 1.0), t=st.floats(0.0, 1e6))
def test_gain_is_its_formula_and_decreases(g, rho, t):
    gain = Gain(g, rho)
    now, later = gain.at(np.array([t, 2.0 * t + 1.0]))
    assert now == pytest.approx(g / (1.0 + t) ** rho, rel=1e-12)
    assert later < now <= gain.largest


def test_gain_never_exceeds_its_cap():
    values = Gain(5.0, 0.7, cap=0.2).at(np.linspace(0.0, 1e4, 1001))
    assert values.max() == 0.2
    assert values[-1] == pytest.approx(5.0 * 10001.0**-0.7)


@pytest.mark.parametrize("g", [0.0, -1.0, math.inf, math.nan])
def test_gain_outside_its_range_is_refused(g):
    with pytest.raises(ValueError, match="gain g must be finite and greater than 0"):
        Gain(g)


@pytest.mark.parametrize("rho", [0.0, -0.5, 1.1, math.nan])
def test_rho_outside_its_range_is_refused(rho):
    with pytest.raises(ValueError, match=r"rho must be in \(0, 1\]"):
        Gain(1.0, rho)


def test_cap_must_be_positive():
    with pytest.raises(ValueError, match="cap"):
        Gain(1.0, 1.0, cap=0.0)


def test_unstable_step_is_refused_and_the_bound_is_the_true_one():
    with pytest.raises(ValueError, match=r"step below 0\.4"):
        Gain(5.0).require_stable(0.5)
    Gain(5.0).require_stable(0.399)


@pytest.mark.parametrize(("horizon", "step"), [(1.0, 0.3), (0.0, 0.1), (1.0, 0.0), (1.0, -0.1), (0.1, 1.0)])
def test_steps_that_do_not_divide_the_horizon_are_refused(horizon, step):
    with pytest.raises(ValueError, match=r"step|horizon"):
        steps_of(horizon, step)


@settings(deadline=None)
@given(count=st.integers(1, 2000), start=st.integers(0, 10**12))
def test_sawtooth_does_not_drift(count, start):
    indices = np.arange(start, start + 5)
    signal = Sawtooth().at_steps(indices, 1.0 / count)[:, 0]
    np.testing.assert_array_equal(signal, [(start + k) % count / count for k in range(5)])


def test_sawtooth_refuses_a_step_beside_its_period():
    with pytest.raises(ValueError, match="period"):
        Sawtooth().period(0.3)
    with pytest.raises(ValueError, match="step"):
        Sawtooth().period(0.0)
    with pytest.raises(ValueError, match="offset"):
        Sawtooth(1.0)


def test_mixture_is_the_sum_of_its_sinusoids():
    mixture = random_sinusoids(np.random.default_rng(1), 24, 50.0)
    indices = np.arange(100, 200)
    expected = [
        sum(math.sin(w * n * 1e-3 + p) for w, p in zip(mixture.frequencies, mixture.phases, strict=True))
        for n in indices
    ]
    np.testing.assert_allclose(mixture.at_steps(indices, 1e-3)[:, 0], expected, atol=1e-12)
    assert mixture.variance == pytest.approx([12.0])
    assert 0.0 <= mixture.frequencies.min() <= mixture.frequencies.max() <= 50.0


@pytest.mark.parametrize(("first", "count"), [(0, 1), (0, 64), (7, 65), (16_384, 1000), (10**7, 130)])
def test_mixture_at_whole_seconds_is_the_mixture_at_those_times(first, count):
    mixture = random_sinusoids(np.random.default_rng(2), 24, math.pi, n_inputs=3)
    expected = mixture.at_times(np.arange(first, first + count, dtype=np.float64))
    # the argument omega t + phi is rounded to eps omega t, and a mixture has 24 sines
    rounding = 24 * 4.0 * np.finfo(float).eps * (math.pi * (first + count) + 8.0)
    np.testing.assert_allclose(mixture.from_second(first, count), expected, atol=rounding, rtol=0)


def test_mixture_has_its_variance_over_whole_periods():
    mixture = Sinusoids(np.array([[1.0, 0.0], [2.0, 1.0]]), np.array([1.0, 3.0]), np.array([0.3, 1.0]))
    signal = mixture.at_times(np.linspace(0.0, 2.0 * math.pi, 1000, endpoint=False))
    np.testing.assert_allclose((signal**2).mean(axis=0), mixture.variance, rtol=1e-12)


def test_mixture_refuses_bad_settings():
    with pytest.raises(ValueError, match="same k"):
        Sinusoids(np.ones((2, 1)), np.ones(3), np.ones(2))
    with pytest.raises(ValueError, match="at least one"):
        random_sinusoids(np.random.default_rng(0), 0, 1.0)
    with pytest.raises(ValueError, match="highest frequency"):
        random_sinusoids(np.random.default_rng(0), 1, math.inf)


def test_euler_has_order_one():
    """dTheta = a_t (cos t - Theta) dt with a_t = 1/(1+t): Theta_t = (Theta_0 + sin t)/(1 + t)."""
    cosine = Sinusoids(np.ones((1, 1)), np.ones(1), np.full(1, math.pi / 2))
    errors = []
    for n_steps in (200, 400, 800):
        _, path = euler(lambda theta, xi: xi - theta, np.array([2.0]), Gain(), cosine, 4.0 / n_steps, n_steps, n_steps)
        errors.append(abs(path[-1, 0] - (2.0 + math.sin(4.0)) / 5.0))
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    np.testing.assert_allclose(orders, 1.0, atol=0.05)


@settings(max_examples=25, deadline=None)
@given(keep=st.integers(1, 40))
def test_euler_keeps_the_same_values_whatever_is_kept(keep):
    signal = Sawtooth()
    _, full = euler(lambda theta, xi: xi - theta, np.zeros(1), Gain(2.0, 0.8), signal, 0.05, 97)
    times, kept = euler(lambda theta, xi: xi - theta, np.zeros(1), Gain(2.0, 0.8), signal, 0.05, 97, keep)
    np.testing.assert_array_equal(kept, full[::keep])
    np.testing.assert_allclose(times, 0.05 * keep * np.arange(len(kept)))


def test_averages():
    path = np.arange(10.0)[:, None]
    assert ruppert_polyak(path) == 4.5
    assert ruppert_polyak(path, 0.2) == 8.5
    np.testing.assert_allclose(running_average(path)[:, 0], np.arange(10) / 2)
    with pytest.raises(ValueError, match="fraction"):
        ruppert_polyak(path, 0.0)


def test_matrix_gain_step_solves_a_scalar_problem_at_once():
    """For d = 1 and a tiny Rhat_0 the first step with h a = 1/2 lands on the root -b/zeta."""
    theta, moment = matrix_gain_step(np.array([7.0]), np.array([[1e-14]]), np.array([2.0]), 3.0 + 14.0, 1.0, 0.5)
    assert theta[0] == pytest.approx(-1.5)
    assert moment[0, 0] == pytest.approx(2.0)
