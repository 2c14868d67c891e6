"""Optimal gains, Hessians and rollouts of hard plants against extended precision, within bounds from arithmetic."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest

from lqrpg.kernels.finite_horizon import rollout_gradient
from lqrpg.kernels.rollout import finite_horizon_costs
from lqrpg.lqr import continuous, discrete, riccati
from lqrpg.lqr.plant import Array, Plant
from tests.lqr.extended import DIGITS, EPS, doubles, exact, hard_case, is_stable, operator, precise, solve, trace

pytestmark = pytest.mark.slow

CONSTANT = 8.0
"""As in the tests of costs."""
NORM = np.linalg.norm


def improved(plant: Plant, gain: Any, time: str) -> tuple[Any, Any]:
    """One step of policy iteration (Kleinman; Hewer) in extended precision: the next gain, and this one's P."""
    A, B, Q, R, _ = (precise(part) for part in plant.matrices)
    F = A - B * gain
    P = solve(mp.inverse(operator(F, time)).T, Q + gain.T * R * gain)
    if time == "continuous":
        return mp.inverse(R) * B.T * P, P
    return mp.inverse(R + B.T * P * B) * B.T * P * A, P


def optimal(plant: Plant, gain: Array, time: str) -> tuple[Array, Array]:
    """K* and P* from a stabilising gain; Newton's method doubles the digits at every step once it is near."""
    with mp.workdps(DIGITS):
        K = precise(gain)
        for _ in range(40):
            following, P = improved(plant, K, time)
            settled = mp.mnorm(following - K, "f") <= mp.mpf(10) ** -40 * mp.mnorm(following, "f")
            K = following
            if settled:
                break
        assert settled
        return doubles(K), doubles(P)


def gain_bound(plant: Plant, gain: Array, P: Array, time: str) -> float:
    """Error of K* for backward errors of eps times the largest of A, B, Q and R.

    To first order P* changes as the P of the fixed gain K* does, by the solution for a weight of the size of
    h (1 + |K|)^2 (1 + 2 |P| |F|), which is at most that times the solution for unit noise; and K* as P* does.
    """
    F = plant.closed_loop(gain)
    known = exact(plant._replace(Sigma=np.eye(plant.n_states)), gain, time)
    h = max(NORM(part) for part in plant[:4])
    loop = NORM(F) if time == "discrete" else 1.0
    change = EPS * h * (1 + NORM(gain)) ** 2 * (1 + 2 * NORM(P) * loop) * NORM(known.covariance)
    curvature = plant.R + plant.B.T @ P @ plant.B if time == "discrete" else plant.R
    own = EPS * (NORM(curvature) * NORM(gain) + NORM(plant.B) * NORM(P) * loop)
    return float(CONSTANT * plant.n_states**2 * (NORM(plant.B) * change * loop + own) / NORM(curvature, -2))


@pytest.mark.parametrize(("module", "time"), [(discrete, "discrete"), (continuous, "continuous")])
def test_optimal_gains(module, time):
    judged = 0
    for seed in range(40):
        rng = np.random.default_rng([seed, 3])
        plant, _ = hard_case(rng, 3, 1, time, rng.uniform(0.0, 8.0))
        try:
            gain = module.optimal_gain(plant)
        except np.linalg.LinAlgError:
            continue
        if not is_stable(plant.A, plant.B, gain, time):
            continue  # within rounding of the limit: see the tests of stability
        best, P = optimal(plant, gain, time)
        allowed = gain_bound(plant, best, P, time)
        if allowed < 0.1 * NORM(best):  # the bound is of first order
            judged += 1
            assert NORM(gain - best) <= allowed
    assert judged >= 10


def exact_hessian(plant: Plant, gain: Array) -> Array:
    """The derivative of the gradient in extended precision, by central differences with a step of 1e-25."""
    columns = []
    with mp.workdps(DIGITS):
        A, B, Q, R, Sigma = (precise(part) for part in plant.matrices)

        def slope(K: Any) -> Any:
            F = A - B * K
            inverse = mp.inverse(operator(F, "discrete"))
            P = solve(inverse.T, Q + K.T * R * K)
            return 2 * (R * K - B.T * P * F) * solve(inverse, Sigma)

        step = mp.mpf(10) ** -25
        for index in np.ndindex(*gain.shape):
            up, down = precise(gain), precise(gain)
            up[index] += step
            down[index] -= step
            columns.append(doubles((slope(up) - slope(down)) / (2 * step)).ravel())
    return np.array(columns)


def test_hessians():
    judged = 0
    for seed in range(40):
        rng = np.random.default_rng([seed, 4])
        plant, gain = hard_case(rng, 3, 1, "discrete", rng.uniform(0.0, 6.0))
        if not is_stable(plant.A, plant.B, gain, "discrete"):
            continue
        known = exact(plant, gain, "discrete")
        tolerance = CONSTANT * 9 * EPS * known.condition
        if tolerance >= 0.1:
            continue
        judged += 1
        b, loop, X, P = NORM(plant.B), NORM(plant.closed_loop(gain)), NORM(known.covariance), NORM(known.value)
        factor = NORM(plant.R) * NORM(gain) + b * P * (NORM(plant.A) + b * NORM(gain))
        inverse = NORM(exact(plant._replace(Sigma=np.eye(3)), gain, "discrete").covariance)
        size = 2.0 * X * (NORM(plant.R) + b**2 * P + 4.0 * factor * inverse * b * loop)
        # three equations in a row: those of P and X, and that of their change
        assert NORM(discrete.hessian(plant, gain) - exact_hessian(plant, gain)) <= 3.0 * tolerance * size
    assert judged >= 10


def test_rollouts_in_continuous_time():
    """Over 1 to 100 units of the fastest mode, stable or not.

    A loop that differs by dF has |exp(Ft)| change by at most t g^2 |dF|, g the largest of |exp(Fs)| for s up to t.
    """
    for seed in range(40):
        rng = np.random.default_rng([seed, 5])
        plant, gain = hard_case(rng, 4, 1, "continuous", rng.uniform(0.0, 14.0))
        plant = plant._replace(A=plant.A + rng.choice([0.0, 0.01]) * np.eye(4))
        size = float(NORM(np.abs(plant.A) + np.abs(plant.B) @ np.abs(gain)))
        horizon = 10.0 ** rng.uniform(0.0, 2.0) / size
        start = rng.normal(size=4)
        with mp.workdps(DIGITS):
            K, x = precise(gain), precise(start[:, None])
            F, M = precise(plant.A) - precise(plant.B) * K, precise(plant.Q) + K.T * precise(plant.R) * K
            inverse = mp.inverse(operator(F, "continuous"))
            P, E = solve(inverse.T, M), mp.expm(F * horizon)
            expected = float((x.T * (P - E.T * P * E) * x)[0])
            step = mp.expm(F * horizon / 64)
            powers, growth = mp.eye(4), 1.0
            for _ in range(64):
                powers = powers * step
                growth = max(growth, float(mp.mnorm(powers, "f")))
        growth *= float(np.exp(min(1.0, size * horizon / 64)))  # between the points
        weight = float(NORM(plant.Q) + NORM(plant.R) * NORM(gain) ** 2)
        allowed = CONSTANT * 16 * EPS * weight * horizon * growth**2 * (1.0 + 2.0 * growth * size * horizon)
        found = finite_horizon_costs(plant, gain[None], start[None], horizon)[0]
        assert found >= -allowed * float(start @ start)
        assert abs(found - expected) <= allowed * float(start @ start)


def recursion(F: Any, M: Any, Sigma: Any, start: Any, length: int) -> float:
    """The mean stage cost of a rollout in discrete time."""
    S, total = start, mp.mpf(0)
    for _ in range(length):
        total += trace(M * S)
        S = F * S * F.T + Sigma
    return float(total / length)


def test_rollouts_in_discrete_time():
    """Sums and products without a division: the error is at most that of the same recursion on absolute values."""
    for seed in range(40):
        rng = np.random.default_rng([seed, 6])
        plant, gain = hard_case(rng, 3, 3, "discrete", rng.uniform(0.0, 14.0))
        if seed % 2:
            plant = plant._replace(A=plant.A * rng.uniform(1.0, 1.5))
        length = int(rng.integers(1, 40))
        with mp.workdps(DIGITS):
            A, B, Q, R, Sigma, K = (precise(part) for part in (*plant.matrices, gain))
            expected = recursion(A - B * K, Q + K.T * R * K, Sigma, mp.eye(3), length)
            A, B, Q, R, Sigma, K = (precise(np.abs(part)) for part in (*plant.matrices, gain))
            size = recursion(A + B * K, Q + K.T * R * K, Sigma, mp.eye(3), length)
        cost, _ = rollout_gradient(plant, np.eye(3), gain, length)
        assert abs(cost - expected) <= 2.0 * (3 + 3 + 1) * (length + 2) * EPS * size


def closed_form(plant: Plant, time: str) -> Any:
    """P* of a plant of one state and one input: the positive root of its quadratic equation."""
    a, b, q, r, _ = (mp.mpf(float(part[0, 0])) for part in plant.matrices)
    linear = r * (1 - a**2) - q * b**2 if time == "discrete" else -2 * a * r
    return (-linear + mp.sqrt(linear**2 + 4 * b**2 * q * r)) / (2 * b**2)


@pytest.mark.parametrize(("module", "time"), [(discrete, "discrete"), (continuous, "continuous")])
def test_optima_of_one_state_over_many_decades(module, time):
    """Near the limit of stability too; the cost of the gain that is found is within 1e-6, or none is found."""
    found = 0
    for seed in range(500):
        rng = np.random.default_rng([seed, 6])
        edge = 1.0 if time == "discrete" else 0.0
        a = rng.choice([-1.0, 1.0]) * (edge + rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(-14, 1))
        parts = (a, *(10.0 ** rng.uniform(-8, 8, 3)), 1.0)
        plant = Plant(*(np.array([[part]]) for part in parts))
        try:
            gain = module.optimal_gain(plant)
        except np.linalg.LinAlgError:
            continue
        found += 1
        with mp.workdps(DIGITS):
            best = closed_form(plant, time)
        assert abs(exact(plant, gain, time).cost / float(best) - 1.0) <= 1e-6
        assert abs(riccati.optimum(module.EQUATION, plant).cost_to_go[0, 0] / float(best) - 1.0) <= 1e-6
    assert found > 450


@pytest.mark.parametrize(("module", "time"), [(discrete, "discrete"), (continuous, "continuous")])
def test_optima_of_hard_plants_in_far_units(module, time):
    found = 0
    for seed in range(60):
        rng = np.random.default_rng([seed, 7])
        plant, _ = hard_case(rng, int(rng.integers(1, 4)), 1, time, rng.uniform(0.0, 12.0))
        plant = plant._replace(B=plant.B * 10.0 ** rng.uniform(-8, 8), Q=plant.Q * 10.0 ** rng.uniform(-8, 8))
        try:
            P = riccati.optimum(module.EQUATION, plant).cost_to_go
        except np.linalg.LinAlgError:
            continue
        found += 1
        gain = module.optimal_gain(plant)
        _, best = optimal(plant, gain, time)
        assert abs(np.trace(exact(plant, gain, time).value) / np.trace(best) - 1.0) <= 1e-6
        assert abs(np.trace(P) / np.trace(best) - 1.0) <= 1e-6
    assert found > 40


@pytest.mark.parametrize("module", [continuous, discrete])
def test_a_cross_weight_is_refused_and_not_forgotten(module):
    plant = Plant(-0.5 * np.eye(2), np.eye(2), np.eye(2), np.eye(2), np.eye(2), S=0.1 * np.eye(2))
    for function in (module.optimal_gain, module.optimum, lambda plant: module.cost(plant, np.zeros((2, 2)))):
        with pytest.raises(ValueError, match="has a cross weight"):
            function(plant)
