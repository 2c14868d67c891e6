"""Policy iteration with the model known: Newton's method for Riccati's equation (Hewer, 1971; Kleinman, 1968)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lqrpg.lqr.discrete import cost_to_go
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.base import Method, State


@dataclass(frozen=True)
class PolicyIteration(Method):
    """K <- (R + B'P_K B)^-1 B'P_K A: the policy that is greedy for the cost-to-go of the last one; no step size.

    It converges quadratically, so a run is a handful of steps, in plain NumPy and SciPy.

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

    def update(self, state: State) -> tuple[Array, None]:
        """The greedy gain."""
        return improved(state.plant, state.gain), None


def improved(plant: Plant, gain: Array) -> Array:
    """The gain (R + B'P_K B)^-1 B'P_K A, shape (m, n), at a stabilising gain."""
    P = cost_to_go(plant, gain)
    return np.asarray(np.linalg.solve(plant.R + plant.B.T @ P @ plant.B, plant.B.T @ P @ plant.A))
