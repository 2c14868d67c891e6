"""The direct gradient oracle (Algorithm 2): a zeroth-order estimate from the costs of perturbed, noisy
rollouts.

.. math:: \\hat g = \\frac{n_x n_u}{n v^2} \\sum_{k=1}^n \\hat C_k U_k, \\qquad
          \\hat C_k = \\frac1l \\sum_{t=0}^{l-1} x_t'(Q + K_k'RK_k)x_t, \\quad K_k = K + U_k

(eqs. (31), (32)) with U_k uniform on the Frobenius sphere of radius v. Rollouts run side by side in vector
lanes; each has noise of its own.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lqrpg.compiler.jit import njit, njit_borrowing, sizes_of
from lqrpg.compiler.sizes import by_size, order_of
from lqrpg.kernels.normals import LANES, fill_normals, seed_streams
from lqrpg.kernels.xoshiro import Streams
from lqrpg.lqr.definite import covariance_root
from lqrpg.lqr.plant import Array, Plant, contiguous
from lqrpg.lqr.products import times


class Rollouts(NamedTuple):
    """Roots of the covariances of the first state and of the noise, (n, n), and the run's random streams."""

    start_root: Array
    noise_root: Array
    streams: Streams

    def copy(self) -> Rollouts:
        """A copy whose streams go on by themselves."""
        return self._replace(streams=self.streams.copy())


class Estimate(NamedTuple):
    """Settings of an estimate of the gradient.

    Attributes
    ----------
    radius : v, the norm of the perturbations.
    number : of rollouts, or of pairs.
    length : l, the steps of a rollout.
    baseline : whether the mean of the other rollouts is subtracted from each cost; of one-point estimates.
    """

    radius: float
    number: int
    length: int
    baseline: bool


class LaneWork(NamedTuple):
    """Buffers of rollouts of a small plant, side by side, for its n, m and LANES rollouts.

    Attributes
    ----------
    words : (LANES,) scratch of the generators.
    U : (m n, LANES) perturbations.
    gains, RK : (m, n, LANES) K + U and R (K + U).
    closed, weight : (n, n, LANES) A - B (K + U) and Q + (K + U)'R(K + U), folded onto its upper triangle.
    states : (4, n, LANES).
    costs : (LANES,) mean stage costs.
    sums : (2, m n, LANES) of perturbations.
    """

    words: NDArray[np.uint64]
    U: Array
    gains: Array
    RK: Array
    closed: Array
    weight: Array
    states: Array
    costs: Array
    sums: Array


class DenseWork(NamedTuple):
    """The same for a plant of any size; no lane has a loop of its own.

    Attributes
    ----------
    words, U, states, costs, sums : as of `LaneWork`.
    inputs, weighted : (m, LANES) u = -(K + U) x but for its sign, and R u.
    driven : (n, LANES) B u.
    """

    words: NDArray[np.uint64]
    U: Array
    states: Array
    costs: Array
    sums: Array
    inputs: Array
    weighted: Array
    driven: Array


@njit
def _make_dense_work(n_size, m_size):
    n, m = n_size, m_size
    return DenseWork(
        np.empty(LANES, np.uint64),
        np.empty((m * n, LANES)),
        np.empty((4, n, LANES)),
        np.empty(LANES),
        np.empty((2, m * n, LANES)),
        np.empty((m, LANES)),
        np.empty((m, LANES)),
        np.empty((n, LANES)),
    )


@by_size(_make_dense_work, njit)
def make_work(n_size, m_size):
    """Buffers of `rollout_costs`, for sizes of `sizes_of`."""
    n, m = len(n_size), order_of(m_size)
    return LaneWork(
        np.empty(LANES, np.uint64),
        np.empty((m * n, LANES)),
        np.empty((m, n, LANES)),
        np.empty((m, n, LANES)),
        np.empty((n, n, LANES)),
        np.empty((n, n, LANES)),
        np.empty((4, n, LANES)),
        np.empty(LANES),
        np.empty((2, m * n, LANES)),
    )


@njit_borrowing
def perturb(state, words, radius, norms, U):
    """Fill U, shape (m n, LANES), with directions uniform on the sphere of the radius, one a lane."""
    fill_normals(state, words, U)
    norms[:] = 0.0
    for p in range(U.shape[0]):
        for lane in range(LANES):
            norms[lane] += U[p, lane] ** 2
    for lane in range(LANES):
        norms[lane] = radius / np.sqrt(norms[lane])
    for p in range(U.shape[0]):
        for lane in range(LANES):
            U[p, lane] *= norms[lane]


@njit_borrowing
def _close_lanes(plant, K, work, n_size, m_size):
    """Fill the lanes with A - B(K+U) and Q + (K+U)'R(K+U), the latter folded onto its upper triangle."""
    A, B, Q, R, _ = plant
    U, gains, RK, closed, weight = work.U, work.gains, work.RK, work.closed, work.weight
    n, m = len(n_size), order_of(m_size)
    for p in range(m):
        for j in range(n):
            for lane in range(LANES):
                gains[p, j, lane] = K[p, j] + U[p * n + j, lane]
    for p in range(m):
        for j in range(n):
            for lane in range(LANES):
                total = 0.0
                for q in range(m):
                    total += R[p, q] * gains[q, j, lane]
                RK[p, j, lane] = total
    for i in range(n):
        for j in range(n):
            for lane in range(LANES):
                total = A[i, j]
                for p in range(m):
                    total -= B[i, p] * gains[p, j, lane]
                closed[i, j, lane] = total
    for i in range(n):
        for j in range(i, n):
            fold = 1.0 if i == j else 2.0
            for lane in range(LANES):
                total = Q[i, j]
                for p in range(m):
                    total += gains[p, i, lane] * RK[p, j, lane]
                weight[i, j, lane] = fold * total


@njit_borrowing
def _color(root, z, out, n_size):
    """out = root z, lane by lane, for a lower triangular root of a covariance."""
    n = len(n_size)
    for i in range(n):
        for lane in range(LANES):
            total = 0.0
            for j in range(i + 1):
                total += root[i, j] * z[j, lane]
            out[i, lane] = total


@njit_borrowing
def _stage_costs(weight, x, costs, n_size):
    """Add x'Wx to the costs, lane by lane."""
    n = len(n_size)
    for lane in range(LANES):
        total = 0.0
        for i in range(n):
            row = 0.0
            for j in range(i, n):
                row += weight[i, j, lane] * x[j, lane]
            total += row * x[i, lane]
        costs[lane] += total


@njit_borrowing
def _step(closed, x, w, out, n_size):
    """out = F x + w, lane by lane."""
    n = len(n_size)
    for i in range(n):
        for lane in range(LANES):
            total = w[i, lane]
            for j in range(n):
                total += closed[i, j, lane] * x[j, lane]
            out[i, lane] = total


@njit_borrowing
def _control(K, U, x, u):
    """u = (K + U) x, lane by lane."""
    m, n = K.shape
    for p in range(m):
        for lane in range(LANES):
            u[p, lane] = 0.0
        for j in range(n):
            for lane in range(LANES):
                u[p, lane] += (K[p, j] + U[p * n + j, lane]) * x[j, lane]


@njit_borrowing
def _add_products(a, b, costs):
    """Add a'b to the costs, lane by lane."""
    for i in range(a.shape[0]):
        for lane in range(LANES):
            costs[lane] += a[i, lane] * b[i, lane]


@njit_borrowing
def _dense_rollout_costs(plant, K, rollouts, radius, length, work, n_size, m_size):
    """The same for any size: no lane's loop is formed, u = -(K + U) x is, and products of matrices serve all lanes."""
    A, B, Q, R, _ = plant
    start_root, noise_root, state = rollouts
    words, U, states, costs, _, u, Ru, Bu = work
    x, following, z, other = states[0], states[1], states[2], states[3]
    perturb(state, words, radius, costs, U)
    fill_normals(state, words, z)
    times(start_root, z, x)
    costs[:] = 0.0
    for t in range(length):
        _control(K, U, x, u)
        times(Q, x, other)
        _add_products(x, other, costs)
        times(R, u, Ru)
        _add_products(u, Ru, costs)
        if t == length - 1:
            break
        fill_normals(state, words, z)
        times(A, x, following)
        times(B, u, Bu)
        times(noise_root, z, other)
        for i in range(n_size):
            for lane in range(LANES):
                following[i, lane] += other[i, lane] - Bu[i, lane]
        x, following = following, x
    for lane in range(LANES):
        costs[lane] /= length


@by_size(_dense_rollout_costs)
def rollout_costs(plant, K, rollouts, radius, length, work, n_size, m_size):
    """Mean stage costs of LANES perturbed rollouts; perturbations and costs stay in `work` (see `make_work`)."""
    start_root, noise_root, state = rollouts
    words, U, closed, weight, states, costs = work.words, work.U, work.closed, work.weight, work.states, work.costs
    x, following, z, w = states[0], states[1], states[2], states[3]
    perturb(state, words, radius, costs, U)
    _close_lanes(plant, K, work, n_size, m_size)
    fill_normals(state, words, z)
    _color(start_root, z, x, n_size)
    costs[:] = 0.0
    for _ in range(length - 1):
        _stage_costs(weight, x, costs, n_size)
        fill_normals(state, words, z)
        _color(noise_root, z, w, n_size)
        _step(closed, x, w, following, n_size)
        x, following = following, x
    _stage_costs(weight, x, costs, n_size)
    for lane in range(LANES):
        costs[lane] /= length


@njit
def direct_gradient(plant, K, rollouts, estimate, work, out, n_size, m_size):
    """out = the estimate (32), `estimate.number` rollouts; with a baseline, each cost less the mean of the others."""
    radius, count, length, baseline = estimate
    n, m = order_of(n_size), order_of(m_size)
    U, costs, plain, directions = work.U, work.costs, work.sums[0], work.sums[1]
    plain[:] = 0.0
    directions[:] = 0.0
    total = 0.0
    for first in range(0, count, LANES):
        rollout_costs(plant, K, rollouts, radius, length, work, n_size, m_size)
        used = min(LANES, count - first)
        costs[used:] = 0.0
        for lane in range(used):
            total += costs[lane]
        for p in range(m * n):
            for lane in range(LANES):
                plain[p, lane] += costs[lane] * U[p, lane]
        if baseline:
            for p in range(m * n):
                for lane in range(used):
                    directions[p, lane] += U[p, lane]
    scale = m * n / (count * radius * radius)
    for p in range(m):
        for j in range(n):
            product = np.sum(plain[p * n + j])
            if baseline:  # sum_k (C_k - mean of the others) U_k = (n sum C_k U_k - sum C sum U) / (n - 1)
                product = (count * product - total * np.sum(directions[p * n + j])) / (count - 1)
            out[p, j] = scale * product


@njit
def _estimates(plant, K, rollouts, estimate, out, n_size, m_size):
    work = make_work(n_size, m_size)
    for sample in range(out.shape[0]):
        direct_gradient(plant, K, rollouts, estimate, work, out[sample], n_size, m_size)


@njit
def _single_rollout_estimates(plant, K, rollouts, estimate, out, n_size, m_size):
    """Estimates from one rollout each: a full set of lanes gives LANES of them."""
    radius, length = estimate.radius, estimate.length
    n, m = order_of(n_size), order_of(m_size)
    work = make_work(n_size, m_size)
    U, costs = work.U, work.costs
    scale = m * n / (radius * radius)
    for first in range(0, out.shape[0], LANES):
        rollout_costs(plant, K, rollouts, radius, length, work, n_size, m_size)
        for lane in range(min(LANES, out.shape[0] - first)):
            for p in range(m):
                for j in range(n):
                    out[first + lane, p, j] = scale * costs[lane] * U[p * n + j, lane]


def check_direct(count: int, length: int, radius: float, baseline: str) -> None:
    """Raise ValueError, with one line, for settings of the oracle that make no sense."""
    if count < 1 or length < 1:
        raise ValueError(f"a gradient needs at least one rollout of one step, got {count} of {length}")
    if not (np.isfinite(radius) and radius > 0.0):
        raise ValueError(f"the smoothing radius must be positive and finite, got {radius}")
    if baseline not in ("none", "mean"):
        raise ValueError(f"baseline must be 'none' or 'mean', got {baseline!r}")
    if baseline == "mean" and count < 2:
        raise ValueError("baseline 'mean' compares a rollout with the others: it needs at least 2 rollouts")


def direct_estimates(
    plant: Plant,
    initial_covariance: Array,
    gain: Array,
    *,
    radius: float,
    rollouts: int,
    length: int,
    samples: int,
    seed: np.random.SeedSequence | int,
    baseline: str = "none",
) -> Array:
    """Independent estimates (32) of the policy gradient at one gain, shape (samples, m, n).

    Parameters
    ----------
    plant : discrete-time plant.
    initial_covariance : (n, n) covariance Sigma_0 of a rollout's first state.
    gain : (m, n) gain.
    radius, rollouts, length : v, n and l of Algorithm 2.
    samples : number of estimates.
    seed : the seed of all of them.
    baseline : "none" as in the paper; "mean" subtracts from each cost the mean of the other rollouts.
    """
    check_direct(rollouts, length, radius, baseline)
    model, (K,) = contiguous(*plant.matrices), contiguous(gain)
    start_root = covariance_root(initial_covariance, "the covariance of the first state")
    noise_root = covariance_root(plant.Sigma, "the covariance of the process noise")
    out = np.empty((samples, *K.shape))
    made = Rollouts(start_root, noise_root, seed_streams(seed))
    estimate = Estimate(float(radius), rollouts, length, baseline == "mean")
    run = _single_rollout_estimates if rollouts == 1 else _estimates
    run(model, K, made, estimate, out, *sizes_of(plant.n_states, plant.n_inputs))
    return out
