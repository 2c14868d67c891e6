"""Exact costs of rollouts and of gains in continuous time, many at once, by the kernel for the size of the plant."""

from __future__ import annotations

import numpy as np

from lqrpg.compiler.jit import SMALL, unrolled
from lqrpg.kernels.rollout_dense import finite_horizon_dense, infinite_horizon_dense
from lqrpg.kernels.rollout_lanes import finite_horizon_lanes, infinite_horizon_lanes
from lqrpg.lqr.plant import Array, Plant, contiguous
from lqrpg.lqr.stability import is_stable


def finite_horizon_costs(plant: Plant, gains: Array, starts: Array, horizon: float) -> Array:
    """Exact costs x0' W_tau x0 of noiseless rollouts over [0, horizon] (Sha et al., eq. (6)).

    Parameters
    ----------
    plant : continuous-time plant.
    gains : (count, m, n) feedback gains, one a rollout.
    starts : (count, n) initial states, one a rollout.
    horizon : length tau of the rollouts, in seconds.

    Returns
    -------
    (count,) costs; infinite where the cost overflows (a gain that is far from stabilising).
    """
    A, B, Q, R, gains, starts = contiguous(*plant.matrices[:4], gains, starts)
    if plant.n_states > SMALL:
        return np.asarray(finite_horizon_dense((A, B, Q, R), gains, starts, float(horizon)))
    costs: Array = finite_horizon_lanes((A, B, Q, R), gains, starts, float(horizon), unrolled(plant.n_states))
    return costs


def infinite_horizon_costs(plant: Plant, gains: Array) -> Array:
    """Costs tr(P_K Sigma) of many gains at once (Sha et al., eq. (2)).

    Parameters
    ----------
    plant : continuous-time plant.
    gains : (count, m, n) feedback gains.

    Returns
    -------
    (count,) costs; infinite where the gain is not stabilising, as `continuous.is_stabilising` decides.
    """
    return _stable_costs(plant, gains, plant, gains)


def excess_costs(plant: Plant, best: Array, gains: Array) -> Array:
    """Costs above that of the optimal gain K* = `best`, (m, n), of many gains at once, without a difference of costs.

    .. math:: tr(P_K - P^*)\\Sigma = tr(K - K^*)'R(K - K^*)X_K

    This is the cost of the gain K - K* for the plant (A - BK*, B) with Q = 0.

    Returns
    -------
    (count,) costs; infinite where the gain is not stabilising.
    """
    return _stable_costs(plant, gains, plant._replace(A=plant.A - plant.B @ best, Q=0.0 * plant.Q), gains - best)


def _stable_costs(plant: Plant, gains: Array, other: Plant, other_gains: Array) -> Array:
    """Costs of gains for a plant with the same closed loops as those that decide which gains stabilise."""
    A, B, Q, R, Sigma, K = contiguous(*other.matrices, other_gains)
    if plant.n_states > SMALL:
        costs, clear = infinite_horizon_dense((A, B, Q, R), Sigma, K)
    else:
        costs, clear = infinite_horizon_lanes((A, B, Q, R), Sigma, K, unrolled(plant.n_states))
    for doubtful in np.flatnonzero(np.isfinite(costs) & ~clear):
        if not is_stable(plant, gains[doubtful], "continuous"):
            costs[doubtful] = np.inf
    return np.asarray(costs)
