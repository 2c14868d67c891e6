"""Loops at the limit of stability: decided as fractions decide, or, where rounding decides, without contradiction."""

from __future__ import annotations

from functools import cache

import mpmath as mp
import numpy as np
import pytest

from lqrpg.kernels import discrete_small as small
from lqrpg.kernels.evaluation import evaluate
from lqrpg.kernels.rollout import infinite_horizon_costs
from lqrpg.lqr import continuous, discrete
from lqrpg.lqr.plant import Array, Plant
from tests.lqr.extended import DIGITS, EPS, is_stable, operator, precise

CONSTANT = 8.0
"""As in the tests of accuracy."""
MARGINS = [
    *(sign * 10.0**-digits for digits in range(1, 17) for sign in (1.0, -1.0)),
    *(0.0, 2.0**-53, -(2.0**-52), 1e-15, -1e-15),
]
ROTATION = np.array([[0.0, -1.0], [1.0, 0.0]])


def loops(time: str, n: int):
    """Loops (n, n) with an eigenvalue, a pair or a Jordan block at each margin from the limit; n is 3 or 4."""
    for margin in MARGINS:
        edge = 1.0 - margin if time == "discrete" else -margin
        pair = edge * ROTATION if time == "discrete" else edge * np.eye(2) + ROTATION
        inner = 0.5 if time == "discrete" else -1.0
        block = np.array([[edge, 1.0], [0.0, edge]])
        rest = inner * np.eye(n - 2)
        for one in (np.diag([edge, inner]), np.diag([inner, -edge if time == "discrete" else edge]), pair, block):
            yield np.block([[one, np.ones((2, n - 2))], [np.zeros((n - 2, 2)), rest]])


def plant_of(loop: Array) -> tuple[Plant, Array]:
    """The loop as a plant under no gain, of a size for which the kernels are compiled by other tests too."""
    n, m = (3, 3) if len(loop) == 3 else (4, 1)
    return Plant(loop, np.ones((n, m)), np.eye(n), np.eye(m), np.eye(n)), np.zeros((m, n))


def is_ambiguous(loop: Array, time: str) -> bool:
    """Whether rounding of the Lyapunov operator may make it singular: its inverse is as large as that, or infinite."""
    return _is_ambiguous(loop.tobytes(), len(loop), time)


def is_stable_exactly(loop: Array, time: str) -> bool:
    """The sign of the margin in extended precision."""
    return _is_stable(loop.tobytes(), len(loop), time)


@cache  # several tests ask for the same loops
def _is_stable(loop: bytes, n: int, time: str) -> bool:
    zeros = np.zeros((1, n))
    return is_stable(np.frombuffer(loop).reshape(n, n), zeros.T, zeros, time)


@cache
def _is_ambiguous(entries: bytes, n: int, time: str) -> bool:
    loop = np.frombuffer(entries).reshape(n, n)
    with mp.workdps(DIGITS):
        M = operator(precise(loop), time)
        try:
            inverse = mp.inverse(M)
        except ZeroDivisionError:
            return True
        return CONSTANT * len(loop) ** 2 * EPS * float(mp.mnorm(M, "f") * mp.mnorm(inverse, "f")) >= 1.0


def assert_decided(found: bool, loop: Array, time: str) -> None:
    assert is_ambiguous(loop, time) or found == is_stable_exactly(loop, time)


@pytest.mark.slow
def test_both_sides_are_told_apart_by_far_most_margins():
    """The band of ambiguity is no way out: it holds under half of the loops, and stable and unstable ones remain."""
    for time in ("discrete", "continuous"):
        clear = [loop for loop in loops(time, 4) if not is_ambiguous(loop, time)]
        stable = [is_stable_exactly(loop, time) for loop in clear]
        assert len(clear) > len(list(loops(time, 4))) / 2
        assert 0.3 < np.mean(stable) < 0.7


@pytest.mark.slow
@pytest.mark.parametrize("n", [pytest.param(3, marks=pytest.mark.slow), 4])
@pytest.mark.parametrize(("module", "time"), [(discrete, "discrete"), (continuous, "continuous")])
def test_by_eigenvalues_and_lyapunovs_theorem(module, time, n):
    for loop in loops(time, n):
        plant, gain = plant_of(loop)
        stable = module.is_stabilising(plant, gain)
        assert_decided(stable, loop, time)
        cost = module.cost(plant, gain)
        assert np.isfinite(cost) == stable
        assert cost > 0.0
        if stable:
            assert np.isfinite(module.gradient(plant, gain)).all()


def test_by_the_solver_of_one_plant():
    for loop in loops("discrete", 3):
        plant, gain = plant_of(loop)
        stable = small.is_stabilising(plant, gain)
        assert_decided(stable, loop, "discrete")
        assert np.isfinite(small.cost(plant, gain)) == np.isfinite(small.relative_gap(plant, gain)) == stable
        if stable:
            assert small.cost(plant, gain) > 0.0
            assert np.isfinite(small.gradient(plant, gain)).all()
        else:
            with pytest.raises(ValueError, match="does not stabilise"):
                small.gradient(plant, gain)


@pytest.mark.parametrize("noise", ["full", "of rank one"])
def test_by_the_lane_kernel(noise):
    for loop in loops("discrete", 4):
        plant, gain = plant_of(loop)
        Sigma = np.eye(4) if noise == "full" else np.ones((4, 4))
        found = evaluate(plant.A, plant.B, gain[None], plant.Q, plant.R, Sigma)
        assert_decided(bool(found.stable[0]), loop, "discrete")
        assert found.cost[0] > 0.0
        assert found.stable[0] == np.isfinite(found.cost[0]) == np.isfinite(found.gradient[0]).all()
        assert np.isfinite(found.covariance[0]).all() or not found.stable[0]


def test_by_doubling():
    for loop in loops("continuous", 4):
        plant, gain = plant_of(loop)
        cost = infinite_horizon_costs(plant, gain[None])[0]
        assert_decided(bool(np.isfinite(cost)), loop, "continuous")
        assert cost > 0.0


@pytest.mark.parametrize("module", [discrete, continuous])
def test_a_loop_that_overflows_does_not_stabilise(module):
    plant, _ = plant_of(0.1 * np.eye(4))
    for size in (1e160, 1e300, 1e308):
        gain = np.array([[size, -size, 0.0, 0.0]])
        assert not module.is_stabilising(plant, gain)
        assert module.cost(plant, gain) == np.inf


def optimum(module, plant):
    try:
        return module.optimal_gain(plant)
    except np.linalg.LinAlgError:
        return None


@pytest.mark.parametrize("seeds", [range(40), pytest.param(range(40, 120), marks=pytest.mark.slow)])
@pytest.mark.parametrize("time", ["discrete", "continuous"])
def test_an_optimum_is_stable_or_there_is_none(time, seeds):
    """Modes that an input hardly reaches, that cost next to nothing, or neither, on either side of the limit."""
    module, found, lost = (discrete if time == "discrete" else continuous), 0, 0
    for seed in seeds:
        rng = np.random.default_rng(seed)
        n = int(rng.integers(2, 5))
        A, B = rng.normal(size=(n, n)), rng.normal(size=(n, 1))
        A[1:, 0] = 0.0
        A[0, 0] = (1.0 if time == "discrete" else 0.0) + rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(-15, 0)
        reach = 10.0 ** rng.uniform(-12, 0)
        A[0, 1:] *= reach  # or the mode is reached through the other states
        B[0] *= reach
        Q = np.diag(np.r_[10.0 ** rng.uniform(-14, 0), np.ones(n - 1)])
        plant = Plant(A, B, Q, np.diag([10.0 ** rng.uniform(-8, 8)]), np.eye(n))
        gain = optimum(module, plant)
        if gain is None:
            lost += 1
            continue
        found += 1
        assert np.isfinite(module.cost(plant, gain))
        assert_decided(True, plant.closed_loop(gain), time)
    assert found > len(seeds) / 2
    assert lost > 0 or len(seeds) < 80  # the few are those of the quick tests
