"""The mean stage cost of a finite rollout in discrete time: value, gradient and variance, exactly.

.. math:: C_l(K) = \\frac1l \\sum_{t<l} tr((Q + K'RK) S_t), \\quad S_{t+1} = F S_t F' + \\Sigma,
          \\quad F = A - BK

from S_0 = Sigma_0. It is a polynomial in K, defined whether or not K stabilises the plant. `rollout_gradient`
runs the recursion, l steps; `stable_rollout_gradient` needs a stable loop and takes log2(l) steps. With S and
P the stationary covariance and cost-to-go, D = S - Sigma_0 and T = F^l,

.. math:: l C_l = l\\, tr(P\\Sigma) - tr((P - T'PT) D).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lqrpg.compiler.jit import LARGEST_UNROLLED, SMALL, njit, njit_borrowing, size_of
from lqrpg.compiler.sizes import by_size, order_of
from lqrpg.kernels import dense
from lqrpg.kernels.discrete_small import (
    Loop,
    cost_trace,
    factorise,
    gradient_factor,
    lyapunov_workspace,
    solve_cost_to_go,
    solve_covariance,
)
from lqrpg.lqr import products
from lqrpg.lqr.plant import Array, Plant, contiguous

FORGOTTEN = 1e-8  # ||F^l|| below which the sum Y, of the order of its square, is lost in rounding


@by_size(dense.multiply)
def multiply_sized(a, b, out, size):
    """Write a b to `out`, all (n, n)."""
    products.multiply_sized(a, b, out, size)


@by_size(dense.multiply_transposed)
def multiply_transposed_sized(a, b, out, size):
    """Write a'b to `out`, all (n, n)."""
    products.multiply_transposed_sized(a, b, out, size)


@by_size(dense.subtract_product)
def subtract_product(D, a, b, out, size):
    """Write D - a b' to `out`, all (n, n)."""
    n = len(size)
    for i in range(n):
        for j in range(n):
            value = D[i, j]
            for k in range(n):
                value -= a[i, k] * b[j, k]
            out[i, j] = value


@njit_borrowing
def multiply(a, b, out):
    """Write a b to `out`, by BLAS for large ones."""
    if b.shape[0] > SMALL:
        products.times(a, b, out)
    else:
        products.multiply(a, b, out)


@njit_borrowing
def add_transposed_product(a, b, M, out):
    """Write M + a'b to `out`."""
    if b.shape[0] > SMALL:
        products.times(a.T, b, out)
        products.add(out, M)
        return
    n = a.shape[1]
    for i in range(n):
        for j in range(b.shape[1]):
            total = M[i, j]
            for k in range(a.shape[0]):
                total += a[k, i] * b[k, j]
            out[i, j] = total


@njit_borrowing
def congruence(F, X, M, work, out):
    """Write F X F' + M to `out`; `work`, (n, n), is scratch."""
    if F.shape[0] > SMALL:
        products.times(F, X, work)
        products.times(work, F.T, out)
        products.add(out, M)
    else:
        products.congruence(F, X, M, work, out)


@njit_borrowing
def costs_to_go(F, weight, work, P):
    """Fill P, shape (l + 1, n, n), with the costs-to-go of 0, ..., l steps: P_j = W + F'P_{j-1}F."""
    P[0] = 0.0
    for step in range(1, P.shape[0]):
        multiply(P[step - 1], F, work)
        add_transposed_product(F, work, weight, P[step])


class _Rollout(NamedTuple):
    """Buffers of a rollout of l steps.

    Attributes
    ----------
    F, weight : (n, n) A - B K and Q + K'RK.
    P : (l + 1, n, n) costs-to-go.
    S : (n, n) covariance of the state.
    E : (m, n) factor of the gradient.
    RK : (m, n) R K.
    work : (2, n, n) scratch.
    """

    F: Array
    weight: Array
    P: Array
    S: Array
    E: Array
    RK: Array
    work: Array


@njit_borrowing
def _recursive_gradient(plant, Sigma0, K, rollout, out):
    """C_l; writes its gradient, 2/l sum_t (R K - B'P_{l-1-t}F) S_t, to `out`. Fills the buffers of the rollout."""
    A, B, Q, R, Sigma = plant
    F, weight, P, S, E, work = rollout.F, rollout.weight, rollout.P, rollout.S, rollout.E, rollout.work
    length = P.shape[0] - 1
    m, n = K.shape
    multiply(R, K, rollout.RK)
    products.multiply_transposed(K, rollout.RK, weight)
    multiply(B, K, F)
    for i in range(n):
        for j in range(n):
            weight[i, j] += Q[i, j]
            F[i, j] = A[i, j] - F[i, j]
    costs_to_go(F, weight, work[0], P)
    products.copy_to(Sigma0, S)
    out[:, :] = 0.0
    total = 0.0
    for t in range(length):
        multiply(P[length - 1 - t], F, work[0])
        for p in range(m):
            for j in range(n):
                value = rollout.RK[p, j]
                for k in range(n):
                    value -= B[k, p] * work[0, k, j]
                E[p, j] = value
        for p in range(m):
            for j in range(n):
                for k in range(n):
                    out[p, j] += 2.0 / length * E[p, k] * S[k, j]
        for i in range(n):
            for j in range(n):
                total += weight[i, j] * S[i, j]
        congruence(F, S, Sigma, work[0], work[1])
        products.copy_to(work[1], S)
    return total / length


@njit_borrowing
def rollout_variance(F, weight, Sigma, Sigma0, P, S, work):
    """Variance of a rollout's mean stage cost: 2/l^2 sum_t tr(W S_t (2 P_{l-t} - W) S_t).

    Fills P, (l + 1, n, n), with costs-to-go and S, (n, n), with covariances; `work`, (2, n, n), is scratch.
    """
    length, n = P.shape[0] - 1, F.shape[0]
    costs_to_go(F, weight, work[0], P)
    products.copy_to(Sigma0, S)
    total = 0.0
    for t in range(length):
        multiply(weight, S, work[0])
        for i in range(n):
            for j in range(n):
                P[length - t, i, j] = 2.0 * P[length - t, i, j] - weight[i, j]
        multiply(P[length - t], S, work[1])
        for i in range(n):
            for j in range(n):
                total += work[0, i, j] * work[1, j, i]
        congruence(F, S, Sigma, work[0], work[1])
        products.copy_to(work[1], S)
    return 2.0 * total / length**2


@njit_borrowing
def _power_sum(F, X, length, T, Y, work, n_size):
    """Write F^l to T and sum_j F^j X F^(l-1-j) to Y, by squaring [[F, X], [0, F]]; `work`, (4, n, n), is scratch."""
    n = order_of(n_size)
    base, corner, left, right = work[0], work[1], work[2], work[3]
    products.copy_to(F, base)
    products.copy_to(X, corner)
    T[:, :] = 0.0
    Y[:, :] = 0.0
    for i in range(n):
        T[i, i] = 1.0
    remaining = length
    while remaining > 0:
        if remaining % 2 == 1:
            multiply_sized(T, corner, left, n_size)
            multiply_sized(Y, base, right, n_size)
            for i in range(n):
                for j in range(n):
                    Y[i, j] = left[i, j] + right[i, j]
            multiply_sized(T, base, left, n_size)
            products.copy_to(left, T)
        remaining //= 2
        if remaining > 0:
            multiply_sized(base, corner, left, n_size)
            multiply_sized(corner, base, right, n_size)
            for i in range(n):
                for j in range(n):
                    corner[i, j] = left[i, j] + right[i, j]
            multiply_sized(base, base, left, n_size)
            products.copy_to(left, base)


@njit_borrowing
def power_of(F, length, T, work, n_size):
    """Write F^l to T; `work`, (2, n, n), is scratch."""
    n = order_of(n_size)
    base, left = work[0], work[1]
    products.copy_to(F, base)
    T[:, :] = 0.0
    for i in range(n):
        T[i, i] = 1.0
    remaining = length
    while remaining > 0:
        if remaining % 2 == 1:
            multiply_sized(T, base, left, n_size)
            products.copy_to(left, T)
        remaining //= 2
        if remaining > 0:
            multiply_sized(base, base, left, n_size)
            products.copy_to(left, base)


@njit_borrowing
def _size(T):
    """Frobenius norm."""
    total = 0.0
    for i in range(T.shape[0]):
        for j in range(T.shape[1]):
            total += T[i, j] ** 2
    return np.sqrt(total)


@njit_borrowing
def stable_rollout_gradient(plant, Sigma0, K, length, loop, work, out, n_size):
    """C_l; writes its gradient to `out`, for a factorised, stable loop whose P is solved.

    `loop.S` and `loop.residual` are filled; `loop.work` and `work`, (12, n, n), are scratch.

    With N = F N F' + Sigma - (D - T D T')/l, H = F'H F + P - T'PT and Y = sum_j F^j (D T'P) F^(l-1-j),
    gradient = 2 (R K - B'PF) N + (2/l) B'(H F S - Y').
    """
    _, B, _, R, Sigma = plant
    n, m = order_of(n_size), B.shape[1]
    F, P, S = loop.closed, loop.P, loop.S
    D, T, G, N, H, Y, left, right = work[0], work[1], work[2], work[3], work[4], work[5], work[6], work[7]
    scratch = work[8:]
    solve_covariance(Sigma, loop, S, n_size)
    power_of(F, length, T, scratch, n_size)
    for i in range(n):
        for j in range(n):
            D[i, j] = S[i, j] - Sigma0[i, j]
    multiply_sized(P, T, left, n_size)
    multiply_transposed_sized(T, left, G, n_size)  # T'PT
    multiply_sized(left, D, right, n_size)  # P T D
    for i in range(n):
        for j in range(n):
            Y[i, j] = right[j, i]  # D T'P, the seed of the sum
    multiply_sized(T, D, left, n_size)
    subtract_product(D, left, T, right, n_size)
    total = 0.0
    for i in range(n):
        for j in range(n):
            N[i, j] = Sigma[i, j] - right[i, j] / length
            G[i, j] = P[i, j] - G[i, j]
            total += P[i, j] * Sigma[i, j] - G[i, j] * D[i, j] / length
    solve_covariance(N, loop, N, n_size)
    solve_cost_to_go(G, loop, H, n_size)
    if _size(T) > FORGOTTEN:
        products.copy_to(Y, right)
        _power_sum(F, right, length, T, Y, scratch, n_size)
    else:
        Y[:, :] = 0.0
    multiply_sized(H, F, left, n_size)
    multiply_sized(left, S, right, n_size)
    gradient_factor(B, R, K, loop, n_size)
    for p in range(m):
        for j in range(n):
            value, tail = 0.0, 0.0
            for k in range(n):
                value += loop.residual[p, k] * N[k, j]
                tail += B[k, p] * (right[k, j] - Y[j, k])
            out[p, j] = 2.0 * (value + tail / length)
    return total


@njit
def _average_gradient(plant, Sigma0, K, offsets, length, out):
    """Mean of C_l(K + U) over the offsets U, (count, m, n); writes the mean gradient to `out`."""
    m, n = K.shape
    gain, gradient = np.empty((m, n)), np.empty((m, n))
    rollout = _Rollout(
        *(np.empty((n, n)), np.empty((n, n)), np.empty((length + 1, n, n)), np.empty((n, n))),
        *(np.empty((m, n)), np.empty((m, n)), np.empty((2, n, n))),
    )
    out[:, :] = 0.0
    total = 0.0
    for sample in range(offsets.shape[0]):
        for p in range(m):
            for j in range(n):
                gain[p, j] = K[p, j] + offsets[sample, p, j]
        total += _recursive_gradient(plant, Sigma0, gain, rollout, gradient)
        products.add(out, gradient)
    for p in range(m):
        for j in range(n):
            out[p, j] /= offsets.shape[0]
    return total / offsets.shape[0]


@njit
def _average_of_large(plant, Sigma0, K, offsets, length, loop, out):
    """The same for a large plant: by doubling where a gain stabilises it, which takes log2(l) steps instead of l."""
    A, B, Q, R, _ = plant
    m, n = K.shape
    gain, gradient, work = np.empty((m, n)), np.empty((m, n)), np.empty((12, n, n))
    none = np.zeros((1, m, n))
    out[:, :] = 0.0
    total = 0.0
    for sample in range(offsets.shape[0]):
        for p in range(m):
            for j in range(n):
                gain[p, j] = K[p, j] + offsets[sample, p, j]
        if factorise(A, B, Q, R, gain, loop, n):
            total += stable_rollout_gradient(plant, Sigma0, gain, length, loop, work, gradient, n)
        else:
            total += _average_gradient(plant, Sigma0, gain, none, length, gradient)
        products.add(out, gradient)
    products.scale(out, 1.0 / offsets.shape[0])
    return total / offsets.shape[0]


def rollout_gradient(
    plant: Plant, initial_covariance: Array, gain: Array, length: int, offsets: Array | None = None
) -> tuple[float, Array]:
    """Expected mean stage cost C_l of a rollout and its gradient, for any gain.

    Parameters
    ----------
    plant : discrete-time plant.
    initial_covariance : (n, n) covariance Sigma_0 of the first state.
    gain : (m, n) gain.
    length : steps of the rollout, l.
    offsets : (count, m, n) perturbations of the gain to average over; none by default.

    Returns
    -------
    The cost (its mean over the offsets) and its gradient, (m, n).
    """
    Sigma0, K = contiguous(initial_covariance, gain)
    (shifts,) = contiguous(np.zeros((1, *K.shape)) if offsets is None else offsets)
    out, known = np.empty_like(K), (contiguous(*plant.matrices), Sigma0, K, shifts, int(length))
    if plant.n_states > LARGEST_UNROLLED:
        loop = lyapunov_workspace(plant.n_states, plant.n_inputs)
        return float(_average_of_large(*known, loop, out)), out
    return float(_average_gradient(*known, out)), out


def rollout_moments(
    plant: Plant, initial_covariance: Array, gain: Array, length: int, loop: Loop
) -> tuple[float, float, Array]:
    """Mean and variance of a rollout's mean stage cost, and the gradient of the mean, at a stabilising gain.

    Raises
    ------
    ValueError
        If the gain does not stabilise the plant.
    """
    model, (Sigma0, K) = contiguous(*plant.matrices), contiguous(initial_covariance, gain)
    A, B, Q, R, Sigma = model
    n_size = size_of(plant.n_states)
    if not factorise(A, B, Q, R, K, loop, n_size):
        raise ValueError("the gain does not stabilise the plant")
    cost_trace(loop, n_size)
    n, out = plant.n_states, np.empty_like(K)
    mean = stable_rollout_gradient(model, Sigma0, K, length, loop, np.empty((12, n, n)), out, n_size)
    buffers = np.empty((length + 1, n, n)), np.empty((n, n)), np.empty((2, n, n))
    variance = rollout_variance(loop.closed, loop.weight, Sigma, Sigma0, *buffers)
    return float(mean), float(variance), out
