"""Exact costs of rollouts of linear plants in continuous time, in vector lanes: a Taylor step, then doublings.

The cost of a noiseless rollout over [0, tau] is x0' W_tau x0 (Sha et al., eq. (6)) with

.. math:: W_\\tau = \\int_0^\\tau e^{A_K't}(Q + K'RK)e^{A_K t} dt, \\qquad W_{2h} = W_h + e^{A_K'h} W_h e^{A_K h}.

A simulator approximates this integral; here it comes out to rounding, truncation at tau included. The first step h is
so short that a Taylor series of `TAYLOR_TERMS` terms reaches rounding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lqrpg.compiler.jit import LANES, njit, njit_borrowing
from lqrpg.compiler.lanes import fma, lane_array, read, splat, where_greater, write
from lqrpg.lqr.plant import Array

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
def doublings(norm, horizon):
    """Number of doublings that leads from a first step with ||A_K|| h <= FIRST_STEP to the horizon."""
    count = MIN_DOUBLINGS
    while norm * horizon / 2.0**count > FIRST_STEP and count < MAX_DOUBLINGS:
        count += 1
    return count


@njit
def finite_horizon_lanes(plant, gains, starts, horizon, size):
    """Costs x0' W_tau x0, (count,), of gains, (count, m, n), from starts, (count, n); infinite where they overflow."""
    n, group = len(size), _workspace(size, plant[1].shape[1])
    count = np.empty(LANES, np.int64)
    costs = np.empty(gains.shape[0])
    for first in range(0, gains.shape[0], LANES):
        _close_loops(plant, gains, first, group, size)
        for lane in range(LANES):
            count[lane] = doublings(_frobenius(group.closed, lane), horizon)
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
def infinite_horizon_lanes(plant, Sigma, gains, size):
    """Costs tr(P_K Sigma), (count,), of gains, and whether each loop's stability is clear, whatever the rounding."""
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
