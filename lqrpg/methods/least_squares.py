"""Recursive least squares for [A B] from samples of x+ = A x + B u + w (eq. (16)).

The recursion carries M, the inverse of the information matrix H = sum d d' with d = [x; u], by the matrix
inversion lemma: no factorisation at any step.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

import numpy as np

from lqrpg.compiler.jit import njit, njit_borrowing
from lqrpg.lqr.plant import Array, contiguous


@njit_borrowing
def rls_update(theta, M, d, following, h):
    """Take in one sample: theta (n, p) and M (p, p) in place; `h` is scratch of length p."""
    n, p = theta.shape
    denominator = 1.0
    for i in range(p):
        total = 0.0
        for j in range(p):
            total += M[i, j] * d[j]
        h[i] = total
        denominator += d[i] * total
    for i in range(n):
        error = following[i]
        for j in range(p):
            error -= theta[i, j] * d[j]
        error /= denominator
        for j in range(p):
            theta[i, j] += error * h[j]
    for i in range(p):
        scaled = h[i] / denominator
        for j in range(p):
            M[i, j] -= scaled * h[j]


@njit_borrowing
def _invert(H, M):
    """M = H^-1 for a symmetric positive definite H, which is overwritten: Gauss-Jordan, no exchanges
    needed."""
    p = H.shape[0]
    M[:, :] = 0.0
    for i in range(p):
        M[i, i] = 1.0
    for k in range(p):
        pivot = H[k, k]
        for j in range(p):
            H[k, j] /= pivot
            M[k, j] /= pivot
        for i in range(p):
            factor = H[i, k]
            if i != k:
                for j in range(p):
                    H[i, j] -= factor * H[k, j]
                    M[i, j] -= factor * M[k, j]


@njit
def batch_start(regressors, following, theta, M):
    """Least squares on a first batch of samples: fill theta and M = (sum d d')^-1."""
    n, p = theta.shape
    H, products = np.zeros((p, p)), np.zeros((n, p))
    for t in range(regressors.shape[0]):
        for j in range(p):
            for i in range(p):
                H[i, j] += regressors[t, i] * regressors[t, j]
            for i in range(n):
                products[i, j] += following[t, i] * regressors[t, j]
    _invert(H, M)
    for i in range(n):
        for j in range(p):
            theta[i, j] = 0.0
            for k in range(p):
                theta[i, j] += products[i, k] * M[k, j]


def least_squares(regressors: Array, following: Array, start: int) -> tuple[Array, Array]:
    """Estimate [A B] from samples, the first `start` as a batch and the others one by one.

    Parameters
    ----------
    regressors : (count, n + m) rows d' = [x', u'].
    following : (count, n) rows x+'.
    start : size of the first batch, at least n + m.

    Returns
    -------
    theta, (n, n + m) estimate of [A B], and M, (n + m, n + m) inverse information matrix.

    Raises
    ------
    ValueError
        If the first batch is too short to determine [A B].
    """
    regressors, following = contiguous(regressors, following)
    p = regressors.shape[1]
    check_start(start, p)
    theta, M, h = np.empty((following.shape[1], p)), np.empty((p, p)), np.empty(p)
    batch_start(regressors[:start], following[:start], theta, M)
    for d, x in zip(regressors[start:], following[start:], strict=True):
        rls_update(theta, M, d, x, h)
    return theta, M


def check_start(start: int, unknowns: int) -> None:
    """Raise ValueError if a first batch of `start` samples cannot determine `unknowns` columns."""
    if start < unknowns:
        raise ValueError(f"the first estimate needs at least n + m = {unknowns} samples, got {start}")
