"""The compiled discrete-time kernel against SciPy, finite differences and a decision by eigenvalues."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lqrpg.kernels.evaluation import evaluate
from lqrpg.lqr import discrete
from lqrpg.lqr.plant import Array, Plant

SIZES = ((4, 1), pytest.param((5, 4), marks=pytest.mark.slow))
COUNT = 19  # one full lane group and a partial one


def random_plants(
    size: tuple[int, int], seed: int, margins: Array, singular_noise: bool = False
) -> tuple[list[Plant], Array]:
    """Plants, and a gain for each, whose closed loops have spectral radius 1 - margin."""
    n, m = size
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(n, n))
    Q = root @ root.T / n + 0.1 * np.eye(n)
    R = np.diag(rng.uniform(0.5, 2.0, m))
    noise = rng.normal(size=(n, 1 if singular_noise else n))
    # the one is decided by unit noise, the other, safely definite, by Sigma itself
    Sigma = noise @ noise.T + (0.0 if singular_noise else n) * np.eye(n)
    plants, gains = [], rng.normal(size=(len(margins), m, n))
    for margin, gain in zip(margins, gains, strict=True):
        closed, B = rng.normal(size=(n, n)), rng.normal(size=(n, m))
        closed *= (1.0 - margin) / discrete.spectral_radius(closed)
        plants.append(Plant(closed + B @ gain, B, Q, R, Sigma))
    return plants, gains


def evaluate_plants(plants: list[Plant], gains: Array):
    A, B = np.array([p.A for p in plants]), np.array([p.B for p in plants])
    return evaluate(A, B, gains, plants[0].Q, plants[0].R, plants[0].Sigma)


def lyapunov_condition(plant: Plant, gain: Array) -> float:
    """How much the solutions amplify rounding: the size of the solution for unit noise."""
    closed = plant.closed_loop(gain)
    unit = plant._replace(Sigma=np.eye(len(closed)))
    return float(np.linalg.norm(discrete.state_covariance(unit, gain), 2)) * (1.0 + np.linalg.norm(closed, 2) ** 2)


@pytest.mark.parametrize("size", SIZES)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), digits=st.floats(0.1, 6.0), singular=st.booleans())
def test_agrees_with_scipy_to_rounding_up_to_the_edge(size, seed, digits, singular):
    plants, gains = random_plants(size, seed, np.full(COUNT, 10.0**-digits), singular)
    found = evaluate_plants(plants, gains)
    assert found.stable.all()
    for i, (plant, gain) in enumerate(zip(plants, gains, strict=True)):
        tolerance = 1e-13 * lyapunov_condition(plant, gain)
        assert found.cost[i] == pytest.approx(discrete.cost(plant, gain), rel=tolerance)
        exact = discrete.state_covariance(plant, gain)
        assert np.linalg.norm(found.covariance[i] - exact) <= tolerance * np.linalg.norm(exact)
        gradient = discrete.gradient(plant, gain)
        scale = (
            np.linalg.norm(plant.R @ gain)
            + np.linalg.norm(plant.B)
            * np.linalg.norm(discrete.cost_to_go(plant, gain))
            * np.linalg.norm(plant.closed_loop(gain))
        ) * np.linalg.norm(exact)
        assert np.linalg.norm(found.gradient[i] - gradient) <= tolerance * scale


@pytest.mark.parametrize("size", SIZES)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), digits=st.floats(0.0, 9.0), singular=st.booleans())
def test_no_case_is_misclassified(size, seed, digits, singular):
    signs = np.where(np.arange(COUNT) % 2 == 0, 1.0, -1.0)
    plants, gains = random_plants(size, seed, 0.999 * signs * 10.0**-digits, singular)
    found = evaluate_plants(plants, gains)
    np.testing.assert_array_equal(found.stable, signs > 0.0)
    assert np.isfinite(found.cost[found.stable]).all()
    assert np.isinf(found.cost[~found.stable]).all()
    assert np.isnan(found.gradient[~found.stable]).all()


def test_far_unstable_and_defective_systems_are_refused():
    """Eigenvalue pairs with product one make the Lyapunov operator singular: nothing to judge."""
    systems = [
        np.diag([2.0, 0.5, 0.1, 0.1]),
        np.diag([3.0, 1.0 / 3.0, 1e3, 0.0]),
        np.diag([1.0, 0.5, 0.2, 0.1]),
        np.diag([-1.0, 0.5, 0.2, 0.1]),
        1e6 * np.ones((4, 4)),
        np.eye(4),
    ]
    A = np.array(systems)
    found = evaluate(A, np.ones((len(A), 4, 1)), np.zeros((1, 4)), np.eye(4), np.eye(1), np.eye(4))
    assert not found.stable.any()


def test_zero_leading_pivots_need_interchanges_and_get_them():
    """A stable matrix with a unit in the corner: elimination without interchanges would divide by zero."""
    A = np.array([[1.0, 1.0, 0, 0], [-0.6, -0.7, 0.1, 0], [0, 0.2, 0.5, 0.1], [0.1, 0, 0, -1.0 + 0.5]])
    plant = Plant(A, np.ones((4, 1)), np.eye(4), np.eye(1), np.eye(4))
    gain = np.zeros((1, 4))
    assert discrete.is_stabilising(plant, gain)
    found = evaluate_plants([plant], gain[None])
    assert found.stable[0]
    assert found.cost[0] == pytest.approx(discrete.cost(plant, gain), rel=1e-12)
    np.testing.assert_allclose(found.gradient[0], discrete.gradient(plant, gain), rtol=1e-11)


@pytest.mark.parametrize("size", SIZES)
def test_gradient_and_hessian_match_finite_differences(size):
    plants, gains = random_plants(size, 7, np.full(3, 0.2))
    for plant, gain in zip(plants, gains, strict=True):
        found, step = evaluate_plants([plant], gain[None]), 1e-5
        moved = gain + step * np.concatenate([np.eye(gain.size), -np.eye(gain.size)]).reshape(-1, *gain.shape)
        around = evaluate(plant.A, plant.B, moved, plant.Q, plant.R, plant.Sigma)
        assert around.stable.all()
        up, down = np.split(np.arange(len(moved)), 2)
        slope = ((around.cost[up] - around.cost[down]) / (2 * step)).reshape(gain.shape)
        np.testing.assert_allclose(found.gradient[0], slope, rtol=1e-4, atol=1e-5 * np.abs(slope).max())
        bend = ((around.gradient[up] - around.gradient[down]) / (2 * step)).reshape(gain.size, gain.size)
        hessian = discrete.hessian(plant, gain)
        np.testing.assert_allclose(hessian, bend, rtol=1e-4, atol=1e-5 * np.abs(bend).max())


def test_gradient_vanishes_at_the_riccati_gain():
    plants, _ = random_plants((4, 1), 3, np.full(1, 0.1))
    gain = discrete.optimal_gain(plants[0])
    found = evaluate_plants(plants, gain[None])
    assert np.abs(found.gradient).max() < 1e-11 * found.cost[0]


def test_a_lane_does_not_depend_on_its_neighbours():
    margins = np.where(np.arange(COUNT) % 3 == 0, -0.5, 0.01)  # unstable and nearly unstable neighbours
    plants, gains = random_plants((4, 1), 11, margins)
    together = evaluate_plants(plants, gains)
    for i, (plant, gain) in enumerate(zip(plants, gains, strict=True)):
        alone = evaluate_plants([plant], gain[None])
        for field, other in zip(together, alone, strict=True):
            assert field[i].tobytes() == other[0].tobytes() or np.isnan(other[0]).any()


def test_unequal_numbers_are_refused():
    with pytest.raises(ValueError, match="cannot pair"):
        evaluate(np.zeros((3, 4, 4)), np.zeros((3, 4, 1)), np.zeros((2, 1, 4)), np.eye(4), np.eye(1), np.eye(4))
