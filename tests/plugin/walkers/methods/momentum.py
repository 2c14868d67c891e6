"""The exact gradient with momentum (Polyak, 1964), as a compiled loop that goes on where it stopped."""

# mypy: disable-error-code="no-untyped-def"

from dataclasses import dataclass

import numpy as np

from lqrpg.compiler.jit import njit, size_of
from lqrpg.kernels.discrete_small import cost_trace, lyapunov_workspace, policy_gradient
from lqrpg.methods.base import CompiledMethod
from lqrpg.methods.recorder import GAIN_LOST, RUNNING, descend, observe
from lqrpg.methods.schedules import code_of, schedule_value


@njit
def momentum_loop(plant, K, step, momentum, V, recorder, loop, size):
    """Descend to `recorder.last`; changes K, V, `recorder` and `loop`."""
    _, B, _, R, Sigma = plant
    G = np.empty_like(K)
    for i in range(recorder.first, recorder.last + 1):
        if not observe(plant, K, i, recorder, loop, size):
            return i, GAIN_LOST
        if i == recorder.last:
            break
        if not recorder.watched:
            cost_trace(loop, size)
        policy_gradient(B, R, Sigma, K, loop, G, size)
        V *= momentum
        descend(V, schedule_value(step, i + 1), G)
        descend(K, -1.0, V)
    return recorder.last, RUNNING


@dataclass(frozen=True)
class Momentum(CompiledMethod):
    step_size: object
    momentum: float = 0.5

    name = "momentum"

    def begin(self, plant, gain, initial_covariance, seed):
        return np.zeros_like(gain)

    def _loop(self, plant, gain, memory, recorder):
        V, step = memory.copy(), code_of(self.step_size)
        work = lyapunov_workspace(plant.n_states, plant.n_inputs), size_of(plant.n_states)
        return *momentum_loop(plant.matrices, gain, step, float(self.momentum), V, recorder, *work), V


METHOD = Momentum
