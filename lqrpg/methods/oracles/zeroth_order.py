"""Descent along zeroth-order estimates from noisy rollouts: with one point, P4's direct oracle, or with two points.

Two points compare the rollouts of K + U and K - U,

.. math:: \\hat g = \\frac{mn}{2Nv^2} \\sum_{k=1}^N (\\hat C(K + U_k) - \\hat C(K - U_k))\\, U_k,

with U_k uniform on the Frobenius sphere of radius v. Both rollouts of a pair see one first state and one sequence of
noise (common random numbers), as P1's (Algorithm 1) see one first state: the noise then cancels from the difference to
leading order. A simulator can do so; a plant whose noise cannot be repeated cannot.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lqrpg.compiler.jit import njit
from lqrpg.kernels.normals import LANES
from lqrpg.lqr.products import copy_to
from lqrpg.methods.oracles.direct import Estimate, direct_gradient, make_work, rollout_costs
from lqrpg.methods.recorder import GAIN_LOST, RUNNING, descend, observe
from lqrpg.methods.schedules import Code, schedule_value


class Design(NamedTuple):
    """Schedules of the rollouts of an iteration; numbers and lengths are rounded up.

    Attributes
    ----------
    rollouts, length, radius : n, l and v of Algorithm 2.
    pairs : whether rollouts come in pairs, K + U and K - U.
    baseline : whether the mean of the other rollouts is subtracted from each cost; of one-point estimates.
    """

    rollouts: Code
    length: Code
    radius: Code
    pairs: bool
    baseline: bool


@njit
def two_point_gradient(plant, K, rollouts, estimate, work, out, n_size, m_size):
    """out = the estimate from `estimate.number` pairs; changes the streams of `rollouts` and the buffers `work`."""
    radius, count, length, _ = estimate
    n, m = K.shape[1], K.shape[0]
    U, costs, sums, state = work.U, work.costs, work.sums[0], rollouts.streams
    saved, cost_plus = np.empty_like(state), np.empty(LANES)
    sums[:] = 0.0
    for first in range(0, count, LANES):
        copy_to(state, saved)
        rollout_costs(plant, K, rollouts, radius, length, work, n_size, m_size)
        copy_to(costs, cost_plus)
        copy_to(saved, state)  # the same numbers again: the same noise, and with -radius -U instead of U
        rollout_costs(plant, K, rollouts, -radius, length, work, n_size, m_size)
        for p in range(m * n):
            for lane in range(min(LANES, count - first)):
                sums[p, lane] += (costs[lane] - cost_plus[lane]) * U[p, lane]
    scale = m * n / (2.0 * count * radius * radius)
    for p in range(m):
        for j in range(n):
            out[p, j] = scale * np.sum(sums[p * n + j])


@njit
def zeroth_order_loop(plant, K, step, design, rollouts, recorder, loop, sizes):
    """Descend to `recorder.last` along estimates from rollouts (Algorithm 2).

    `sizes` are that of the loop, `size_of`, and those of the rollouts, `sizes_of`. Changes K, the streams of
    `rollouts`, `recorder` and `loop`. Returns the last iteration, and how the loop ended.
    """
    size, n_size, m_size = sizes
    work, G = make_work(n_size, m_size), np.empty_like(K)
    for i in range(recorder.first, recorder.last + 1):
        if not observe(plant, K, i, recorder, loop, size):
            return i, GAIN_LOST
        if i == recorder.last:
            break
        count = int(np.ceil(schedule_value(design.rollouts, i + 1)))
        length = int(np.ceil(schedule_value(design.length, i + 1)))
        radius = schedule_value(design.radius, i + 1)
        if design.pairs:
            estimate = Estimate(radius, (count + 1) // 2, length, False)
            two_point_gradient(plant, K, rollouts, estimate, work, G, n_size, m_size)
        else:
            estimate = Estimate(radius, count, length, design.baseline)
            direct_gradient(plant, K, rollouts, estimate, work, G, n_size, m_size)
        descend(K, schedule_value(step, i + 1), G)
    return recorder.last, RUNNING
