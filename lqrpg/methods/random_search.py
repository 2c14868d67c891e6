"""Random search: differences of rollouts with noise of their own, in steps scaled by the spread of the returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from lqrpg.lqr.plant import Array
from lqrpg.methods.base import State, Status
from lqrpg.methods.oracles.direct import Rollouts
from lqrpg.methods.sampled_rollouts import Pairs, PerturbedRollouts, first_gradient, normal_directions, pairs_of


@dataclass(frozen=True)
class RandomSearch(PerturbedRollouts):
    """Augmented random search, version V1 (Mania, Guy, Recht, 2018, Algorithm 2); unscaled it is their Algorithm 1.

    N directions with standard normal entries, two rollouts each, every rollout with a first state and noise of its own:

    .. math:: K \\leftarrow K - \\frac{\\alpha}{N \\sigma_R}
        \\sum_{k=1}^N \\bigl( \\hat C(K + \\nu \\delta_k) - \\hat C(K - \\nu \\delta_k) \\bigr) \\delta_k ,

    with the standard deviation sigma_R of the 2 N returns. A return is here the mean stage cost; as it is scaled, the
    sum would give the same step.

    Attributes
    ----------
    step_size : alpha, about the length of a step.
    radius : root mean square of the Frobenius norm of a perturbation, sqrt(m n) nu.
    rollouts : rollouts an iteration, an even number, 2 N; a schedule is rounded up to even numbers.
    length : steps of a rollout.
    scaled : whether steps are divided by sigma_R; otherwise sigma_R is 1 (basic random search).

    All but the last are numbers or schedules.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import Plant, RandomSearch, minimise
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=np.eye(3), sample_time=1)
    >>> method = RandomSearch(step_size=0.01, radius=0.3)
    >>> found = minimise(method, plant, 0.3 * np.eye(3), steps=200, seed=1)
    >>> bool(found.history["gap"].iloc[-1] < 0.1 * found.history["gap"].iloc[0])
    True
    """

    given: ClassVar[str] = "rollouts"
    label: ClassVar[str] = "random search (ARS V1)"

    scaled: bool = True

    @classmethod
    def for_comparison(cls, step_size: float, settings: Any) -> RandomSearch:
        """With rollouts and the one-point radius; alpha is the step size times the norm of the first gradient."""
        alpha = step_size * first_gradient(settings)[0]
        return cls(alpha, settings.point_radius, settings.rollouts, settings.rollout_length)

    @property
    def name(self) -> str:
        """A short name for tables and legends."""
        return "random search"

    def seen(self, state: State, memory: Rollouts) -> Pairs:
        """The rollouts of an iteration; the streams go on in place."""
        i, shape = state.iteration, state.gain.shape
        deviation = self.value("radius", i) / np.sqrt(state.gain.size)
        offsets = deviation * normal_directions((shape[0], shape[1]), self.number("rollouts", i), memory)
        return pairs_of(state, offsets, self.number("length", i), memory, common=False)

    def update(self, state: State) -> tuple[Array, Rollouts] | Status:
        """A step along the weighted sum of the directions."""
        memory = state.memory.copy()
        seen = self.seen(state, memory)
        deviation = self.value("radius", state.iteration) / np.sqrt(state.gain.size)
        with np.errstate(invalid="ignore", over="ignore"):
            spread = float(np.std(seen.costs)) if self.scaled else 1.0
            direction = np.tensordot(seen.costs[0] - seen.costs[1], seen.offsets, axes=1)
        if spread == 0.0:  # all returns are equal: there is no direction
            return state.gain, memory
        return self.descended(state, direction / (len(seen.offsets) * deviation * spread), memory)


METHOD = RandomSearch
