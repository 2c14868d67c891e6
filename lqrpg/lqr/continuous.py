"""Continuous-time LQR by SciPy's dense solvers: the plain reference for costs, gradients and optima.

The problem: dx/dt = A x + B u, u = -K x, cost E int_0^inf x'Qx + u'Ru dt with E x0 x0' = Sigma.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg

from lqrpg.lqr import extended, riccati, stability
from lqrpg.lqr.lyapunov import solve_balanced
from lqrpg.lqr.plant import Array, Plant


def spectral_abscissa(matrix: Array) -> float:
    """Largest real part of the eigenvalues of an (n, n) matrix: negative if and only if it is Hurwitz."""
    return float(np.max(np.linalg.eigvals(matrix).real))


def is_stabilising(plant: Plant, gain: Array) -> bool:
    """Whether A - B K is Hurwitz with a margin for rounding (`lqr.stability`): then its cost is finite."""
    return stability.is_stable(plant, gain, "continuous")


def _schur(matrix: Array, weight: Array) -> Array:
    """The method of Bartels and Stewart, by SciPy."""
    return np.asarray(linalg.solve_continuous_lyapunov(matrix, -weight))


def _solve(matrix: Array, weight: Array) -> Array:
    """The X with matrix X + X matrix' + weight = 0."""
    return solve_balanced(_schur, matrix, weight)


def cost_to_go(plant: Plant, gain: Array) -> Array:
    """Cost-to-go P_K, shape (n, n), of a stabilising gain (Sha et al., below eq. (2)).

    .. math:: (A-BK)'P + P(A-BK) + Q + K'RK = 0
    """
    known = extended.where_needed(plant, gain, "continuous")
    return known.cost_to_go if known else _solved_cost(plant, gain)


def _solved_cost(plant: Plant, gain: Array) -> Array:
    """The same in double precision."""
    return _solve(plant.closed_loop(gain).T, plant.stage_weight(gain))


def state_covariance(plant: Plant, gain: Array) -> Array:
    """Integrated state covariance X_K, shape (n, n), of a stabilising gain (Sha et al., below eq. (4)).

    .. math:: (A-BK)X + X(A-BK)' + \\Sigma = 0
    """
    known = extended.where_needed(plant, gain, "continuous")
    return known.covariance if known else _solve(plant.closed_loop(gain), plant.Sigma)


def cost(plant: Plant, gain: Array) -> float:
    """Cost tr(P_K Sigma) of a gain (Sha et al., eq. (2)); infinite if the gain does not stabilise the plant.

    Never below zero, also where rounding leaves no digit of P_K.
    """
    if not is_stabilising(plant, gain):
        return float("inf")
    return max(float(np.trace(cost_to_go(plant, gain) @ plant.Sigma)), 0.0)


def gradient(plant: Plant, gain: Array) -> Array:
    """Gradient 2 (RK - B'P_K) X_K of the cost, shape (m, n), at a stabilising gain (Sha et al., eq. (4))."""
    residual = plant.R @ gain - plant.B.T @ cost_to_go(plant, gain)
    return np.asarray(2.0 * residual @ state_covariance(plant, gain))


def _gain(plant: Plant, P: Array) -> Array:
    """The gain R^-1 B'P."""
    return np.asarray(np.linalg.solve(plant.R, plant.B.T @ P))


def optimum(plant: Plant) -> extended.Optimum:
    """Optimal gain and cost-to-go; raises as `optimal_gain`."""
    return riccati.optimum(EQUATION, plant)


def optimal_gain(plant: Plant) -> Array:
    """The gain K* = R^-1 B'P of the continuous algebraic Riccati equation, shape (m, n).

    Raises
    ------
    numpy.linalg.LinAlgError
        If the plant is not stabilisable or a mode that Q does not weigh lies on the imaginary axis, or the plant is so
        near to such a one that rounding leaves the stability of the optimal loop unproved.
    """
    return optimum(plant).gain


EQUATION = riccati.Equation("continuous", linalg.solve_continuous_are, _gain, _solved_cost)
