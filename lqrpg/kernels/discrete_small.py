"""Discrete-time LQR for one small plant at a time, compiled: what a policy gradient loop needs at every
iteration.

The problem: x+ = A x + B u + w, u = -K x, w ~ N(0, Sigma), average cost C(K) = tr(P_K Sigma). A Lyapunov
equation in the n(n+1)/2 coordinates of a symmetric matrix is a linear system; in orthonormal coordinates the
equations of P_K and of Sigma_K have transposed matrices, so one factorisation serves cost, gradient and the
test of stability.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lqrpg.compiler.jit import njit, size_of
from lqrpg.lqr.discrete import optimum
from lqrpg.lqr.plant import Array, Plant, contiguous
from lqrpg.lqr.stability import LIMIT, SURE
from lqrpg.lqr.stability_kernel import has_margin

_ROOT2 = np.sqrt(2.0)
SMALL_GAP = 1e-4
"""Relative gap from which on the difference of costs has enough digits."""


class Loop(NamedTuple):
    """Working memory of one closed loop: its matrices, the factorised Lyapunov operator and the solutions.

    Attributes
    ----------
    closed : (n, n) A - B K.
    weight : (n, n) Q + K'RK.
    factors : (s, s) LU factors of X -> X - F X F' in s = n(n+1)/2 coordinates, F = A - B K.
    order : (s,) row exchanges of the factorisation.
    vector : (s,) right-hand side and solution.
    P : (n, n) cost-to-go.
    S : (n, n) state covariance.
    work : (n, n) scratch.
    residual : (m, n) E_K of the gradient.
    """

    closed: Array
    weight: Array
    factors: Array
    order: NDArray[np.int64]
    vector: Array
    P: Array
    S: Array
    work: Array
    residual: Array


def make_loop(n: int, m: int) -> Loop:
    """Working memory for a plant of n states and m inputs."""
    s = n * (n + 1) // 2
    closed, weight, P, S, work = (np.zeros((n, n)) for _ in range(5))
    factors, order, vector = np.zeros((s, s)), np.zeros(s, np.int64), np.zeros(s)
    return Loop(closed, weight, factors, order, vector, P, S, work, np.zeros((m, n)))


@njit
def factorise(factors, order):
    """LU factorisation with row exchanges, in place; false if the matrix is singular or not finite."""
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


@njit
def _stein_operator(F, factors, size):
    """The matrix of X -> X - F X F' in the orthonormal coordinates (X_ii, sqrt(2) X_ij for i < j)."""
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


@njit
def _pack(M, vector, size):
    n = len(size)
    row = 0
    for i in range(n):
        for j in range(i, n):
            vector[row] = M[i, j] if i == j else 0.5 * _ROOT2 * (M[i, j] + M[j, i])
            row += 1


@njit
def _unpack(vector, X, size):
    n = len(size)
    row = 0
    for i in range(n):
        for j in range(i, n):
            X[i, j] = vector[row] if i == j else vector[row] / _ROOT2
            X[j, i] = X[i, j]
            row += 1


@njit
def solve_covariance(M, loop, X, size):
    """X = F X F' + M for a symmetric M, with the factors of the loop."""
    L, order, x = loop.factors, loop.order, loop.vector
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


@njit
def solve_cost_to_go(M, loop, X, size):
    """X = F'X F + M for a symmetric M, with the factors of the loop, transposed."""
    L, order, x = loop.factors, loop.order, loop.vector
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


@njit
def _positive_definite(X, L, size):
    """Whether a symmetric matrix is positive definite: its Cholesky factorisation, into L, goes through."""
    n = len(size)
    for i in range(n):
        for j in range(i + 1):
            total = X[i, j]
            for k in range(j):
                total -= L[i, k] * L[j, k]
            if i == j:
                if not total > 0.0 or not np.isfinite(total):
                    return False
                L[i, i] = np.sqrt(total)
            else:
                L[i, j] = total / L[j, j]
    return True


@njit
def close_loop(A, B, Q, R, K, loop, size):
    """Form and factorise the loop of a gain; true if it is stable, as `stability_kernel.has_margin` decides.

    P = F'P F + I has a positive definite solution then, whatever the weights Q and R; where P is small enough for
    rounding not to matter, that decides at once.
    """
    n, m = len(size), B.shape[1]
    bound = 0.0
    for p in range(m):
        for j in range(n):
            total = 0.0
            for q in range(m):
                total += R[p, q] * K[q, j]
            loop.residual[p, j] = total
    for i in range(n):
        for j in range(n):
            closed, weight = A[i, j], Q[i, j]
            terms = abs(closed)
            for p in range(m):
                fed_back = B[i, p] * K[p, j]
                closed -= fed_back
                terms += abs(fed_back)
                weight += K[p, i] * loop.residual[p, j]
            loop.closed[i, j] = closed
            loop.weight[i, j] = weight
            loop.work[i, j] = 1.0 if i == j else 0.0
            bound += (terms + loop.work[i, j]) ** 2
    _stein_operator(loop.closed, loop.factors, size)
    if not factorise(loop.factors, loop.order):
        return False
    solve_cost_to_go(loop.work, loop, loop.P, size)
    if not _positive_definite(loop.P, loop.work, size):
        return False
    trace = 0.0
    for i in range(n):
        trace += loop.P[i, i]
    return n * n * bound * trace < SURE * LIMIT or _loop_has_margin(A, B, K, loop)


@njit
def _loop_has_margin(A, B, K, loop):
    """`has_margin` of a loop near the limit of stability."""
    n, m = A.shape[0], B.shape[1]
    H = np.eye(n)
    for i in range(n):
        for j in range(n):
            H[i, j] += abs(A[i, j])
            for p in range(m):
                H[i, j] += abs(B[i, p] * K[p, j])
    return has_margin(loop.closed, H, LIMIT)


@njit
def cost_trace(loop, size):
    """Solve for P_K of a closed, stable loop; its trace."""
    solve_cost_to_go(loop.weight, loop, loop.P, size)
    total = 0.0
    for i in range(len(size)):
        total += loop.P[i, i]
    return total


@njit
def policy_gradient(B, R, Sigma, K, loop, out, size):
    """out = 2 E_K Sigma_K (eqs. (4), (5)) of a closed, stable loop; `loop.P` must hold P_K, `loop.S` is
    filled."""
    n, m = len(size), B.shape[1]
    solve_covariance(Sigma, loop, loop.S, size)
    for i in range(n):
        for j in range(n):
            total = 0.0
            for k in range(n):
                total += loop.P[i, k] * loop.closed[k, j]
            loop.work[i, j] = total
    for p in range(m):
        for j in range(n):
            total = 0.0
            for q in range(m):
                total += R[p, q] * K[q, j]
            for k in range(n):
                total -= B[k, p] * loop.work[k, j]
            loop.residual[p, j] = total
    for p in range(m):
        for j in range(n):
            total = 0.0
            for k in range(n):
                total += loop.residual[p, k] * loop.S[k, j]
            out[p, j] = 2.0 * total


def is_stabilising(plant: Plant, gain: Array) -> bool:
    """Whether every eigenvalue of A - B K lies inside the unit circle (eq. (2)), as `close_loop` finds it."""
    return _attempt(plant, gain)[1]


def _attempt(plant: Plant, gain: Array) -> tuple[Loop, bool]:
    """The loop of a gain, and whether it is stable."""
    A, B, Q, R, K = contiguous(*plant.matrices[:4], gain)
    loop = make_loop(plant.n_states, plant.n_inputs)
    return loop, bool(close_loop(A, B, Q, R, K, loop, size_of(plant.n_states)))


def _closed(plant: Plant, gain: Array) -> Loop:
    loop, stable = _attempt(plant, gain)
    if not stable:
        raise ValueError(
            "the gain does not stabilise the plant: A - B K has an eigenvalue on or outside the unit circle"
        )
    cost_trace(loop, size_of(plant.n_states))
    return loop


def cost_to_go(plant: Plant, gain: Array) -> Array:
    """Cost-to-go P_K = A_K'P_K A_K + Q + K'RK of a stabilising gain, shape (n, n) (below eq. (4)).

    Raises
    ------
    ValueError
        If the gain does not stabilise the plant.
    """
    return _closed(plant, gain).P


def state_covariance(plant: Plant, gain: Array) -> Array:
    """Stationary covariance Sigma_K = A_K Sigma_K A_K' + Sigma, shape (n, n) (eq. (5)).

    Raises
    ------
    ValueError
        If the gain does not stabilise the plant.
    """
    loop = _closed(plant, gain)
    (Sigma,) = contiguous(plant.Sigma)
    solve_covariance(Sigma, loop, loop.S, size_of(plant.n_states))
    return loop.S


def cost(plant: Plant, gain: Array) -> float:
    """Average cost tr(P_K Sigma) of a gain (eq. (3)); infinite if the gain does not stabilise the plant.

    Where rounding leaves no digit of P_K, the cost of a single step, which is below that of all, is the floor.
    """
    if not is_stabilising(plant, gain):
        return float("inf")
    one_step = float(np.trace(plant.stage_weight(gain) @ plant.Sigma))
    return max(float(np.trace(cost_to_go(plant, gain) @ plant.Sigma)), one_step)


def gradient(plant: Plant, gain: Array) -> Array:
    """Gradient 2 ((R + B'PB)K - B'PA) Sigma_K of the average cost, shape (m, n) (eq. (4), sign of u = -K x).

    Raises
    ------
    ValueError
        If the gain does not stabilise the plant.
    """
    loop = _closed(plant, gain)
    B, R, Sigma, K = contiguous(plant.B, plant.R, plant.Sigma, gain)
    out = np.empty_like(K)
    policy_gradient(B, R, Sigma, K, loop, out, size_of(plant.n_states))
    return out


def relative_gap(plant: Plant, gain: Array) -> float:
    """The reported gap tr(P_K - P*) / tr(P*); infinite if the gain does not stabilise the plant."""
    loop, stable = _attempt(plant, gain)
    (K,) = contiguous(gain)
    return float(gap_of(K, reference(plant), loop, size_of(plant.n_states))) if stable else float("inf")


class Reference(NamedTuple):
    """The optimum to which gains are compared.

    Attributes
    ----------
    cost : tr(P*).
    gain : (m, n) K*.
    curvature : (m, m) R + B'P*B.
    """

    cost: float
    gain: Array
    curvature: Array


def reference(plant: Plant) -> Reference:
    """The optimum of a plant; `numpy.linalg.LinAlgError` if it has none."""
    best = optimum(plant)
    curvature = plant.R + plant.B.T @ best.cost_to_go @ plant.B
    return Reference(float(np.trace(best.cost_to_go)), *contiguous(best.gain, curvature))


@njit
def gap_of(K, best, loop, size):
    """tr(P_K - P*) / tr(P*) of a closed, stable loop; `loop.P` holds P_K then.

    A small one is not taken from a difference of costs, but as tr((K - K*)'(R + B'P*B)(K - K*) X) with X = FXF' + I.
    """
    gap = cost_trace(loop, size) / best.cost - 1.0
    if gap > SMALL_GAP:
        return gap
    n, m = len(size), K.shape[0]
    for i in range(n):
        for j in range(n):
            loop.work[i, j] = 1.0 if i == j else 0.0
    solve_covariance(loop.work, loop, loop.S, size)
    total = 0.0
    for p in range(m):
        for q in range(m):
            for i in range(n):
                for j in range(n):
                    left, right = K[p, i] - best.gain[p, i], K[q, j] - best.gain[q, j]
                    total += best.curvature[p, q] * left * right * loop.S[i, j]
    return max(total, 0.0) / best.cost
