"""The one decision on which all modules agree near the limit of stability: a Schur stable loop, with a margin.

A loop F is known up to the rounding of its entries: |E| <= u H entry by entry, H = |A| + |B||K| + I, with u a little
above the rounding of a number. It counts as stable if Lyapunov's theorem proves all F + E stable. For noise of
covariance diag(w) the states' variances are v = G w, G_ij the sum over k of (F^k)_ij^2; a perturbation takes at most
3 n u (H sqrt(v))_i^2 of w_i. So some w is enough for all perturbations if and only if

.. math:: 3 n u \\rho(T) < 1, \\qquad T(v) = G (H \\sqrt{v})^2,

with rho(T) the growth of the monotone and homogeneous map T: it is found by power iteration, between the bounds of
Collatz and Wielandt. Like T, the decision does not depend on the units of the states: only sums, products and ratios
of entries of the same unit are formed.
"""

from __future__ import annotations

import numpy as np

from lqrpg.compiler.jit import njit, njit_borrowing
from lqrpg.lqr.products import add, copy_to, multiply, times
from lqrpg.lqr.stability import CONTRACTION, DOUBLINGS, LIMIT

ITERATIONS = 200
"""Of the map T; where it has not decided by then, the loop is too near to the limit."""
SCRATCH = 10
"""Matrices beside n others that the functions here need as scratch: an array (n + SCRATCH, n, n)."""


@njit_borrowing
def _response(F, G, limit, scratch):
    """Fill G_ij = sum over k of (F^k)_ij^2, by doubling; false if the sum does not end, or is too large."""
    n = F.shape[0]
    X, power, work, row = scratch[:n], scratch[n], scratch[n + 1], scratch[n + 2, 0]
    for i in range(n):
        for j in range(n):
            power[i, j] = F[i, j]
            for k in range(n):
                X[i, j, k] = 1.0 if i == j and j == k else 0.0
    for _ in range(DOUBLINGS):
        for j in range(n):
            multiply(power, X[j], work)
            for i in range(n):
                for k in range(n):
                    total = 0.0
                    for p in range(n):
                        total += work[i, p] * power[k, p]
                    row[k] = total
                for k in range(n):
                    X[j, i, k] += row[k]
        for i in range(n):
            for j in range(n):
                G[i, j] = max(X[j, i, i], 0.0)  # a sum of squares, but for rounding
            if not G[i, i] * n < limit:
                return False
        if _contracts(power, G):
            return True
        multiply(power, power, work)
        for i in range(n):
            for k in range(n):
                power[i, k] = work[i, k]
    return False


@njit_borrowing
def _contracts(power, G):
    """Whether |F^k| reduces the standard deviations of the states under unit noise so much that the rest is nothing."""
    n = len(power)
    for i in range(n):
        total, own = 0.0, 0.0
        for j in range(n):
            variance = 0.0
            for k in range(n):
                variance += G[j, k]
            total += abs(power[i, j]) * np.sqrt(variance)
            own += G[i, j]
        if not total <= CONTRACTION * np.sqrt(own):
            return False
    return True


@njit
def has_margin(F, H, limit):
    """Whether F, (n, n), is Schur stable whatever the rounding of its entries, of the size of H >= |F| + I, (n, n).

    The rounding is that of a number for the usual limit, `stability.LIMIT`, and more for smaller ones. G takes n
    matrices; `margin_by_sums` is for more than a few states.
    """
    return margin_holds(F, H, limit, np.empty((len(F) + SCRATCH, len(F), len(F))))


@njit
def margin_by_sums(F, H, limit):
    """The same decision without G: T(v) is the diagonal of the sum of F^k diag(w) (F^k)' over k, w = (H sqrt(v))^2."""
    n = len(F)
    scratch, vectors = np.empty((4, n, n)), np.ones((3, n))
    v, w, following = vectors[0], vectors[1], vectors[2]
    if not _variances(F, w, limit, scratch, v):
        return False
    for _ in range(ITERATIONS):
        for i in range(n):
            total = 0.0
            for j in range(n):
                total += H[i, j] * np.sqrt(v[j])
            w[i] = total * total
        if not _variances(F, w, limit, scratch, following):
            return False
        least, most = np.inf, 0.0
        for i in range(n):
            ratio = following[i] / v[i]
            if not np.isfinite(ratio):
                return False
            least, most = min(least, ratio), max(most, ratio)
        if most * n < limit:
            return True
        if not least * n < limit:
            return False
        for i in range(n):
            v[i] = following[i] / most
    return False


@njit_borrowing
def _variances(F, w, limit, scratch, out):
    """Write the diagonal of the sum of F^k diag(w) (F^k)' to `out`; false if it does not end, or G is too large."""
    n = len(F)
    X, power, product, other = scratch[0], scratch[1], scratch[2], scratch[3]
    copy_to(F, power)
    for i in range(n):
        for j in range(n):
            X[i, j] = w[i] if i == j else 0.0
    for _ in range(DOUBLINGS):
        for i in range(n):
            if not power[i, i] * power[i, i] * n < limit:  # a term of G_ii alone
                return False
        times(power, X, product)
        times(product, power.T, other)
        add(X, other)
        for i in range(n):
            out[i] = max(X[i, i], 0.0)  # a sum of squares, but for rounding
        if _reduces(power, out):
            return True
        times(power, power, other)
        copy_to(other, power)
    return False


@njit_borrowing
def _reduces(power, variances):
    """Whether |F^k| reduces standard deviations as far as `_contracts` asks."""
    n = len(power)
    for i in range(n):
        total = 0.0
        for j in range(n):
            total += abs(power[i, j]) * np.sqrt(variances[j])
        if not total <= CONTRACTION * np.sqrt(variances[i]):
            return False
    return True


@njit_borrowing
def margin_holds(F, H, limit, scratch):
    """The same with `scratch` from the caller."""
    n = F.shape[0]
    G, v, w = scratch[n + 3], scratch[n + 4, 0], scratch[n + 5, 0]
    if not _response(F, G, limit, scratch):
        return False
    for i in range(n):
        v[i] = 0.0
        for j in range(n):
            v[i] += G[i, j]
    for _ in range(ITERATIONS):
        for i in range(n):
            total = 0.0
            for j in range(n):
                total += H[i, j] * np.sqrt(v[j])
            w[i] = total * total
        least, most = np.inf, 0.0
        for i in range(n):
            total = 0.0
            for j in range(n):
                total += G[i, j] * w[j]
            ratio = total / v[i]
            if not np.isfinite(ratio):
                return False
            least, most = min(least, ratio), max(most, ratio)
            v[i] = total
        if most * n < limit:
            return True
        if not least * n < limit:
            return False
        for i in range(n):
            v[i] /= most
    return False


@njit_borrowing
def settle_lane(A, B, K, weights, work, lane):
    """Decide one lane by `has_margin`; if it is stable, put both solutions, summed by doubling, in place of its own.

    Parameters
    ----------
    A, B, K : matrices of the lanes, each (..., LANES).
    weights : with Q and Sigma, (n, n).
    work : has `closed` and `weighted`, A - B K and R K of the lanes; `stacked`, (3, N, LANES), in which row 0, the
        covariance, and row 2, the twice-counted cost-to-go, are replaced as upper triangles; and `scratch`,
        (n + SCRATCH, n, n).
    lane : which lane.
    """
    n, m, stacked, scratch = A.shape[0], B.shape[1], work.stacked, work.scratch
    F, H, X, P, product = scratch[n + 6], scratch[n + 7], scratch[n + 8], scratch[n + 9], scratch[n]
    for i in range(n):
        for j in range(n):
            F[i, j] = work.closed[i, j, lane]
            H[i, j] = abs(A[i, j, lane]) + (1.0 if i == j else 0.0)
            X[i, j], P[i, j] = weights.Sigma[i, j], weights.Q[i, j]
            for p in range(m):
                H[i, j] += abs(B[i, p, lane] * K[p, j, lane])
                P[i, j] += K[p, i, lane] * work.weighted[p, j, lane]
    if not margin_holds(F, H, LIMIT, scratch):
        return False
    for _ in range(DOUBLINGS):
        _add_transformed(F, X, product)
        _add_transformed(F.T, P, product)
        largest = 0.0
        multiply(F, F, product)
        for i in range(n):
            for j in range(n):
                F[i, j] = product[i, j]
                largest = max(largest, abs(F[i, j]))
        if not largest > 0.0:
            break
    row = 0
    for i in range(n):
        for j in range(i, n):
            stacked[0, row, lane] = 0.5 * (X[i, j] + X[j, i])
            stacked[2, row, lane] = (0.5 if i == j else 1.0) * (P[i, j] + P[j, i])
            row += 1
    return True


@njit_borrowing
def _add_transformed(F, X, work):
    """X <- X + F X F' in place; `work`, (n, n), is scratch."""
    n = len(F)
    multiply(F, X, work)
    for i in range(n):
        for j in range(n):
            for k in range(n):
                X[i, j] += work[i, k] * F[j, k]
