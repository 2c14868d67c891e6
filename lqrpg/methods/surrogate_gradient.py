"""Descent along a Gaussian surrogate of the one-point estimates: what heavy tails of rollouts change (P4, Figure 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from lqrpg.compiler.jit import size_of
from lqrpg.kernels.discrete_small import lyapunov_workspace
from lqrpg.kernels.normals import normal_stream
from lqrpg.lqr.plant import Array, Plant, contiguous
from lqrpg.methods.base import require_whole
from lqrpg.methods.one_point import OnePointZerothOrder
from lqrpg.methods.oracles.surrogate import SurrogateMemory, surrogate_loop
from lqrpg.methods.recorder import Recorder
from lqrpg.methods.schedules import code_of


@dataclass(frozen=True)
class SurrogateGradient(OnePointZerothOrder):
    """NOT the direct oracle, but normal numbers with its mean and variance, to leading order in the radius.

    What it leaves out is the heavy tail that perturbed, nearly unstable loops give to the real oracle. `samples` counts
    the samples that the rollouts in whose place it stands would have used.

    Attributes
    ----------
    step_size, radius, rollouts, length, baseline : as of `OnePointZerothOrder`.
    refresh : iterations after which the ratio Var[C]/E[C]^2 of a rollout's cost is computed again.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import Plant, SurrogateGradient, minimise
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=np.eye(3), sample_time=1)
    >>> method = SurrogateGradient(step_size=0.01, radius=0.1, rollouts=256, baseline="mean")
    >>> found = minimise(method, plant, 0.3 * np.eye(3), steps=300, seed=1)
    >>> bool(found.history["gap"].iloc[-1] < 0.5 * found.history["gap"].iloc[0])
    True
    """

    given: ClassVar[str] = "the model"

    refresh: int = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole(refresh=self.refresh)

    @property
    def name(self) -> str:
        """A short name for tables and legends."""
        return "Gaussian surrogate"

    def begin(self, plant: Plant, gain: Array, initial_covariance: Array, seed: np.random.SeedSequence) -> Any:
        """Random numbers, and a ratio that is not known yet."""
        (start,) = contiguous(initial_covariance)
        return SurrogateMemory(start, self.refresh, normal_stream(seed), np.array([-1.0, 0.0]))

    def _loop(self, plant: Plant, gain: Array, memory: Any, recorder: Recorder) -> tuple[int, int, Any]:
        after = memory.copy()
        work = lyapunov_workspace(plant.n_states, plant.n_inputs), size_of(plant.n_states)
        step, design = code_of(self.step_size), self._design()
        ended = surrogate_loop(plant.matrices, gain, step, design, after, recorder, *work)
        return *ended, after
