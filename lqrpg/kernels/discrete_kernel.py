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

Stability is decided by Lyapunov's theorem, not by the size of some number: for noise with a positive definite
covariance W, the solution X is positive definite if and only if A_K is Schur stable. It is then at least W, and
each of its pivots at least that of W; otherwise some pivot is zero or negative. Half the pivot of W is the
threshold that leaves most room for rounding on either side. W is Sigma; where Sigma is singular or nearly so, a
third solution, for unit noise, decides.

Near the limit of stability rounding may decide the sign of a pivot. Every lane therefore bounds how much: the size of
the operator times that of its inverse, which is at most the trace of X over the least eigenvalue of W (Russo and Dye,
1966). A lane in which that is not far below 1 / eps is decided alone, by `stability_kernel.has_margin`, as all other
modules decide it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lqrpg.compiler.jit import LANES, njit, njit_borrowing
from lqrpg.compiler.lanes import (
    all_greater,
    fma,
    fnma,
    lane_array,
    read,
    splat,
    where_greater,
    write,
)
from lqrpg.kernels.lyapunov_lanes import solve_lyapunov
from lqrpg.kernels.pivoted import Pivoted, pivoted_buffers, solve_pivoted
from lqrpg.lqr.plant import Array
from lqrpg.lqr.stability import LIMIT, SURE
from lqrpg.lqr.stability_kernel import SCRATCH, settle_lane

GROWTH_LIMIT = 1e6  # sum|L| sum|U| / (1 + |A_K|^2) above which a lane is solved again with pivoting
PIVOT_THRESHOLD = 0.5
SAFELY_DEFINITE = 0.01


class Weights(NamedTuple):
    """Weights of the cost and covariance of the noise, (n, n), (m, m) and (n, n), common to all lanes."""

    Q: Array
    R: Array
    Sigma: Array


class Result(NamedTuple):
    """Cost (LANES,), gradient (m, n, LANES) and stability (LANES,), 1.0 or 0.0, of a lane group."""

    cost: Array
    gradient: Array
    stable: Array


class Workspace(NamedTuple):
    """Buffers of one lane group; N = n(n+1)/2. After a call they hold the solutions too.

    Attributes
    ----------
    closed : (n, n, LANES) closed-loop matrices A - B K.
    covariance, certificate, value : (n, n, LANES) state covariance, covariance under unit noise, cost-to-go.
    stacked : (3, N, LANES) right-hand sides, then solutions, as stacked upper triangles.
    weighted, factor : (m, n, LANES) R K and the factor E of the gradient 2 E X.
    sizes : (4, LANES) sums of |L| and |U|, 1 + |A_K|^2, and a bound on the operator's size times that of its inverse.
    floors : (n + 2,) smallest pivots of a covariance that is accepted; then 1.0 if unit noise decides, else 0.0; then
        the bound on the operator's inverse for one on X: the inverse of the least eigenvalue of W.
    pivoted : buffers of the lanes that are solved again.
    scratch : (n + SCRATCH, n, n) those of the lanes near the limit of stability.
    """

    closed: Array
    covariance: Array
    certificate: Array
    value: Array
    stacked: Array
    weighted: Array
    factor: Array
    sizes: Array
    floors: Array
    pivoted: Pivoted
    scratch: Array


@njit
def _floors(Sigma, n):
    """Half the pivots of Sigma; half of one, and a mark, if Sigma is not safely positive definite; tr W^-1."""
    floors, rest, largest = np.zeros(n + 2), Sigma.copy(), 0.0
    for i in range(n):
        largest = max(largest, Sigma[i, i])
    for k in range(n):
        if not rest[k, k] > SAFELY_DEFINITE * largest:
            floors[:] = PIVOT_THRESHOLD
            floors[n] = 1.0
            floors[n + 1] = 1.0
            return floors
        floors[k] = PIVOT_THRESHOLD * rest[k, k]
        for i in range(k + 1, n):
            for j in range(k + 1, n):
                rest[i, j] -= rest[i, k] * rest[k, j] / rest[k, k]
    for column in range(n):  # of L^-1, Sigma = L D L'
        unit = np.zeros(n)
        unit[column] = 1.0
        for i in range(column, n):
            for k in range(column, i):
                unit[i] -= rest[i, k] / rest[k, k] * unit[k]
            floors[n + 1] += unit[i] * unit[i] / rest[i, i]
    return floors


@njit
def empty_result(size, inputs):
    """Room for a result."""
    n, m = len(size), len(inputs)
    return Result(lane_array(1)[0], lane_array(m * n).reshape((m, n, LANES)), lane_array(1)[0])


@njit
def workspace(Sigma, size, inputs):
    """Buffers for n = len(size) states and m = len(inputs) inputs, and for noise of covariance Sigma."""
    n, m = len(size), len(inputs)
    order = n * (n + 1) // 2
    return Workspace(
        lane_array(n * n).reshape((n, n, LANES)),
        lane_array(n * n).reshape((n, n, LANES)),
        lane_array(n * n).reshape((n, n, LANES)),
        lane_array(n * n).reshape((n, n, LANES)),
        lane_array(3 * order).reshape((3, order, LANES)),
        lane_array(m * n).reshape((m, n, LANES)),
        lane_array(m * n).reshape((m, n, LANES)),
        lane_array(4),
        _floors(Sigma, n),
        pivoted_buffers(n),
        np.empty((n + SCRATCH, n, n)),
    )


@njit_borrowing
def _close_loop(A, B, K, R, work, size, inputs):
    """Write A - B K and R K to `work`, and 1 + |A - B K|^2, which bounds the entries of the Lyapunov operator."""
    n, m = len(size), len(inputs)
    bound = splat(1.0)
    for i in range(n):
        for j in range(n):
            total = read(A, (i, j))
            for p in range(m):
                total = fnma(read(B, (i, p)), read(K, (p, j)), total)
            write(work.closed, (i, j), total)
            bound = fma(total, total, bound)
    write(work.sizes, (2,), bound)
    for p in range(m):
        for j in range(n):
            total = splat(0.0)
            for q in range(m):
                total = total + R[p, q] * read(K, (q, j))
            write(work.weighted, (p, j), total)


@njit_borrowing
def _right_sides(K, weights, work, size, inputs):
    """Write the right-hand sides of both equations, and that for unit noise, to `work.stacked`, as upper triangles."""
    n, m = len(size), len(inputs)
    stacked = work.stacked
    row = 0
    for i in range(n):
        for j in range(i, n):
            write(stacked, (0, row), splat(weights.Sigma[i, j]))
            write(stacked, (1, row), splat(1.0 if i == j else 0.0))
            total = splat(weights.Q[i, j])
            for p in range(m):
                total = fma(read(K, (p, i)), read(work.weighted, (p, j)), total)
            write(stacked, (2, row), total * (1.0 if i == j else 2.0))
            row += 1


@njit_borrowing
def _unstack(work, size):
    """Unfold the stacked upper triangles to the symmetric matrices of `work`; the cost-to-go sheds its factor d."""
    n = len(size)
    row, decisive = 0, int(work.floors[n])
    for i in range(n):
        for j in range(i, n):
            covariance = read(work.stacked, (0, row))
            write(work.covariance, (i, j), covariance)
            write(work.covariance, (j, i), covariance)
            write(work.certificate, (i, j), read(work.stacked, (decisive, row)))
            value = read(work.stacked, (2, row)) * (1.0 if i == j else 0.5)
            write(work.value, (i, j), value)
            write(work.value, (j, i), value)
            row += 1


@njit_borrowing
def _decide(work, stable, size):
    """Write to `stable` whether all pivots of the certificate exceed their floors; it is eliminated in place.

    Once refused, a lane stays refused.
    """
    n = len(size)
    certificate = work.certificate
    accepted, refused = splat(1.0), splat(0.0)
    for k in range(n):
        pivot = read(certificate, (k, k))
        accepted = where_greater(pivot, splat(work.floors[k]), accepted, refused)
        reciprocal = 1.0 / pivot
        for i in range(k + 1, n):
            ratio = read(certificate, (k, i)) * reciprocal
            for j in range(i, n):
                write(certificate, (i, j), read(certificate, (i, j)) - ratio * read(certificate, (k, j)))
    write(stable, (), accepted)


@njit_borrowing
def _weigh(A, B, K, work, size, inputs):
    """Write to `work.sizes` a bound on the operator's size, its factors' and rounding included, times its inverse's."""
    n, m = len(size), len(inputs)
    order = n * (n + 1) // 2
    loop, inputs_size, gain, solution, zero = splat(1.0), splat(0.0), splat(0.0), splat(0.0), splat(0.0)
    for i in range(n):
        for j in range(n):
            loop = fma(read(A, (i, j)), read(A, (i, j)), loop)
        for p in range(m):
            inputs_size = fma(read(B, (i, p)), read(B, (i, p)), inputs_size)
            gain = fma(read(K, (p, i)), read(K, (p, i)), gain)
    for row in range(order):
        entry = read(work.stacked, (int(work.floors[n]), row))
        solution = solution + where_greater(entry, zero, entry, zero - entry)
    operator = (loop + inputs_size * gain) * (3.0 * n * n)  # (1 + |A| + |B||K|)^2 is at most three times these
    factors = read(work.sizes, (0,)) * read(work.sizes, (1,)) * float(order)
    operator = where_greater(operator, factors, operator, factors)
    write(work.sizes, (3,), operator * (solution * work.floors[n + 1]))


@njit_borrowing
def _finish(B, Sigma, work, result, size, inputs):
    """Write cost tr(P Sigma) and gradient 2 E X with E = R K - B'P A_K; infinite and NaN where it is not stable.

    `work.factor` and `work.stacked` are scratch.
    """
    n, m = len(size), len(inputs)
    accepted, threshold, undefined = read(result.stable, ()), splat(PIVOT_THRESHOLD), splat(np.nan)
    total = splat(0.0)
    for i in range(n):
        for j in range(n):
            total = total + read(work.value, (i, j)) * Sigma[i, j]
    write(result.cost, (), where_greater(accepted, threshold, total, splat(np.inf)))
    projected = work.stacked  # no longer needed: its first entries hold one row of B'P
    for p in range(m):
        for j in range(n):
            total = splat(0.0)
            for i in range(n):
                total = fma(read(B, (i, p)), read(work.value, (i, j)), total)
            write(projected, (0, j), total)
        for j in range(n):
            total = read(work.weighted, (p, j))
            for i in range(n):
                total = fnma(read(projected, (0, i)), read(work.closed, (i, j)), total)
            write(work.factor, (p, j), total + total)
        for j in range(n):
            total = splat(0.0)
            for i in range(n):
                total = fma(read(work.factor, (p, i)), read(work.covariance, (i, j)), total)
            write(result.gradient, (p, j), where_greater(accepted, threshold, total, undefined))


@njit_borrowing
def cost_and_gradient(A, B, K, weights, work, result, size, inputs):
    """Costs and gradients of one lane group; for use inside other kernels.

    Parameters
    ----------
    A, B, K : (n, n, LANES), (n, m, LANES) and (m, n, LANES): a system and a gain in each lane.
    weights : `Weights`.
    work : the `workspace` of these sizes and of this Sigma, changed in place; holds covariance and cost-to-go of the
        lanes afterwards.
    result : `Result`, or what has its fields: written. Cost and gradient are infinite and NaN where `stable` is 0.0.
    size, inputs : `unrolled(n)` and `unrolled(m)`.
    """
    _close_loop(A, B, K, weights.R, work, size, inputs)
    _right_sides(K, weights, work, size, inputs)
    solve_lyapunov(work.closed, work.stacked, work.sizes, work.floors[len(size)] > 0.0, size)
    grown = read(work.sizes, (0,)) * read(work.sizes, (1,))
    if not all_greater(read(work.sizes, (2,)) * GROWTH_LIMIT, grown):
        for lane in range(LANES):
            if not work.sizes[0, lane] * work.sizes[1, lane] < GROWTH_LIMIT * work.sizes[2, lane]:
                solve_pivoted(K, weights, work, lane, size)
                work.sizes[0, lane], work.sizes[1, lane] = 1.0, 1.0  # no growth
    _weigh(A, B, K, work, size, inputs)
    clear, limit = all_greater(splat(SURE * LIMIT / len(size)), read(work.sizes, (3,))), SURE * LIMIT / len(size)
    if not clear:
        for lane in range(LANES):
            if not work.sizes[3, lane] < limit:
                work.sizes[3, lane] = 1.0 if settle_lane(A, B, K, weights, work, lane) else 0.0
            else:
                work.sizes[3, lane] = -1.0
    _unstack(work, size)
    _decide(work, result.stable, size)
    if not clear:
        for lane in range(LANES):
            if work.sizes[3, lane] >= 0.0:
                result.stable[lane] = work.sizes[3, lane]
    _finish(B, weights.Sigma, work, result, size, inputs)
