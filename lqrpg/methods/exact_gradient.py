"""Gradient descent with the model known: what every estimate of the gradient is after."""

from __future__ import annotations

from dataclasses import dataclass

from lqrpg.compiler.jit import size_of
from lqrpg.kernels.discrete_small import lyapunov_workspace
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.base import CompiledMethod, Marks, require_positive
from lqrpg.methods.exact_descent import exact_loop


@dataclass(frozen=True)
class ExactGradient(CompiledMethod):
    """K <- K - step_size * gradient, with the exact gradient 2 E_K Sigma_K (P4, eqs. (4), (5)).

    Attributes
    ----------
    step_size : constant step size.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import ExactGradient, Plant, minimise, optimal_gain
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=np.eye(3), sample_time=1)
    >>> found = minimise(ExactGradient(step_size=0.1), plant, 0.3 * np.eye(3), steps=200)
    >>> bool(np.allclose(found.gain, optimal_gain(plant)))
    True
    """

    step_size: float

    def __post_init__(self) -> None:
        require_positive(step_size=self.step_size)

    @property
    def name(self) -> str:
        """A short name for tables and legends."""
        return "exact gradient"

    @property
    def _natural(self) -> bool:
        return False

    def _loop(self, plant: Plant, gain: Array, memory: None, marks: Marks, gains: Array) -> tuple[int, int, None]:
        work = lyapunov_workspace(plant.n_states, plant.n_inputs), size_of(plant.n_states)
        done, standing = exact_loop(*plant.matrices, gain, float(self.step_size), self._natural, marks, gains, *work)
        return done, standing, None
