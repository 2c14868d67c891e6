"""The natural policy gradient from rollouts: a two-point estimate of the gradient, and the states' second moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from lqrpg.lqr.plant import Array
from lqrpg.methods.base import State, Status
from lqrpg.methods.oracles.direct import Rollouts
from lqrpg.methods.sampled_rollouts import Pairs, PerturbedRollouts, first_gradient, pairs_of, sphere_directions


@dataclass(frozen=True)
class NaturalTwoPoint(PerturbedRollouts):
    """Descent along the natural gradient, both of whose factors are estimated from the same rollouts.

    .. math:: K \\leftarrow K - \\eta\\, \\hat g\\, \\hat\\Sigma^{-1}, \\qquad
        \\hat\\Sigma = \\frac{1}{2Nl} \\sum_{k, \\pm, t} x_{k,t}^\\pm {x_{k,t}^\\pm}'

    as in Algorithm 1 of Fazel, Ge, Kakade, Mesbahi (2018), where costs and x x' are sums from a random first state
    without noise; here they are means over noisy rollouts. The gradient is there a one-point estimate; here it is that
    of `TwoPointZerothOrder`, of pairs K + U and K - U with common random numbers. The states are those of the same
    rollouts, so that no sample is added.

    Attributes
    ----------
    step_size : eta, as of `NaturalGradient`.
    radius : Frobenius norm of the perturbations.
    rollouts : rollouts an iteration, an even number; a schedule is rounded up to even numbers.
    length : steps of a rollout.

    Each is a number or a schedule.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import NaturalTwoPoint, Plant, minimise
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=np.eye(3), sample_time=1)
    >>> method = NaturalTwoPoint(step_size=0.05, radius=0.05)
    >>> found = minimise(method, plant, 0.3 * np.eye(3), steps=200, seed=1)
    >>> bool(found.history["gap"].iloc[-1] < 0.01 * found.history["gap"].iloc[0])
    True
    """

    given: ClassVar[str] = "a simulator with common random numbers, states"
    label: ClassVar[str] = "two-point natural gradient"

    @classmethod
    def for_comparison(cls, step_size: float, settings: Any) -> NaturalTwoPoint:
        """With rollouts and the two-point radius; eta is the step size times the ratio of both first gradients."""
        gradient, natural = first_gradient(settings)
        radius, rollouts = settings.pair_radius, settings.rollouts
        return cls(step_size * gradient / natural, radius, rollouts, settings.rollout_length)

    @property
    def name(self) -> str:
        """A short name for tables and legends."""
        return "natural two-point"

    def seen(self, state: State, memory: Rollouts) -> Pairs:
        """The rollouts of an iteration; the streams go on in place."""
        i, shape = state.iteration, state.gain.shape
        count, radius = self.number("rollouts", i), self.value("radius", i)
        offsets = sphere_directions((shape[0], shape[1]), count, radius, memory)
        return pairs_of(state, offsets, self.number("length", i), memory, common=True, moment=True)

    def update(self, state: State) -> tuple[Array, Rollouts] | Status:
        """A step along the estimate; the run ends where the states do not span the state space."""
        memory = state.memory.copy()
        seen = self.seen(state, memory)
        if not np.all(np.isfinite(seen.moment)):  # a rollout has overflowed: the gain is lost
            return np.full(state.gain.shape, np.nan), memory
        scale = np.sqrt(np.diag(seen.moment))  # units of states may differ by orders of magnitude
        if not scale.all():
            return Status.SINGULAR
        correlation = seen.moment / np.outer(scale, scale)
        if np.linalg.matrix_rank(correlation, hermitian=True) < len(scale):
            return Status.SINGULAR
        direction = np.linalg.solve(correlation, (seen.gradient / scale).T).T / scale
        return self.descended(state, direction, memory)


METHOD = NaturalTwoPoint
