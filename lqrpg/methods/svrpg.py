"""Variance-reduced policy gradient: two-point estimates at a snapshot, one-point estimates of the change since then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from lqrpg.checks import require
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.base import Marks, Method, State, Status, require_whole
from lqrpg.methods.oracles.direct import Rollouts
from lqrpg.methods.oracles.lane_rollouts import perturbed_rollouts
from lqrpg.methods.rollout_method import rollouts_of
from lqrpg.methods.sampled_rollouts import pairs_of, sphere_directions
from lqrpg.methods.schedules import Schedule, code_of, require_schedules, schedule_value


class _Epoch(NamedTuple):
    """The random streams, the gain at the start of the epoch and its two-point estimate."""

    rollouts: Rollouts
    snapshot: Array
    estimate: Array


@dataclass(frozen=True)
class VarianceReducedPolicyGradient(Method):
    """SVRPG: stochastic variance-reduced policy gradient (Toso, Wang, Anderson, 2023, Algorithm 2).

    An epoch of several iterations begins with a two-point estimate at its first gain, the snapshot. Each iteration adds
    a one-point estimate of how the gradient has changed since, from rollouts of K and of the snapshot under the same
    perturbations:

    .. math:: v = \\tilde g(\\tilde K) + \\frac{mn}{N r^2} \\sum_{k=1}^N
        (\\hat C(K + U_k) - \\hat C(\\tilde K + U_k))\\, U_k, \\qquad K \\leftarrow K - \\eta v ,

    with U_k uniform on the Frobenius sphere of radius r. Both rollouts of k see one first state and one sequence of
    noise. In the first iteration of an epoch K is the snapshot, and the second term is zero without a rollout.

    Attributes
    ----------
    step_size : eta, a number or a schedule.
    radius : of the two-point estimate.
    inner_radius : r, larger: the difference of the costs does not vanish with it, and the variance grows as r^-2.
    rollouts : rollouts of the two-point estimate, an even number.
    inner_rollouts : rollouts of an iteration within the epoch, an even number, 2 N.
    length : steps of a rollout.
    epoch : iterations of an epoch; 1 is `TwoPointZerothOrder`.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import Plant, VarianceReducedPolicyGradient, minimise
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=np.eye(3), sample_time=1)
    >>> method = VarianceReducedPolicyGradient(step_size=0.01, radius=0.01, inner_radius=0.3)
    >>> found = minimise(method, plant, 0.3 * np.eye(3), steps=200, seed=1)
    >>> bool(found.history["gap"].iloc[-1] < 0.1 * found.history["gap"].iloc[0])
    True
    """

    given: ClassVar[str] = "a simulator with common random numbers"
    label: ClassVar[str] = "variance-reduced policy gradient"
    budget: ClassVar[str] = "rollout_samples"
    settings_used: ClassVar[str] = "rollouts, length, radius"

    step_size: Schedule | float
    radius: float
    inner_radius: float
    rollouts: int = 64
    inner_rollouts: int = 32
    length: int = 50
    epoch: int = 4

    def __post_init__(self) -> None:
        require_schedules(step_size=self.step_size)
        for name in ("radius", "inner_radius"):
            value = getattr(self, name)
            require(not isinstance(value, Schedule), name, value, "a positive number")
            require_schedules(**{name: value})
        require_whole(rollouts=self.rollouts, inner_rollouts=self.inner_rollouts, length=self.length, epoch=self.epoch)
        for name in ("rollouts", "inner_rollouts"):
            require(getattr(self, name) % 2 == 0, name, getattr(self, name), "an even number: two a pair")

    @classmethod
    def for_comparison(cls, step_size: float, settings: Any) -> VarianceReducedPolicyGradient:
        """With rollouts and both radii of a comparison, half as many rollouts within an epoch as at its start."""
        inner = 2 * max(1, settings.rollouts // 4)
        radii = settings.pair_radius, settings.point_radius
        return cls(step_size, *radii, settings.rollouts, inner, settings.rollout_length)

    @classmethod
    def expected_microseconds(cls, settings: Any) -> float:
        """Expected of an iteration in a comparison with these settings."""
        return float(700.0 + 0.03 * settings.rollouts * settings.rollout_length)

    @property
    def name(self) -> str:
        """A short name for tables and legends."""
        return "SVRPG"

    def samples(self, iteration: int) -> int:
        """Interactions with the plant from the start until an iteration."""
        epochs = -(-iteration // self.epoch)
        return (epochs * self.rollouts + (iteration - epochs) * self.inner_rollouts) * self.length

    def samples_at(self, iterations: Marks) -> Marks:
        """The same until each of several iterations, (count,)."""
        epochs = -(-iterations // self.epoch)
        return np.asarray((epochs * self.rollouts + (iterations - epochs) * self.inner_rollouts) * self.length)

    @property
    def samples_each(self) -> int:
        """Those of an iteration in the mean over an epoch, rounded up."""
        return -(-self.samples(self.epoch) // self.epoch)

    def begin(self, plant: Plant, gain: Array, initial_covariance: Array, seed: np.random.SeedSequence) -> _Epoch:
        """The random numbers of rollouts."""
        return _Epoch(rollouts_of(plant, initial_covariance, seed), gain, np.zeros_like(gain))

    def correction(self, state: State, memory: _Epoch) -> Array:
        """The one-point estimate of the change of the gradient since the snapshot; the streams go on in place."""
        m, n = state.gain.shape
        offsets = sphere_directions((m, n), self.inner_rollouts // 2, self.inner_radius, memory.rollouts)
        both = np.stack([offsets, offsets + (memory.snapshot - state.gain)])
        seen = perturbed_rollouts(state.plant, state.gain, both, self.length, memory.rollouts, common=True)
        with np.errstate(invalid="ignore", over="ignore"):  # a rollout may overflow: the gain is then lost
            total = np.tensordot(seen.costs[0] - seen.costs[1], offsets, axes=1)
        return np.asarray(total * m * n / (len(offsets) * self.inner_radius**2))

    def update(self, state: State) -> tuple[Array, _Epoch] | Status:
        """A step along the estimate, at the start of an epoch with a new snapshot."""
        memory = state.memory._replace(rollouts=state.memory.rollouts.copy())
        if state.iteration % self.epoch == 0:
            shape = state.gain.shape
            offsets = sphere_directions((shape[0], shape[1]), self.rollouts // 2, self.radius, memory.rollouts)
            direction = pairs_of(state, offsets, self.length, memory.rollouts, common=True).gradient
            memory = _Epoch(memory.rollouts, state.gain, direction)
        else:
            direction = memory.estimate + self.correction(state, memory)
        step_size = float(schedule_value(code_of(self.step_size), state.iteration + 1))
        return state.gain - step_size * direction, memory


METHOD = VarianceReducedPolicyGradient
