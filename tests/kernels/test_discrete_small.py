"""The compiled discrete-time solver against SciPy, its gradient and the finite rollout's against
differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from lqrpg.kernels import discrete_small as small
from lqrpg.kernels.finite_horizon import rollout_gradient, rollout_moments
from lqrpg.lqr import discrete
from lqrpg.lqr.plant import Plant
from lqrpg.systems.boeing747 import Boeing747
from lqrpg.systems.three_state import ThreeState

SIZES = [(3, 3), (5, 4)]


def random_plant(n: int, m: int, seed: int) -> tuple[Plant, np.ndarray]:
    """A plant with full weights and a stabilising gain that is not the optimum."""
    rng = np.random.default_rng(seed)
    draws = [rng.standard_normal((k, k)) for k in (n, m, n)]
    Q, R, Sigma = (draw @ draw.T + 0.1 * np.eye(len(draw)) for draw in draws)
    plant = Plant(rng.standard_normal((n, n)) / np.sqrt(n), rng.standard_normal((n, m)), Q, R, Sigma)
    return plant, discrete.optimal_gain(plant._replace(Q=10.0 * Q))


@settings(max_examples=30, deadline=None)
@given(size=st.sampled_from(SIZES), seed=st.integers(0, 10**6))
def test_solutions_agree_with_scipy(size, seed):
    plant, gain = random_plant(*size, seed)
    closed = plant.closed_loop(gain)
    P = linalg.solve_discrete_lyapunov(closed.T, plant.stage_weight(gain))
    S = linalg.solve_discrete_lyapunov(closed, plant.Sigma)
    np.testing.assert_allclose(small.cost_to_go(plant, gain), P, rtol=1e-8, atol=1e-10 * np.abs(P).max())
    np.testing.assert_allclose(small.state_covariance(plant, gain), S, rtol=1e-8, atol=1e-10 * np.abs(S).max())
    assert small.cost(plant, gain) == pytest.approx(np.sum(S * plant.stage_weight(gain)), rel=1e-8)


@settings(max_examples=60, deadline=None)
@given(size=st.sampled_from(SIZES), seed=st.integers(0, 10**6), radius=st.floats(0.2, 3.0))
def test_compiled_stability_agrees_with_the_eigenvalues(size, seed, radius):
    n, m = size
    rng = np.random.default_rng(seed)
    F = rng.standard_normal((n, n))
    F *= radius / np.max(np.abs(np.linalg.eigvals(F)))
    plant = Plant(F, rng.standard_normal((n, m)), np.zeros((n, n)), np.eye(m), np.eye(n))
    loop = small.lyapunov_workspace(n, m)
    stable = small.factorise(*plant[:4], np.zeros((m, n)), loop, small.size_of(n))
    assert abs(radius - 1.0) < 1e-6 or stable == (radius < 1.0) == small.is_stabilising(plant, np.zeros((m, n)))


@settings(max_examples=20, deadline=None)
@given(size=st.sampled_from(SIZES), seed=st.integers(0, 10**6))
def test_gradient_is_the_derivative_of_the_cost(size, seed):
    plant, gain = random_plant(*size, seed)
    gradient = small.gradient(plant, gain)
    direction = gradient / np.linalg.norm(gradient)
    h = 1e-5 * min(1.0, small.cost(plant, gain) / np.linalg.norm(gradient))
    change = small.cost(plant, gain + h * direction) - small.cost(plant, gain - h * direction)
    assert change / (2.0 * h) == pytest.approx(np.sum(gradient * direction), rel=1e-4)


@pytest.mark.parametrize("system", [ThreeState(), Boeing747()])
def test_gradient_vanishes_at_the_optimum_and_scales_with_the_noise(system):
    plant, gain = system.plant(), system.initial_gain()
    at_start = small.gradient(plant, gain)
    at_best = small.gradient(plant, discrete.optimal_gain(plant))
    assert np.linalg.norm(at_best) < 1e-8 * np.linalg.norm(at_start)
    louder = plant._replace(Sigma=7.0 * plant.Sigma)
    np.testing.assert_allclose(small.gradient(louder, gain), 7.0 * at_start, rtol=1e-12)
    assert small.relative_gap(plant, gain) == pytest.approx(small.relative_gap(louder, gain))
    assert small.relative_gap(plant, gain) > 0.0
    assert abs(small.relative_gap(plant, discrete.optimal_gain(plant))) < 1e-9


@pytest.mark.parametrize("length", [1, 2, 3, 5, 20, 77])
def test_both_forms_of_the_rollout_gradient_agree_with_differences(length):
    plant, gain = random_plant(5, 4, 3)
    start = 0.3 * np.eye(5)
    cost, gradient = rollout_gradient(plant, start, gain, length)
    mean, _, closed_form = rollout_moments(plant, start, gain, length, small.lyapunov_workspace(5, 4))
    assert mean == pytest.approx(cost, rel=1e-10)
    np.testing.assert_allclose(closed_form, gradient, rtol=1e-8, atol=1e-9 * np.abs(gradient).max())
    direction = gradient / np.linalg.norm(gradient)
    h = 1e-5 * min(1.0, cost / np.linalg.norm(gradient))
    pair = [rollout_gradient(plant, start, gain + sign * h * direction, length)[0] for sign in (1.0, -1.0)]
    assert (pair[0] - pair[1]) / (2.0 * h) == pytest.approx(np.linalg.norm(gradient), rel=1e-4)


def test_long_rollouts_have_the_average_cost_and_its_gradient():
    plant, gain = random_plant(3, 3, 4)
    cost, gradient = rollout_gradient(plant, small.state_covariance(plant, gain), gain, 4000)
    assert cost == pytest.approx(small.cost(plant, gain), rel=1e-10)
    exact = small.gradient(plant, gain)
    assert np.linalg.norm(gradient - exact) < 0.01 * np.linalg.norm(exact)


def test_rollout_variance_is_that_of_a_quadratic_form():
    """Var[x'Mx] = 2 tr(M V M V) with the covariance V of the whole trajectory written out."""
    plant, gain = random_plant(3, 3, 5)
    length, start = 4, 0.2 * np.eye(3)
    F, W = plant.closed_loop(gain), plant.stage_weight(gain)
    powers = [np.linalg.matrix_power(F, k) for k in range(length)]
    noise = linalg.block_diag(start, *[plant.Sigma] * (length - 1))
    zero = np.zeros((3, 3))
    maps = np.block([[powers[t - s] if s <= t else zero for s in range(length)] for t in range(length)])
    form = linalg.block_diag(*[W / length] * length) @ maps @ noise @ maps.T
    mean, variance, _ = rollout_moments(plant, start, gain, length, small.lyapunov_workspace(3, 3))
    assert mean == pytest.approx(np.trace(form), rel=1e-10)
    assert variance == pytest.approx(2.0 * np.trace(form @ form), rel=1e-10)


def test_a_gain_that_does_not_stabilise_is_refused_or_infinitely_costly():
    plant = ThreeState().plant()
    nothing = np.zeros((3, 3))
    assert small.cost(plant, nothing) == np.inf
    assert small.relative_gap(plant, nothing) == np.inf
    for function in (small.cost_to_go, small.state_covariance, small.gradient):
        with pytest.raises(ValueError, match="does not stabilise"):
            function(plant, nothing)


def test_systems_refuse_settings_that_make_no_sense():
    with pytest.raises(ValueError, match=r"system.noise=0.0: expected a positive number"):
        Boeing747(noise=0.0)
    with pytest.raises(ValueError, match="initial_variance"):
        ThreeState(initial_variance=-1.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "entries",
    [
        (1.4002871055342825, 1.133755277846882e-05, 1.104842595410352e-06, 477841.6243192746),
        (-1.15343526821305, -1.2827515409737613e-07, 1.818484296397689e-05, 13604.850643455296),
    ],
)
def test_the_optimum_of_inputs_that_cost_much_and_do_little(entries):
    """As the weight of the state vanishes, K* tends to (a^2 - 1) / (a b), which mirrors the mode at the unit circle."""
    plant = Plant(*(np.array([[entry]]) for entry in (*entries, 1.0)))
    gain = discrete.optimal_gain(plant)
    a, b = entries[:2]
    assert gain[0, 0] == pytest.approx((a**2 - 1.0) / (a * b))
    assert abs(small.relative_gap(plant, gain)) < 1e-9


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 2]))
def test_units_of_states_and_inputs_change_neither_the_verdict_nor_cost_and_gradient(seed, n):
    rng = np.random.default_rng(seed)
    A, B, K = rng.normal(size=(n, n)), rng.normal(size=(n, 1)), 0.5 * rng.normal(size=(1, n))
    A *= rng.uniform(0.3, 1.5) / max(np.max(np.abs(np.linalg.eigvals(A - B @ K))), 0.1)
    plant = Plant(A, B, np.eye(n), np.eye(1), np.eye(n))
    x, u = 10.0 ** rng.uniform(-6, 6, n), 10.0 ** rng.uniform(-6, 6)
    units = np.outer(x, x)
    other = Plant(A / x[:, None] * x, B / x[:, None] * u, plant.Q * units, plant.R * u * u, plant.Sigma / units)
    gain = K / u * x
    assert small.is_stabilising(other, gain) == small.is_stabilising(plant, K)
    if small.is_stabilising(plant, K):
        assert small.cost(other, gain) == pytest.approx(small.cost(plant, K), rel=1e-8)
        slope = small.gradient(plant, K)
        error = small.gradient(other, gain) / u * x - slope
        assert np.abs(error).max() < 1e-7 * np.abs(slope).max()
