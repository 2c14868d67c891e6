"""A slightly unstable chain of three states, each with its own input: the plant of Figures 2 and 3 (eq. (55))."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from lqrpg.checks import require
from lqrpg.lqr.discrete_small import optimal_gain
from lqrpg.lqr.plant import Array, Plant

_A = ((1.01, 0.01, 0.0), (0.01, 1.01, 0.01), (0.0, 0.01, 1.01))


@dataclass(frozen=True)
class ThreeState:
    """Settings of the chain; three states, three inputs.

    Attributes
    ----------
    kind : `three_state`.
    noise : variance of each entry of the process noise, Sigma = noise I.
    initial_variance : variance of each entry of a rollout's first state.
    state_weight, input_weight : Q = state_weight I, R = input_weight I.
    initial_factor : the gain at which gradients are estimated is the optimum of (initial_factor Q, R).
    """

    time: ClassVar[str] = "discrete"
    kind: str = "three_state"
    noise: float = 1e-4
    initial_variance: float = 0.1
    state_weight: float = 1e-3
    input_weight: float = 1.0
    initial_factor: float = 50.0

    def __post_init__(self) -> None:
        for name in ("noise", "state_weight", "input_weight", "initial_factor"):
            value = getattr(self, name)
            require(0 < value < np.inf, f"system.{name}", value, "a positive number")
        start = self.initial_variance
        require(0 <= start < np.inf, "system.initial_variance", start, "a number not below 0")

    def plant(self) -> Plant:
        """The plant, with the covariance of its process noise."""
        Q, R = self.state_weight * np.eye(3), self.input_weight * np.eye(3)
        return Plant(np.array(_A), np.eye(3), Q, R, self.noise * np.eye(3))

    def initial_covariance(self) -> Array:
        """Covariance of the first state, shape (3, 3)."""
        return self.initial_variance * np.eye(3)

    def initial_gain(self) -> Array:
        """The gain at which the oracles are examined, shape (3, 3)."""
        heavier = replace(self, state_weight=self.initial_factor * self.state_weight)
        return optimal_gain(heavier.plant())


SYSTEM = ThreeState
