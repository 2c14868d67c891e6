"""Methods that know the model, compiled: descent along the gradient or the natural gradient, and policy iteration.

The natural gradient of Fazel et al., *Global Convergence of Policy Gradient Methods for the Linear Quadratic
Regulator* (2018), is the gradient times the inverse of the state covariance, 2 E_K Sigma_K Sigma_K^-1 = 2 E_K: it
needs no covariance at all.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

import numpy as np

from lqrpg.compiler.jit import njit
from lqrpg.kernels.discrete_small import cost_trace, factorise, policy_gradient
from lqrpg.kernels.pivoted import pivoted_lu

RUNNING, GAIN_LOST, MODEL_LOST, SINGULAR = 0, 1, 2, 3
"""How a loop that can be continued stands."""


@njit
def natural_gradient(B, R, K, loop, out, size):  # type: ignore[no-untyped-def]
    """out = 2 E_K = 2 (R K - B'P_K (A - B K)) of a closed, stable loop; `loop.P` must hold P_K."""
    n, m = len(size), B.shape[1]
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
            out[p, j] = 2.0 * total


@njit
def descend(K, step, G):  # type: ignore[no-untyped-def]
    """K -= step G, in place."""
    for p in range(K.shape[0]):
        for j in range(K.shape[1]):
            K[p, j] -= step * G[p, j]


@njit
def exact_loop(A, B, Q, R, Sigma, K, step, natural, marks, gains, loop, size):  # type: ignore[no-untyped-def]
    """Descend for marks[-1] steps from a stabilising K, in place; `gains` gets K after each marked step.

    Returns the steps done and how the loop stands: it ends when K has left the stabilising set.
    """
    G = np.empty_like(K)
    following = 0
    factorise(A, B, Q, R, K, loop, size)
    for i in range(1, marks[-1] + 1):
        cost_trace(loop, size)
        if natural:
            natural_gradient(B, R, K, loop, G, size)
        else:
            policy_gradient(B, R, Sigma, K, loop, G, size)
        descend(K, step, G)
        if not factorise(A, B, Q, R, K, loop, size):
            return i, GAIN_LOST
        if marks[following] == i:
            gains[following] = K
            following += 1
    return marks[-1], RUNNING


@njit
def improve(A, B, R, K, loop, curvature, order, size):  # type: ignore[no-untyped-def]
    """K = (R + B'P_K B)^-1 B'P_K A, in place, of a closed, stable loop; `loop.P` must hold P_K. False if singular.

    `curvature`, (m, m), and `order`, (m,), are filled with the factors of R + B'PB; `loop.residual` is scratch.
    """
    n, m = len(size), B.shape[1]
    for p in range(m):
        for j in range(n):
            total = 0.0
            for k in range(n):
                total += B[k, p] * loop.P[k, j]
            loop.residual[p, j] = total
    for p in range(m):
        for q in range(m):
            total = R[p, q]
            for k in range(n):
                total += loop.residual[p, k] * B[k, q]
            curvature[p, q] = total
        for j in range(n):
            total = 0.0
            for k in range(n):
                total += loop.residual[p, k] * A[k, j]
            K[p, j] = total
    if not pivoted_lu(curvature, order):
        return False
    for j in range(n):
        for p in range(m):
            K[p, j], K[order[p], j] = K[order[p], j], K[p, j]
        for p in range(m):
            for q in range(p):
                K[p, j] -= curvature[p, q] * K[q, j]
        for p in range(m - 1, -1, -1):
            for q in range(p + 1, m):
                K[p, j] -= curvature[p, q] * K[q, j]
            K[p, j] /= curvature[p, p]
    return True


@njit
def newton_loop(A, B, Q, R, K, marks, gains, loop, size):  # type: ignore[no-untyped-def]
    """Policy iteration for marks[-1] steps from a stabilising K, in place; `gains` gets K after each marked step.

    Returns the steps done and how the loop stands, as `exact_loop` does.
    """
    m = B.shape[1]
    curvature, order = np.empty((m, m)), np.empty(m, np.int64)
    following = 0
    factorise(A, B, Q, R, K, loop, size)
    for i in range(1, marks[-1] + 1):
        cost_trace(loop, size)
        if not (improve(A, B, R, K, loop, curvature, order, size) and factorise(A, B, Q, R, K, loop, size)):
            return i, GAIN_LOST
        if marks[following] == i:
            gains[following] = K
            following += 1
    return marks[-1], RUNNING
