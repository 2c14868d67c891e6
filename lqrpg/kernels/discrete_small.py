"""Discrete-time LQR for one plant at a time, compiled: what a policy gradient loop needs at every iteration.

Plants of up to `LARGEST_UNROLLED` states have kernels of their size; `dense` has those of all others.

The problem: x+ = A x + B u + w, u = -K x, w ~ N(0, Sigma), average cost C(K) = tr(P_K Sigma). The equations of P_K and
of Sigma_K share one factorisation (`pivoted`; powers of the loop in `dense`), which serves cost, gradient and the test
of stability.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lqrpg.compiler.jit import LARGEST_UNROLLED, njit, njit_borrowing, size_of
from lqrpg.compiler.sizes import by_size
from lqrpg.kernels import dense, pivoted
from lqrpg.kernels.dense import DenseWorkspace, dense_workspace
from lqrpg.kernels.pivoted import lyapunov_operator, pivoted_lu
from lqrpg.lqr.discrete import floored_cost, optimum
from lqrpg.lqr.plant import Array, Plant, contiguous
from lqrpg.lqr.products import multiply_sized
from lqrpg.lqr.stability import LIMIT, SURE
from lqrpg.lqr.stability_kernel import has_margin

SMALL_GAP = 1e-4
"""Relative gap from which on the difference of costs has enough digits."""


class LyapunovWorkspace(NamedTuple):
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
    gradient : (m, n) the gradient, in loops that descend along it.
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
    gradient: Array


Loop = LyapunovWorkspace | DenseWorkspace


def lyapunov_workspace(n: int, m: int) -> Loop:
    """Working memory for a plant of n states and m inputs, of the kind that kernels take with `size_of(n)`."""
    if n > LARGEST_UNROLLED:
        return dense_workspace(n, m)
    s = n * (n + 1) // 2
    closed, weight, P, S, work = (np.zeros((n, n)) for _ in range(5))
    factors, order, vector = np.zeros((s, s)), np.zeros(s, np.int64), np.zeros(s)
    return LyapunovWorkspace(closed, weight, factors, order, vector, P, S, work, np.zeros((m, n)), np.zeros((m, n)))


@by_size(dense.solve_covariance)
def solve_covariance(M, loop, X, size):
    """Write the X = F X F' + M of a symmetric M to `X`, which may be M, for a factorised, stable loop."""
    pivoted.solve_covariance(M, loop, X, size)


@by_size(dense.solve_cost_to_go)
def solve_cost_to_go(M, loop, X, size):
    """Write the X = F'X F + M of a symmetric M to `X`, which may be M, for a factorised, stable loop."""
    pivoted.solve_cost_to_go(M, loop, X, size)


@njit_borrowing
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


@by_size(dense.factorise)
def factorise(A, B, Q, R, K, loop, size):
    """Fill `loop`, in place, for a gain, and factorise its operator; true if it is stable.

    That is decided as by `stability_kernel.has_margin`.

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
    lyapunov_operator(loop.closed, loop.factors, size)
    if not pivoted_lu(loop.factors, loop.order):
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


@by_size(dense.cost_trace)
def cost_trace(loop, size):
    """Solve for P_K of a factorised, stable loop, into `loop.P`; its trace."""
    solve_cost_to_go(loop.weight, loop, loop.P, size)
    total = 0.0
    for i in range(len(size)):
        total += loop.P[i, i]
    return total


@by_size(dense.gradient_factor)
def gradient_factor(B, R, K, loop, size):
    """Write E_K = R K - B'P_K (A - B K) to `loop.residual`; `loop.P` must hold P_K, `loop.work` is scratch."""
    n, m = len(size), B.shape[1]
    multiply_sized(loop.P, loop.closed, loop.work, size)
    for p in range(m):
        for j in range(n):
            total = 0.0
            for q in range(m):
                total += R[p, q] * K[q, j]
            for k in range(n):
                total -= B[k, p] * loop.work[k, j]
            loop.residual[p, j] = total


@by_size(dense.policy_gradient)
def policy_gradient(B, R, Sigma, K, loop, out, size):
    """Write 2 E_K Sigma_K (eqs. (4), (5)) of a factorised, stable loop to `out`; `loop.P` must hold P_K.

    `loop.S` and `loop.residual` are filled, `loop.work` is scratch.
    """
    n, m = len(size), B.shape[1]
    solve_covariance(Sigma, loop, loop.S, size)
    gradient_factor(B, R, K, loop, size)
    for p in range(m):
        for j in range(n):
            total = 0.0
            for k in range(n):
                total += loop.residual[p, k] * loop.S[k, j]
            out[p, j] = 2.0 * total


def is_stabilising(plant: Plant, gain: Array) -> bool:
    """Whether every eigenvalue of A - B K lies inside the unit circle (eq. (2)), as `factorise` finds it."""
    return _workspace_and_stability(plant, gain)[1]


def _workspace_and_stability(plant: Plant, gain: Array) -> tuple[Loop, bool]:
    """The loop of a gain, and whether it is stable."""
    A, B, Q, R, K = contiguous(*plant.matrices[:4], gain)
    loop = lyapunov_workspace(plant.n_states, plant.n_inputs)
    return loop, bool(factorise(A, B, Q, R, K, loop, size_of(plant.n_states)))


def _solved(plant: Plant, gain: Array) -> Loop:
    loop, stable = _workspace_and_stability(plant, gain)
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
    return _solved(plant, gain).P


def state_covariance(plant: Plant, gain: Array) -> Array:
    """Stationary covariance Sigma_K = A_K Sigma_K A_K' + Sigma, shape (n, n) (eq. (5)).

    Raises
    ------
    ValueError
        If the gain does not stabilise the plant.
    """
    loop = _solved(plant, gain)
    (Sigma,) = contiguous(plant.Sigma)
    solve_covariance(Sigma, loop, loop.S, size_of(plant.n_states))
    return loop.S


def cost(plant: Plant, gain: Array) -> float:
    """Average cost tr(P_K Sigma) of a gain (eq. (3)); infinite if the gain does not stabilise the plant."""
    if not is_stabilising(plant, gain):
        return float("inf")
    return floored_cost(plant, gain, cost_to_go(plant, gain))


def gradient(plant: Plant, gain: Array) -> Array:
    """Gradient 2 ((R + B'PB)K - B'PA) Sigma_K of the average cost, shape (m, n) (eq. (4), sign of u = -K x).

    Raises
    ------
    ValueError
        If the gain does not stabilise the plant.
    """
    loop = _solved(plant, gain)
    B, R, Sigma, K = contiguous(plant.B, plant.R, plant.Sigma, gain)
    out = np.empty_like(K)
    policy_gradient(B, R, Sigma, K, loop, out, size_of(plant.n_states))
    return out


def relative_gap(plant: Plant, gain: Array) -> float:
    """The reported gap tr(P_K - P*) / tr(P*); infinite if the gain does not stabilise the plant."""
    loop, stable = _workspace_and_stability(plant, gain)
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


@njit_borrowing
def gap_of(K, best, loop, size):
    """tr(P_K - P*) / tr(P*) of a factorised, stable loop; `loop.P` holds P_K then.

    Scratch are `S`, `work` and `residual`, and what only a dense loop has but for its powers.

    A small one is not taken from a difference of costs, but as tr((K - K*)'(R + B'P*B)(K - K*) X) with X = FXF' + I.
    """
    gap = cost_trace(loop, size) / best.cost - 1.0
    if gap > SMALL_GAP:
        return gap
    for p in range(K.shape[0]):
        for j in range(K.shape[1]):
            loop.residual[p, j] = K[p, j] - best.gain[p, j]
    return max(_excess(best.curvature, loop, size), 0.0) / best.cost


@by_size(dense.excess)
def _excess(curvature, loop, size):
    """tr D'C D X of the difference D of gains, in `loop.residual`, a curvature C, (m, m), and X = F X F' + I.

    X is left in `loop.S`.
    """
    difference = loop.residual
    n, m = len(size), difference.shape[0]
    for i in range(n):
        for j in range(n):
            loop.work[i, j] = 1.0 if i == j else 0.0
    solve_covariance(loop.work, loop, loop.S, size)
    total = 0.0
    for p in range(m):
        for q in range(m):
            for i in range(n):
                for j in range(n):
                    total += curvature[p, q] * difference[p, i] * difference[q, j] * loop.S[i, j]
    return total
