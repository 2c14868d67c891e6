"""Zero-order hold of many small plants at once, in lanes: the compiled twin of `lqr.sampling.zero_order_hold`.

With phi(X) = I + X/2! + X^2/3! + ..., the sampled plant is

.. math:: A_d = e^{A h} = I + A h \\, \\phi(A h), \\qquad B_d = h \\, \\phi(A h) B,

also where A is singular. The series is summed for a matrix that is halved until it is small, and doubled back by
phi(2X) = (e^X + I) phi(X) / 2. Each lane counts its own halvings: its result is that of its own plant alone.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from lqrpg.compiler.jit import LANES, njit, njit_borrowing, unrolled
from lqrpg.compiler.lanes import fma, lane_array, read, splat, where_greater, write
from lqrpg.lqr.plant import Array

SMALL = 0.5  # row-sum norm below which the series, to the 15th power, is exact to rounding
MOST_HALVINGS = 60
SERIES = np.array([1.0 / math.factorial(k + 1) for k in range(16)])


class _Work(NamedTuple):
    """Powers of the scaled matrix, phi and exponential, and scratch, each (n, n, LANES); then (LANES,) numbers."""

    powers: Array
    phi: Array
    exponential: Array
    scratch: Array
    scale: Array
    halvings: Array


@njit_borrowing
def _multiply(left, right, out, size, columns):
    for i in range(len(size)):
        for j in range(len(columns)):
            total = read(left, (i, 0)) * read(right, (0, j))
            for k in range(1, len(size)):
                total = fma(read(left, (i, k)), read(right, (k, j)), total)
            write(out, (i, j), total)


@njit_borrowing
def _measure(A, period, work, size):
    """Each lane's halvings and scale, from its row-sum norm; the most halvings of any lane."""
    n, most, zero = len(size), 0, splat(0.0)
    norms = splat(0.0)
    for i in range(n):
        total = splat(0.0)
        for j in range(n):
            entry = read(A, (i, j))
            total = total + where_greater(entry, zero, entry, zero - entry)
        norms = where_greater(total, norms, total, norms)
    write(work.scale, (), norms)
    for lane in range(LANES):
        norm, count, scale = work.scale[lane] * period, 0, period
        while norm > SMALL and count < MOST_HALVINGS:
            norm, scale, count = 0.5 * norm, 0.5 * scale, count + 1
        work.scale[lane], work.halvings[lane] = scale, float(count)
        most = max(most, count)
    return most


@njit_borrowing
def _sum_series(A, series, work, size):
    """phi and the exponential of the scaled matrices, by four powers of them and Horner's rule in the fourth."""
    n, powers = len(size), work.powers
    for i in range(n):
        for j in range(n):
            write(powers, (0, i, j), read(A, (i, j)) * read(work.scale, ()))
    for power in range(1, 4):
        _multiply(powers[0], powers[power - 1], powers[power], size, size)
    for block in range(3, -1, -1):
        if block == 3:
            for i in range(n):
                for j in range(n):
                    write(work.scratch, (i, j), splat(0.0))
        else:
            _multiply(powers[3], work.phi, work.scratch, size, size)
        for i in range(n):
            for j in range(n):
                total = read(work.scratch, (i, j))
                for power in range(3):
                    total = fma(read(powers, (power, i, j)), splat(series[4 * block + power + 1]), total)
                if i == j:
                    total = total + splat(series[4 * block])
                write(work.phi, (i, j), total)
    _multiply(powers[0], work.phi, work.exponential, size, size)
    for i in range(n):
        write(work.exponential, (i, i), read(work.exponential, (i, i)) + splat(1.0))


@njit_borrowing
def _double_back(work, most, size):
    n, half = len(size), splat(0.5)
    for count in range(most):
        left, done = read(work.halvings, ()), splat(float(count) + 0.5)
        _multiply(work.exponential, work.phi, work.scratch, size, size)
        for i in range(n):
            for j in range(n):
                old = read(work.phi, (i, j))
                write(work.phi, (i, j), where_greater(left, done, (read(work.scratch, (i, j)) + old) * half, old))
        _multiply(work.exponential, work.exponential, work.scratch, size, size)
        for i in range(n):
            for j in range(n):
                old = read(work.exponential, (i, j))
                write(work.exponential, (i, j), where_greater(left, done, read(work.scratch, (i, j)), old))


@njit
def _hold(A, B, period, series, size, inputs):
    n, m = len(size), len(inputs)
    work = _Work(
        lane_array(4 * n * n).reshape((4, n, n, LANES)),
        lane_array(n * n).reshape((n, n, LANES)),
        lane_array(n * n).reshape((n, n, LANES)),
        lane_array(n * n).reshape((n, n, LANES)),
        lane_array(1)[0],
        lane_array(1)[0],
    )
    held = lane_array(n * m).reshape((n, m, LANES))
    for group in range(A.shape[0]):
        most = _measure(A[group], period, work, size)
        _sum_series(A[group], series, work, size)
        _double_back(work, most, size)
        _multiply(work.phi, B[group], held, size, inputs)
        for i in range(n):
            for j in range(n):
                write(A[group], (i, j), read(work.exponential, (i, j)))
        for i in range(n):
            for p in range(m):
                write(B[group], (i, p), read(held, (i, p)) * splat(period))


def hold(A: Array, B: Array, period: float) -> None:
    """Replace continuous-time matrices by their exact samples, in place.

    Parameters
    ----------
    A, B : (groups, n, n, LANES) and (groups, n, m, LANES), C-contiguous: a plant in each lane.
    period : s between samples; the input is constant between them.
    """
    n, m = B.shape[1:3]
    _hold(A, B, float(period), SERIES, unrolled(n), unrolled(m))
