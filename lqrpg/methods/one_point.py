"""The one-point zeroth-order method: the direct oracle of P4 (Algorithm 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from lqrpg.methods.oracles.zeroth_order import Design
from lqrpg.methods.zeroth_order import ZerothOrder, require_baseline


@dataclass(frozen=True)
class OnePointZerothOrder(ZerothOrder):
    """Descent along one-point estimates, the direct oracle of P4 (Algorithm 2, eqs. (31), (32)).

    Attributes
    ----------
    step_size : the step size.
    radius : Frobenius norm of the perturbations; the variance falls with its square.
    rollouts : rollouts an iteration, each with a perturbation and noise of its own.
    length : steps of a rollout; the bias of the mean stage cost of so few steps vanishes as 1/length.
    baseline : `none` as in the paper; `mean` subtracts from each cost the mean of the others.

    All but the last are numbers or schedules.

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
    label: ClassVar[str] = "one-point zeroth order"
    settings_used: ClassVar[str] = f"{ZerothOrder.settings_used}, baseline"

    baseline: str = "none"

    @classmethod
    def for_comparison(cls, step_size: float, settings: Any) -> OnePointZerothOrder:
        """With rollouts, the radius and the baseline of a comparison."""
        return cls(step_size, settings.point_radius, settings.rollouts, settings.rollout_length, settings.baseline)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_baseline(self, self.baseline)

    @property
    def name(self) -> str:
        """A short name for tables and legends."""
        return "one-point"

    def _design(self) -> Design:
        return super()._design()._replace(baseline=self.baseline == "mean")


METHOD = OnePointZerothOrder
