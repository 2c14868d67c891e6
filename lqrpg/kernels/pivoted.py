"""The two Lyapunov equations of one lane by elimination with partial pivoting: slower, and safe in any
coordinates.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lqrpg.compiler.jit import njit, njit_borrowing
from lqrpg.lqr.plant import Array


class Pivoted(NamedTuple):
    """Buffers for one lane; N = n(n+1)/2.

    Attributes
    ----------
    matrix : (N, N) Lyapunov operator, then its factors.
    rows : (N,) order of the rows.
    right, x : (N,) a right-hand side and a solution.
    """

    matrix: Array
    rows: NDArray[np.int64]
    right: Array
    x: Array


@njit
def pivoted_buffers(n):
    """Buffers for n states."""
    order = n * (n + 1) // 2
    return Pivoted(np.empty((order, order)), np.empty(order, np.int64), np.empty(order), np.empty(order))


@njit_borrowing
def _operator(closed, lane, matrix):
    """Matrix of X -> X - A_K X A_K' on stacked upper triangles, for one lane."""
    n = closed.shape[0]
    row = 0
    for i in range(n):
        for j in range(i, n):
            column = 0
            for k in range(n):
                for other in range(k, n):
                    entry = closed[i, k, lane] * closed[j, other, lane]
                    if other > k:
                        entry += closed[i, other, lane] * closed[j, k, lane]
                    matrix[row, column] = (1.0 if row == column else 0.0) - entry
                    column += 1
            row += 1


@njit_borrowing
def _factorise(matrix, rows):
    """Factors in place with row interchanges, noted in `rows`. An exact zero pivot leaves infinities."""
    order = matrix.shape[0]
    for i in range(order):
        rows[i] = i
    for k in range(order):
        best = k
        for i in range(k + 1, order):
            if abs(matrix[i, k]) > abs(matrix[best, k]):
                best = i
        if best != k:
            rows[k], rows[best] = rows[best], rows[k]
            for j in range(order):
                matrix[k, j], matrix[best, j] = matrix[best, j], matrix[k, j]
        for i in range(k + 1, order):
            matrix[i, k] /= matrix[k, k]
            for j in range(k + 1, order):
                matrix[i, j] -= matrix[i, k] * matrix[k, j]


@njit_borrowing
def _solve(work, stacked, column, lane):
    """Solution of M x = right, into one column of one lane."""
    factors, x = work.matrix, work.x
    order = factors.shape[0]
    for i in range(order):
        x[i] = work.right[work.rows[i]]
        for k in range(i):
            x[i] -= factors[i, k] * x[k]
    for i in range(order - 1, -1, -1):
        for k in range(i + 1, order):
            x[i] -= factors[i, k] * x[k]
        x[i] /= factors[i, i]
        stacked[column, i, lane] = x[i]


@njit_borrowing
def _solve_transposed(work, stacked, column, lane):
    """Solution of M'x = right, into one column of one lane."""
    factors, z = work.matrix, work.x
    order = factors.shape[0]
    for i in range(order):
        z[i] = work.right[i]
        for k in range(i):
            z[i] -= factors[k, i] * z[k]
        z[i] /= factors[i, i]
    for i in range(order - 1, -1, -1):
        for k in range(i + 1, order):
            z[i] -= factors[k, i] * z[k]
        stacked[column, work.rows[i], lane] = z[i]


@njit_borrowing
def _noise(Sigma, right):
    row = 0
    for i in range(Sigma.shape[0]):
        for j in range(i, Sigma.shape[0]):
            right[row] = Sigma[i, j]
            row += 1


@njit_borrowing
def _unit_noise(n, right):
    row = 0
    for i in range(n):
        for j in range(i, n):
            right[row] = 1.0 if i == j else 0.0
            row += 1


@njit_borrowing
def _stage_weight(K, Q, weighted, lane, right):
    """Q + K'RK, with off-diagonal entries counted twice."""
    row = 0
    for i in range(Q.shape[0]):
        for j in range(i, Q.shape[0]):
            total = Q[i, j]
            for p in range(K.shape[0]):
                total += K[p, i, lane] * weighted[p, j, lane]
            right[row] = total if i == j else 2.0 * total
            row += 1


@njit_borrowing
def solve_pivoted(closed, K, Q, weighted, Sigma, lane, stacked, work):
    """Overwrite one lane of the stacked solutions: covariance, unit-noise covariance, twice-counted cost-to-
    go.
    """
    _operator(closed, lane, work.matrix)
    _factorise(work.matrix, work.rows)
    _noise(Sigma, work.right)
    _solve(work, stacked, 0, lane)
    _unit_noise(closed.shape[0], work.right)
    _solve(work, stacked, 1, lane)
    _stage_weight(K, Q, weighted, lane, work.right)
    _solve_transposed(work, stacked, 2, lane)
