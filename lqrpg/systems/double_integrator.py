"""The double integrator with friction: x1'' = -friction x1' + u (Chen et al., eq. (36))."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lqrpg.lqr.plant import Plant


@dataclass(frozen=True)
class DoubleIntegrator:
    """Settings of the double integrator with friction.

    Attributes
    ----------
    friction : coefficient of the velocity, 1/s; zero or more.
    state_weight : M = state_weight I in the cost c(x, u) = x'Mx + R u^2; zero or more.
    input_weight : R, greater than zero.

    Raises
    ------
    ValueError
        If a setting is outside its range or not finite.
    """

    friction: float = 0.1
    state_weight: float = 1.0
    input_weight: float = 10.0

    def __post_init__(self) -> None:
        for name in ("friction", "state_weight"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be finite and not negative, got {getattr(self, name)}")
        if not 0.0 < self.input_weight < math.inf:
            raise ValueError(f"input_weight must be finite and positive, got {self.input_weight}")

    def plant(self) -> Plant:
        """The plant in continuous time, with unit covariance of the initial state."""
        return Plant(
            A=np.array([[0.0, 1.0], [0.0, -self.friction]]),
            B=np.array([[0.0], [1.0]]),
            Q=self.state_weight * np.eye(2),
            R=np.array([[self.input_weight]]),
            Sigma=np.eye(2),
        )
