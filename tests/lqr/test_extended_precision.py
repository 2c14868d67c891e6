"""Costs, gradients, solutions and optima of hard plants against extended precision, within bounds from arithmetic.

A solver that is stable backwards solves a plant that differs from the given one by a few units of rounding; its
error is at most that times the condition of the equation. Entries are sums of at most n^2 terms. So relative errors
stay below CONSTANT n^2 eps condition. Where this leaves no digit, a result must still be possible: a cost that is
finite and not below zero, or infinite.
"""

from __future__ import annotations

import numpy as np
import pytest

from lqrpg.kernels import discrete_small as small
from lqrpg.kernels.evaluation import evaluate
from lqrpg.kernels.rollout import infinite_horizon_costs
from lqrpg.lqr import continuous, discrete
from lqrpg.lqr.plant import Array, Plant
from tests.lqr.extended import EPS, Exact, exact, hard_case, is_stable

pytestmark = pytest.mark.slow

CONSTANT = 8.0
"""Units of rounding for each of the n^2 terms: set-up, elimination, substitution; squarings, for sums by doubling."""
SIZES = ((3, 3), (4, 1))
"""Of plants; the compiled solver of one plant gets the first, lane kernels the second, as in their other tests."""
NORM = np.linalg.norm


def cases(time: str, count: int):
    """Plants and gains whose loops are stable in exact arithmetic, with their exact solutions."""
    for seed in range(count):
        rng = np.random.default_rng([seed, time == "discrete"])
        plant, gain = hard_case(rng, *SIZES[seed % 2], time, rng.uniform(0.0, 14.0))
        if is_stable(plant.A, plant.B, gain, time):
            yield plant, gain, exact(plant, gain, time)


@pytest.fixture(scope="module")
def discrete_cases():
    return list(cases("discrete", 160))


@pytest.fixture(scope="module")
def continuous_cases():
    return list(cases("continuous", 160))


def of_size(size, hard):
    return [case for case in hard if case[0].B.shape == size]


def bound(plant: Plant, known: Exact) -> float:
    """Relative error of a solution of a Lyapunov equation that arithmetic allows."""
    return CONSTANT * plant.n_states**2 * EPS * known.condition


def gradient_size(plant: Plant, gain: Array, known: Exact, time: str) -> float:
    """Norms of the factors of the gradient: cancellation between them is the plant's, not the solver's."""
    loop = NORM(plant.A) + NORM(plant.B) * NORM(gain) if time == "discrete" else 1.0
    slope = NORM(plant.R) * NORM(gain) + NORM(plant.B) * NORM(known.value) * loop
    return float(2.0 * slope * NORM(known.covariance))


def assert_solutions(found: dict[str, Array], plant: Plant, gain: Array, known: Exact, time: str) -> None:
    tolerance = bound(plant, known)
    assert NORM(found["value"] - known.value) <= tolerance * NORM(known.value)
    assert NORM(found["covariance"] - known.covariance) <= tolerance * NORM(known.covariance)
    size = gradient_size(plant, gain, known, time)
    assert NORM(found["gradient"] - known.gradient) <= 2.0 * tolerance * size


def assert_cost(found: float, plant: Plant, known: Exact) -> None:
    """Within the bound, finite wherever a digit is left, and possible everywhere."""
    tolerance = bound(plant, known)
    assert found >= 0.0  # and no NaN
    if tolerance < 0.1:
        assert abs(found - known.cost) <= tolerance * NORM(known.value) * NORM(plant.Sigma)


def test_the_cases_are_hard(discrete_cases, continuous_cases):
    """Both sides of the limit at which no digit is left are well covered."""
    for hard in (discrete_cases, continuous_cases):
        bounds = np.array([bound(plant, known) for plant, _, known in hard])
        assert np.sum(bounds < 1e-10) >= 5
        assert np.sum((bounds >= 1e-10) & (bounds < 0.1)) >= 20
        assert np.sum(bounds > 1.0) >= 20


@pytest.mark.parametrize(("room", "time"), [(discrete, "discrete"), (continuous, "continuous")])
def test_scipys_solvers_behind_their_checks(room, time, request):
    for plant, gain, known in request.getfixturevalue(f"{time}_cases"):
        cost = room.cost(plant, gain)
        assert_cost(cost, plant, known)
        assert np.isfinite(cost) == room.is_stabilising(plant, gain)
        if bound(plant, known) < 0.1:
            assert np.isfinite(cost)
            functions = {"value": room.cost_to_go, "covariance": room.state_covariance, "gradient": room.gradient}
            found = {name: function(plant, gain) for name, function in functions.items()}
            assert_solutions(found, plant, gain, known, time)


def test_the_compiled_solver_of_one_plant(discrete_cases):
    for plant, gain, known in of_size(SIZES[0], discrete_cases):
        assert_cost(small.cost(plant, gain), plant, known)
        assert np.isfinite(small.cost(plant, gain)) == small.is_stabilising(plant, gain)
        if bound(plant, known) < 0.1:
            functions = {"value": small.cost_to_go, "covariance": small.state_covariance, "gradient": small.gradient}
            found = {name: function(plant, gain) for name, function in functions.items()}
            assert_solutions(found, plant, gain, known, "discrete")


def test_the_lane_kernel(discrete_cases):
    for plant, gain, known in of_size(SIZES[1], discrete_cases):
        found = evaluate(plant.A, plant.B, gain[None], plant.Q, plant.R, plant.Sigma)
        assert_cost(found.cost[0], plant, known)
        assert found.stable[0] == np.isfinite(found.cost[0]) == np.isfinite(found.gradient[0]).all()
        tolerance = bound(plant, known)
        if tolerance < 0.1:
            assert found.stable[0]
            assert NORM(found.covariance[0] - known.covariance) <= tolerance * NORM(known.covariance)
            size = gradient_size(plant, gain, known, "discrete")
            assert NORM(found.gradient[0] - known.gradient) <= 2.0 * tolerance * size


def test_costs_by_doubling(continuous_cases):
    for plant, gain, known in of_size(SIZES[1], continuous_cases):
        cost = infinite_horizon_costs(plant, gain[None])[0]
        assert_cost(cost, plant, known)
        assert np.isfinite(cost) or bound(plant, known) >= 0.1


def test_states_in_badly_chosen_units_cost_no_digits():
    """What the bound does not promise: units of the states apart, solutions are as accurate as in equal units."""
    for seed in range(60):
        time = ("discrete", "continuous")[seed % 2]
        room = discrete if time == "discrete" else continuous
        rng = np.random.default_rng([seed, 7])
        loop = rng.normal(size=(3, 3))
        if time == "discrete":
            loop *= 0.9 / discrete.spectral_radius(loop)
        else:
            loop -= (continuous.spectral_abscissa(loop) + 0.1) * np.eye(3)
        units = 2.0 ** rng.integers(-20, 21, size=3)
        eye, none = np.eye(3), np.zeros((1, 3))
        plain = Plant(loop, np.ones((3, 1)), eye, np.eye(1), eye)
        scaled = Plant(
            units[:, None] * loop / units,
            units[:, None] * plain.B,
            np.diag(units**-2.0),
            plain.R,
            np.diag(units**2.0),
        )
        known = exact(plain, none, time)
        assert abs(room.cost(scaled, none) - known.cost) <= 100.0 * bound(plain, known) * known.cost
