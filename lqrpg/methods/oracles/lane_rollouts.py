"""Rollouts under given gains, side by side in vector lanes, for methods that choose their perturbations themselves.

Besides the mean stage costs of `lqrpg.methods.oracles.direct` there are the scores of a Gaussian exploration in the
input and the second moment of the states. One compilation serves all sizes.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lqrpg.compiler.jit import SMALL, njit, njit_borrowing, size_of
from lqrpg.kernels.normals import LANES, fill_normals
from lqrpg.lqr.plant import Array, Plant, contiguous
from lqrpg.lqr.products import copy_to, times
from lqrpg.methods.least_squares import rls_update
from lqrpg.methods.oracles.direct import Rollouts
from lqrpg.methods.oracles.indirect import Identification, sample


class Seen(NamedTuple):
    """What rollouts gave.

    Attributes
    ----------
    costs : (sets, count) mean stage costs.
    scores : (sets, count, m, n) sums over a rollout of e x', with e the standard normal exploration in the input.
    moment : (n, n) mean of x x' over all states of all rollouts.
    """

    costs: Array
    scores: Array
    moment: Array


@njit_borrowing
def _times(a, b, out):
    """out = a b, for b of LANES columns; in loops where a is small, since a call of BLAS takes longer then."""
    if max(a.shape) > SMALL:
        times(a, b, out)
        return
    for i in range(a.shape[0]):
        for lane in range(LANES):
            out[i, lane] = a[i, 0] * b[0, lane]
        for j in range(1, a.shape[1]):
            for lane in range(LANES):
                out[i, lane] += a[i, j] * b[j, lane]


@njit
def _lanes(plant, K, rollouts, U, dither, length, used, seen):
    """Rollouts of u = -(K + U) x + dither e, one a lane; the moment gets x x' of the lanes in use."""
    A, B, Q, R, _ = plant
    start_root, noise_root, state = rollouts
    costs, scores, moment = seen
    m, n = K.shape
    words = np.empty(LANES, np.uint64)
    x, following, z = np.empty((n, LANES)), np.empty((n, LANES)), np.empty((n, LANES))
    other, u, e, Ru = np.empty((n, LANES)), np.empty((m, LANES)), np.zeros((m, LANES)), np.empty((m, LANES))
    fill_normals(state, words, z)
    _times(start_root, z, x)
    costs[:] = 0.0
    scores[:] = 0.0
    for t in range(length):
        if dither > 0.0:
            fill_normals(state, words, e)
            for p in range(m):
                for j in range(n):
                    for lane in range(LANES):
                        scores[p * n + j, lane] += e[p, lane] * x[j, lane]
        for p in range(m):
            for lane in range(LANES):
                u[p, lane] = dither * e[p, lane]
            for j in range(n):
                for lane in range(LANES):
                    u[p, lane] -= (K[p, j] + U[p * n + j, lane]) * x[j, lane]
        _times(Q, x, other)
        _times(R, u, Ru)
        for i in range(n):
            for lane in range(LANES):
                costs[lane] += x[i, lane] * other[i, lane]
        for p in range(m):
            for lane in range(LANES):
                costs[lane] += u[p, lane] * Ru[p, lane]
        for i in range(moment.shape[0]):
            for j in range(n):
                total = 0.0
                for lane in range(used):
                    total += x[i, lane] * x[j, lane]
                moment[i, j] += total
        if t == length - 1:
            break
        fill_normals(state, words, z)
        _times(A, x, following)
        _times(B, u, other)
        for i in range(n):
            for lane in range(LANES):
                following[i, lane] += other[i, lane]
        _times(noise_root, z, other)
        for i in range(n):
            for lane in range(LANES):
                following[i, lane] += other[i, lane]
        x, following = following, x


@njit
def _sets(plant, K, rollouts, offsets, dither, length, common, seen):
    """Rollouts under K + offsets[s, k]; with `common` those of all s see the same random numbers."""
    costs, scores, moment = seen
    state = rollouts.streams
    sets, count, size = offsets.shape
    U, found, score = np.zeros((size, LANES)), np.empty(LANES), np.empty((size, LANES))
    saved = np.empty_like(state)
    for first in range(0, count, LANES):
        used = min(LANES, count - first)
        copy_to(state, saved)
        for s in range(sets):
            if common:
                copy_to(saved, state)
            for p in range(size):
                for lane in range(used):
                    U[p, lane] = offsets[s, first + lane, p]
                for lane in range(used, LANES):
                    U[p, lane] = 0.0
            _lanes(plant, K, rollouts, U, dither, length, used, Seen(found, score, moment))
            for lane in range(used):
                costs[s, first + lane] = found[lane] / length
                for p in range(scores.shape[2]):
                    scores[s, first + lane, p] = score[p, lane]


def perturbed_rollouts(
    plant: Plant,
    gain: Array,
    offsets: Array,
    length: int,
    rollouts: Rollouts,
    *,
    common: bool = False,
    dither: float = 0.0,
    moment: bool = False,
) -> Seen:
    """Rollouts under the gains K + offset; the random streams go on in place.

    Parameters
    ----------
    plant : discrete-time plant, without cross weight.
    gain : (m, n) gain K.
    offsets : (sets, count, m, n) what is added to it.
    length : steps of a rollout.
    rollouts : roots of the covariances of the first state and of the noise, and the streams.
    common : whether rollout k of every set sees the same first state, noise and exploration.
    dither : standard deviation of the exploration in each input; scores are empty without.
    moment : whether the second moment is wanted; it is empty otherwise.
    """
    m, n = gain.shape
    sets, count = offsets.shape[:2]
    model, (shifts,) = contiguous(*plant.matrices), contiguous(offsets.reshape(sets, count, m * n))
    seen = Seen(
        np.empty((sets, count)),
        np.empty((sets, count, m * n if dither > 0.0 else 0)),
        np.zeros((n if moment else 0, n)),
    )
    _sets(model, np.array(gain), rollouts, shifts, float(dither), int(length), bool(common), seen)
    shape = (sets, count, m, n) if dither > 0.0 else (sets, count, 0, n)
    return Seen(seen.costs, seen.scores.reshape(shape), seen.moment / (sets * count * length))


@njit
def _excite(plant, K, root, dither, count, known, size):
    """Take samples under u = -K x + e into the estimate of [A B]; what is known goes on in place."""
    n, p = known.theta.shape
    d, following, h = np.empty(p), np.empty(n), np.empty(p)
    for _ in range(count):
        sample(plant, K, root, dither, known, d, following, size)
        rls_update(known.theta, known.M, d, following, h)
        copy_to(following, known.x)


def excite(plant: Plant, gain: Array, noise_root: Array, dither: float, count: int, known: Identification) -> None:
    """Samples of the plant under u = -K x + e, e ~ N(0, dither^2 I), go into what is known, in place."""
    size = size_of(plant.n_states)
    _excite(contiguous(*plant.matrices), np.array(gain), noise_root, float(dither), int(count), known, size)
