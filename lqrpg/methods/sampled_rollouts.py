"""What methods share that estimate from rollouts, update by update: the rollouts are compiled, the updates not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from lqrpg.checks import require
from lqrpg.kernels.normals import LANES, normals, seed_streams
from lqrpg.lqr import discrete
from lqrpg.lqr.cross_weight import working
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.base import Marks, Method, State, Status
from lqrpg.methods.checks import discrete_plant
from lqrpg.methods.oracles.direct import covariance_root
from lqrpg.methods.oracles.lane_rollouts import perturbed_rollouts
from lqrpg.methods.oracles.zeroth_order import Rollouts
from lqrpg.methods.schedules import (
    Code,
    Schedule,
    code_of,
    cumulated_products,
    require_schedules,
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


class SampledRollouts(Method):
    """A method with a number of rollouts an iteration, of some length; the random streams are its memory.

    All settings are numbers or schedules; numbers of rollouts and lengths are rounded up. A subclass is a dataclass
    with the fields `step_size`, `rollouts` and `length`, and has `update`.
    """

    budget: ClassVar[str] = "rollout_samples"
    settings_used: ClassVar[str] = "rollouts, length, radius"
    paired: ClassVar[bool] = True

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

    @classmethod
    def expected_microseconds(cls, settings: Any) -> float:
        """Expected of an iteration in a comparison with these settings."""
        return float(700.0 + 0.05 * settings.rollouts * settings.rollout_length)

    def samples(self, iteration: int) -> int:
        """Interactions with the plant from the start until an iteration."""
        return int(self.samples_at(np.array([iteration]))[0])

    def samples_at(self, iterations: Marks) -> Marks:
        """The same until each of several increasing iterations, (count,)."""
        return cumulated_products(self._code("rollouts"), self._code("length"), self.paired, iterations)

    def begin(self, plant: Plant, gain: Array, initial_covariance: Array, seed: np.random.SeedSequence) -> Any:
        """The random numbers of rollouts."""
        return rollouts_of(plant, initial_covariance, seed)

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

    def _code(self, name: str) -> Code:
        return code_of(getattr(self, name))


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


def rollouts_of(plant: Plant, initial_covariance: Array, seed: np.random.SeedSequence) -> Rollouts:
    """How rollouts of a plant start and are disturbed, and the random streams of a run."""
    return Rollouts(covariance_root(initial_covariance), covariance_root(plant.Sigma), seed_streams(seed))


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
