"""Certainty equivalence: identify the plant from one trajectory, and take the optimal gain of the estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from lqrpg.lqr.definite import covariance_root
from lqrpg.lqr.discrete import optimal_gain
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.base import Method, State, Status
from lqrpg.methods.indirect import IndirectGradient
from lqrpg.methods.oracles.indirect import Identification
from lqrpg.methods.oracles.lane_rollouts import excite
from lqrpg.methods.schedules import Schedule, code_of, schedule_value


class _Known(NamedTuple):
    """The estimate with the state of the plant, and the root of the noise's covariance."""

    estimate: Identification
    noise_root: Array


@dataclass(frozen=True)
class CertaintyEquivalence(Method):
    """The optimal gain of the plant that least squares knows so far (Mania, Tu, Recht, 2019, Section 2).

    The plant is excited as by `IndirectGradient`, u = -K x + e with normal e. After each batch of samples the estimates
    of A and B, from all samples so far, take the place of A and B in the Riccati equation,

    .. math:: \\hat P = \\hat A'\\hat P\\hat A + Q
        - \\hat A'\\hat P\\hat B (R + \\hat B'\\hat P\\hat B)^{-1} \\hat B'\\hat P\\hat A, \\qquad
        K = (R + \\hat B'\\hat P\\hat B)^{-1} \\hat B'\\hat P\\hat A,

    without regard to their error. There is no step size. The gap is of the order of the squared error of the estimate,
    hence of 1 / samples (Section 2 there). An estimate whose Riccati equation has no stabilising solution changes
    nothing: the run goes on with the last gain. A gain that does not stabilise the plant ends it.

    Attributes
    ----------
    start_samples : samples before the first batch, at least n + m.
    samples_per_step : samples of a batch.
    dither : standard deviation of each entry of the exciting input, a number or a schedule.
    on_policy : excite with the current gain; otherwise with the initial one throughout.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import CertaintyEquivalence, Plant, minimise
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=0.01 * np.eye(3), sample_time=1)
    >>> found = minimise(CertaintyEquivalence(), plant, 0.3 * np.eye(3), steps=10, seed=1)
    >>> bool(found.history["gap"].iloc[-1] < 1e-4), int(found.history["samples"].iloc[-1])
    (True, 1050)
    """

    given: ClassVar[str] = "one trajectory"
    label: ClassVar[str] = "certainty equivalence"
    budget: ClassVar[str] = "trajectory_samples"
    settings_used: ClassVar[str] = "start_samples, excitation"

    start_samples: int = 50
    samples_per_step: int = 100
    dither: Schedule | float = 1.0
    on_policy: bool = False

    def __post_init__(self) -> None:
        self._identification()  # refuses the same settings

    @classmethod
    def for_comparison(cls, step_size: float, settings: Any) -> CertaintyEquivalence:
        """With the excitation of a comparison, and a gain after each quarter of the samples of its first model."""
        least = sum(settings.system.plant().B.shape)
        batch = max(least, settings.start_samples // 4)
        return cls(batch, batch, settings.excitation)

    @classmethod
    def expected_microseconds(cls, settings: Any) -> float:
        """Expected of an iteration in a comparison with these settings."""
        return float(500.0 + 0.25 * settings.start_samples)

    def _identification(self) -> IndirectGradient:
        """The method that takes the same samples; its step size is of no account."""
        return IndirectGradient(1.0, self.start_samples, self.samples_per_step, self.dither, self.on_policy)

    @property
    def name(self) -> str:
        """A short name for tables and legends."""
        return "certainty equivalence"

    def samples(self, iteration: int) -> int:
        """Interactions with the plant from the start until an iteration."""
        return self._identification().samples(iteration)

    def require_fit(self, plant: Plant) -> None:
        """Refuse fewer first samples than there are unknowns in a row of the model."""
        self._identification().require_fit(plant)

    def begin(self, plant: Plant, gain: Array, initial_covariance: Array, seed: np.random.SeedSequence) -> _Known:
        """The estimate from the first samples."""
        known = self._identification().begin(plant, gain, initial_covariance, seed)
        return _Known(known, covariance_root(plant.Sigma))

    def update(self, state: State) -> tuple[Array, _Known] | Status:
        """A batch of samples, and the optimal gain of the estimate; the last gain if there is none."""
        known = state.memory._replace(estimate=state.memory.estimate.copy())
        exciting = state.gain if self.on_policy else known.estimate.initial_gain
        dither = float(schedule_value(code_of(self.dither), state.iteration + 1))
        excite(state.plant, exciting, known.noise_root, dither, self.samples_per_step, known.estimate)
        n, theta = state.plant.n_states, known.estimate.theta
        if not np.all(np.isfinite(theta)):
            return Status.SINGULAR
        try:
            return optimal_gain(state.plant._replace(A=theta[:, :n].copy(), B=theta[:, n:].copy())), known
        except np.linalg.LinAlgError:
            return state.gain, known


METHOD = CertaintyEquivalence
