"""The double integrator with friction: x1'' = -friction x1' + u (Chen et al., eq. (36)), in continuous time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from lqrpg.lqr.plant import Array, Plant
from lqrpg.ranges import Range, check
from lqrpg.systems.system import System


@dataclass(frozen=True)
class DoubleIntegrator(System):
    """A unit mass on a line, with friction, under a force.

    Attributes
    ----------
    kind : `double_integrator`.
    friction : coefficient of the velocity, 1/s; from zero to 1e100.
    state_weight : M = state_weight I in the cost c(x, u) = x'Mx + R u^2; greater than zero, or the position
        would cost nothing, and from 1e-100 to 1e100, or squares of costs would overflow.
    input_weight : R, within the same limits.
    """

    time: ClassVar[str] = "continuous"
    kind: str = "double_integrator"
    friction: Annotated[float, Range(0, 1e100)] = 0.1
    state_weight: Annotated[float, Range(1e-100, 1e100)] = 1.0
    input_weight: Annotated[float, Range(1e-100, 1e100)] = 10.0

    def __post_init__(self) -> None:
        check(self, "system.")

    def plant(self) -> Plant:
        """The plant in continuous time, with unit covariance of the initial state."""
        return Plant(
            A=np.array([[0.0, 1.0], [0.0, -self.friction]]),
            B=np.array([[0.0], [1.0]]),
            Q=self.state_weight * np.eye(2),
            R=np.array([[self.input_weight]]),
            Sigma=np.eye(2),
            sample_time=0.0,
        )

    def initial_gain(self) -> Array:
        """K0 = [1, 2], shape (1, 2): stabilises the plant for any friction."""
        return np.array([[1.0, 2.0]])


SYSTEM = DoubleIntegrator
