"""Discrete-time LQR for one plant of any size, compiled once for all: doubling, with products of matrices by BLAS.

Both Lyapunov equations of a loop F = A - B K are sums, which Smith's method (1968) doubles:

.. math:: P_{k+1} = P_k + (F^{2^k})' P_k F^{2^k}, \\qquad X_{k+1} = X_k + F^{2^k} X_k (F^{2^k})' .

The powers F, F^2, F^4, ... serve every right-hand side. They take the place of the factorised operator that
`discrete_small` has for small plants: squaring for the next one costs 2 n^3 operations, using one 4 n^3.

Products run on one thread where the package is started by its command line, so bits do not depend on the number of
workers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lqrpg.compiler.jit import njit_borrowing
from lqrpg.lqr.plant import Array
from lqrpg.lqr.products import add, copy_to, inner, scale, subtract_from, times, trace, unit
from lqrpg.lqr.stability import CERTAIN_GROWTH, DOUBLINGS, LIMIT, SURE
from lqrpg.lqr.stability_kernel import margin_by_sums

SETTLED = 1e-8
"""Factor of the standard deviations of the states below which further terms are lost in rounding: it enters squared."""
VANISHED = 1e-20
"""Norm of a power below which they are so whatever the right-hand side."""


class DenseWorkspace(NamedTuple):
    """Working memory of one closed loop: its matrices, its powers and the solutions.

    Attributes
    ----------
    closed : (n, n) A - B K.
    weight : (n, n) Q + K'RK.
    powers : (DOUBLINGS + 1, n, n) F, F^2, F^4, ...; memory is taken as they are filled.
    filled : (1,) how many of them are there; the last one is so small that it need not be used.
    P : (n, n) cost-to-go.
    S : (n, n) state covariance.
    work, other : (n, n) scratch.
    residual : (m, n) E_K of the gradient.
    gradient : (m, n) the gradient, in loops that descend along it.
    projected, product : (m, n) scratch.
    vector : (2, n) scratch.
    """

    closed: Array
    weight: Array
    powers: Array
    filled: NDArray[np.int64]
    P: Array
    S: Array
    work: Array
    other: Array
    residual: Array
    gradient: Array
    projected: Array
    product: Array
    vector: Array


def dense_workspace(n: int, m: int) -> DenseWorkspace:
    """Working memory for a plant of n states and m inputs."""
    closed, weight, P, S, work, other = (np.zeros((n, n)) for _ in range(6))
    powers, filled = np.zeros((DOUBLINGS + 1, n, n)), np.zeros(1, np.int64)
    buffers = *(np.zeros((m, n)) for _ in range(4)), np.zeros((2, n))
    return DenseWorkspace(closed, weight, powers, filled, P, S, work, other, *buffers)


@njit_borrowing
def close_loop(A, B, Q, R, K, loop):
    """Fill `loop.closed` and `loop.weight`, A - B K and Q + K'RK; the residual holds R K."""
    times(R, K, loop.residual)
    times(K.T, loop.residual, loop.weight)
    add(loop.weight, Q)
    times(B, K, loop.closed)
    subtract_from(A, loop.closed)


@njit_borrowing
def add_congruence(F, X, loop):
    """X += F X F', in place."""
    times(F, X, loop.work)
    times(loop.work, F.T, loop.other)
    add(X, loop.other)


@njit_borrowing
def make_symmetric(X):
    """Average mirrored entries, in place."""
    for i in range(len(X)):
        for j in range(i):
            X[i, j] = 0.5 * (X[i, j] + X[j, i])
            X[j, i] = X[i, j]


@njit_borrowing
def settles_rows(F, X, vector):
    """Whether |F| reduces the roots of the diagonal of X so much that F X F' is lost beside X, whatever the units."""
    n, small = len(F), 0.0
    for i in range(n):
        vector[0, i] = np.sqrt(abs(X[i, i]))
    settled = True
    for i in range(n):
        total = 0.0
        for j in range(n):
            total += abs(F[i, j]) * vector[0, j]
            small += F[i, j] * F[i, j]
        settled = settled and total <= SETTLED * vector[0, i]
    return settled or small <= VANISHED * VANISHED


@njit_borrowing
def settles_columns(F, X, vector):
    """The same of F' and F'XF."""
    n, small = len(F), 0.0
    for i in range(n):
        vector[0, i], vector[1, i] = np.sqrt(abs(X[i, i])), 0.0
    for i in range(n):
        for j in range(n):
            vector[1, j] += abs(F[i, j]) * vector[0, i]
            small += F[i, j] * F[i, j]
    settled = True
    for j in range(n):
        settled = settled and vector[1, j] <= SETTLED * vector[0, j]
    return settled or small <= VANISHED * VANISHED


@njit_borrowing
def _next_power(loop):
    """Square the last power; its place."""
    last = loop.filled[0]
    times(loop.powers[last - 1], loop.powers[last - 1], loop.powers[last])
    loop.filled[0] = last + 1
    return last


@njit_borrowing
def solve_covariance(M, loop, X, size):
    """Write the X = F X F' + M of a symmetric M to `X`, which may be M, by the powers of a stable loop."""
    copy_to(M, X)
    k = 0
    while k < DOUBLINGS and not (k >= loop.filled[0] - 1 and settles_rows(loop.powers[k], X, loop.vector)):
        add_congruence(loop.powers[k], X, loop)
        k += 1
        if k == loop.filled[0]:
            _next_power(loop)
    make_symmetric(X)


@njit_borrowing
def solve_cost_to_go(M, loop, X, size):
    """Write the X = F'X F + M of a symmetric M to `X`, which may be M, by the powers of a stable loop."""
    copy_to(M, X)
    k = 0
    while k < DOUBLINGS and not (k >= loop.filled[0] - 1 and settles_columns(loop.powers[k], X, loop.vector)):
        add_congruence(loop.powers[k].T, X, loop)
        k += 1
        if k == loop.filled[0]:
            _next_power(loop)
    make_symmetric(X)


@njit_borrowing
def _grows(F):
    """Whether the diagonal of a power says that there is no margin; so it does where an entry is not finite."""
    largest, finite = 0.0, True
    for i in range(len(F)):
        largest, finite = max(largest, abs(F[i, i])), finite and np.isfinite(F[i, i])
    return not (finite and largest < CERTAIN_GROWTH)


@njit_borrowing
def factorise(A, B, Q, R, K, loop, size):
    """Fill `loop`, in place, for a gain: its matrices, powers and cost-to-go P_K; true if it is stable.

    That is decided as by `stability_kernel.has_margin`; where a bound by P_K or by the covariance for unit noise leaves
    no doubt, at once.
    """
    close_loop(A, B, Q, R, K, loop)
    if not np.isfinite(inner(loop.closed, loop.closed)):
        return False
    copy_to(loop.closed, loop.powers[0])
    copy_to(loop.weight, loop.P)
    loop.filled[0] = 1
    settled = False
    for k in range(DOUBLINGS):
        if _grows(loop.powers[k]):
            return False
        add_congruence(loop.powers[k].T, loop.P, loop)
        _next_power(loop)
        settled = settles_columns(loop.powers[k + 1], loop.P, loop.vector)
        if settled:
            break
    make_symmetric(loop.P)
    return (settled and _certain(A, B, K, loop)) or _loop_has_margin(A, B, K, loop)


@njit_borrowing
def _certain(A, B, K, loop):
    """Whether a bound leaves no doubt: n^2 (1 + |A| + |B||K|)^2 tr P_I, P_I = F'P_I F + I, is far below the limit.

    Where the weight W exceeds mu I, P_I is at most P_K / mu; otherwise its trace is that of the covariance for unit
    noise.
    """
    n = len(A)
    size = 3.0 * (inner(A, A) + inner(B, B) * inner(K, K) + n)
    part = n * n * size / (SURE * LIMIT)
    if _exceeds(loop.weight, part * trace(loop.P), loop.work):
        return True
    unit(loop.S)
    solve_covariance(loop.S, loop, loop.S, n)
    return part * trace(loop.S) < 1.0


@njit_borrowing
def _exceeds(W, floor, work):
    """Whether the symmetric W - floor I is positive definite: its diagonal dominates, or its elimination succeeds."""
    n, dominant = len(W), True
    for i in range(n):
        off = -abs(W[i, i])
        for j in range(n):
            off += abs(W[i, j])
            work[i, j] = W[i, j]
        work[i, i] -= floor
        if not work[i, i] > 0.0:
            return False
        dominant = dominant and work[i, i] > off
    return dominant or _eliminates(work)


@njit_borrowing
def _eliminates(M):
    """Whether all pivots of a symmetric matrix are positive; its upper triangle is overwritten, row by row."""
    n = len(M)
    for k in range(n):
        if not M[k, k] > 0.0:
            return False
        for i in range(k + 1, n):
            factor = M[k, i] / M[k, k]
            for j in range(i, n):
                M[i, j] -= factor * M[k, j]
    return True


@njit_borrowing
def _loop_has_margin(A, B, K, loop):
    """The margin of a loop near the limit of stability."""
    n, H = len(A), loop.work
    for i in range(n):
        for j in range(n):
            total = abs(A[i, j]) + (1.0 if i == j else 0.0)
            for p in range(K.shape[0]):
                total += abs(B[i, p] * K[p, j])
            H[i, j] = total
    return margin_by_sums(loop.closed, H, LIMIT)


@njit_borrowing
def cost_trace(loop, size):
    """The trace of P_K, which `factorise` has found."""
    return trace(loop.P)


@njit_borrowing
def gradient_factor(B, R, K, loop, size):
    """Write E_K = R K - B'P_K (A - B K) to `loop.residual`; `loop.P` must hold P_K."""
    times(B.T, loop.P, loop.projected)
    times(loop.projected, loop.closed, loop.product)
    times(R, K, loop.residual)
    for p in range(K.shape[0]):
        for j in range(K.shape[1]):
            loop.residual[p, j] -= loop.product[p, j]


@njit_borrowing
def policy_gradient(B, R, Sigma, K, loop, out, size):
    """Write 2 E_K Sigma_K (eqs. (4), (5)) of a stable loop to `out`; `loop.P` must hold P_K.

    `loop.S` and `loop.residual` are filled.
    """
    solve_covariance(Sigma, loop, loop.S, size)
    gradient_factor(B, R, K, loop, size)
    times(loop.residual, loop.S, out)
    scale(out, 2.0)


@njit_borrowing
def excess(curvature, loop, size):
    """tr D'C D X of the difference D of gains, in `loop.residual`, a curvature C, (m, m), and X = F X F' + I.

    X is left in `loop.S`.
    """
    unit(loop.S)
    solve_covariance(loop.S, loop, loop.S, size)
    times(curvature, loop.residual, loop.projected)
    times(loop.residual, loop.S, loop.product)
    return inner(loop.projected, loop.product)


@njit_borrowing
def multiply(a, b, out, size):
    """Write a b to `out`."""
    times(a, b, out)


@njit_borrowing
def multiply_transposed(a, b, out, size):
    """Write a'b to `out`."""
    times(a.T, b, out)


@njit_borrowing
def subtract_product(D, a, b, out, size):
    """Write D - a b' to `out`."""
    times(a, b.T, out)
    subtract_from(D, out)
