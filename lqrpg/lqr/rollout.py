"""Exact costs of rollouts of linear plants in continuous time: a Taylor step, then doublings, in vector lanes.

The cost of a noiseless rollout over [0, tau] is x0' W_tau x0 (Sha et al., eq. (6)) with

.. math:: W_\\tau = \\int_0^\\tau e^{A_K't}(Q + K'RK)e^{A_K t} dt, \\qquad W_{2h} = W_h + e^{A_K'h} W_h e^{A_K h}.

A simulator approximates this integral; here it comes out to rounding, truncation at tau included. The first step h is
so short that a Taylor series of `TAYLOR_TERMS` terms reaches rounding.
"""

from __future__ import annotations

import numpy as np

from lqrpg.lqr.compiled import LANES, njit, size_of
from lqrpg.lqr.plant import Array, Plant, contiguous

TAYLOR_TERMS = 12
FIRST_STEP = 0.2  # bound on ||A_K||_F h: the first neglected terms are then below 1e-16, relative
MIN_DOUBLINGS = 9
MAX_DOUBLINGS = 64
SETTLED = 1e-12  # ||e^{A_K t}|| below which a further doubling changes the cost by less than rounding


@njit
def _product(a, b, out, size):  # type: ignore[no-untyped-def]
    """out = a b, lane by lane; all of shape (n, n, LANES)."""
    n = len(size)
    for i in range(n):
        for j in range(n):
            for lane in range(LANES):
                total = 0.0
                for k in range(n):
                    total += a[i, k, lane] * b[k, j, lane]
                out[i, j, lane] = total


@njit
def _transposed_product(a, b, out, size):  # type: ignore[no-untyped-def]
    """out = a' b, lane by lane, above and on the diagonal only (the product is known to be symmetric)."""
    n = len(size)
    for i in range(n):
        for j in range(i, n):
            for lane in range(LANES):
                total = 0.0
                for k in range(n):
                    total += a[k, i, lane] * b[k, j, lane]
                out[i, j, lane] = total


@njit
def _close_loops(A, B, Q, R, gains, first, closed, weight):  # type: ignore[no-untyped-def]
    """Fill the lanes with A - B K and Q + K'RK of the gains from `first` on; spare lanes repeat the last gain."""
    n, m = B.shape
    K = np.empty((m, n, LANES))
    RK = np.empty((m, n, LANES))
    for lane in range(LANES):
        K[:, :, lane] = gains[min(first + lane, gains.shape[0] - 1)]
    for p in range(m):
        for j in range(n):
            RK[p, j] = 0.0
            for q in range(m):
                for lane in range(LANES):
                    RK[p, j, lane] += R[p, q] * K[q, j, lane]
    for i in range(n):
        for j in range(n):
            closed[i, j] = A[i, j]
            weight[i, j] = Q[i, j]
            for p in range(m):
                for lane in range(LANES):
                    closed[i, j, lane] -= B[i, p] * K[p, j, lane]
                    weight[i, j, lane] += K[p, i, lane] * RK[p, j, lane]


@njit
def _first_step(closed, weight, steps, transition, work, term, product, size):  # type: ignore[no-untyped-def]
    """Taylor series of e^{A_K h} into `transition` and of W_h into `weight`, h the lane's entry of `steps`."""
    n = len(size)
    for i in range(n):
        for j in range(n):
            for lane in range(LANES):
                closed[i, j, lane] *= steps[lane]
                weight[i, j, lane] *= steps[lane]
                work[i, j, lane] = weight[i, j, lane]
                term[i, j, lane] = 1.0 if i == j else 0.0
                transition[i, j, lane] = term[i, j, lane]
    for order in range(1, TAYLOR_TERMS + 1):
        of_transition, of_weight = 1.0 / order, 1.0 / (order + 1)
        _product(term, closed, product, size)
        for i in range(n):
            for j in range(n):
                for lane in range(LANES):
                    term[i, j, lane] = product[i, j, lane] * of_transition
                    transition[i, j, lane] += term[i, j, lane]
        _product(work, closed, product, size)
        for i in range(n):
            for j in range(n):
                for lane in range(LANES):
                    work[i, j, lane] = (product[i, j, lane] + product[j, i, lane]) * of_weight
                    weight[i, j, lane] += work[i, j, lane]


@njit
def _double(transition, weight, active, work, product, size):  # type: ignore[no-untyped-def]
    """W <- W + E'WE and E <- E^2 in the active lanes, the horizon twice as long afterwards."""
    n = len(size)
    _product(weight, transition, work, size)
    _transposed_product(transition, work, product, size)
    for i in range(n):
        for j in range(i, n):
            for lane in range(LANES):
                if active[lane]:
                    weight[i, j, lane] += product[i, j, lane]
                weight[j, i, lane] = weight[i, j, lane]
    _product(transition, transition, product, size)
    for i in range(n):
        for j in range(n):
            for lane in range(LANES):
                if active[lane]:
                    transition[i, j, lane] = product[i, j, lane]


@njit
def _frobenius(matrix, lane):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            total += matrix[i, j, lane] ** 2
    return np.sqrt(total)


@njit
def _doublings(norm, horizon):  # type: ignore[no-untyped-def]
    """Number of doublings that leads from a first step with ||A_K|| h <= FIRST_STEP to the horizon."""
    count = MIN_DOUBLINGS
    while norm * horizon / 2.0**count > FIRST_STEP and count < MAX_DOUBLINGS:
        count += 1
    return count


@njit
def _finite_horizon_costs(A, B, Q, R, gains, starts, horizon, size):  # type: ignore[no-untyped-def]
    n = len(size)
    buffers = np.empty((6, n, n, LANES))
    closed, weight, transition = buffers[0], buffers[1], buffers[2]
    work, term, product = buffers[3], buffers[4], buffers[5]
    steps = np.empty(LANES)
    count = np.empty(LANES, np.int64)
    costs = np.empty(gains.shape[0])
    for first in range(0, gains.shape[0], LANES):
        _close_loops(A, B, Q, R, gains, first, closed, weight)
        for lane in range(LANES):
            count[lane] = _doublings(_frobenius(closed, lane), horizon)
            steps[lane] = horizon / 2.0 ** count[lane]
        _first_step(closed, weight, steps, transition, work, term, product, size)
        for doubling in range(np.max(count)):
            _double(transition, weight, doubling < count, work, product, size)
        for lane in range(min(LANES, gains.shape[0] - first)):
            x0 = starts[first + lane]
            total = 0.0
            for i in range(n):
                for j in range(n):
                    total += x0[i] * weight[i, j, lane] * x0[j]
            costs[first + lane] = total if np.isfinite(total) else np.inf
    return costs


@njit
def _infinite_horizon_costs(A, B, Q, R, Sigma, gains, size):  # type: ignore[no-untyped-def]
    n = len(size)
    buffers = np.empty((6, n, n, LANES))
    closed, weight, transition = buffers[0], buffers[1], buffers[2]
    work, term, product = buffers[3], buffers[4], buffers[5]
    steps = np.empty(LANES)
    active = np.empty(LANES, np.bool_)
    costs = np.empty(gains.shape[0])
    for first in range(0, gains.shape[0], LANES):
        _close_loops(A, B, Q, R, gains, first, closed, weight)
        for lane in range(LANES):
            steps[lane] = FIRST_STEP / max(_frobenius(closed, lane), 1e-300)
            active[lane] = True
        _first_step(closed, weight, steps, transition, work, term, product, size)
        for _ in range(MAX_DOUBLINGS):
            for lane in range(LANES):
                norm = _frobenius(transition, lane)
                active[lane] = norm > SETTLED and np.isfinite(norm)
            if not np.any(active):
                break
            _double(transition, weight, active, work, product, size)
        for lane in range(min(LANES, gains.shape[0] - first)):
            total = 0.0
            for i in range(n):
                for j in range(n):
                    total += weight[i, j, lane] * Sigma[j, i]
            settled = _frobenius(transition, lane) <= SETTLED and np.isfinite(total)
            costs[first + lane] = total if settled else np.inf
    return costs


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
    A, B, Q, R, gains, starts = contiguous(plant.A, plant.B, plant.Q, plant.R, gains, starts)
    costs: Array = _finite_horizon_costs(A, B, Q, R, gains, starts, float(horizon), size_of(plant.n_states))
    return costs


def infinite_horizon_costs(plant: Plant, gains: Array) -> Array:
    """Costs tr(P_K Sigma) of many gains at once (Sha et al., eq. (2)).

    Parameters
    ----------
    plant : continuous-time plant.
    gains : (count, m, n) feedback gains.

    Returns
    -------
    (count,) costs; infinite where the closed loop does not decay, that is, where the gain is not stabilising.
    """
    A, B, Q, R, Sigma, gains = contiguous(plant.A, plant.B, plant.Q, plant.R, plant.Sigma, gains)
    costs: Array = _infinite_horizon_costs(A, B, Q, R, Sigma, gains, size_of(plant.n_states))
    return costs
