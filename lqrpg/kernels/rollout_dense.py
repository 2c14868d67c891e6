"""The costs of `rollout_lanes` for plants of any size, one rollout after another, by BLAS."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lqrpg.compiler.jit import njit, njit_borrowing
from lqrpg.kernels.dense import close_loop
from lqrpg.kernels.rollout_lanes import (
    FEW_DOUBLINGS,
    FIRST_STEP,
    MAX_DOUBLINGS,
    SETTLED,
    SMALL_GROWTH,
    TAYLOR_TERMS,
    doublings,
)
from lqrpg.lqr.plant import Array
from lqrpg.lqr.products import add, copy_to, inner, scale, times, unit


class _Workspace(NamedTuple):
    """Buffers of one large plant, (n, n) each: as of `rollout_lanes._Workspace`; and the (m, n) of `close_loop`."""

    residual: Array
    closed: Array
    weight: Array
    transition: Array
    work: Array
    term: Array
    product: Array


@njit
def _workspace(m, n):
    buffers = np.empty((6, n, n))
    return _Workspace(np.empty((m, n)), buffers[0], buffers[1], buffers[2], buffers[3], buffers[4], buffers[5])


@njit_borrowing
def _first_step(h, loop):
    """As `rollout_lanes._first_step`."""
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
def _double(loop):
    """As `rollout_lanes._double`."""
    times(loop.weight, loop.transition, loop.work)
    times(loop.transition.T, loop.work, loop.product)
    for i in range(len(loop.weight)):
        for j in range(len(loop.weight)):
            loop.weight[i, j] += 0.5 * (loop.product[i, j] + loop.product[j, i])
    times(loop.transition, loop.transition, loop.product)
    copy_to(loop.product, loop.transition)


@njit
def finite_horizon_dense(plant, gains, starts, horizon):
    """As `finite_horizon_lanes`."""
    A, B, Q, R = plant
    loop, n = _workspace(*gains.shape[1:]), len(A)
    costs = np.empty(len(gains))
    for number in range(len(gains)):
        close_loop(A, B, Q, R, gains[number], loop)
        count = doublings(np.sqrt(inner(loop.closed, loop.closed)), horizon)
        _first_step(horizon / 2.0**count, loop)
        for _ in range(count):
            _double(loop)
        total = 0.0
        for i in range(n):
            for j in range(n):
                total += starts[number, i] * loop.weight[i, j] * starts[number, j]
        costs[number] = total if np.isfinite(total) else np.inf
    return costs


@njit
def infinite_horizon_dense(plant, Sigma, gains):
    """As `infinite_horizon_lanes`."""
    A, B, Q, R = plant
    loop, n = _workspace(*gains.shape[1:]), len(A)
    costs, clear = np.empty(len(gains)), np.empty(len(gains), np.bool_)
    for number in range(len(gains)):
        close_loop(A, B, Q, R, gains[number], loop)
        _first_step(FIRST_STEP / max(np.sqrt(inner(loop.closed, loop.closed)), 1e-300), loop)
        done, norm, largest = 0, np.sqrt(inner(loop.transition, loop.transition)), 0.0
        while done < MAX_DOUBLINGS and norm > SETTLED and np.isfinite(norm):
            largest = max(largest, norm)
            _double(loop)
            done, norm = done + 1, np.sqrt(inner(loop.transition, loop.transition))
        total = inner(loop.weight, Sigma)
        costs[number] = total if norm <= SETTLED and np.isfinite(total) else np.inf
        clear[number] = done <= FEW_DOUBLINGS and largest <= SMALL_GROWTH * np.sqrt(n)
    return costs, clear
