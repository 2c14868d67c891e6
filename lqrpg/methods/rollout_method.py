"""What all methods share that estimate from rollouts: their settings, what they cost, and their random numbers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from lqrpg.checks import require
from lqrpg.kernels.normals import seed_streams
from lqrpg.lqr.definite import covariance_root
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.base import Marks, Method
from lqrpg.methods.oracles.direct import Rollouts
from lqrpg.methods.schedules import Code, Schedule, code_of, cumulated_products, require_schedules


class RolloutMethod(Method):
    """A method with a number of rollouts an iteration, of some length; the random streams are its memory.

    All settings are numbers or schedules; numbers of rollouts and lengths are rounded up. A subclass is a dataclass
    with the fields `step_size`, `rollouts` and `length`.

    Attributes
    ----------
    paired : whether rollouts come in pairs, K + U and K - U.
    """

    budget: ClassVar[str] = "rollout_samples"
    settings_used: ClassVar[str] = "rollouts, length, radius"
    paired: ClassVar[bool] = False

    step_size: Schedule | float
    rollouts: Schedule | int
    length: Schedule | int

    def require_settings(self, *scales: str) -> None:
        """Refuse settings that are no positive numbers or schedules, and numbers of rollouts that are not whole.

        Parameters
        ----------
        scales : names of the fields besides those of every such method.
        """
        settings = {name: getattr(self, name) for name in ("step_size", *scales, "rollouts", "length")}
        require_schedules(**settings)
        for name in ("rollouts", "length"):
            whole = isinstance(settings[name], Schedule) or settings[name] == round(settings[name])
            require(whole, name, settings[name], "an integer from 1 on, or a schedule")
        even = not self.paired or isinstance(self.rollouts, Schedule) or self.rollouts % 2 == 0
        require(even, "rollouts", self.rollouts, "an even number: two a pair")

    def samples(self, iteration: int) -> int:
        """Interactions with the plant from the start until an iteration."""
        return int(self.samples_at(np.array([iteration]))[0])

    def samples_at(self, iterations: Marks) -> Marks:
        """The same until each of several increasing iterations, (count,)."""
        return cumulated_products(self._code("rollouts"), self._code("length"), self.paired, iterations)

    def begin(self, plant: Plant, gain: Array, initial_covariance: Array, seed: np.random.SeedSequence) -> Any:
        """The random numbers of rollouts."""
        return rollouts_of(plant, initial_covariance, seed)

    def _code(self, name: str) -> Code:
        return code_of(getattr(self, name))


def rollouts_of(plant: Plant, initial_covariance: Array, seed: np.random.SeedSequence) -> Rollouts:
    """How rollouts of a plant start and are disturbed, and the random streams of a run."""
    return Rollouts(covariance_root(initial_covariance), covariance_root(plant.Sigma), seed_streams(seed))
