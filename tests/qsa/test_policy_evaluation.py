"""The Q function's coefficients, the Bellman error, and the recursions that find the one from the other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from lqrpg.lqr.continuous import cost, cost_to_go, optimal_gain
from lqrpg.lqr.plant import Plant
from lqrpg.qsa.bellman import (
    BellmanData,
    basis,
    bellman_data,
    coefficients,
    exact_coefficients,
    improved_gain,
    quadratic_form,
)
from lqrpg.qsa.exploration import METHODS, Exploration, explore
from lqrpg.qsa.ode import Gain
from lqrpg.qsa.policy_evaluation import matrix_gain_path, relative_errors, ridge_path, scaled_path
from lqrpg.qsa.policy_iteration import (
    exact_policy_iteration,
    excess_cost,
    iteration_errors,
    model_free_policy_iteration,
)
from lqrpg.systems.double_integrator import DoubleIntegrator
from tests.qsa.oracles import descent_path, matrix_gain_step

PLANT = DoubleIntegrator().plant()
EVALUATED, EXPLORING = np.array([[1.0, 0.0]]), np.array([[1.0, 2.0]])
gains = st.tuples(st.floats(0.1, 5.0), st.floats(0.0, 5.0)).map(lambda k: np.array([k]))
seeds = st.integers(0, 2**32 - 1)


def observed(method="qsa", seed=0, n_steps=20_000, start=(0.5, -1.0)):
    signal = Exploration().sample(method, np.random.default_rng(seed), n_steps, 1e-3)
    return explore(PLANT, EXPLORING, signal, 1e-3, np.array(start))


def random_plant(rng, n, m):
    A = rng.normal(size=(n, n)) - 4.0 * math.sqrt(n) * np.eye(n)
    return Plant(A, rng.normal(size=(n, m)), np.eye(n), np.eye(m) + 0.2 * np.ones((m, m)), np.eye(n))


@settings(deadline=None)
@given(gains, seeds)
def test_exact_coefficients_give_the_defining_formula(gain, seed):
    """Q(x, u) = J(x) + c(x, u) + (Ax + Bu)'grad J(x) at any x, u."""
    x, u = np.random.default_rng(seed).normal(size=(2, 1, 2))
    u = u[:, :1]
    P = cost_to_go(PLANT, gain)
    state, force = x[0], u[0]
    slope = PLANT.A @ state + PLANT.B @ force
    expected = state @ P @ state + state @ PLANT.Q @ state + force @ PLANT.R @ force + 2.0 * slope @ P @ state
    value = (basis(x, u) @ exact_coefficients(PLANT, gain))[0]
    assert value == pytest.approx(expected, rel=1e-10, abs=1e-10 * np.linalg.norm(P))


@settings(deadline=None)
@given(gains)
def test_q_function_at_the_policy_is_its_value(gain):
    H = quadratic_form(exact_coefficients(PLANT, gain), 2, 1)
    lift = np.vstack((np.eye(2), -gain))
    P = cost_to_go(PLANT, gain)
    np.testing.assert_allclose(lift.T @ H @ lift, P, atol=1e-10 * np.linalg.norm(P))


def test_coefficients_of_the_double_integrator_by_hand():
    """K = [1, 0]: A_K = [[0, 1], [-1, -f]] and M + K'RK = diag(11, 1), solved for P entry by entry."""
    f = 0.1
    p22, p12 = 12.0 / (2.0 * f), 5.5
    p11 = p22 + f * p12
    expected = [
        p11 + 1.0,
        p22 + 1.0 + 2.0 * (p12 - f * p22),
        2.0 * (p12 + p11 - f * p12),
        2.0 * p12,
        2.0 * p22,
        10.0,
    ]
    np.testing.assert_allclose(exact_coefficients(PLANT, EVALUATED), expected, rtol=1e-12)


@settings(deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), seeds)
def test_quadratic_forms_and_coefficients_are_inverse(n, m, seed):
    rng = np.random.default_rng(seed)
    H = rng.normal(size=(n + m, n + m))
    H = H + H.T
    theta = coefficients(H, n, m)
    np.testing.assert_allclose(quadratic_form(theta, n, m), H)
    x, u = rng.normal(size=(5, n)), rng.normal(size=(5, m))
    z = np.hstack((x, u))
    np.testing.assert_allclose(basis(x, u) @ theta, np.einsum("ki,ij,kj->k", z, H, z), atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(gains, st.sampled_from(METHODS), seeds, st.tuples(st.floats(-5, 5), st.floats(-5, 5)))
def test_bellman_error_is_zero_at_the_true_coefficients(gain, method, seed, start):
    data = bellman_data(observed(method, seed, 2000, start), gain)
    theta = exact_coefficients(PLANT, gain)
    scale = np.abs(data.zeta) @ np.abs(theta) + data.b
    assert np.all(np.abs(data.error(theta)) <= 1e-11 * scale)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 1), (3, 2)])
def test_bellman_error_is_zero_for_other_plants(n, m):
    rng = np.random.default_rng(n + 10 * m)
    plant = random_plant(rng, n, m)
    gain = 0.1 * rng.normal(size=(m, n))
    trajectory = explore(plant, np.zeros((m, n)), Exploration().sample("qsa", rng, 3000, 1e-3, m), 1e-3)
    data = bellman_data(trajectory, gain)
    theta = exact_coefficients(plant, gain)
    assert np.abs(data.error(theta)).max() < 1e-11 * data.b.max()
    np.testing.assert_allclose(ridge_path(data, 1e-12, keep_every=3000)[-1], theta, rtol=1e-3, atol=1e-3)


def test_trajectory_is_eulers_method_for_the_closed_loop():
    h, x0 = 1e-3, np.array([1.0, -2.0])
    trajectory = explore(PLANT, EXPLORING, np.zeros((500, 1)), h, x0)
    transition = np.eye(2) + h * PLANT.closed_loop(EXPLORING)
    np.testing.assert_allclose(trajectory.states[-1], np.linalg.matrix_power(transition, 499) @ x0, rtol=1e-11)
    np.testing.assert_allclose(trajectory.inputs, -trajectory.states @ EXPLORING.T, atol=1e-14)
    np.testing.assert_allclose(np.diff(trajectory.states, axis=0), h * trajectory.derivatives[:-1], atol=1e-15)


def test_noises_have_the_variance_and_the_density_of_the_sinusoids():
    exploration, h = Exploration(), 1e-3
    assert exploration.noise_variance("sa_equal_variance", h) == 12.0
    density = exploration.noise_variance("sa_equal_density", h) * h / math.pi
    assert density == pytest.approx(exploration.variance / exploration.highest_frequency)
    noise = exploration.sample("sa_equal_density", np.random.default_rng(0), 100_000, h)
    # Power below 50 rad/s, by Parseval: the same as the sinusoids', but for sampling.
    power = 2.0 * np.abs(np.fft.rfft(noise[:, 0]) / len(noise)) ** 2
    in_band = 2.0 * math.pi * np.fft.rfftfreq(len(noise), h) <= 50.0
    assert power[in_band].sum() == pytest.approx(12.0, rel=4.0 / math.sqrt(in_band.sum()))


@settings(max_examples=15, deadline=None)
@given(gains, st.sampled_from(METHODS[:2]), seeds, st.floats(1e-3, 1.0))
def test_matrix_gain_is_ridge_least_squares(gain, method, seed, delta):
    data = bellman_data(observed(method, seed, 2000), gain)
    start = np.random.default_rng(seed).normal(size=6)
    literal = matrix_gain_path(data, Gain(), delta, start, keep_every=500)
    ridge = ridge_path(data, delta, start, keep_every=500)
    truth = exact_coefficients(PLANT, gain)
    np.testing.assert_allclose(literal, ridge, atol=1e-8 * np.linalg.norm(truth))


def in_units(plant, states, inputs, time):
    """The plant in other units of states, inputs and time."""
    A = plant.A * states[:, None] / states / time
    B = plant.B * states[:, None] / inputs / time
    Q, R = plant.Q / np.outer(states, states), plant.R / np.outer(inputs, inputs)
    return plant._replace(A=A, B=B, Q=Q, R=R)


powers = st.integers(-4, 4)


@settings(max_examples=15, deadline=None)
@given(st.tuples(powers, powers), powers, powers, seeds)
def test_policy_iteration_with_relative_regularisation_does_not_know_units(states, u, t, seed):
    states, inputs, time = 10.0 ** np.array(states), np.array([10.0**u]), 10.0**t
    plant = in_units(PLANT, states, inputs, time)
    gain, exploring = (inputs[:, None] * each / states for each in (EVALUATED, EXPLORING))
    signal = inputs * Exploration().sample("qsa", np.random.default_rng(seed), 2000, 1e-3)
    trajectory = explore(plant, exploring, signal, 1e-3 * time)
    found = model_free_policy_iteration(trajectory, gain, 6, 1e-24, relative=True)
    exact = exact_policy_iteration(PLANT, EVALUATED, 6)
    np.testing.assert_allclose(found / inputs[:, None] * states, exact, atol=1e-5)


def test_scaled_path_is_ridge_least_squares_relative_to_the_moments():
    data = bellman_data(observed(n_steps=3000), EVALUATED)
    delta, start = 1e-2, np.arange(6.0)
    for k, theta in enumerate(scaled_path(data, delta, start, keep_every=1000), start=1):
        zeta, b = data.zeta[: 1000 * k], data.b[: 1000 * k]
        ridge = delta * np.diag(np.sum(zeta**2, axis=0))
        expected = np.linalg.solve(ridge + zeta.T @ zeta, ridge @ start - zeta.T @ b)
        np.testing.assert_allclose(theta, expected, rtol=1e-7)


def test_ridge_path_is_the_normal_equations_over_the_integral():
    data = bellman_data(observed(n_steps=5000), EVALUATED)
    delta, h = 1e-2, data.step
    for k, theta in enumerate(ridge_path(data, delta, keep_every=1000), start=1):
        zeta, b = data.zeta[: 1000 * k], data.b[: 1000 * k]
        rows = np.vstack((math.sqrt(h) * zeta, math.sqrt((1.0 - h) * delta) * np.eye(6)))
        right = np.concatenate((-math.sqrt(h) * b, np.zeros(6)))
        np.testing.assert_allclose(theta, linalg.lstsq(rows, right)[0], rtol=1e-7, atol=1e-9)


def test_error_of_the_matrix_gain_is_the_bias_of_the_ridge():
    """The Bellman error vanishes at theta*, what is left is -(delta I + int zeta zeta')^-1 delta theta*."""
    data = bellman_data(observed(), EVALUATED)
    delta, theta = 1e-2, exact_coefficients(PLANT, EVALUATED)
    ridge = (1.0 - data.step) * delta
    bias = -np.linalg.solve(ridge * np.eye(6) + data.step * data.zeta.T @ data.zeta, ridge * theta)
    np.testing.assert_allclose(ridge_path(data, delta, keep_every=20_000)[-1] - theta, bias, rtol=1e-6, atol=1e-9)


def test_compiled_recursion_is_the_readable_one():
    data = bellman_data(observed(n_steps=300), EVALUATED)
    gain, delta = Gain(2.0, 0.9), 0.1
    theta, moment = np.zeros(6), delta * np.eye(6)
    for a, zeta, b in zip(gain.at(np.arange(300) * data.step), data.zeta, data.b, strict=True):
        theta, moment = matrix_gain_step(theta, moment, zeta, b + zeta @ theta, a, data.step)
    np.testing.assert_allclose(matrix_gain_path(data, gain, delta, keep_every=300)[-1], theta, rtol=1e-9)


def test_descent_moves_by_its_formula_and_never_away():
    """With zero Bellman error at theta*, each step projects the error: its norm cannot grow."""
    data = bellman_data(observed(), EVALUATED)
    path = descent_path(data, Gain(1e-2), keep_every=1)
    theta = exact_coefficients(PLANT, EVALUATED)
    first = -data.step * 1e-2 * data.zeta[0] * data.b[0]
    np.testing.assert_allclose(path[0], first, rtol=1e-12)
    errors = relative_errors(path, theta)
    assert np.all(np.diff(errors) <= 1e-14)
    assert errors[-1] < errors[0]


def test_improved_gain_minimises_the_q_function():
    theta = exact_coefficients(PLANT, EVALUATED)
    gain = improved_gain(theta, 2, 1)
    x = np.random.default_rng(0).normal(size=(20, 2))
    best = basis(x, -x @ gain.T) @ theta
    for shift in (-1e-3, 1e-3):
        assert np.all(basis(x, -x @ gain.T + shift) @ theta > best)


def test_policy_iteration_sequences_agree():
    exact = exact_policy_iteration(PLANT, EVALUATED, 8)
    free = model_free_policy_iteration(observed("sa_equal_density", n_steps=50_000), EVALUATED, 8, 1e-8)
    np.testing.assert_allclose(free, exact, rtol=1e-5)
    np.testing.assert_allclose(exact[-1], optimal_gain(PLANT), rtol=1e-10)


def test_data_without_excitation_end_the_iteration():
    rest = observed("sa_equal_density", n_steps=100)
    rest = rest._replace(states=0.0 * rest.states, inputs=0.0 * rest.inputs, derivatives=0.0 * rest.derivatives)
    np.testing.assert_array_equal(model_free_policy_iteration(rest, EVALUATED, 8, 1e-8), EVALUATED[None])


@settings(max_examples=25, deadline=None)
@given(gains)
def test_exact_policy_iteration_is_monotone_and_quadratic(gain):
    errors = iteration_errors(PLANT, exact_policy_iteration(PLANT, gain, 12))
    assert np.all(errors.weighted_error >= 0.0)
    # Kleinman: costs never rise; near the optimum the error is squared.
    assert np.all(np.diff(errors.weighted_error) <= 1e-12)
    assert errors.weighted_error[-1] < 1e-12


@settings(deadline=None)
@given(gains)
def test_excess_cost_is_the_difference_of_the_costs(gain):
    expected = cost(PLANT, gain) - cost(PLANT, optimal_gain(PLANT))
    assert excess_cost(PLANT, gain) == pytest.approx(expected, abs=1e-9 * cost(PLANT, gain))


def test_a_gain_that_fails_has_an_infinite_weighted_error():
    assert iteration_errors(PLANT, np.array([[[-1.0, 0.0]]])).weighted_error[0] == math.inf


def test_bad_evaluation_settings_are_refused():
    data = bellman_data(observed(n_steps=100), EVALUATED)
    unstable = np.array([[-1.0, 0.0]])
    with pytest.raises(ValueError, match=r"exploring policy .* does not stabilise"):
        explore(PLANT, unstable, np.zeros((10, 1)), 1e-3)
    with pytest.raises(ValueError, match=r"evaluated policy .* does not stabilise"):
        exact_coefficients(PLANT, unstable)
    with pytest.raises(ValueError, match=r"evaluated policy .* does not stabilise"):
        exact_policy_iteration(PLANT, np.array([[math.nan, 0.0]]), 1)
    with pytest.raises(ValueError, match=r"shape \(1, 2\)"):
        explore(PLANT, np.eye(2), np.zeros((10, 1)), 1e-3)
    with pytest.raises(ValueError, match="signal"):
        explore(PLANT, EXPLORING, np.zeros(10), 1e-3)
    with pytest.raises(ValueError, match="step must be"):
        explore(PLANT, EXPLORING, np.zeros((10, 1)), 0.0)
    with pytest.raises(ValueError, match="smaller step"):
        explore(PLANT, EXPLORING, np.zeros((10, 1)), 5.0)
    with pytest.raises(ValueError, match="delta"):
        ridge_path(data, 0.0)
    with pytest.raises(ValueError, match="report"):
        ridge_path(data, 1.0, keep_every=101)
    with pytest.raises(ValueError, match="unstable"):
        descent_path(data._replace(zeta=1e3 * data.zeta), Gain())
    with pytest.raises(ValueError, match="unstable"):
        matrix_gain_path(BellmanData(3.0, data.zeta, data.b), Gain(), 1.0)
    with pytest.raises(ValueError, match="choose one of"):
        Exploration().sample("noise", np.random.default_rng(0), 10, 1e-3)


@pytest.mark.parametrize(
    ("settings_", "name"), [({"friction": -1.0}, "friction"), ({"input_weight": 0.0}, "input_weight")]
)
def test_bad_plants_are_refused(settings_, name):
    with pytest.raises(ValueError, match=name):
        DoubleIntegrator(**settings_)
