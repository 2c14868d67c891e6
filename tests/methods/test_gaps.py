"""Gaps of gains next to the optimum, where a difference of costs has no digit, against extended precision."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from lqrpg.azopg.replay import Objective
from lqrpg.kernels import discrete_small as small
from lqrpg.lqr import continuous, discrete
from lqrpg.lqr.plant import Array, Plant
from tests.lqr.extended import DIGITS, operator, precise, solve, trace
from tests.lqr.test_extended_optima import improved

A = np.array([[1.01, 0.01, 0.0], [0.01, 1.01, 0.01], [0.0, 0.01, 1.01]])


def exact_excess(plant: Plant, gain: Array, best: Array, time: str) -> tuple[float, float]:
    """tr(P_K - P*)Sigma and tr P* Sigma, by a difference of costs with 100 digits."""
    with mp.workdps(DIGITS):
        K = precise(best)
        for _ in range(12):
            K, P = improved(plant, K, time)
        F = precise(plant.A) - precise(plant.B) * precise(gain)
        weight = precise(plant.Q) + precise(gain).T * precise(plant.R) * precise(gain)
        own = solve(mp.inverse(operator(F, time)).T, weight)
        Sigma = precise(plant.Sigma)
        return float(trace((own - P) * Sigma)), float(trace(P * Sigma))


@pytest.mark.parametrize("size", [1e-2, 1e-4, 1e-6, 1e-8])
def test_gaps_in_discrete_time(size):
    plant = Plant(A, np.eye(3), 1e-3 * np.eye(3), np.eye(3), np.eye(3))
    best = discrete.optimal_gain(plant)
    gain = best + size * np.random.default_rng(1).normal(size=(3, 3))
    excess, optimum = exact_excess(plant, gain, best, "discrete")
    assert small.relative_gap(plant, gain) == pytest.approx(excess / optimum, rel=1e-5)


@pytest.mark.parametrize("size", [1e-2, 1e-4, 1e-6, 1e-8])
def test_gaps_in_continuous_time(size):
    plant = Plant(A - np.eye(3), np.eye(3), np.eye(3), np.eye(3), np.diag([1.0, 2.0, 3.0]))
    best, start = continuous.optimal_gain(plant), 2.0 * np.eye(3)
    gain = best + size * np.random.default_rng(1).normal(size=(3, 3))
    (excess, _), (first, _) = (exact_excess(plant, K, best, "continuous") for K in (gain, start))
    gaps = Objective.of(plant, start).gaps(np.array([gain, start, best, np.zeros((3, 3))]))
    assert gaps[0] == pytest.approx(excess / first, rel=1e-5)
    assert gaps[1] == 1.0
    assert 0.0 <= gaps[2] < 1e-20
    assert gaps[3] == np.inf
