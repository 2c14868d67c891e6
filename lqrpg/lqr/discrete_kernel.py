"""Cost and gradient of many small discrete-time LQR problems at once: one factorisation for both Lyapunov
equations.

The stationary covariance and the cost-to-go of a gain solve two adjoint equations,

.. math:: X = A_K X A_K' + \\Sigma, \\qquad P = A_K' P A_K + Q + K'RK, \\qquad A_K = A - BK.

On the upper triangles, stacked row by row, the first reads M x = sigma with a matrix M of order n(n+1)/2; the
second is M'(d p) = d w, where d counts an off-diagonal entry twice. One triangular factorisation of M
therefore serves both.

Eliminating without interchanges is what makes the lanes run in step, and it is safe whenever the factors stay
small. Every lane measures that; one in which they grew is solved again with partial pivoting, alone. So speed
depends on the coordinates of the state, the result does not.

Stability is decided by Lyapunov's theorem, not by the size of some number: with unit noise, the solution X is
positive definite if and only if A_K is Schur stable. It is then at least I, and all its pivots are at least
one; otherwise some pivot is zero or negative. One half is the threshold that leaves most room for rounding on
either side.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lqrpg.lqr.compiled import LANES, njit, size_of
from lqrpg.lqr.lanes import (
    all_greater,
    fused,
    fused_minus,
    lane_array,
    magnitude,
    read,
    splat,
    where_greater,
    write,
)
from lqrpg.lqr.pivoted import solve_pivoted
from lqrpg.lqr.plant import Array, contiguous

GROWTH_LIMIT = 1e6  # sum|L| sum|U| / (1 + |A_K|^2) above which a lane is solved again with pivoting
PIVOT_THRESHOLD = 0.5


class Workspace(NamedTuple):
    """Buffers of one lane group; N = n(n+1)/2. After a call they hold the solutions too.

    Attributes
    ----------
    closed : (n, n, LANES) closed-loop matrices A - B K.
    matrix : (N, N, LANES) the Lyapunov operator, then its factors, with reciprocals on the diagonal.
    covariance, certificate, value : (n, n, LANES) state covariance, covariance under unit noise, cost-to-go.
    stacked : (3, N, LANES) right-hand sides, then solutions, as stacked upper triangles.
    weighted, factor : (m, n, LANES) R K and the factor E of the gradient 2 E X.
    sizes : (3, LANES) sums of |L| and |U|, and 1 + |A_K|^2.
    """

    closed: Array
    matrix: Array
    covariance: Array
    certificate: Array
    value: Array
    stacked: Array
    weighted: Array
    factor: Array
    sizes: Array


@njit
def workspace(size, inputs):  # type: ignore[no-untyped-def]
    """Buffers for n = len(size) states and m = len(inputs) inputs."""
    n, m = len(size), len(inputs)
    order = n * (n + 1) // 2
    return Workspace(
        lane_array(n * n).reshape((n, n, LANES)),
        lane_array(order * order).reshape((order, order, LANES)),
        lane_array(n * n).reshape((n, n, LANES)),
        lane_array(n * n).reshape((n, n, LANES)),
        lane_array(n * n).reshape((n, n, LANES)),
        lane_array(3 * order).reshape((3, order, LANES)),
        lane_array(m * n).reshape((m, n, LANES)),
        lane_array(m * n).reshape((m, n, LANES)),
        lane_array(3),
    )


@njit
def _close_loop(A, B, K, R, work, size, inputs):  # type: ignore[no-untyped-def]
    """A - B K and R K; the squared size of the former bounds the entries of the Lyapunov operator."""
    n, m = len(size), len(inputs)
    bound = splat(1.0)
    for i in range(n):
        for j in range(n):
            total = read(A, (i, j))
            for p in range(m):
                total = fused_minus(read(B, (i, p)), read(K, (p, j)), total)
            write(work.closed, (i, j), total)
            bound = fused(total, total, bound)
    write(work.sizes, (2,), bound)
    for p in range(m):
        for j in range(n):
            total = splat(0.0)
            for q in range(m):
                total = total + R[p, q] * read(K, (q, j))
            write(work.weighted, (p, j), total)


@njit
def _assemble(K, Q, Sigma, work, size, inputs):  # type: ignore[no-untyped-def]
    """The operator X -> X - A_K X A_K' on upper triangles, and the three right-hand sides."""
    n, m = len(size), len(inputs)
    closed, matrix, stacked = work.closed, work.matrix, work.stacked
    row = 0
    for i in range(n):
        for j in range(i, n):
            write(stacked, (0, row), splat(Sigma[i, j]))
            write(stacked, (1, row), splat(1.0 if i == j else 0.0))
            total = splat(Q[i, j])
            for p in range(m):
                total = fused(read(K, (p, i)), read(work.weighted, (p, j)), total)
            write(stacked, (2, row), total * (1.0 if i == j else 2.0))
            column = 0
            for k in range(n):
                ik, jk = read(closed, (i, k)), read(closed, (j, k))
                write(matrix, (row, column), fused_minus(ik, jk, splat(1.0 if row == column else 0.0)))
                column += 1
                for other in range(k + 1, n):
                    entry = fused_minus(ik, read(closed, (j, other)), splat(1.0 if row == column else 0.0))
                    write(matrix, (row, column), fused_minus(read(closed, (i, other)), jk, entry))
                    column += 1
            row += 1


@njit
def _factorise(work, size):  # type: ignore[no-untyped-def]
    """Triangular factors in place, no interchanges; reciprocal pivots on the diagonal, sums of |L| and |U|
    aside.

    Row k of U and column k of L come from inner products, so that every entry is written once.
    """
    n = len(size)
    order = n * (n + 1) // 2
    matrix = work.matrix
    lower, upper = splat(1.0), splat(0.0)
    for k in range(order):
        pivot = read(matrix, (k, k))
        for q in range(k):
            pivot = fused_minus(read(matrix, (k, q)), read(matrix, (q, k)), pivot)
        upper = upper + magnitude(pivot)
        reciprocal = 1.0 / pivot
        write(matrix, (k, k), reciprocal)
        # two columns and two rows at a time share what they read; an odd one out is done twice, alike
        for first in range(k + 1, order, 2):
            second = min(first + 1, order - 1)
            right, below = read(matrix, (k, first)), read(matrix, (first, k))
            right_too, below_too = read(matrix, (k, second)), read(matrix, (second, k))
            for q in range(k):
                across, down = read(matrix, (k, q)), read(matrix, (q, k))
                right = fused_minus(across, read(matrix, (q, first)), right)
                right_too = fused_minus(across, read(matrix, (q, second)), right_too)
                below = fused_minus(read(matrix, (first, q)), down, below)
                below_too = fused_minus(read(matrix, (second, q)), down, below_too)
            below, below_too = below * reciprocal, below_too * reciprocal
            write(matrix, (k, first), right)
            write(matrix, (first, k), below)
            write(matrix, (k, second), right_too)
            write(matrix, (second, k), below_too)
            upper = upper + (magnitude(right) + magnitude(right_too))
            lower = lower + (magnitude(below) + magnitude(below_too))
    write(work.sizes, (0,), lower)
    write(work.sizes, (1,), upper)


@njit
def _substitute(work, size):  # type: ignore[no-untyped-def]
    """Solve for the two covariances with M and for the cost-to-go with its transpose."""
    n = len(size)
    order = n * (n + 1) // 2
    matrix, stacked = work.matrix, work.stacked
    for i in range(order):
        first, second, third = read(stacked, (0, i)), read(stacked, (1, i)), read(stacked, (2, i))
        for k in range(i):
            below, above = read(matrix, (i, k)), read(matrix, (k, i))
            first = fused_minus(below, read(stacked, (0, k)), first)
            second = fused_minus(below, read(stacked, (1, k)), second)
            third = fused_minus(above, read(stacked, (2, k)), third)
        write(stacked, (0, i), first)
        write(stacked, (1, i), second)
        write(stacked, (2, i), third * read(matrix, (i, i)))
    for step in range(order):
        i = order - 1 - step
        first, second, third = read(stacked, (0, i)), read(stacked, (1, i)), read(stacked, (2, i))
        for k in range(i + 1, order):
            above, below = read(matrix, (i, k)), read(matrix, (k, i))
            first = fused_minus(above, read(stacked, (0, k)), first)
            second = fused_minus(above, read(stacked, (1, k)), second)
            third = fused_minus(below, read(stacked, (2, k)), third)
        reciprocal = read(matrix, (i, i))
        write(stacked, (0, i), first * reciprocal)
        write(stacked, (1, i), second * reciprocal)
        write(stacked, (2, i), third)


@njit
def _unstack(work, size):  # type: ignore[no-untyped-def]
    """Stacked upper triangles back to symmetric matrices; the cost-to-go sheds its factor d."""
    n = len(size)
    row = 0
    for i in range(n):
        for j in range(i, n):
            covariance = read(work.stacked, (0, row))
            write(work.covariance, (i, j), covariance)
            write(work.covariance, (j, i), covariance)
            write(work.certificate, (i, j), read(work.stacked, (1, row)))
            value = read(work.stacked, (2, row)) * (1.0 if i == j else 0.5)
            write(work.value, (i, j), value)
            write(work.value, (j, i), value)
            row += 1


@njit
def _decide(work, stable, size):  # type: ignore[no-untyped-def]
    """Whether all pivots of the certificate exceed the threshold; once refused, a lane stays refused."""
    n = len(size)
    certificate = work.certificate
    accepted, refused, threshold = splat(1.0), splat(0.0), splat(PIVOT_THRESHOLD)
    for k in range(n):
        pivot = read(certificate, (k, k))
        accepted = where_greater(pivot, threshold, accepted, refused)
        reciprocal = 1.0 / pivot
        for i in range(k + 1, n):
            ratio = read(certificate, (k, i)) * reciprocal
            for j in range(i, n):
                write(certificate, (i, j), read(certificate, (i, j)) - ratio * read(certificate, (k, j)))
    write(stable, (), accepted)


@njit
def _finish(B, Sigma, work, accepted, cost, gradient, size, inputs):  # type: ignore[no-untyped-def]
    """Cost tr(P Sigma) and gradient 2 E X with E = R K - B'P A_K; infinite and NaN where there is none."""
    n, m = len(size), len(inputs)
    threshold, undefined = splat(PIVOT_THRESHOLD), splat(np.nan)
    total = splat(0.0)
    for i in range(n):
        for j in range(n):
            total = total + read(work.value, (i, j)) * Sigma[i, j]
    write(cost, (), where_greater(accepted, threshold, total, splat(np.inf)))
    projected = work.stacked  # no longer needed: its first entries hold one row of B'P
    for p in range(m):
        for j in range(n):
            total = splat(0.0)
            for i in range(n):
                total = fused(read(B, (i, p)), read(work.value, (i, j)), total)
            write(projected, (0, j), total)
        for j in range(n):
            total = read(work.weighted, (p, j))
            for i in range(n):
                total = fused_minus(read(projected, (0, i)), read(work.closed, (i, j)), total)
            write(work.factor, (p, j), total + total)
        for j in range(n):
            total = splat(0.0)
            for i in range(n):
                total = fused(read(work.factor, (p, i)), read(work.covariance, (i, j)), total)
            write(gradient, (p, j), where_greater(accepted, threshold, total, undefined))


@njit
def cost_and_gradient(A, B, K, Q, R, Sigma, work, cost, gradient, stable, size, inputs):  # type: ignore[no-untyped-def]
    """Costs and gradients of one lane group; for use inside other kernels.

    Parameters
    ----------
    A, B, K : (n, n, LANES), (n, m, LANES) and (m, n, LANES): a system and a gain in each lane.
    Q, R, Sigma : weights and noise covariance, common to the lanes.
    work : the `workspace` of these sizes; holds covariance and cost-to-go of the lanes afterwards.
    cost, gradient, stable : (LANES,), (m, n, LANES) and (LANES,) results; `stable` is 1.0 or 0.0,
        and cost and gradient are infinite and NaN where it is 0.0. All float64.
    size, inputs : `size_of(n)` and `size_of(m)`.
    """
    _close_loop(A, B, K, R, work, size, inputs)
    _assemble(K, Q, Sigma, work, size, inputs)
    _factorise(work, size)
    _substitute(work, size)
    grown = read(work.sizes, (0,)) * read(work.sizes, (1,))
    if not all_greater(read(work.sizes, (2,)) * GROWTH_LIMIT, grown):
        for lane in range(LANES):
            if not work.sizes[0, lane] * work.sizes[1, lane] < GROWTH_LIMIT * work.sizes[2, lane]:
                solve_pivoted(work.closed, K, Q, work.weighted, Sigma, lane, work.stacked)
    _unstack(work, size)
    _decide(work, stable, size)
    _finish(B, Sigma, work, read(stable, ()), cost, gradient, size, inputs)


class Evaluation(NamedTuple):
    """Costs (count,), gradients (count, m, n), state covariances (count, n, n) and stability (count,) of
    systems.
    """

    cost: Array
    gradient: Array
    covariance: Array
    stable: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@njit
def _evaluate(A, B, K, Q, R, Sigma, size, inputs):  # type: ignore[no-untyped-def]
    n, m, count = len(size), len(inputs), max(A.shape[0], K.shape[0])
    work = workspace(size, inputs)
    a, b, k = np.empty((n, n, LANES)), np.empty((n, m, LANES)), np.empty((m, n, LANES))
    cost, gradient, stable = np.empty(LANES), np.empty((m, n, LANES)), lane_array(1)[0]
    costs, gradients = np.empty(count), np.empty((count, m, n))
    covariances, stables = np.empty((count, n, n)), np.empty(count, np.bool_)
    for first in range(0, count, LANES):
        for lane in range(LANES):
            # spare lanes repeat the last system; a lone system or gain is shared by all
            a[:, :, lane] = A[min(first + lane, A.shape[0] - 1)]
            b[:, :, lane] = B[min(first + lane, B.shape[0] - 1)]
            k[:, :, lane] = K[min(first + lane, K.shape[0] - 1)]
        cost_and_gradient(a, b, k, Q, R, Sigma, work, cost, gradient, stable, size, inputs)
        for lane in range(min(LANES, count - first)):
            costs[first + lane] = cost[lane]
            gradients[first + lane] = gradient[:, :, lane]
            covariances[first + lane] = work.covariance[:, :, lane]
            stables[first + lane] = stable[lane] > 0.0
    return costs, gradients, covariances, stables


def evaluate(A: Array, B: Array, gains: Array, Q: Array, R: Array, Sigma: Array) -> Evaluation:
    """Costs, gradients and stability of many systems under many gains (Nguyen-Le et al., eq. (1) and Section
    II).

    Parameters
    ----------
    A, B : (count, n, n) and (count, n, m) systems; or one system, shapes (n, n) and (n, m), for all gains.
    gains : (count, m, n) gains; or one gain, shape (m, n), for all systems.
    Q, R, Sigma : (n, n), (m, m) and (n, n) weights and noise covariance, common to all.

    Returns
    -------
    Evaluation with infinite costs and NaN gradients where the closed loop is not Schur stable.

    Raises
    ------
    ValueError
        If the numbers of systems and of gains differ.
    """
    n, m = B.shape[-2:]
    A, B, gains = A.reshape(-1, n, n), B.reshape(-1, n, m), gains.reshape(-1, m, n)
    counts = {A.shape[0], B.shape[0], gains.shape[0]} - {1}
    if len(counts) > 1 or A.shape[0] != B.shape[0]:
        raise ValueError(f"cannot pair {A.shape[0]} A, {B.shape[0]} B and {gains.shape[0]} gains: give as many of each")
    A, B, gains, Q, R, Sigma = contiguous(A, B, gains, Q, R, Sigma)
    return Evaluation(*_evaluate(A, B, gains, Q, R, Sigma, size_of(n), size_of(m)))
