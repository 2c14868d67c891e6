"""Kernels for plants of any size against SciPy, and against those of small plants on either side of the switch."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from lqrpg.compiler.jit import LARGEST_UNROLLED, SMALL, size_of, sizes_of, unrolled
from lqrpg.kernels import dense, rollout
from lqrpg.kernels import discrete_small as small
from lqrpg.kernels.evaluation import evaluate
from lqrpg.kernels.finite_horizon import rollout_gradient, rollout_moments, stable_rollout_gradient
from lqrpg.kernels.normals import seed_streams
from lqrpg.kernels.rollout_dense import finite_horizon_dense, infinite_horizon_dense
from lqrpg.lqr import discrete, stability, stability_kernel
from lqrpg.lqr.plant import Plant, contiguous
from lqrpg.methods.minimise import Optimum, minimise
from lqrpg.methods.natural_gradient import NaturalGradient
from lqrpg.methods.oracles.direct import Estimate, Rollouts, direct_gradient, make_work
from lqrpg.methods.policy_iteration import PolicyIteration

LARGE = [(9, 1), (12, 4), (30, 3)]
KINDS = ((unrolled(5), unrolled(4)), (5, 4))
"""Sizes of one plant for both kinds of kernels."""


def random_plant(n, m, seed, *, singular=False):
    """A plant and a gain that is not the optimum; Q and Sigma of rank one if singular."""
    rng = np.random.default_rng(seed)
    draws = [rng.standard_normal((k, 1 if singular and k == n else k)) for k in (n, m, n)]
    Q, R, Sigma = (draw @ draw.T for draw in draws)
    R += np.eye(m)
    if not singular:
        Q, Sigma = Q + 0.1 * np.eye(n), Sigma + 0.1 * np.eye(n)
    plant = Plant(rng.standard_normal((n, n)) / np.sqrt(n), rng.standard_normal((n, m)), Q, R, Sigma, sample_time=1)
    return plant, discrete.optimal_gain(plant._replace(Q=10.0 * (Q + np.eye(n))))


def factorised(plant, gain, workspace, size):
    """A loop with its cost-to-go, and whether it is stable."""
    A, B, Q, R, K = contiguous(*plant.matrices[:4], gain)
    stable = small.factorise(A, B, Q, R, K, workspace, size)
    if stable:
        small.cost_trace(workspace, size)
    return workspace, bool(stable)


@settings(max_examples=20, deadline=None)
@given(shape=st.sampled_from(LARGE), seed=st.integers(0, 10**6), singular=st.booleans())
def test_solutions_agree_with_scipy(shape, seed, singular):
    plant, gain = random_plant(*shape, seed, singular=singular)
    closed = plant.closed_loop(gain)
    P = linalg.solve_discrete_lyapunov(closed.T, plant.stage_weight(gain), method="direct")
    X = linalg.solve_discrete_lyapunov(closed, plant.Sigma, method="direct")
    gradient = 2.0 * (plant.R @ gain - plant.B.T @ P @ closed) @ X
    np.testing.assert_allclose(small.cost_to_go(plant, gain), P, rtol=1e-9, atol=1e-11 * np.abs(P).max())
    np.testing.assert_allclose(small.state_covariance(plant, gain), X, rtol=1e-9, atol=1e-11 * np.abs(X).max())
    np.testing.assert_allclose(small.gradient(plant, gain), gradient, rtol=1e-8, atol=1e-10 * np.abs(gradient).max())
    assert small.cost(plant, gain) == pytest.approx(np.trace(P @ plant.Sigma), rel=1e-9)
    for found in (small.cost_to_go(plant, gain), small.state_covariance(plant, gain)):
        assert np.array_equal(found, found.T)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), power=st.integers(-60, 60))
def test_units_of_the_states_change_rounding_only(seed, power):
    plant, gain = random_plant(12, 3, seed)
    units = np.exp2(np.linspace(0, power, 12).round())
    A, B = plant.A * units[:, None] / units, plant.B * units[:, None]
    other = plant._replace(A=A, B=B, Q=plant.Q / np.outer(units, units), Sigma=plant.Sigma * np.outer(units, units))
    P, Q = small.cost_to_go(plant, gain), small.cost_to_go(other, gain / units) * np.outer(units, units)
    root = np.sqrt(np.diag(P))
    assert np.abs(P - Q).max() <= 1e-11 * np.outer(root, root).max()
    assert np.all(np.abs(P - Q) <= 1e-10 * np.outer(root, root))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), radius=st.floats(0.3, 2.0), singular=st.booleans())
def test_both_kinds_agree_across_the_switch(seed, radius, singular):
    plant, gain = random_plant(5, 4, seed, singular=singular)
    A = plant.B @ gain + plant.closed_loop(gain) * radius / discrete.spectral_radius(plant.closed_loop(gain))
    plant = plant._replace(A=A)
    (few, first), (any_size, second) = (
        factorised(plant, gain, workspace, size)
        for workspace, size in ((small.lyapunov_workspace(5, 4), unrolled(5)), (dense.dense_workspace(5, 4), 5))
    )
    assert first == second == discrete.is_stabilising(plant, gain)
    if not first:
        return
    B, R, Sigma, K = contiguous(plant.B, plant.R, plant.Sigma, gain)
    gradients = np.empty((2, 4, 5))
    small.policy_gradient(B, R, Sigma, K, few, gradients[0], unrolled(5))
    small.policy_gradient(B, R, Sigma, K, any_size, gradients[1], 5)
    loose = 1e-8 / abs(1.0 - min(radius, 0.9999))
    np.testing.assert_allclose(any_size.P, few.P, rtol=loose, atol=loose * np.abs(few.P).max())
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=loose, atol=loose * np.abs(gradients[0]).max())
    best = small.reference(plant._replace(Q=plant.Q + np.eye(5)))
    gaps = [small.gap_of(K, best, loop, size) for loop, size in ((few, unrolled(5)), (any_size, 5))]
    assert gaps[0] == pytest.approx(gaps[1], rel=loose)


@pytest.mark.slow
def test_rollouts_of_both_kinds_see_the_same_numbers():
    plant, gain = random_plant(5, 4, 0)
    model, (K,) = contiguous(*plant.matrices), contiguous(gain)
    roots, found = (np.eye(5), np.linalg.cholesky(plant.Sigma)), []
    for sizes, baseline in itertools.product(KINDS, (False, True)):
        out = np.empty((4, 5))
        rollouts, estimate = Rollouts(*roots, seed_streams(3)), Estimate(0.01, 40, 30, baseline)
        direct_gradient(model, K, rollouts, estimate, make_work(*sizes), out, *sizes)
        found.append(out)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-8, atol=1e-9 * np.abs(found[0]).max())
    np.testing.assert_allclose(found[3], found[1], rtol=1e-8, atol=1e-9 * np.abs(found[1]).max())


@pytest.mark.slow
def test_finite_rollouts_of_both_kinds_agree():
    plant, gain = random_plant(5, 4, 1)
    model, (K,) = contiguous(*plant.matrices), contiguous(gain)
    found = []
    for workspace, size in ((small.lyapunov_workspace(5, 4), unrolled(5)), (dense.dense_workspace(5, 4), 5)):
        loop, _ = factorised(plant, gain, workspace, size)
        out = np.empty((4, 5))
        mean = stable_rollout_gradient(model, np.eye(5), K, 37, loop, np.empty((12, 5, 5)), out, size)
        found.append(np.append(out.ravel(), mean))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("length", [1, 2, 33])
def test_finite_rollouts_of_large_plants_by_recursion_and_by_doubling(length):
    plant, gain = random_plant(12, 3, 2)
    mean, slope = rollout_gradient(plant, np.eye(12), gain, length)
    doubled, variance, gradient = rollout_moments(plant, np.eye(12), gain, length, small.lyapunov_workspace(12, 3))
    assert doubled == pytest.approx(mean, rel=1e-9)
    assert variance > 0.0
    np.testing.assert_allclose(gradient, slope, rtol=1e-7, atol=1e-9 * np.abs(slope).max())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), distance=st.floats(-17.0, -2.0), normal=st.booleans())
def test_themargin_by_sums_is_that_by_responses(seed, distance, normal):
    rng = np.random.default_rng(seed)
    F = np.diag(rng.uniform(-0.5, 0.5, 6)) if normal else np.triu(rng.standard_normal((6, 6)), 1)
    np.fill_diagonal(F, rng.uniform(-0.5, 0.5, 6))
    F[0, 0] = 1.0 - 10.0**distance
    H = np.abs(F) + np.eye(6)
    scratch = np.empty((6 + stability_kernel.SCRATCH, 6, 6))
    limits = stability.LIMIT * np.array([1e-6, 1e-3, 1.0])
    for limit in limits:
        exact = stability_kernel.margin_holds(F, H, limit, scratch)
        assert stability_kernel.margin_by_sums(F, H, limit) == exact


@pytest.mark.parametrize("n", [9, 24])
def test_stability_of_large_loops_is_decided_as_everywhere_else(n):
    rng = np.random.default_rng(n)
    basis = np.linalg.qr(rng.standard_normal((n, n)))[0]
    for exponent in range(-17, -1):
        values = rng.uniform(-0.9, 0.9, n)
        values[0] = 1.0 - 10.0**exponent
        plant = Plant(basis * values @ basis.T, np.eye(n, 1), np.eye(n), np.eye(1), np.eye(n), sample_time=1)
        none = np.zeros((1, n))
        decided = stability.is_stable(plant, none, "discrete")
        assert small.is_stabilising(plant, none) == decided
        assert evaluate(*plant.matrices[:2], none, *plant.matrices[2:]).stable[0] == decided
        unstable = plant._replace(A=plant.A + 2.0 * 10.0**exponent * np.outer(basis[:, 0], basis[:, 0]))
        assert not small.is_stabilising(unstable, none)
    broken = plant._replace(A=np.full((n, n), np.nan))
    assert not small.is_stabilising(broken, none)
    assert not small.is_stabilising(plant._replace(A=1e200 * np.ones((n, n))), none)


def test_evaluation_of_large_plants():
    plant, gain = random_plant(20, 3, 5)
    gains = np.array([gain, 0.0 * gain, 1e3 + gain])
    found = evaluate(*plant.matrices[:2], gains, *plant.matrices[2:])
    assert not found.stable[2]
    assert np.isinf(found.cost[2])
    assert np.isnan(found.gradient[2]).all()
    assert found.cost[0] == pytest.approx(discrete.cost(plant, gain), rel=1e-10)
    np.testing.assert_allclose(found.gradient[0], discrete.gradient(plant, gain), rtol=1e-8)
    excess = Optimum(plant).excess(gains)
    assert excess[0] == pytest.approx(discrete.cost(plant, gain) - Optimum(plant).cost, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("method", [NaturalGradient(step_size=1e-3), PolicyIteration()])
def test_methods_run_on_large_plants(method):
    plant, gain = random_plant(14, 2, 6)
    found = minimise(method, plant, gain, steps=10)
    gaps = found.history["gap"].to_numpy()
    assert np.all(np.diff(gaps) <= 1e-12)
    if isinstance(method, PolicyIteration):
        np.testing.assert_allclose(found.gain, discrete.optimal_gain(plant), rtol=1e-7, atol=1e-9)


@pytest.mark.slow
def test_continuous_costs_of_both_kinds_agree():
    rng = np.random.default_rng(7)
    plant = Plant(rng.standard_normal((5, 5)) - 3.0 * np.eye(5), np.eye(5, 2), np.eye(5), np.eye(2), np.eye(5))
    gains, starts = 0.3 * rng.standard_normal((20, 2, 5)), rng.standard_normal((20, 5))
    gains[3] -= 10.0 * np.eye(2, 5)  # far from stabilising
    A, B, Q, R, Sigma = contiguous(*plant.matrices)
    for horizon in (0.1, 30.0):
        finite = finite_horizon_dense((A, B, Q, R), gains, starts, horizon)
        np.testing.assert_allclose(finite, rollout.finite_horizon_costs(plant, gains, starts, horizon), rtol=1e-10)
    infinite, _ = infinite_horizon_dense((A, B, Q, R), Sigma, gains)
    np.testing.assert_allclose(infinite, rollout.infinite_horizon_costs(plant, gains), rtol=1e-10)


def test_sizes_beyond_the_switch_are_numbers():
    assert size_of(LARGEST_UNROLLED) == unrolled(LARGEST_UNROLLED)
    assert size_of(LARGEST_UNROLLED + 1) == LARGEST_UNROLLED + 1
    assert sizes_of(SMALL, 2) == (unrolled(SMALL), unrolled(2))
    assert sizes_of(12, 4) == (12, 4)
    assert sizes_of(3, 20) == (unrolled(3), 20)
