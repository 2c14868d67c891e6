"""Descent along zeroth-order estimates from noisy rollouts, one point or two points a direction.

One point is the direct oracle of P4, `direct_oracle`. Two points compare the rollouts of K + U and K - U,

.. math:: \\hat g = \\frac{mn}{2Nv^2} \\sum_{k=1}^N (\\hat C(K + U_k) - \\hat C(K - U_k))\\, U_k,

with U_k uniform on the Frobenius sphere of radius v. Both rollouts of a pair see one first state and one sequence of
noise, as P1's (Algorithm 1) see one first state: the noise then cancels from the difference to leading order. A
simulator can do so; a plant whose noise cannot be repeated cannot.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

import numpy as np

from lqrpg.compiler.jit import njit, size_of
from lqrpg.kernels.discrete_small import factorise
from lqrpg.kernels.normals import LANES, seed_streams
from lqrpg.kernels.xoshiro import Streams
from lqrpg.lqr.plant import Array, Plant, contiguous
from lqrpg.methods.exact_descent import GAIN_LOST, RUNNING, descend
from lqrpg.methods.oracles.direct import covariance_root, direct_gradient, make_work, rollout_costs


@njit
def two_point_gradient(  # type: ignore[no-untyped-def]
    A, B, Q, R, start_root, noise_root, K, radius, count, length, state, saved, ahead, work, out, n_size, m_size
):
    """out = the estimate from `count` pairs; `saved` (4, LANES) and `ahead` (LANES,) are scratch."""
    n, m = len(n_size), len(m_size)
    U, costs, sums = work[1], work[7], work[8][0]
    sums[:] = 0.0
    for first in range(0, count, LANES):
        saved[:] = state
        rollout_costs(A, B, Q, R, start_root, noise_root, K, radius, length, state, work, n_size, m_size)
        ahead[:] = costs
        state[:] = saved  # the same numbers again: the same noise, and with the radius turned round -U instead of U
        rollout_costs(A, B, Q, R, start_root, noise_root, K, -radius, length, state, work, n_size, m_size)
        for p in range(m * n):
            for lane in range(min(LANES, count - first)):
                sums[p, lane] += (costs[lane] - ahead[lane]) * U[p, lane]
    scale = m * n / (2.0 * count * radius * radius)
    for p in range(m):
        for j in range(n):
            out[p, j] = scale * np.sum(sums[p * n + j])


@njit
def rollout_loop(  # type: ignore[no-untyped-def]
    A,
    B,
    Q,
    R,
    start_root,
    noise_root,
    K,
    step,
    radius,
    count,
    length,
    pairs,
    baseline,
    state,
    marks,
    gains,
    loop,
    n_size,
    m_size,
):
    """Descend for marks[-1] steps from a stabilising K, K and streams in place; see `exact_descent.exact_loop`."""
    work, G = make_work(len(n_size), len(m_size)), np.empty_like(K)
    saved, ahead = np.empty_like(state), np.empty(LANES)
    plain = (A, B, Q, R, start_root, noise_root)
    following = 0
    for i in range(1, marks[-1] + 1):
        if pairs:
            two_point_gradient(*plain, K, radius, count, length, state, saved, ahead, work, G, n_size, m_size)
        else:
            direct_gradient(*plain, K, radius, count, length, baseline, state, work, G, n_size, m_size)
        descend(K, step, G)
        if not factorise(A, B, Q, R, K, loop, n_size):
            return i, GAIN_LOST
        if marks[following] == i:
            gains[following] = K
            following += 1
    return marks[-1], RUNNING


@njit
def _estimates(A, B, Q, R, start_root, noise_root, K, radius, count, length, state, out, n_size, m_size):  # type: ignore[no-untyped-def]
    work, saved, ahead = make_work(len(n_size), len(m_size)), np.empty_like(state), np.empty(LANES)
    plain = (A, B, Q, R, start_root, noise_root)
    for sample in range(out.shape[0]):
        two_point_gradient(*plain, K, radius, count, length, state, saved, ahead, work, out[sample], n_size, m_size)


def two_point_estimates(
    plant: Plant,
    initial_covariance: Array,
    gain: Array,
    *,
    radius: float,
    pairs: int,
    length: int,
    samples: int,
    seed: np.random.SeedSequence | int,
) -> Array:
    """Independent two-point estimates of the policy gradient at one gain, shape (samples, m, n).

    Parameters
    ----------
    plant : discrete-time plant.
    initial_covariance : (n, n) covariance of a rollout's first state.
    gain : (m, n) gain.
    radius, pairs, length : smoothing radius v, directions N, and steps of each of the 2 N rollouts.
    samples : number of estimates.
    seed : the seed of all of them.
    """
    A, B, Q, R, K = contiguous(*plant.matrices[:4], gain)
    roots = covariance_root(initial_covariance), covariance_root(plant.Sigma)
    streams: Streams = seed_streams(seed)
    out = np.empty((samples, *K.shape))
    sizes = size_of(plant.n_states), size_of(plant.n_inputs)
    _estimates(A, B, Q, R, *roots, K, float(radius), pairs, length, streams, out, *sizes)
    return out
