"""The chain of masses of `lqrpg.systems.mass_spring`, sampled, with a first gain that suits a chain of any length."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from lqrpg.lqr.cross_weight import working
from lqrpg.lqr.discrete import optimal_gain
from lqrpg.lqr.plant import Array, Plant
from lqrpg.lqr.sampling import LinearModel, sampled
from lqrpg.systems.mass_spring import MassSpring
from lqrpg.systems.system import System


@dataclass(frozen=True)
class SampledChain(System):
    """A chain in discrete time, with held inputs and an exactly integrated cost.

    Attributes
    ----------
    kind : `mass_spring`.
    states : n, even: a position and a velocity for each mass, and half as many inputs.
    sample_time : seconds between samples.
    noise : intensity of the process noise, noise I in continuous time.
    initial_factor : K0 is the optimum for (initial_factor Q, R).
    """

    time: ClassVar[str] = "discrete"
    kind: str
    states: int
    sample_time: float
    noise: float
    initial_factor: float

    @cached_property
    def _sampled(self) -> Plant:
        chain = MassSpring("mass_spring", self.states // 2, stiffness=1.0, damping=1.0).plant()
        noise, S = self.noise * np.eye(self.states), np.zeros_like(chain.B)
        model = sampled(LinearModel(chain.A, chain.B, chain.Q, S, chain.R, noise), self.sample_time)
        return Plant(model.A, model.B, model.Q, model.R, model.noise, model.S, self.sample_time)

    @cached_property
    def _first_gain(self) -> Array:
        model = working(self._sampled)
        return model.outward(optimal_gain(model.plant._replace(Q=self.initial_factor * model.plant.Q)))

    def plant(self) -> Plant:
        """The sampled plant, with the cross weight that sampling gives it."""
        return self._sampled

    def initial_gain(self) -> Array:
        """K0, shape (n / 2, n)."""
        return self._first_gain

    def initial_covariance(self) -> Array:
        """The identity, shape (n, n)."""
        return np.eye(self.states)
