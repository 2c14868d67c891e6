"""Zeroth-order methods: the gradient estimated from the costs of noisy rollouts, with one point or with two."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from lqrpg.checks import require
from lqrpg.compiler.jit import size_of
from lqrpg.kernels.discrete_small import lyapunov_workspace
from lqrpg.kernels.normals import seed_streams
from lqrpg.kernels.xoshiro import Streams
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.base import CompiledMethod, Marks, require_positive, require_whole
from lqrpg.methods.oracles.direct import covariance_root
from lqrpg.methods.rollout_descent import rollout_loop


class _Rollouts(NamedTuple):
    """Roots of the covariances of the first state and of the noise, and the run's random streams."""

    start_root: Array
    noise_root: Array
    streams: Streams


@dataclass(frozen=True)
class _ZerothOrder(CompiledMethod):
    """What both share: perturbations U uniform on the Frobenius sphere of a radius, costs of rollouts under K + U."""

    step_size: float
    radius: float
    rollouts: int = 64
    length: int = 50

    def __post_init__(self) -> None:
        require_positive(step_size=self.step_size, radius=self.radius)
        require_whole(rollouts=self.rollouts, length=self.length)

    @property
    @abstractmethod
    def _pairs(self) -> bool:
        """Whether rollouts come in pairs."""

    @property
    def _against_the_mean(self) -> bool:
        return False

    def samples(self, iteration: int) -> int:
        """Interactions with the plant from the start until an iteration."""
        return iteration * self.rollouts * self.length

    def begin(self, plant: Plant, gain: Array, initial_covariance: Array, seed: np.random.SeedSequence) -> _Rollouts:
        """What rollouts draw from."""
        return _Rollouts(covariance_root(initial_covariance), covariance_root(plant.Sigma), seed_streams(seed))

    def _loop(
        self, plant: Plant, gain: Array, memory: _Rollouts, marks: Marks, gains: Array
    ) -> tuple[int, int, _Rollouts]:
        A, B, Q, R, _ = plant.matrices
        after = memory._replace(streams=memory.streams.copy())
        count = self.rollouts // 2 if self._pairs else self.rollouts
        estimate = float(self.radius), count, self.length, self._pairs, self._against_the_mean, after.streams
        sizes = size_of(plant.n_states), size_of(plant.n_inputs)
        work = lyapunov_workspace(plant.n_states, plant.n_inputs)
        roots = memory.start_root, memory.noise_root
        done, standing = rollout_loop(
            A, B, Q, R, *roots, gain, float(self.step_size), *estimate, marks, gains, work, *sizes
        )
        return done, standing, after


@dataclass(frozen=True)
class TwoPointZerothOrder(_ZerothOrder):
    """Descent along two-point estimates: rollouts of K + U and K - U with one first state and one noise sequence.

    A simulator can repeat the noise; where it cannot be repeated there is only `OnePointZerothOrder`.

    Attributes
    ----------
    step_size : constant step size.
    radius : Frobenius norm of the perturbations, as large as noise asks and as small as stability allows.
    rollouts : rollouts an iteration, an even number: half as many pairs.
    length : steps of a rollout; the bias of the mean stage cost of so few steps vanishes as 1/length.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import Plant, TwoPointZerothOrder, minimise
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=np.eye(3), sample_time=1)
    >>> method = TwoPointZerothOrder(step_size=0.05, radius=0.05)
    >>> found = minimise(method, plant, 0.3 * np.eye(3), steps=200, seed=1)
    >>> bool(found.history["gap"].iloc[-1] < 0.01 * found.history["gap"].iloc[0])
    True
    """

    given: ClassVar[str] = "a simulator that repeats its noise"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.rollouts % 2 == 0, "rollouts", self.rollouts, "an even number: two a pair")

    @property
    def name(self) -> str:
        """A short name for tables and legends."""
        return "two-point"

    @property
    def _pairs(self) -> bool:
        return True


@dataclass(frozen=True)
class OnePointZerothOrder(_ZerothOrder):
    """Descent along one-point estimates, the direct oracle of P4 (Algorithm 2, eqs. (31), (32)).

    Attributes
    ----------
    step_size : constant step size.
    radius : Frobenius norm of the perturbations; the variance falls with its square.
    rollouts : rollouts an iteration, each with a perturbation and noise of its own.
    length : steps of a rollout; the bias of the mean stage cost of so few steps vanishes as 1/length.
    baseline : `none` as in the paper; `mean` subtracts from each cost the mean of the others.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import OnePointZerothOrder, Plant
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=np.eye(3), sample_time=1)
    >>> method = OnePointZerothOrder(step_size=0.01, radius=0.1, rollouts=256, baseline="mean")
    >>> state = method.step(method.start(plant, 0.3 * np.eye(3), seed=1))
    >>> state.iteration, state.samples, str(state.status)
    (1, 12800, 'running')
    """

    given: ClassVar[str] = "rollouts"

    baseline: str = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.baseline in ("none", "mean"), "baseline", self.baseline, "one of none, mean")
        if self.baseline == "mean":
            require_whole(least=2, rollouts=self.rollouts)

    @property
    def name(self) -> str:
        """A short name for tables and legends."""
        return "one-point"

    @property
    def _pairs(self) -> bool:
        return False

    @property
    def _against_the_mean(self) -> bool:
        return self.baseline == "mean"
