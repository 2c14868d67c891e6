"""The compiled loops of stochastic gradient descent (37), one for each gradient oracle.

Every loop first looks at the gain it has reached: it ends when the gain has left the stabilising set, and
records the true gap at chosen iterations. i counts the updates made so far.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lqrpg.compiler.jit import njit
from lqrpg.kernels.discrete_small import factorise, gap_of, policy_gradient
from lqrpg.kernels.finite_horizon import rollout_variance, stable_rollout_gradient
from lqrpg.kernels.normals import next_normal
from lqrpg.lqr.plant import Array
from lqrpg.methods.least_squares import rls_update
from lqrpg.methods.oracles.direct import direct_gradient, make_work
from lqrpg.methods.oracles.indirect import identify_first, model_gradient, sample
from lqrpg.methods.schedules import schedule_value

FINISHED, GAIN_LOST, MODEL_LOST = 0, 1, 2


class Progress(NamedTuple):
    """What a loop reports.

    Attributes
    ----------
    records : (count,) increasing iterations at which to record, from 0 on.
    gaps : (count,) gap at the records reached, nan beyond.
    samples : (count,) plant samples used until then, -1 beyond.
    counters : (4,) next record, outcome, iteration of the failure (-1: none), plant samples used.
    extremes : (2,) last gap, least gap.
    """

    records: NDArray[np.int64]
    gaps: Array
    samples: NDArray[np.int64]
    counters: NDArray[np.int64]
    extremes: Array


def make_progress(records: NDArray[np.int64]) -> Progress:
    """An empty report."""
    gaps, samples = np.full(len(records), np.nan), np.full(len(records), -1, np.int64)
    return Progress(records, gaps, samples, np.array([0, FINISHED, -1, 0]), np.full(2, np.inf))


@njit
def _lose(progress, i, outcome):  # type: ignore[no-untyped-def]
    progress.counters[1] = outcome
    progress.counters[2] = i
    return False


@njit
def observe(A, B, Q, R, K, best, i, loop, progress, size):  # type: ignore[no-untyped-def]
    """Close the true loop of K and note the gap; false if K does not stabilise the plant. `loop.P` holds
    P_K then."""
    if not factorise(A, B, Q, R, K, loop, size):
        return _lose(progress, i, GAIN_LOST)
    gap = gap_of(K, best, loop, size)
    progress.extremes[0] = gap
    progress.extremes[1] = min(gap, progress.extremes[1])
    following = progress.counters[0]
    if following < progress.records.shape[0] and progress.records[following] == i:
        progress.gaps[following] = gap
        progress.samples[following] = progress.counters[3]
        progress.counters[0] = following + 1
    return True


@njit
def _descend(K, step, G):  # type: ignore[no-untyped-def]
    for p in range(K.shape[0]):
        for j in range(K.shape[1]):
            K[p, j] -= step * G[p, j]


@njit
def biased_loop(  # type: ignore[no-untyped-def]
    A, B, Q, R, Sigma, K, best, step, iterations, deviation, bias, direction, source, loop, progress, size
):
    """Descend along the true gradient plus a normal matrix of given mean and deviation (eq. (57))."""
    G = np.empty_like(K)
    for i in range(iterations + 1):
        if not observe(A, B, Q, R, K, best, i, loop, progress, size) or i == iterations:
            return
        policy_gradient(B, R, Sigma, K, loop, G, size)
        offset = schedule_value(bias, i + 1) if bias[0] > 0.0 else 0.0
        for p in range(K.shape[0]):
            for j in range(K.shape[1]):
                G[p, j] += offset * direction[p, j]
                if deviation > 0.0:
                    G[p, j] += deviation * next_normal(source)
        _descend(K, schedule_value(step, i + 1), G)


@njit
def indirect_loop(  # type: ignore[no-untyped-def]
    A,
    B,
    Q,
    R,
    Sigma,
    K,
    best,
    step,
    iterations,
    start_root,
    root,
    dither,
    start,
    on_policy,
    source,
    loop,
    model,
    progress,
    size,
):
    """Descend along the gradient of the model identified so far; one plant sample an iteration (Algorithm
    1)."""
    n, m = B.shape
    theta, M, h = np.empty((n, n + m)), np.empty((n + m, n + m)), np.empty(n + m)
    x, d, following = np.empty(n), np.empty(n + m), np.empty(n)
    Ahat, Bhat, G = np.empty((n, n)), np.empty((n, m)), np.empty_like(K)
    exciting = K if on_policy else K.copy()
    identify_first(A, B, exciting, start_root, root, dither, start, x, theta, M, source, size)
    progress.counters[3] = start
    for i in range(iterations + 1):
        if not observe(A, B, Q, R, K, best, i, loop, progress, size) or i == iterations:
            return
        if not model_gradient(theta, Q, R, Sigma, K, Ahat, Bhat, model, G, size):
            _lose(progress, i, MODEL_LOST)
            return
        _descend(K, schedule_value(step, i + 1), G)
        sample(A, B, exciting, root, dither, x, d, following, source, size)
        rls_update(theta, M, d, following, h)
        x[:] = following
        progress.counters[3] += 1


@njit
def direct_loop(  # type: ignore[no-untyped-def]
    A,
    B,
    Q,
    R,
    K,
    best,
    step,
    iterations,
    rollouts,
    length,
    radius,
    start_root,
    root,
    baseline,
    state,
    loop,
    progress,
    size,
    m_size,
):
    """Descend along zeroth-order estimates from real rollouts (Algorithm 2)."""
    work, G = make_work(len(size), len(m_size)), np.empty_like(K)
    for i in range(iterations + 1):
        if not observe(A, B, Q, R, K, best, i, loop, progress, size) or i == iterations:
            return
        count = int(np.ceil(schedule_value(rollouts, i + 1)))
        steps = int(np.ceil(schedule_value(length, i + 1)))
        v = schedule_value(radius, i + 1)
        direct_gradient(A, B, Q, R, start_root, root, K, v, count, steps, baseline, state, work, G, size, m_size)
        progress.counters[3] += count * steps
        _descend(K, schedule_value(step, i + 1), G)


@njit
def surrogate_loop(  # type: ignore[no-untyped-def]
    A,
    B,
    Q,
    R,
    Sigma,
    Sigma0,
    K,
    best,
    step,
    iterations,
    rollouts,
    length,
    radius,
    baseline,
    refresh,
    source,
    loop,
    progress,
    size,
):
    """Descend along a normal surrogate of the direct oracle: no rollouts, no heavy tails (see
    `GaussianSurrogate`)."""
    n, m = B.shape
    G, work, S, pair = np.empty_like(K), np.empty((12, n, n)), np.empty((n, n)), np.empty((2, n, n))
    P = np.empty((1, n, n))
    relative = 0.0
    for i in range(iterations + 1):
        if not observe(A, B, Q, R, K, best, i, loop, progress, size) or i == iterations:
            return
        count = int(np.ceil(schedule_value(rollouts, i + 1)))
        steps = int(np.ceil(schedule_value(length, i + 1)))
        v = schedule_value(radius, i + 1)
        mean = stable_rollout_gradient(B, R, Sigma, Sigma0, K, steps, loop, work, G, size)
        if P.shape[0] != steps + 1:
            P = np.empty((steps + 1, n, n))
            relative = -1.0
        if i % refresh == 0 or relative < 0.0:
            relative = rollout_variance(loop.closed, loop.weight, Sigma, Sigma0, P, S, pair) / mean**2
        second = mean * mean * (relative if baseline else 1.0 + relative)
        deviation = np.sqrt(m * n * second / count) / v
        for p in range(m):
            for j in range(n):
                G[p, j] += deviation * next_normal(source)
        progress.counters[3] += count * steps
        _descend(K, schedule_value(step, i + 1), G)
