"""What methods share that estimate from rollouts, update by update: the rollouts are compiled, the updates not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from lqrpg.kernels.normals import LANES, normals
from lqrpg.lqr import discrete
from lqrpg.lqr.cross_weight import working
from lqrpg.lqr.plant import Array
from lqrpg.methods.base import State, Status
from lqrpg.methods.checks import discrete_plant
from lqrpg.methods.oracles.direct import Rollouts
from lqrpg.methods.oracles.lane_rollouts import perturbed_rollouts
from lqrpg.methods.rollout_method import RolloutMethod
from lqrpg.methods.schedules import (
    Schedule,
    schedule_value,
)


class Pairs(NamedTuple):
    """What pairs of rollouts under K + U and K - U gave.

    Attributes
    ----------
    offsets : (count, m, n) U.
    costs : (2, count) mean stage costs of both.
    moment : (n, n) mean of x x' over all states of all rollouts; empty if it was not asked for.
    """

    offsets: Array
    costs: Array
    moment: Array

    @property
    def gradient(self) -> Array:
        """The estimate (m n / (2 N v^2)) sum_k (C(K + U_k) - C(K - U_k)) U_k, (m, n), for U of norm v.

        v^2 is the mean of the squared norms, so that it is their expectation for normal U.
        """
        with np.errstate(invalid="ignore", over="ignore"):  # a rollout may overflow: the gain is then lost
            total = np.tensordot(self.costs[0] - self.costs[1], self.offsets, axes=1)
        return np.asarray(total * self.offsets[0].size / (2.0 * np.sum(self.offsets**2)))


class SampledRollouts(RolloutMethod):
    """A method on rollouts whose updates are not compiled, with `update`; it has pairs unless it says otherwise."""

    paired: ClassVar[bool] = True

    @classmethod
    def expected_microseconds(cls, settings: Any) -> float:
        """Expected of an iteration in a comparison with these settings."""
        return float(700.0 + 0.05 * settings.rollouts * settings.rollout_length)

    def value(self, name: str, iteration: int) -> float:
        """A setting in the iteration after so many."""
        return float(schedule_value(self._code(name), iteration + 1))

    def number(self, name: str, iteration: int) -> int:
        """The same, rounded up; of pairs half as many as of rollouts."""
        whole = int(np.ceil(self.value(name, iteration)))
        return (whole + 1) // 2 if self.paired and name == "rollouts" else whole

    def descended(self, state: State, direction: Array, memory: Any) -> tuple[Array, Any] | Status:
        """A step against a direction, as `update` returns it."""
        return state.gain - self.value("step_size", state.iteration) * direction, memory


@dataclass(frozen=True)
class PerturbedRollouts(SampledRollouts):
    """Such a method whose rollouts are those of perturbed gains, K + U and K - U.

    Attributes
    ----------
    step_size : the step size.
    radius : size of the perturbations, in the Frobenius norm.
    rollouts : rollouts an iteration, an even number; a schedule is rounded up to even numbers.
    length : steps of a rollout.
    """

    step_size: Schedule | float
    radius: Schedule | float
    rollouts: Schedule | int = 64
    length: Schedule | int = 50

    def __post_init__(self) -> None:
        self.require_settings("radius")


def normal_directions(shape: tuple[int, int], count: int, memory: Rollouts) -> Array:
    """Matrices with standard normal entries, (count, m, n); the streams go on in place."""
    size = shape[0] * shape[1]
    drawn = normals(memory.streams, size * -(-count // LANES)).reshape(-1, size, LANES)
    return np.ascontiguousarray(np.moveaxis(drawn, 1, 2).reshape(-1, *shape)[:count])


def sphere_directions(shape: tuple[int, int], count: int, radius: float, memory: Rollouts) -> Array:
    """Matrices uniform on the Frobenius sphere of a radius, (count, m, n); the streams go on in place."""
    drawn = normal_directions(shape, count, memory)
    return np.asarray(radius * drawn / np.linalg.norm(drawn, axis=(1, 2), keepdims=True))


def pairs_of(
    state: State, offsets: Array, length: int, memory: Rollouts, *, common: bool, moment: bool = False
) -> Pairs:
    """Rollouts under K + U and K - U; with `common` both of a pair see one first state and one sequence of noise."""
    both = np.stack([offsets, -offsets])
    seen = perturbed_rollouts(state.plant, state.gain, both, length, memory, common=common, moment=moment)
    return Pairs(offsets, seen.costs, seen.moment)


def first_gradient(settings: Any) -> tuple[float, float]:
    """Norms of the exact and of the natural gradient at the first gain of a comparison.

    A comparison tries step sizes in units of the way to the optimum over the first of these. A method whose direction
    is in other units turns them into its own.
    """
    plant = settings.system.plant()
    if plant.sample_time is None:
        plant = plant._replace(sample_time=1.0)
    model, shift = working(discrete_plant(plant))
    gain = np.asarray(settings.system.initial_gain(), dtype=np.float64) - shift
    factor = 2.0 * discrete.gradient_factor(model, gain)
    return float(np.linalg.norm(discrete.gradient(model, gain))), float(np.linalg.norm(factor))
