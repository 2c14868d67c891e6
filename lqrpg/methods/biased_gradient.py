"""The exact gradient plus a synthetic bias and noise: what errors of an oracle do to descent (P4, Figure 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lqrpg.checks import require
from lqrpg.compiler.jit import size_of, unrolled
from lqrpg.kernels.discrete_small import lyapunov_workspace
from lqrpg.kernels.normals import NormalStream, copy_stream, normal_stream
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.base import CompiledMethod
from lqrpg.methods.exact_gradient import NO_BIAS
from lqrpg.methods.oracles.exact import Delta, ExactOracle, bias_direction, exact_loop
from lqrpg.methods.oracles.exact_lanes import LaneReport, exact_lanes, lane_noise
from lqrpg.methods.recorder import Recorder
from lqrpg.methods.schedules import Schedule, code_of, require_schedules


@dataclass(frozen=True)
class BiasedGradient(CompiledMethod):
    """K <- K - step_size * (gradient + Delta), with a normal matrix Delta (P4, eq. (57)).

    Attributes
    ----------
    step_size : the step size, a number or a schedule.
    deviation : standard deviation of each entry of Delta.
    bias : norm of the mean of Delta, whose direction is [I 0]; a number, a schedule, or None for no bias.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import BiasedGradient, Plant, PowerSchedule, minimise
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=np.eye(3), sample_time=1)
    >>> method = BiasedGradient(step_size=0.1, deviation=0.0, bias=PowerSchedule(0.5, 0.5))
    >>> found = minimise(method, plant, 0.3 * np.eye(3), steps=400)
    >>> bool(1e-7 < found.history["gap"].iloc[-1] < 1e-3)
    True
    """

    step_size: Schedule | float
    deviation: float = 1e-3
    bias: Schedule | float | None = None

    def __post_init__(self) -> None:
        require_schedules(step_size=self.step_size, **({} if self.bias is None else {"bias": self.bias}))
        right = isinstance(self.deviation, int | float) and 0.0 <= self.deviation < np.inf
        require(right, "deviation", self.deviation, "a non-negative number")

    @property
    def name(self) -> str:
        """A short name for tables and legends."""
        return "biased gradient"

    def begin(self, plant: Plant, gain: Array, initial_covariance: Array, seed: np.random.SeedSequence) -> NormalStream:
        """The random numbers of the run."""
        return normal_stream(seed)

    def _delta(self, plant: Plant) -> Delta:
        bias = NO_BIAS if self.bias is None else code_of(self.bias)
        return Delta(bias, bias_direction(plant.n_inputs, plant.n_states), float(self.deviation))

    def run_lanes(self, plant: Plant, seeds: Sequence[np.random.SeedSequence], report: LaneReport) -> None:
        """The runs of at most `LANES` seeds, side by side, from the gains of a report, which is filled."""
        sizes, noise = (unrolled(plant.n_states), unrolled(plant.n_inputs)), lane_noise(list(seeds))
        exact_lanes(plant.matrices, code_of(self.step_size), self._delta(plant), noise, report, *sizes)

    def _loop(self, plant: Plant, gain: Array, memory: NormalStream, recorder: Recorder) -> tuple[int, int, Any]:
        after = copy_stream(memory)
        oracle = ExactOracle(False, self._delta(plant), after)
        work = lyapunov_workspace(plant.n_states, plant.n_inputs), size_of(plant.n_states)
        return *exact_loop(plant.matrices, gain, code_of(self.step_size), oracle, recorder, *work), after
