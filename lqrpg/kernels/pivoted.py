"""One Lyapunov operator, factorised with partial pivoting: slower than lanes, and safe in any coordinates.

A Lyapunov equation in the N = n(n+1)/2 coordinates of a symmetric matrix is a linear system. In orthonormal coordinates
the equations X = F X F' + M and X = F'X F + M have transposed matrices, so one factorisation serves both.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lqrpg.compiler.jit import njit, njit_borrowing
from lqrpg.lqr.plant import Array

_ROOT2 = np.sqrt(2.0)


class Pivoted(NamedTuple):
    """Buffers for one lane.

    Attributes
    ----------
    factors : (N, N) LU factors of the operator.
    order : (N,) row exchanges.
    vector : (N,) right-hand side and solution.
    F, M, X : (n, n) the lane's loop, a right-hand side and a solution.
    """

    factors: Array
    order: NDArray[np.int64]
    vector: Array
    F: Array
    M: Array
    X: Array


@njit
def pivoted_buffers(n):
    """Buffers for n states."""
    s = n * (n + 1) // 2
    factors, order, vector = np.empty((s, s)), np.empty(s, np.int64), np.empty(s)
    return Pivoted(factors, order, vector, np.empty((n, n)), np.empty((n, n)), np.empty((n, n)))


@njit_borrowing
def pivoted_lu(factors, order):
    """LU factorisation in place, row exchanges into `order`; false if the matrix is singular or not finite."""
    s = factors.shape[0]
    for k in range(s):
        best = k
        for i in range(k + 1, s):
            if abs(factors[i, k]) > abs(factors[best, k]):
                best = i
        order[k] = best
        if not (abs(factors[best, k]) > 0.0 and np.isfinite(factors[best, k])):
            return False
        if best != k:
            for j in range(s):
                factors[k, j], factors[best, j] = factors[best, j], factors[k, j]
        inverse = 1.0 / factors[k, k]
        for i in range(k + 1, s):
            factor = factors[i, k] * inverse
            factors[i, k] = factor
            for j in range(k + 1, s):
                factors[i, j] -= factor * factors[k, j]
    return True


@njit_borrowing
def lyapunov_operator(F, factors, size):
    """Fill `factors`, (N, N), with the matrix of X -> X - F X F' in coordinates X_ii and sqrt(2) X_ij."""
    n = len(size)
    row = 0
    for i in range(n):
        for j in range(i, n):
            scale = 1.0 if i == j else _ROOT2
            column = 0
            for k in range(n):
                factors[row, column] = -scale * F[i, k] * F[j, k]
                column += 1
                for p in range(k + 1, n):
                    factors[row, column] = -scale / _ROOT2 * (F[i, k] * F[j, p] + F[i, p] * F[j, k])
                    column += 1
            factors[row, row] += 1.0
            row += 1


@njit_borrowing
def _pack(M, vector, size):
    n = len(size)
    row = 0
    for i in range(n):
        for j in range(i, n):
            vector[row] = M[i, j] if i == j else 0.5 * _ROOT2 * (M[i, j] + M[j, i])
            row += 1


@njit_borrowing
def _unpack(vector, X, size):
    n = len(size)
    row = 0
    for i in range(n):
        for j in range(i, n):
            X[i, j] = vector[row] if i == j else vector[row] / _ROOT2
            X[j, i] = X[i, j]
            row += 1


@njit_borrowing
def solve_covariance(M, work, X, size):
    """Write the X = F X F' + M of a symmetric M to `X`, by the factors of `work`; its vector is scratch."""
    L, order, x = work.factors, work.order, work.vector
    s = x.shape[0]
    _pack(M, x, size)
    for k in range(s):
        x[k], x[order[k]] = x[order[k]], x[k]
    for i in range(1, s):
        total = x[i]
        for j in range(i):
            total -= L[i, j] * x[j]
        x[i] = total
    for i in range(s - 1, -1, -1):
        total = x[i]
        for j in range(i + 1, s):
            total -= L[i, j] * x[j]
        x[i] = total / L[i, i]
    _unpack(x, X, size)


@njit_borrowing
def solve_cost_to_go(M, work, X, size):
    """Write the X = F'X F + M of a symmetric M to `X`, by the factors of `work`; its vector is scratch."""
    L, order, x = work.factors, work.order, work.vector
    s = x.shape[0]
    _pack(M, x, size)
    for i in range(s):
        x[i] /= L[i, i]
        for j in range(i + 1, s):
            x[j] -= L[i, j] * x[i]
    for i in range(s - 1, 0, -1):
        for j in range(i):
            x[j] -= L[i, j] * x[i]
    for k in range(s - 1, -1, -1):
        x[k], x[order[k]] = x[order[k]], x[k]
    _unpack(x, X, size)


@njit_borrowing
def _stack(X, doubled, stacked, column, lane, size):
    """Write the upper triangle of X, off-diagonal entries once or twice, to a column of `stacked`, in one lane."""
    n = len(size)
    row = 0
    for i in range(n):
        for j in range(i, n):
            stacked[column, row, lane] = 2.0 * X[i, j] if doubled and i != j else X[i, j]
            row += 1


@njit_borrowing
def solve_pivoted(K, weights, lanes, lane, size):
    """Overwrite one lane of `lanes.stacked`: covariance, unit-noise covariance, twice-counted cost-to-go.

    `lanes` is a workspace of `discrete_kernel`; its `pivoted` is scratch. The solutions are infinite where the operator
    is singular.
    """
    n, m = len(size), K.shape[0]
    stacked, work = lanes.stacked, lanes.pivoted
    for i in range(n):
        for j in range(n):
            work.F[i, j] = lanes.closed[i, j, lane]
            work.M[i, j] = 1.0 if i == j else 0.0
    lyapunov_operator(work.F, work.factors, size)
    if not pivoted_lu(work.factors, work.order):
        for column in range(3):
            for row in range(len(work.vector)):
                stacked[column, row, lane] = np.inf
        return
    solve_covariance(weights.Sigma, work, work.X, size)
    _stack(work.X, False, stacked, 0, lane, size)
    solve_covariance(work.M, work, work.X, size)
    _stack(work.X, False, stacked, 1, lane, size)
    for i in range(n):
        for j in range(n):
            work.M[i, j] = weights.Q[i, j]
            for p in range(m):
                work.M[i, j] += K[p, i, lane] * lanes.weighted[p, j, lane]
    solve_cost_to_go(work.M, work, work.X, size)
    _stack(work.X, True, stacked, 2, lane, size)
