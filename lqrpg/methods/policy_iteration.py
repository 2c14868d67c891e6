"""Policy iteration with the model known: Newton's method for Riccati's equation (Hewer, 1971; Kleinman, 1968)."""

from __future__ import annotations

from dataclasses import dataclass

from lqrpg.compiler.jit import size_of
from lqrpg.kernels.discrete_small import lyapunov_workspace
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.base import CompiledMethod, Marks
from lqrpg.methods.exact_descent import newton_loop


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

    @property
    def name(self) -> str:
        """A short name for tables and legends."""
        return "policy iteration"

    def _loop(self, plant: Plant, gain: Array, memory: None, marks: Marks, gains: Array) -> tuple[int, int, None]:
        A, B, Q, R, _ = plant.matrices
        work = lyapunov_workspace(plant.n_states, plant.n_inputs), size_of(plant.n_states)
        done, standing = newton_loop(A, B, Q, R, gain, marks, gains, *work)
        return done, standing, None
