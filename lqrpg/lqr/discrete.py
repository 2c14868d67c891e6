"""Discrete-time LQR by SciPy's dense solvers: the plain reference for costs, gradients, Hessians and optima.

The problem: x+ = A x + B u + w, u = -K x, cost lim E x'Qx + u'Ru with E ww' = Sigma (Nguyen-Le et al., eq.
(1)).
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy import linalg

from lqrpg.lqr import extended, riccati, stability
from lqrpg.lqr.lyapunov import smith_doubling
from lqrpg.lqr.plant import Array, Plant

LARGEST_DIRECT = 12
"""States up to which Lyapunov's equation is solved as linear equations."""


def spectral_radius(matrix: Array) -> float:
    """Largest modulus of the eigenvalues of an (n, n) matrix: below one if and only if it is Schur stable."""
    return float(np.max(np.abs(np.linalg.eigvals(matrix))))


def is_stabilising(plant: Plant, gain: Array) -> bool:
    """Whether A - B K is Schur stable with a margin for rounding (`lqr.stability`): then its cost is finite."""
    return stability.is_stable(plant, gain, "discrete")


def _solve(matrix: Array, weight: Array) -> Array:
    """The X with X = matrix X matrix' + weight, by the direct method: accurate to rounding for small
    matrices. Where SciPy finds its equations singular to working precision, and for large ones, for which there are n^2
    equations, the sum of the series stands in.
    """
    if len(matrix) > LARGEST_DIRECT:
        return smith_doubling(matrix, weight)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", linalg.LinAlgWarning)
            return np.asarray(linalg.solve_discrete_lyapunov(matrix, weight, method="direct"), dtype=np.float64)
    except (linalg.LinAlgError, linalg.LinAlgWarning):
        return smith_doubling(matrix, weight)


def cost_to_go(plant: Plant, gain: Array) -> Array:
    """Cost-to-go P_K, shape (n, n), of a stabilising gain (Nguyen-Le et al., Section II).

    .. math:: P = (A-BK)'P(A-BK) + Q + K'RK
    """
    known = extended.where_needed(plant, gain, "discrete")
    return known.cost_to_go if known else _solve(plant.closed_loop(gain).T, plant.stage_weight(gain))


def state_covariance(plant: Plant, gain: Array) -> Array:
    """Stationary covariance Sigma_K of the state, shape (n, n), under a stabilising gain.

    .. math:: \\Sigma_K = (A-BK)\\Sigma_K(A-BK)' + \\Sigma
    """
    known = extended.where_needed(plant, gain, "discrete")
    return known.covariance if known else _solve(plant.closed_loop(gain), plant.Sigma)


def cost(plant: Plant, gain: Array) -> float:
    """Cost tr(P_K Sigma) of a gain (eq. (1)); infinite if the gain does not stabilise the plant."""
    if not is_stabilising(plant, gain):
        return float("inf")
    return floored_cost(plant, gain, cost_to_go(plant, gain))


def floored_cost(plant: Plant, gain: Array, P: Array) -> float:
    """Cost tr(P Sigma) of a gain with cost-to-go P, (n, n).

    Where rounding leaves no digit of P, the cost of a single step, which is below that of all, is the floor.
    """
    one_step = float(np.trace(plant.stage_weight(gain) @ plant.Sigma))
    return max(float(np.trace(P @ plant.Sigma)), one_step)


def gradient_factor(plant: Plant, gain: Array) -> Array:
    """The factor E = (R + B'PB)K - B'PA of the gradient, shape (m, n), at a stabilising gain."""
    return plant.R @ gain - plant.B.T @ cost_to_go(plant, gain) @ plant.closed_loop(gain)


def gradient(plant: Plant, gain: Array) -> Array:
    """Gradient 2 E Sigma_K of the cost, shape (m, n), at a stabilising gain (Section II)."""
    return np.asarray(2.0 * gradient_factor(plant, gain) @ state_covariance(plant, gain))


def hessian(plant: Plant, gain: Array) -> Array:
    """Hessian of the cost at a stabilising gain, shape (m n, m n), for gains flattened row by row.

    Along a direction D the gradient 2 E Sigma_K changes by 2 (E' Sigma_K + E Sigma_K'), where the derivatives
    of P and Sigma_K solve the same two Lyapunov equations with other right-hand sides.
    """
    closed, value, covariance = (
        plant.closed_loop(gain),
        cost_to_go(plant, gain),
        state_covariance(plant, gain),
    )
    factor = plant.R @ gain - plant.B.T @ value @ closed
    curvature = plant.R + plant.B.T @ value @ plant.B
    rows = []
    for unit in np.eye(gain.size):
        direction = unit.reshape(gain.shape)
        cross = direction.T @ factor
        spread = plant.B @ direction @ covariance @ closed.T
        value_change = _solve(closed.T, cross + cross.T)
        covariance_change = _solve(closed, -spread - spread.T)
        factor_change = curvature @ direction - plant.B.T @ value_change @ closed
        rows.append(2.0 * (factor_change @ covariance + factor @ covariance_change).ravel())
    return np.array(rows)


def _gain(plant: Plant, P: Array) -> Array:
    """The gain (R + B'PB)^-1 B'PA."""
    return np.asarray(np.linalg.solve(plant.R + plant.B.T @ P @ plant.B, plant.B.T @ P @ plant.A))


def optimum(plant: Plant) -> extended.Optimum:
    """Optimal gain and cost-to-go; raises as `optimal_gain`."""
    return riccati.optimum(EQUATION, plant)


def optimal_cost_to_go(plant: Plant) -> Array:
    """Stabilising solution P* of the discrete algebraic Riccati equation, shape (n, n).

    Raises
    ------
    numpy.linalg.LinAlgError
        As for `optimal_gain`.
    """
    return optimum(plant).cost_to_go


def _summed_cost(plant: Plant, gain: Array) -> Array:
    """Cost-to-go by the sum of the series, whose digits do not cancel: optimal loops may have small eigenvalues."""
    return smith_doubling(plant.closed_loop(gain).T, plant.stage_weight(gain))


def optimal_gain(plant: Plant) -> Array:
    """The gain K* = (R + B'PB)^-1 B'PA of the discrete algebraic Riccati equation, shape (m, n).

    Raises
    ------
    numpy.linalg.LinAlgError
        If the plant is not stabilisable or a mode that Q does not weigh lies on the unit circle, or the plant is so
        near to such a one that rounding leaves the stability of the optimal loop unproved.
    """
    return optimum(plant).gain


EQUATION = riccati.Equation("discrete", linalg.solve_discrete_are, _gain, _summed_cost)
