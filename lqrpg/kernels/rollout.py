"""Exact costs of rollouts of linear plants in continuous time: a Taylor step, then doublings, in vector lanes.

The cost of a noiseless rollout over [0, tau] is x0' W_tau x0 (Sha et al., eq. (6)) with

.. math:: W_\\tau = \\int_0^\\tau e^{A_K't}(Q + K'RK)e^{A_K t} dt, \\qquad W_{2h} = W_h + e^{A_K'h} W_h e^{A_K h}.

A simulator approximates this integral; here it comes out to rounding, truncation at tau included. The first step h is
so short that a Taylor series of `TAYLOR_TERMS` terms reaches rounding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lqrpg.compiler.jit import LANES, LARGEST_UNROLLED, njit, njit_borrowing, unrolled
from lqrpg.compiler.lanes import fma, lane_array, read, splat, where_greater, write
from lqrpg.lqr.plant import Array, Plant, contiguous
from lqrpg.lqr.products import add, copy_to, inner, scale, subtract_from, times, unit
from lqrpg.lqr.stability import is_stable

TAYLOR_TERMS = 12
FIRST_STEP = 0.2  # bound on ||A_K||_F h: the first neglected terms are then below 1e-16, relative
MIN_DOUBLINGS = 9
MAX_DOUBLINGS = 64
SETTLED = 1e-12  # ||e^{A_K t}|| below which a further doubling changes the cost by less than rounding
FEW_DOUBLINGS, SMALL_GROWTH = 20, 100.0
"""Doublings, and sizes of e^{A_K t}, up to which rounding cannot decide whether a loop decays: see `stability`."""


class _Workspace(NamedTuple):
    """Buffers of one lane group: a gain K and R K, (m, n, LANES); (n, n, LANES) matrices; (LANES,) numbers.

    Attributes
    ----------
    closed, weight : A - B K and Q + K'RK; later these times the first step, and the cost of the rollout so far.
    transition : e^{A_K t} at its end.
    work, term, product : scratch.
    steps, active : first step, and 1 where a doubling counts, else 0.
    """

    K: Array
    RK: Array
    closed: Array
    weight: Array
    transition: Array
    work: Array
    term: Array
    product: Array
    steps: Array
    active: Array


@njit
def _workspace(size, m):
    n = len(size)
    buffers = lane_array(6 * n * n).reshape((6, n, n, LANES))
    return _Workspace(
        *(lane_array(m * n).reshape((m, n, LANES)), lane_array(m * n).reshape((m, n, LANES))),
        *(buffers[0], buffers[1], buffers[2], buffers[3], buffers[4], buffers[5], lane_array(1)[0], lane_array(1)[0]),
    )


@njit_borrowing
def _product(a, b, out, size):
    """out = a b, lane by lane; all of shape (n, n, LANES). Two rows and two columns at a time share their loads."""
    n = len(size)
    for i in range(0, n - 1, 2):
        for j in range(0, n - 1, 2):
            first, second, third, fourth = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
            for k in range(n):
                upper, lower = read(a, (i, k)), read(a, (i + 1, k))
                left, right = read(b, (k, j)), read(b, (k, j + 1))
                first, second = fma(upper, left, first), fma(upper, right, second)
                third, fourth = fma(lower, left, third), fma(lower, right, fourth)
            write(out, (i, j), first)
            write(out, (i, j + 1), second)
            write(out, (i + 1, j), third)
            write(out, (i + 1, j + 1), fourth)
        if n % 2 == 1:
            _entry(a, b, out, i, n - 1, size)
            _entry(a, b, out, i + 1, n - 1, size)
    if n % 2 == 1:
        for j in range(n):
            _entry(a, b, out, n - 1, j, size)


@njit_borrowing
def _entry(a, b, out, i, j, size):
    """One entry of a b."""
    total = splat(0.0)
    for k in range(len(size)):
        total = fma(read(a, (i, k)), read(b, (k, j)), total)
    write(out, (i, j), total)


@njit_borrowing
def _transposed_product(a, b, out, size):
    """out = a' b, lane by lane, on and above the diagonal only (the product is known to be symmetric)."""
    n = len(size)
    for i in range(0, n - 1, 2):
        for j in range(i, n - 1, 2):
            first, second, third, fourth = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
            for k in range(n):
                upper, lower = read(a, (k, i)), read(a, (k, i + 1))
                left, right = read(b, (k, j)), read(b, (k, j + 1))
                first, second = fma(upper, left, first), fma(upper, right, second)
                third, fourth = fma(lower, left, third), fma(lower, right, fourth)
            write(out, (i, j), first)
            write(out, (i, j + 1), second)
            if i != j:
                write(out, (i + 1, j), third)
            write(out, (i + 1, j + 1), fourth)
    if n % 2 == 1:
        for i in range(n):
            total = splat(0.0)
            for k in range(n):
                total = fma(read(a, (k, i)), read(b, (k, n - 1)), total)
            write(out, (i, n - 1), total)


@njit_borrowing
def _close_loops(plant, gains, first, group, size):
    """Fill lanes of `group` with A - B K and Q + K'RK of the gains from `first` on; spare lanes have the last one."""
    A, B, Q, R = plant
    K, RK, closed, weight = group.K, group.RK, group.closed, group.weight
    n, m = len(size), B.shape[1]
    for lane in range(LANES):
        gain = gains[min(first + lane, gains.shape[0] - 1)]
        for p in range(m):
            for j in range(n):
                K[p, j, lane] = gain[p, j]
    for p in range(m):
        for j in range(n):
            total = splat(0.0)
            for q in range(m):
                total = fma(splat(R[p, q]), read(K, (q, j)), total)
            write(RK, (p, j), total)
    for i in range(n):
        for j in range(n):
            loop, stage = splat(A[i, j]), splat(Q[i, j])
            for p in range(m):
                loop = fma(splat(-B[i, p]), read(K, (p, j)), loop)
                stage = fma(read(K, (p, i)), read(RK, (p, j)), stage)
            write(closed, (i, j), loop)
            write(weight, (i, j), stage)


@njit_borrowing
def _first_step(group, size):
    """Write e^{A_K h} to `group.transition` and W_h to `group.weight`, by Taylor series; `group.steps` has h."""
    n = len(size)
    closed, weight, transition = group.closed, group.weight, group.transition
    work, term, product = group.work, group.term, group.product
    h = read(group.steps, ())
    for i in range(n):
        for j in range(n):
            write(closed, (i, j), read(closed, (i, j)) * h)
            scaled = read(weight, (i, j)) * h
            write(weight, (i, j), scaled)
            write(work, (i, j), scaled)
            unit = splat(1.0 if i == j else 0.0)
            write(term, (i, j), unit)
            write(transition, (i, j), unit)
    for order in range(1, TAYLOR_TERMS + 1):
        of_transition, of_weight = 1.0 / order, 1.0 / (order + 1)
        _product(term, closed, product, size)
        for i in range(n):
            for j in range(n):
                following = read(product, (i, j)) * of_transition
                write(term, (i, j), following)
                write(transition, (i, j), read(transition, (i, j)) + following)
        _product(work, closed, product, size)
        for i in range(n):
            for j in range(n):
                following = (read(product, (i, j)) + read(product, (j, i))) * of_weight
                write(work, (i, j), following)
                write(weight, (i, j), read(weight, (i, j)) + following)


@njit_borrowing
def _double(group, size):
    """W <- W + E'WE and E <- E^2 in `group`, where `active` is 1: the horizon is twice as long there afterwards."""
    n = len(size)
    transition, weight, work, product = group.transition, group.weight, group.work, group.product
    on = read(group.active, ())
    half = splat(0.5)
    _product(weight, transition, work, size)
    _transposed_product(transition, work, product, size)
    for i in range(n):
        for j in range(i, n):
            before = read(weight, (i, j))
            after = where_greater(on, half, before + read(product, (i, j)), before)
            write(weight, (i, j), after)
            write(weight, (j, i), after)
    _product(transition, transition, product, size)
    for i in range(n):
        for j in range(n):
            write(transition, (i, j), where_greater(on, half, read(product, (i, j)), read(transition, (i, j))))


@njit_borrowing
def _frobenius(matrix, lane):
    total = 0.0
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            total += matrix[i, j, lane] ** 2
    return np.sqrt(total)


@njit_borrowing
def _doublings(norm, horizon):
    """Number of doublings that leads from a first step with ||A_K|| h <= FIRST_STEP to the horizon."""
    count = MIN_DOUBLINGS
    while norm * horizon / 2.0**count > FIRST_STEP and count < MAX_DOUBLINGS:
        count += 1
    return count


@njit
def _finite_horizon_costs(plant, gains, starts, horizon, size):
    n, group = len(size), _workspace(size, plant[1].shape[1])
    count = np.empty(LANES, np.int64)
    costs = np.empty(gains.shape[0])
    for first in range(0, gains.shape[0], LANES):
        _close_loops(plant, gains, first, group, size)
        for lane in range(LANES):
            count[lane] = _doublings(_frobenius(group.closed, lane), horizon)
            group.steps[lane] = horizon / 2.0 ** count[lane]
        _first_step(group, size)
        for doubling in range(np.max(count)):
            for lane in range(LANES):
                group.active[lane] = 1.0 if doubling < count[lane] else 0.0
            _double(group, size)
        for lane in range(min(LANES, gains.shape[0] - first)):
            x0 = starts[first + lane]
            total = 0.0
            for i in range(n):
                for j in range(n):
                    total += x0[i] * group.weight[i, j, lane] * x0[j]
            costs[first + lane] = total if np.isfinite(total) else np.inf
    return costs


@njit
def _infinite_horizon_costs(plant, Sigma, gains, size):
    n, group = len(size), _workspace(size, plant[1].shape[1])
    done, largest = lane_array(1)[0], lane_array(1)[0]
    costs, clear = np.empty(gains.shape[0]), np.empty(gains.shape[0], np.bool_)
    for first in range(0, gains.shape[0], LANES):
        _close_loops(plant, gains, first, group, size)
        done[:], largest[:] = 0.0, 0.0
        for lane in range(LANES):
            group.steps[lane] = FIRST_STEP / max(_frobenius(group.closed, lane), 1e-300)
        _first_step(group, size)
        for _ in range(MAX_DOUBLINGS):
            for lane in range(LANES):
                norm = _frobenius(group.transition, lane)
                group.active[lane] = 1.0 if norm > SETTLED and np.isfinite(norm) else 0.0
                done[lane] += group.active[lane]
                largest[lane] = max(largest[lane], norm)
            if not np.any(group.active > 0.5):
                break
            _double(group, size)
        for lane in range(min(LANES, gains.shape[0] - first)):
            total = 0.0
            for i in range(n):
                for j in range(n):
                    total += group.weight[i, j, lane] * Sigma[j, i]
            settled = _frobenius(group.transition, lane) <= SETTLED and np.isfinite(total)
            costs[first + lane] = total if settled else np.inf
            clear[first + lane] = done[lane] <= FEW_DOUBLINGS and largest[lane] <= SMALL_GROWTH
    return costs, clear


class _Dense(NamedTuple):
    """Buffers of one large plant, (n, n) each: as of `_Workspace`."""

    closed: Array
    weight: Array
    transition: Array
    work: Array
    term: Array
    product: Array


@njit
def _dense(n):
    buffers = np.empty((6, n, n))
    return _Dense(buffers[0], buffers[1], buffers[2], buffers[3], buffers[4], buffers[5])


@njit_borrowing
def _close_dense(plant, gain, weighted, loop):
    """Fill A - B K and Q + K'RK; `weighted`, (m, n), is scratch."""
    A, B, Q, R = plant
    times(B, gain, loop.closed)
    subtract_from(A, loop.closed)
    times(R, gain, weighted)
    times(gain.T, weighted, loop.weight)
    add(loop.weight, Q)


@njit_borrowing
def _dense_first_step(h, loop):
    """As `_first_step`."""
    n = len(loop.closed)
    scale(loop.closed, h)
    scale(loop.weight, h)
    copy_to(loop.weight, loop.work)
    unit(loop.term)
    unit(loop.transition)
    for order in range(1, TAYLOR_TERMS + 1):
        times(loop.term, loop.closed, loop.product)
        for i in range(n):
            for j in range(n):
                loop.term[i, j] = loop.product[i, j] / order
        add(loop.transition, loop.term)
        times(loop.work, loop.closed, loop.product)
        for i in range(n):
            for j in range(n):
                loop.work[i, j] = (loop.product[i, j] + loop.product[j, i]) / (order + 1)
        add(loop.weight, loop.work)


@njit_borrowing
def _dense_double(loop):
    """As `_double`."""
    times(loop.weight, loop.transition, loop.work)
    times(loop.transition.T, loop.work, loop.product)
    for i in range(len(loop.weight)):
        for j in range(len(loop.weight)):
            loop.weight[i, j] += 0.5 * (loop.product[i, j] + loop.product[j, i])
    times(loop.transition, loop.transition, loop.product)
    copy_to(loop.product, loop.transition)


@njit
def _dense_finite_horizon_costs(plant, gains, starts, horizon):
    loop, weighted, n = _dense(len(plant[0])), np.empty(gains.shape[1:]), len(plant[0])
    costs = np.empty(len(gains))
    for number in range(len(gains)):
        _close_dense(plant, gains[number], weighted, loop)
        count = _doublings(np.sqrt(inner(loop.closed, loop.closed)), horizon)
        _dense_first_step(horizon / 2.0**count, loop)
        for _ in range(count):
            _dense_double(loop)
        total = 0.0
        for i in range(n):
            for j in range(n):
                total += starts[number, i] * loop.weight[i, j] * starts[number, j]
        costs[number] = total if np.isfinite(total) else np.inf
    return costs


@njit
def _dense_infinite_horizon_costs(plant, Sigma, gains):
    loop, weighted, n = _dense(len(plant[0])), np.empty(gains.shape[1:]), len(plant[0])
    costs, clear = np.empty(len(gains)), np.empty(len(gains), np.bool_)
    for number in range(len(gains)):
        _close_dense(plant, gains[number], weighted, loop)
        _dense_first_step(FIRST_STEP / max(np.sqrt(inner(loop.closed, loop.closed)), 1e-300), loop)
        done, norm, largest = 0, np.sqrt(inner(loop.transition, loop.transition)), 0.0
        while done < MAX_DOUBLINGS and norm > SETTLED and np.isfinite(norm):
            largest = max(largest, norm)
            _dense_double(loop)
            done, norm = done + 1, np.sqrt(inner(loop.transition, loop.transition))
        total = inner(loop.weight, Sigma)
        costs[number] = total if norm <= SETTLED and np.isfinite(total) else np.inf
        clear[number] = done <= FEW_DOUBLINGS and largest <= SMALL_GROWTH * np.sqrt(n)
    return costs, clear


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
    if plant.n_states > LARGEST_UNROLLED:
        return np.asarray(_dense_finite_horizon_costs((A, B, Q, R), gains, starts, float(horizon)))
    costs: Array = _finite_horizon_costs((A, B, Q, R), gains, starts, float(horizon), unrolled(plant.n_states))
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
    if plant.n_states > LARGEST_UNROLLED:
        costs, clear = _dense_infinite_horizon_costs((A, B, Q, R), Sigma, K)
    else:
        costs, clear = _infinite_horizon_costs((A, B, Q, R), Sigma, K, unrolled(plant.n_states))
    for doubtful in np.flatnonzero(np.isfinite(costs) & ~clear):
        if not is_stable(plant, gains[doubtful], "continuous"):
            costs[doubtful] = np.inf
    return np.asarray(costs)
