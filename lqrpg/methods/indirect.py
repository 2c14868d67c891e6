"""The indirect method: identify the plant from one trajectory, and descend along the gradient of the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from lqrpg.checks import require
from lqrpg.compiler.jit import size_of
from lqrpg.kernels.normals import normal_stream
from lqrpg.lqr.definite import covariance_root
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.base import CompiledMethod, require_whole
from lqrpg.methods.oracles.indirect import (
    Excitation,
    Identification,
    identify_first,
    indirect_loop,
    model_work,
    unidentified,
)
from lqrpg.methods.recorder import Recorder
from lqrpg.methods.schedules import Schedule, code_of, require_schedules, schedule_value


@dataclass(frozen=True)
class IndirectGradient(CompiledMethod):
    """Descent along the gradient of the model that recursive least squares knows so far (P4, Algorithm 1).

    The covariance of the process noise is taken as known, as in the paper.

    Attributes
    ----------
    step_size : the step size, a number or a schedule.
    start_samples : samples before the first step, at least n + m.
    samples_per_step : samples an iteration; 1 in the paper.
    dither : standard deviation of each entry of the exciting input, u = -K x + e; a number or a schedule.
    on_policy : excite with the current gain; otherwise with the initial one for ever.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import IndirectGradient, Plant, minimise
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=0.01 * np.eye(3), sample_time=1)
    >>> found = minimise(IndirectGradient(step_size=5.0), plant, 0.3 * np.eye(3), steps=2000, seed=1)
    >>> bool(found.history["gap"].iloc[-1] < 1e-3), int(found.history["samples"].iloc[-1])
    (True, 2050)
    """

    given: ClassVar[str] = "one trajectory, noise covariance"
    label: ClassVar[str] = "indirect gradient"
    budget: ClassVar[str] = "trajectory_samples"
    settings_used: ClassVar[str] = "start_samples, samples_per_step, excitation"

    step_size: Schedule | float
    start_samples: int = 50
    samples_per_step: int = 1
    dither: Schedule | float = 1.0
    on_policy: bool = False

    def __post_init__(self) -> None:
        require_schedules(step_size=self.step_size, dither=self.dither)
        require_whole(start_samples=self.start_samples, samples_per_step=self.samples_per_step)

    @classmethod
    def for_comparison(cls, step_size: float, settings: Any) -> IndirectGradient:
        """With the samples and the excitation of a comparison."""
        return cls(step_size, settings.start_samples, settings.samples_per_step, settings.excitation)

    @classmethod
    def expected_microseconds(cls, settings: Any) -> float:
        """Expected of an iteration in a comparison with these settings."""
        return float(5.0 + 0.5 * settings.samples_per_step)

    @property
    def name(self) -> str:
        """A short name for tables and legends."""
        return "indirect"

    def samples(self, iteration: int) -> int:
        """Interactions with the plant from the start until an iteration."""
        return self.start_samples + iteration * self.samples_per_step

    def require_fit(self, plant: Plant) -> None:
        """Refuse fewer first samples than there are unknowns in a row of the model."""
        least = sum(plant.B.shape)
        require(self.start_samples >= least, "start_samples", self.start_samples, f"at least n + m = {least}")

    def begin(
        self, plant: Plant, gain: Array, initial_covariance: Array, seed: np.random.SeedSequence
    ) -> Identification:
        """The model that the first samples identify."""
        known = unidentified(gain, normal_stream(seed))
        roots = covariance_root(initial_covariance), covariance_root(plant.Sigma)
        excitation = float(schedule_value(code_of(self.dither), 1)), self.start_samples
        identify_first(plant.matrices, known.initial_gain, *roots, *excitation, known, size_of(plant.n_states))
        return known

    def _loop(
        self, plant: Plant, gain: Array, memory: Identification, recorder: Recorder
    ) -> tuple[int, int, Identification]:
        after, root = memory.copy(), covariance_root(plant.Sigma)
        excitation = Excitation(self.samples_per_step, bool(self.on_policy), root, code_of(self.dither))
        work = model_work(*plant.B.shape), size_of(plant.n_states)
        return *indirect_loop(plant.matrices, gain, code_of(self.step_size), excitation, after, recorder, *work), after


METHOD = IndirectGradient
