"""Discrete-time plants weighted by multiples of the identity, whose first gain is the optimum for a heavier Q."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from lqrpg.lqr.discrete import optimal_gain
from lqrpg.lqr.plant import Array, Plant
from lqrpg.ranges import check
from lqrpg.systems.system import System

Rows = tuple[tuple[float, ...], ...]


class HeavierStart(System):
    """What the plants of Song et al. have in common, for frozen settings with these fields.

    Attributes
    ----------
    A, B : (n, n) and (n, m) rows of the plant's matrices.
    noise : variance of each entry of the process noise, Sigma = noise I.
    initial_variance : variance of each entry of a rollout's first state.
    state_weight, input_weight : Q = state_weight I, R = input_weight I.
    initial_factor : the first gain is the optimum of the weights (initial_factor Q, R).
    """

    time: ClassVar[str] = "discrete"
    A: ClassVar[Rows]
    B: ClassVar[Rows]

    noise: float
    initial_variance: float
    state_weight: float
    input_weight: float
    initial_factor: float

    def __post_init__(self) -> None:
        check(self, "system.")

    def plant(self) -> Plant:
        """The plant, with the covariance of its process noise."""
        n, m = len(self.A), len(self.B[0])
        Q, R = self.state_weight * np.eye(n), self.input_weight * np.eye(m)
        noise = self.noise * np.eye(n)
        return Plant(np.array(self.A), np.array(self.B), Q, R, noise, sample_time=1.0)  # the paper's time has no unit

    def initial_covariance(self) -> Array:
        """Covariance of a rollout's first state, shape (n, n)."""
        return self.initial_variance * np.eye(len(self.A))

    def initial_gain(self) -> Array:
        """The gain K0 from which descent starts, or at which the oracles are examined, shape (m, n)."""
        settings: Any = self
        heavier: HeavierStart = replace(settings, state_weight=self.initial_factor * self.state_weight)
        return optimal_gain(heavier.plant())
