"""The two-point zeroth-order method: rollouts of K + U and K - U with common random numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from lqrpg.methods.zeroth_order import ZerothOrder


@dataclass(frozen=True)
class TwoPointZerothOrder(ZerothOrder):
    """Descent along two-point estimates: rollouts of K + U and K - U with one first state and one noise sequence.

    A simulator can repeat the noise; where it cannot be repeated there is only `OnePointZerothOrder`.

    Attributes
    ----------
    step_size : the step size.
    radius : Frobenius norm of the perturbations, as large as noise asks and as small as stability allows.
    rollouts : rollouts an iteration, an even number: half as many pairs; a schedule is rounded up to even numbers.
    length : steps of a rollout; the bias of the mean stage cost of so few steps vanishes as 1/length.

    Each is a number or a schedule.

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

    given: ClassVar[str] = "a simulator with common random numbers"
    paired: ClassVar[bool] = True
    label: ClassVar[str] = "two-point zeroth order (common random numbers)"

    @classmethod
    def for_comparison(cls, step_size: float, settings: Any) -> TwoPointZerothOrder:
        """With rollouts and the radius of a comparison."""
        return cls(step_size, settings.pair_radius, settings.rollouts, settings.rollout_length)

    @property
    def name(self) -> str:
        """A short name for tables and legends."""
        return "two-point"


METHOD = TwoPointZerothOrder
