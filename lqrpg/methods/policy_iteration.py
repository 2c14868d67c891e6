"""Policy iteration with the model known: Newton's method for Riccati's equation (Hewer, 1971; Kleinman, 1968)."""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from lqrpg.compiler.jit import njit, njit_borrowing, size_of
from lqrpg.compiler.sizes import order_of
from lqrpg.kernels.discrete_small import cost_trace, lyapunov_workspace
from lqrpg.kernels.pivoted import pivoted_lu
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.base import CompiledMethod
from lqrpg.methods.recorder import GAIN_LOST, RUNNING, Recorder, observe


@njit_borrowing
def improve(A, B, R, K, loop, curvature, order, size):
    """K = (R + B'P_K B)^-1 B'P_K A, in place, of a closed, stable loop; `loop.P` must hold P_K. False if singular.

    `curvature`, (m, m), and `order`, (m,), are filled with the factors of R + B'PB; `loop.residual` is scratch.
    """
    n, m = order_of(size), B.shape[1]
    for p in range(m):
        for j in range(n):
            total = 0.0
            for k in range(n):
                total += B[k, p] * loop.P[k, j]
            loop.residual[p, j] = total
    for p in range(m):
        for q in range(m):
            total = R[p, q]
            for k in range(n):
                total += loop.residual[p, k] * B[k, q]
            curvature[p, q] = total
        for j in range(n):
            total = 0.0
            for k in range(n):
                total += loop.residual[p, k] * A[k, j]
            K[p, j] = total
    if not pivoted_lu(curvature, order):
        return False
    for j in range(n):
        for p in range(m):
            K[p, j], K[order[p], j] = K[order[p], j], K[p, j]
        for p in range(m):
            for q in range(p):
                K[p, j] -= curvature[p, q] * K[q, j]
        for p in range(m - 1, -1, -1):
            for q in range(p + 1, m):
                K[p, j] -= curvature[p, q] * K[q, j]
            K[p, j] /= curvature[p, p]
    return True


@njit
def newton_loop(plant, K, recorder, loop, size):
    """Policy iteration to `recorder.last`; changes K, `recorder` and `loop`.

    Returns the last iteration, and how the loop ended.
    """
    A, B, _, R, _ = plant
    m = B.shape[1]
    curvature, order = np.empty((m, m)), np.empty(m, np.int64)
    for i in range(recorder.first, recorder.last + 1):
        if not observe(plant, K, i, recorder, loop, size):
            return i, GAIN_LOST
        if i == recorder.last:
            break
        if not recorder.watched:
            cost_trace(loop, size)
        if not improve(A, B, R, K, loop, curvature, order, size):
            return i + 1, GAIN_LOST
    return recorder.last, RUNNING


@dataclass(frozen=True)
class PolicyIteration(CompiledMethod):
    """K <- (R + B'P_K B)^-1 B'P_K A: the policy that is greedy for the cost-to-go of the last one; no step size.

    It converges quadratically, so a run is a handful of steps.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import Plant, PolicyIteration, minimise, optimal_gain
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=np.eye(3), sample_time=1)
    >>> found = minimise(PolicyIteration(), plant, 0.3 * np.eye(3), steps=6)
    >>> bool(np.allclose(found.gain, optimal_gain(plant)))
    True
    """

    label: ClassVar[str] = "policy iteration"
    budget: ClassVar[str] = "newton"
    settings_used: ClassVar[str] = "step sizes"
    microseconds: ClassVar[float] = 5.0

    @property
    def name(self) -> str:
        """A short name for tables and legends."""
        return "policy iteration"

    def _loop(self, plant: Plant, gain: Array, memory: Any, recorder: Recorder) -> tuple[int, int, Any]:
        work = lyapunov_workspace(plant.n_states, plant.n_inputs), size_of(plant.n_states)
        return *newton_loop(plant.matrices, gain, recorder, *work), None


METHOD = PolicyIteration
