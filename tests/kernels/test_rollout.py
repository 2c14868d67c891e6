"""The lane kernels against matrix exponentials, Lyapunov solutions and a time-stepping simulator."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

from lqrpg.compiler.jit import LANES
from lqrpg.kernels.rollout import finite_horizon_costs, infinite_horizon_costs
from lqrpg.lqr import continuous
from lqrpg.lqr.plant import Plant
from lqrpg.lqr.simulate import simulated_plant_costs
from tests.conftest import random_plant


def truncated_cost(plant: Plant, gain: np.ndarray, start: np.ndarray, horizon: float) -> float:
    """x0' W x0 with W = P - E'PE, E = e^{A_K tau}: the infinite cost less that of the tail."""
    tail = expm(plant.closed_loop(gain) * horizon) @ start
    P = continuous.cost_to_go(plant, gain)
    return float(start @ P @ start - tail @ P @ tail)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([(2, 1), (4, 2), (8, 4)]), st.floats(0.01, 3.0))
def test_finite_horizon_costs_are_the_integrals(seed, size, horizon):
    n, m = size
    rng = np.random.default_rng(seed)
    plant = random_plant(rng, n, m)
    gains, starts = 0.01 * rng.normal(size=(3, m, n)), rng.normal(size=(3, n))
    expected = [truncated_cost(plant, *pair, horizon) for pair in zip(gains, starts, strict=True)]
    np.testing.assert_allclose(finite_horizon_costs(plant, gains, starts, horizon), expected, rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([(2, 1), (4, 2), (8, 4)]), st.floats(-9.0, 0.0))
def test_infinite_horizon_costs_up_to_the_edge_of_stability(seed, size, exponent):
    n, m = size
    rng = np.random.default_rng(seed)
    plant = random_plant(rng, n, m)
    gain = 0.1 * rng.normal(size=(m, n))
    margin = 10.0**exponent
    at_edge = continuous.spectral_abscissa(plant.closed_loop(gain))
    stable = plant._replace(A=plant.A - (at_edge + margin) * np.eye(n))
    unstable = plant._replace(A=plant.A - (at_edge - margin) * np.eye(n))
    gains = gain[None]
    assert infinite_horizon_costs(unstable, gains)[0] == np.inf
    # The cost grows like 1/margin, and so does its sensitivity to the rounding of A.
    tolerance = 1e-9 + 1e-14 * np.linalg.cond(np.linalg.eig(plant.closed_loop(gain))[1]) ** 2 / margin
    assert infinite_horizon_costs(stable, gains)[0] == pytest.approx(continuous.cost(stable, gain), rel=tolerance)


def test_a_result_does_not_depend_on_its_neighbours(chain):
    rng = np.random.default_rng(3)
    count = 2 * LANES + 5
    gains, starts = 0.3 * rng.normal(size=(count, 4, 8)), rng.normal(size=(count, 8))
    gains[7] *= 100.0  # an unstable neighbour
    together = finite_horizon_costs(chain, gains, starts, 100.0)
    alone = [finite_horizon_costs(chain, gains[[k]], starts[[k]], 100.0)[0] for k in range(count)]
    order = rng.permutation(count)
    shuffled = finite_horizon_costs(chain, gains[order], starts[order], 100.0)
    assert together.tolist() == alone
    assert together[order].tolist() == shuffled.tolist()
    judged = infinite_horizon_costs(chain, gains)
    assert judged.tolist() == [infinite_horizon_costs(chain, gain[None])[0] for gain in gains]
    assert np.isinf(judged[7])


def test_an_overflowing_rollout_is_infinite_and_never_nan(chain):
    gains = np.array([np.zeros((4, 8)), -50.0 * np.ones((4, 8)), np.full((4, 8), 1e200)])
    costs = finite_horizon_costs(chain, gains, np.ones((3, 8)), 100.0)
    assert np.isfinite(costs[0])
    assert np.all(np.isinf(costs[1:]))


def test_the_simulator_converges_to_the_exact_costs_with_order_four(chain):
    rng = np.random.default_rng(5)
    gains, starts = 0.1 * rng.normal(size=(4, 4, 8)), rng.normal(size=(4, 8))
    exact = finite_horizon_costs(chain, gains, starts, 10.0)
    errors = [
        np.max(np.abs(simulated_plant_costs(chain, gains, starts, 10.0, step) / exact - 1.0)) for step in (0.1, 0.05)
    ]
    assert 3.5 < np.log2(errors[0] / errors[1]) < 4.5


@pytest.mark.parametrize("radius", [1e-3, 1e-4, 1e-5])
def test_two_point_differences_stay_accurate_for_small_radii(chain, radius):
    """The slope along U against the analytic gradient of the infinite-horizon cost from the same start."""
    rng = np.random.default_rng(11)
    gain, direction, start = 0.1 * rng.normal(size=(4, 8)), rng.normal(size=(4, 8)), rng.normal(size=8)
    costs = finite_horizon_costs(
        chain, np.array([gain + radius * direction, gain - radius * direction]), np.array([start, start]), 100.0
    )
    loop = chain.closed_loop(gain)
    assert continuous.spectral_abscissa(loop) < -0.1  # at horizon 100 the truncated cost is then the infinite one
    point = chain._replace(Sigma=np.outer(start, start))
    slope = np.sum(continuous.gradient(point, gain) * direction)
    assert (costs[0] - costs[1]) / (2 * radius) == pytest.approx(slope, rel=30.0 * radius**2 + 3e-13 / radius + 1e-7)
