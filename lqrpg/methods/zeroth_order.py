"""What zeroth-order methods share: gradients estimated from the costs of rollouts under perturbed gains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from lqrpg.checks import require
from lqrpg.compiler.jit import sizes_of
from lqrpg.kernels.discrete_small import lyapunov_workspace
from lqrpg.kernels.normals import seed_streams
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.base import CompiledMethod, Marks
from lqrpg.methods.oracles.direct import covariance_root
from lqrpg.methods.oracles.zeroth_order import Design, Rollouts, zeroth_order_loop
from lqrpg.methods.recorder import Recorder
from lqrpg.methods.schedules import Schedule, code_of, cumulated_products, require_schedules


@dataclass(frozen=True)
class ZerothOrder(CompiledMethod):
    """Perturbations U uniform on the Frobenius sphere of a radius, costs of rollouts of some length under K + U.

    All settings are numbers or schedules; numbers of rollouts and lengths are rounded up.
    """

    budget: ClassVar[str] = "rollout_samples"
    settings_used: ClassVar[str] = "rollouts, length, radius"

    step_size: Schedule | float
    radius: Schedule | float
    rollouts: Schedule | int = 64
    length: Schedule | int = 50

    def __post_init__(self) -> None:
        settings = {name: getattr(self, name) for name in ("step_size", "radius", "rollouts", "length")}
        require_schedules(**settings)
        for name in ("rollouts", "length"):
            whole = isinstance(settings[name], Schedule) or settings[name] == round(settings[name])
            require(whole, name, settings[name], "an integer from 1 on, or a schedule")

    @classmethod
    def expected_microseconds(cls, settings: Any) -> float:
        """Expected of an iteration in a comparison with these settings."""
        return float(0.025 * settings.rollouts * settings.rollout_length)

    def _design(self) -> Design:
        """Schedules of the rollouts, one point each, without a baseline."""
        return Design(code_of(self.rollouts), code_of(self.length), code_of(self.radius), False, False)

    def samples(self, iteration: int) -> int:
        """Interactions with the plant from the start until an iteration."""
        return int(self.samples_at(np.array([iteration]))[0])

    def samples_at(self, iterations: Marks) -> Marks:
        """The same until each of several increasing iterations, (count,)."""
        design = self._design()
        return cumulated_products(design.rollouts, design.length, design.pairs, iterations)

    def begin(self, plant: Plant, gain: Array, initial_covariance: Array, seed: np.random.SeedSequence) -> Rollouts:
        """The random numbers of rollouts."""
        return Rollouts(covariance_root(initial_covariance), covariance_root(plant.Sigma), seed_streams(seed))

    def _loop(
        self, plant: Plant, gain: Array, memory: Rollouts, first: int, recorder: Recorder
    ) -> tuple[int, int, Rollouts]:
        after = memory.copy()
        n, m = plant.n_states, plant.n_inputs
        work = lyapunov_workspace(n, m), *sizes_of(n, m)
        step, design = code_of(self.step_size), self._design()
        return *zeroth_order_loop(plant.matrices, gain, first, step, design, after, recorder, *work), after


def require_baseline(method: ZerothOrder, baseline: str) -> None:
    """Refuse a baseline that is none, or that needs more rollouts than there are."""
    require(baseline in ("none", "mean"), "baseline", baseline, "one of none, mean")
    if baseline == "mean":
        rollouts = method.rollouts(1) if isinstance(method.rollouts, Schedule) else method.rollouts
        expected = "at least 2: baseline=mean compares a rollout with the others"
        require(rollouts > 1, "rollouts", method.rollouts, expected)
