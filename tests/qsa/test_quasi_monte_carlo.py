"""Quasi Monte Carlo: closed forms against sums, the affine map against the recursion, plain Monte Carlo."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special

from lqrpg.qsa.ode import Gain
from lqrpg.qsa.plain_monte_carlo import BLOCK, Evaluator, plain_monte_carlo
from lqrpg.qsa.probing import Sawtooth
from lqrpg.qsa.quasi_monte_carlo import Integrand, affine_map, literal_estimates, running_mean
from tests.qsa.oracles import euler

GAINS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
exponents = st.tuples(st.floats(-5.0, 5.0), st.floats(-120.0, 120.0))


@settings(deadline=None)
@given(exponents)
def test_mean_and_variance_are_the_integrals(exponent):
    y = Integrand(*exponent)
    scale = math.exp(max(0.0, y.rate))
    mean, _ = integrate.quad(y, 0.0, 1.0, limit=400, epsabs=1e-10 * scale)
    square, _ = integrate.quad(lambda x: y(x) ** 2, 0.0, 1.0, limit=400, epsabs=1e-10 * scale**2)
    assert y.mean == pytest.approx(mean, abs=1e-9 * scale)
    assert y.variance == pytest.approx(square - mean**2, abs=1e-9 * scale**2)


def test_left_points_have_order_one_and_midpoints_order_two():
    y = Integrand()
    left, middle = Sawtooth(), Sawtooth(0.5)
    orders = {
        name: math.log2(abs(y.grid_mean(5e-4, points) - y.mean) / abs(y.grid_mean(2.5e-4, points) - y.mean))
        for name, points in (("left", left), ("middle", middle))
    }
    assert orders["left"] == pytest.approx(1.0, abs=0.01)
    assert orders["middle"] == pytest.approx(2.0, abs=0.01)


def test_left_points_miss_the_integral_by_the_euler_maclaurin_terms():
    """Left sum minus integral: -h [y]/2 + h^2 [y']/12 - h^4 [y^(3)]/720 + ..., [.] between the ends."""
    y, h = Integrand(), 1e-3
    z = complex(y.rate, y.frequency)
    at_ends = [(z**order * (np.exp(z) - 1.0)).imag for order in (0, 1)]
    remainder = h**4 / 720.0 * abs(z) ** 3 * (math.exp(4.0) + 1.0)
    expected = -h / 2.0 * at_ends[0] + h**2 / 12.0 * at_ends[1]
    assert y.grid_mean(h) - y.mean == pytest.approx(expected, abs=remainder)


@pytest.mark.parametrize("g", GAINS)
@pytest.mark.parametrize("n_steps", [1000, 100_000])
def test_alpha_is_a_ratio_of_gamma_functions(g, n_steps):
    """alpha_N is the product of 1 - h g / (1 + n h) = (n + N_1 - g)/(n + N_1), N_1 = 1/h."""
    start = 1000.0
    logs = special.gammaln([n_steps + start - g, start, n_steps + start, start - g])
    alpha = affine_map(Gain(g), horizon=n_steps * 1e-3).alpha[-1]
    assert alpha == pytest.approx(math.exp(logs[0] + logs[1] - logs[2] - logs[3]), rel=1e-8)


def test_unit_gain_is_the_running_average_but_for_its_start():
    """For g = 1 the recursion telescopes: (1 + t - h) Theta_t = (1 - h) Theta_0 + int_0^t y."""
    h = 1e-3
    recursion = affine_map(Gain(1.0), keep_every=1000)
    times, average = running_mean(keep_every=1000)
    np.testing.assert_allclose(recursion.alpha[1:], (1.0 - h) / (1.0 + times - h), rtol=1e-10)
    np.testing.assert_allclose(recursion.beta[1:], times * average / (1.0 + times - h), rtol=1e-10)


def test_running_mean_is_the_grid_mean_after_whole_periods():
    for points in (Sawtooth(), Sawtooth(0.5)):
        _, average = running_mean(sawtooth=points, keep_every=1000)
        np.testing.assert_allclose(average, Integrand().grid_mean(1e-3, points), rtol=1e-12)


@pytest.mark.parametrize("g", GAINS)
def test_affine_map_is_the_literal_recursion(g):
    starts = np.random.default_rng(3).normal(0.0, math.sqrt(10.0), 50)
    fast = affine_map(Gain(g)).estimates(starts)
    np.testing.assert_allclose(fast, literal_estimates(Gain(g), starts), atol=1e-11)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 5.0), st.floats(0.3, 1.0), st.floats(-10.0, 10.0), st.floats(0.0, 0.9))
def test_compiled_recursion_is_the_general_integrator(g, rho, start, offset):
    y, points = Integrand(), Sawtooth(offset)
    times, path = euler(lambda theta, xi: y(xi) - theta, np.array([start]), Gain(g, rho), points, 0.02, 150, 10)
    fast = affine_map(Gain(g, rho), y, 0.02, 3.0, points, keep_every=10)
    np.testing.assert_allclose(fast.paths([start])[0], path[:, 0], atol=1e-12 * math.exp(4.0))
    np.testing.assert_allclose(fast.times, times)


def test_estimates_reach_the_mean_of_the_grid_not_the_integral():
    """Over whole periods the error of g > 1 falls as 1/t; the grid's own bias would stop it."""
    y = Integrand()
    errors = [abs(affine_map(Gain(2.0), horizon=t).beta[-1] - y.grid_mean(1e-3)) for t in (100.0, 1000.0)]
    assert math.log10(errors[0] / errors[1]) == pytest.approx(1.0, abs=0.02)
    assert errors[1] < 0.1 * abs(y.grid_mean(1e-3) - y.mean)


def test_bad_monte_carlo_settings_are_refused():
    with pytest.raises(ValueError, match="unstable"):
        affine_map(Gain(3.0), step=1.0, horizon=10.0)
    with pytest.raises(ValueError, match="period"):
        affine_map(Gain(1.0), step=0.4, horizon=2.0)
    with pytest.raises(ValueError, match="horizon"):
        affine_map(Gain(1.0), horizon=0.0)
    with pytest.raises(ValueError, match="draw"):
        plain_monte_carlo(range(1), 0)
    with pytest.raises(ValueError, match="oscillates"):
        Evaluator(Integrand(0.0, 1e7))
    with pytest.raises(ValueError, match="points"):
        Evaluator(Integrand()).values(np.zeros(BLOCK + 1))


@settings(deadline=None)
@given(exponents, st.integers(0, 2**32 - 1))
def test_fast_evaluation_is_the_function_to_rounding(exponent, seed):
    y = Integrand(*exponent)
    x = np.concatenate(([0.0, np.nextafter(1.0, 0.0)], np.random.default_rng(seed).random(500)))
    # The exponent itself is rounded by |z| eps / 2 in the direct formula, relative to e^{rate x}.
    error = np.abs(Evaluator(y).values(x) - y(x)) / np.exp(y.rate * x)
    assert error.max() < 4.0 * (abs(complex(*exponent)) + 4.0) * np.finfo(float).eps


def test_plain_monte_carlo_is_the_mean_of_its_draws():
    n = 3 * BLOCK + 17
    key = np.random.SeedSequence(5, spawn_key=(2, 7))
    draws = np.random.Generator(np.random.SFC64(key)).random(n)
    estimate = plain_monte_carlo([7], n, seed=5, spawn_key=(2,))[0]
    assert estimate == pytest.approx(Integrand()(draws).mean(), abs=1e-12)


def test_plain_monte_carlo_does_not_depend_on_the_runs_beside_it():
    together = plain_monte_carlo(range(6), 5000, seed=1)
    apart = np.concatenate([plain_monte_carlo(range(3, 6), 5000, seed=1), plain_monte_carlo([0], 5000, seed=1)])
    np.testing.assert_array_equal(together[[3, 4, 5, 0]], apart)


def test_plain_monte_carlo_has_the_predicted_mean_and_variance():
    y, n, runs = Integrand(), 1000, 4000
    estimates = plain_monte_carlo(range(runs), n, seed=2)
    assert abs(estimates.mean() - y.mean) < 4.0 * math.sqrt(y.variance / (n * runs))
    assert estimates.var() == pytest.approx(y.variance / n, rel=4.0 * math.sqrt(2.0 / runs))
