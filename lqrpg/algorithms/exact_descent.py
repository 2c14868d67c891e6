"""Descent with the model known: along the gradient, or along the natural gradient, one compiled loop for both.

The natural gradient of Fazel et al., *Global Convergence of Policy Gradient Methods for the Linear Quadratic
Regulator* (2018), is the gradient times the inverse of the state covariance, 2 E_K Sigma_K Sigma_K^-1 = 2 E_K: it
needs no covariance at all.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

import numpy as np

from lqrpg.lqr.compiled import njit
from lqrpg.lqr.discrete_small import close_loop, cost_trace, policy_gradient

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
    close_loop(A, B, Q, R, K, loop, size)
    for i in range(1, marks[-1] + 1):
        cost_trace(loop, size)
        if natural:
            natural_gradient(B, R, K, loop, G, size)
        else:
            policy_gradient(B, R, Sigma, K, loop, G, size)
        descend(K, step, G)
        if not close_loop(A, B, Q, R, K, loop, size):
            return i, GAIN_LOST
        if marks[following] == i:
            gains[following] = K
            following += 1
    return marks[-1], RUNNING
