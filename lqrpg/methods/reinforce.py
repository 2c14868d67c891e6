"""REINFORCE: the policy gradient of a linear policy with Gaussian exploration in the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from lqrpg.checks import require
from lqrpg.lqr.plant import Array
from lqrpg.methods.base import State, Status
from lqrpg.methods.oracles.direct import Rollouts
from lqrpg.methods.oracles.lane_rollouts import perturbed_rollouts
from lqrpg.methods.sampled_rollouts import SampledRollouts
from lqrpg.methods.schedules import Schedule


@dataclass(frozen=True)
class Reinforce(SampledRollouts):
    """Descent along the score-function estimate of the policy u = -K x + sigma e, e ~ N(0, I).

    .. math:: \\hat g = -\\frac{1}{N \\sigma} \\sum_{k=1}^N
        \\Bigl( \\hat C_k - \\frac{1}{N-1} \\sum_{j \\ne k} \\hat C_j \\Bigr) \\sum_{t=0}^{l-1} e_{k,t} x_{k,t}' ,

    for the policy as in Fazel, Ge, Kakade, Mesbahi (2018, Section 2.2), with the mean stage cost of a rollout as the
    return, exploration included, and the mean of the other rollouts as the baseline (Kool, van Hoof, Welling, 2019).
    The exploration acts like noise of covariance sigma^2 B B': the estimate is of the gradient for
    Sigma + sigma^2 B B'. The optimal gain does not depend on the covariance of the noise, and is the same.

    Attributes
    ----------
    step_size : the step size.
    dither : standard deviation sigma of the exploration in each input.
    rollouts : rollouts an iteration, at least 2, each with a first state, noise and exploration of its own.
    length : steps of a rollout.

    Each is a number or a schedule.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import Plant, Reinforce, minimise
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=np.eye(3), sample_time=1)
    >>> method = Reinforce(step_size=0.005, dither=1.0, rollouts=256, length=20)
    >>> found = minimise(method, plant, 0.3 * np.eye(3), steps=100, seed=1)
    >>> bool(found.history["gap"].iloc[-1] < 0.1 * found.history["gap"].iloc[0])
    True
    """

    given: ClassVar[str] = "rollouts"
    label: ClassVar[str] = "REINFORCE"
    settings_used: ClassVar[str] = "rollouts, length, excitation"
    paired: ClassVar[bool] = False

    step_size: Schedule | float
    dither: Schedule | float = 1.0
    rollouts: Schedule | int = 64
    length: Schedule | int = 50

    def __post_init__(self) -> None:
        self.require_settings("dither")
        expected = "at least 2: a rollout is compared with the others"
        require(isinstance(self.rollouts, Schedule) or self.rollouts > 1, "rollouts", self.rollouts, expected)

    @classmethod
    def for_comparison(cls, step_size: float, settings: Any) -> Reinforce:
        """With rollouts and the excitation of a comparison."""
        return cls(step_size, settings.excitation, settings.rollouts, settings.rollout_length)

    @property
    def name(self) -> str:
        """A short name for tables and legends."""
        return "REINFORCE"

    def number(self, name: str, iteration: int) -> int:
        """A setting, rounded up; rollouts are two at least."""
        return max(super().number(name, iteration), 2 if name == "rollouts" else 1)

    def estimate(self, state: State, memory: Rollouts) -> Array:
        """The estimate from the rollouts of an iteration, (m, n); the streams go on in place."""
        i = state.iteration
        count, length, dither = self.number("rollouts", i), self.number("length", i), self.value("dither", i)
        offsets = np.zeros((1, count, *state.gain.shape))
        seen = perturbed_rollouts(state.plant, state.gain, offsets, length, memory, dither=dither)
        with np.errstate(invalid="ignore", over="ignore"):  # a rollout may overflow: the gain is then lost
            centred = (seen.costs[0] - seen.costs[0].mean()) * count / (count - 1)
            return np.asarray(-np.tensordot(centred, seen.scores[0], axes=1) / (count * dither))

    def update(self, state: State) -> tuple[Array, Rollouts] | Status:
        """A step along the estimate."""
        memory = state.memory.copy()
        return self.descended(state, self.estimate(state, memory), memory)


METHOD = Reinforce
