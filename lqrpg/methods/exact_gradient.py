"""Gradient descent with the model known: the quantity that every oracle estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from lqrpg.compiler.jit import size_of
from lqrpg.kernels.discrete_small import lyapunov_workspace
from lqrpg.kernels.normals import NormalStream, normal_stream
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.base import CompiledMethod
from lqrpg.methods.oracles.exact import Delta, ExactOracle, bias_direction, exact_loop
from lqrpg.methods.recorder import Recorder
from lqrpg.methods.schedules import Code, Schedule, code_of, require_schedules

NO_BIAS: Code = (0.0, 0.0, 1.0, 0.0, 1.0)
_UNUSED = normal_stream(0)


@dataclass(frozen=True)
class ExactGradient(CompiledMethod):
    """K <- K - step_size * gradient, with the exact gradient 2 E_K Sigma_K (P4, eqs. (4), (5)).

    Attributes
    ----------
    step_size : the step size, a number or a schedule.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import ExactGradient, Plant, minimise, optimal_gain
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=np.eye(3), sample_time=1)
    >>> found = minimise(ExactGradient(step_size=0.1), plant, 0.3 * np.eye(3), steps=200)
    >>> bool(np.allclose(found.gain, optimal_gain(plant)))
    True
    """

    label: ClassVar[str] = "exact gradient"
    budget: ClassVar[str] = "gradient"
    settings_used: ClassVar[str] = "step sizes"
    microseconds: ClassVar[float] = 5.0

    step_size: Schedule | float

    def __post_init__(self) -> None:
        require_schedules(step_size=self.step_size)

    @property
    def name(self) -> str:
        """A short name for tables and legends."""
        return "exact gradient"

    def _oracle(self, plant: Plant, source: NormalStream) -> ExactOracle:
        nothing = Delta(NO_BIAS, bias_direction(plant.n_inputs, plant.n_states), 0.0)
        return ExactOracle(False, nothing, source)

    def _loop(self, plant: Plant, gain: Array, memory: Any, recorder: Recorder) -> tuple[int, int, Any]:
        oracle = self._oracle(plant, _UNUSED)
        work = lyapunov_workspace(plant.n_states, plant.n_inputs), size_of(plant.n_states)
        return *exact_loop(plant.matrices, gain, code_of(self.step_size), oracle, recorder, *work), None


METHOD = ExactGradient
