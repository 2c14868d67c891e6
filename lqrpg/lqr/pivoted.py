"""The two Lyapunov equations of one lane by elimination with partial pivoting: slower, and safe in any
coordinates.
"""

from __future__ import annotations

import numpy as np

from lqrpg.lqr.compiled import njit


@njit
def _operator(closed, lane):  # type: ignore[no-untyped-def]
    """Matrix of X -> X - A_K X A_K' on stacked upper triangles, for one lane; shape (N, N)."""
    n = closed.shape[0]
    order = n * (n + 1) // 2
    matrix = np.eye(order)
    row = 0
    for i in range(n):
        for j in range(i, n):
            column = 0
            for k in range(n):
                for other in range(k, n):
                    entry = closed[i, k, lane] * closed[j, other, lane]
                    if other > k:
                        entry += closed[i, other, lane] * closed[j, k, lane]
                    matrix[row, column] -= entry
                    column += 1
            row += 1
    return matrix


@njit
def _factorise(matrix):  # type: ignore[no-untyped-def]
    """Factors in place with row interchanges; returns the order of the rows. An exact zero pivot leaves
    infinities.
    """
    order = matrix.shape[0]
    rows = np.arange(order)
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
    return rows


@njit
def _solve(factors, rows, right):  # type: ignore[no-untyped-def]
    """Solution of M x = right."""
    order = factors.shape[0]
    x = right[rows]
    for i in range(order):
        for k in range(i):
            x[i] -= factors[i, k] * x[k]
    for i in range(order - 1, -1, -1):
        for k in range(i + 1, order):
            x[i] -= factors[i, k] * x[k]
        x[i] /= factors[i, i]
    return x


@njit
def _solve_transposed(factors, rows, right):  # type: ignore[no-untyped-def]
    """Solution of M'x = right."""
    order = factors.shape[0]
    z = right.copy()
    for i in range(order):
        for k in range(i):
            z[i] -= factors[k, i] * z[k]
        z[i] /= factors[i, i]
    for i in range(order - 1, -1, -1):
        for k in range(i + 1, order):
            z[i] -= factors[k, i] * z[k]
    x = np.empty(order)
    x[rows] = z
    return x


@njit
def solve_pivoted(closed, K, Q, weighted, Sigma, lane, stacked):  # type: ignore[no-untyped-def]
    """Overwrite one lane of the stacked solutions: covariance, unit-noise covariance, twice-counted cost-to-
    go.
    """
    n, m = closed.shape[0], K.shape[0]
    right = np.zeros((3, stacked.shape[1]))
    row = 0
    for i in range(n):
        for j in range(i, n):
            right[0, row] = Sigma[i, j]
            right[1, row] = 1.0 if i == j else 0.0
            total = Q[i, j]
            for p in range(m):
                total += K[p, i, lane] * weighted[p, j, lane]
            right[2, row] = total if i == j else 2.0 * total
            row += 1
    factors = _operator(closed, lane)
    rows = _factorise(factors)
    stacked[0, :, lane] = _solve(factors, rows, right[0])
    stacked[1, :, lane] = _solve(factors, rows, right[1])
    stacked[2, :, lane] = _solve_transposed(factors, rows, right[2])
