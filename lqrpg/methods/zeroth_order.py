"""What zeroth-order methods share: gradients estimated from the costs of rollouts under perturbed gains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lqrpg.checks import require
from lqrpg.compiler.jit import size_of, sizes_of
from lqrpg.kernels.discrete_small import lyapunov_workspace
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.base import CompiledMethod
from lqrpg.methods.oracles.direct import Rollouts
from lqrpg.methods.oracles.zeroth_order import Design, zeroth_order_loop
from lqrpg.methods.recorder import Recorder
from lqrpg.methods.rollout_method import RolloutMethod
from lqrpg.methods.schedules import Schedule, code_of


@dataclass(frozen=True)
class ZerothOrder(RolloutMethod, CompiledMethod):
    """Perturbations U uniform on the Frobenius sphere of a radius, costs of rollouts of some length under K + U.

    All settings are numbers or schedules; numbers of rollouts and lengths are rounded up.
    """

    step_size: Schedule | float
    radius: Schedule | float
    rollouts: Schedule | int = 64
    length: Schedule | int = 50

    def __post_init__(self) -> None:
        self.require_settings("radius")

    @classmethod
    def expected_microseconds(cls, settings: Any) -> float:
        """Expected of an iteration in a comparison with these settings."""
        return float(0.025 * settings.rollouts * settings.rollout_length)

    def _design(self) -> Design:
        """Schedules of the rollouts, without a baseline."""
        return Design(code_of(self.rollouts), code_of(self.length), code_of(self.radius), self.paired, False)

    def _loop(self, plant: Plant, gain: Array, memory: Rollouts, recorder: Recorder) -> tuple[int, int, Rollouts]:
        after = memory.copy()
        n, m = plant.n_states, plant.n_inputs
        work = lyapunov_workspace(n, m), (size_of(n), *sizes_of(n, m))
        step, design = code_of(self.step_size), self._design()
        return *zeroth_order_loop(plant.matrices, gain, step, design, after, recorder, *work), after


def require_baseline(method: ZerothOrder, baseline: str) -> None:
    """Refuse a baseline that is none, or that needs more rollouts than there are."""
    require(baseline in ("none", "mean"), "baseline", baseline, "one of none, mean")
    if baseline == "mean":
        rollouts = method.rollouts(1) if isinstance(method.rollouts, Schedule) else method.rollouts
        expected = "at least 2: baseline=mean compares a rollout with the others"
        require(rollouts > 1, "rollouts", method.rollouts, expected)
