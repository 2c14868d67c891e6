"""A Gaussian surrogate of the direct oracle: normal numbers of its mean and variance, to leading order in the radius.

The mean is the exact gradient of the finite rollouts' cost; each entry has the variance m n E[C^2]/(n v^2) of rollouts
at the unperturbed gain. What it leaves out is the heavy tail that perturbed, nearly unstable loops give to the real
oracle. The ratio Var[C]/E[C]^2 changes slowly, and is computed again once in a while.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lqrpg.compiler.jit import njit
from lqrpg.kernels.discrete_small import cost_trace
from lqrpg.kernels.finite_horizon import rollout_variance, stable_rollout_gradient
from lqrpg.kernels.normals import NormalStream, copy_stream, next_normal
from lqrpg.lqr.plant import Array
from lqrpg.methods.recorder import GAIN_LOST, RUNNING, descend, observe
from lqrpg.methods.schedules import schedule_value


class SurrogateMemory(NamedTuple):
    """What a run carries from iteration to iteration.

    Attributes
    ----------
    initial_covariance : (n, n) covariance of a rollout's first state.
    refresh : iterations after which the ratio is computed again.
    source : the run's random numbers.
    ratio : (2,) Var[C]/E[C]^2, negative if it is not known, and the length of the rollouts for which it was computed.
    """

    initial_covariance: Array
    refresh: int
    source: NormalStream
    ratio: Array

    def copy(self) -> SurrogateMemory:
        """A copy that shares nothing that changes."""
        return self._replace(source=copy_stream(self.source), ratio=self.ratio.copy())


@njit
def surrogate_loop(plant, K, step, design, memory, recorder, loop, size):
    """Descend to `recorder.last` along estimates of the surrogate: no rollouts.

    Changes K, `memory`, `recorder` and `loop`. Returns the last iteration, and how the loop ended.
    """
    n, m = plant[1].shape
    G, work, S, pair = np.empty_like(K), np.empty((12, n, n)), np.empty((n, n)), np.empty((2, n, n))
    Sigma0, ratio = memory.initial_covariance, memory.ratio
    P = np.empty((int(ratio[1]) + 1, n, n))
    for i in range(recorder.first, recorder.last + 1):
        if not observe(plant, K, i, recorder, loop, size):
            return i, GAIN_LOST
        if i == recorder.last:
            break
        if not recorder.watched:
            cost_trace(loop, size)
        count = int(np.ceil(schedule_value(design.rollouts, i + 1)))
        length = int(np.ceil(schedule_value(design.length, i + 1)))
        v = schedule_value(design.radius, i + 1)
        mean = stable_rollout_gradient(plant, Sigma0, K, length, loop, work, G, size)
        if ratio[1] != length:
            P = np.empty((length + 1, n, n))
            ratio[0], ratio[1] = -1.0, length
        if i % memory.refresh == 0 or ratio[0] < 0.0:
            ratio[0] = rollout_variance(loop.closed, loop.weight, plant[4], Sigma0, P, S, pair) / mean**2
        second = mean * mean * (ratio[0] if design.baseline else 1.0 + ratio[0])
        deviation = np.sqrt(m * n * second / count) / v
        for p in range(m):
            for j in range(n):
                G[p, j] += deviation * next_normal(memory.source)
        descend(K, schedule_value(step, i + 1), G)
    return recorder.last, RUNNING
