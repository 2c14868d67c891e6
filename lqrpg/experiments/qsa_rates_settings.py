"""The groups of keys inside the settings of `qsa_rates`, each with its own ranges and what it stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from lqrpg.checks import require
from lqrpg.experiments.exploring import Signed, Size, require_steps
from lqrpg.qsa.ode import Gain
from lqrpg.qsa.qsgd import OneMeasurement
from lqrpg.ranges import Entries, Finite, Positive, Range

Exponent = Annotated[float, Range(above=0, high=1)]
SlowExponent = Annotated[float, Range(above=0, high=0.99)]
"""Exponents rho of a gain g / (1 + t)^rho."""
Part = Annotated[float, Range(above=0, high=1)]
TwoNumbers = Annotated[list[Finite], Entries(count=2)]


@dataclass(frozen=True)
class Descent:
    """One-measurement descent, by qSGD and SPSA; see `OneMeasurement`."""

    curvatures: Annotated[list[Size], Entries()]
    offset: Signed
    epsilon: Size
    frequencies_rad_s: Annotated[list[Size], Entries()]
    box: Size
    start: float
    step_s: Positive
    gain: Size
    largest_gain: Size
    exponents: Annotated[list[Exponent], Entries(distinct=True)]
    seeds: Annotated[int, Range(2, 10_000)]

    def check(self) -> None:
        """Refuse values in range that do not fit together."""
        count = len(self.curvatures)
        require(len(self.frequencies_rad_s) == count, "descent.frequencies_rad_s", self.frequencies_rad_s, f"{count}")
        require(abs(self.start) <= self.box, "descent.start", self.start, "a number inside the box")
        bound = 2.0 / (min(self.gain, self.largest_gain) * max(self.curvatures))
        require(self.step_s < bound, "descent.step_s", self.step_s, f"a step below {bound:.3g} (Euler)")

    def a(self, rho: float) -> Gain:
        """The gain a_t."""
        return Gain(self.gain, rho, self.largest_gain)

    @property
    def problem(self) -> OneMeasurement:
        """What is minimised, and how."""
        shape = (tuple(self.curvatures), self.offset, self.epsilon, tuple(self.frequencies_rad_s))
        return OneMeasurement(*shape, self.box, self.start, self.step_s)


@dataclass(frozen=True)
class TwoMeasurements:
    """Two-measurement descent on the LQR cost of the plant, projected on a box of gains."""

    epsilon: Size
    start: TwoNumbers
    lowest: TwoNumbers
    highest: TwoNumbers
    gain: Size
    largest_gain: Size
    rho: Exponent
    step_s: Positive
    horizon_s: Positive

    def check(self) -> None:
        """Refuse values in range that do not fit together."""
        inside = bool(
            np.all(np.less_equal(self.lowest, self.start)) and np.all(np.less_equal(self.start, self.highest))
        )
        require(inside, "lqr.start", self.start, "a gain between lqr.lowest and lqr.highest")
        require_steps("lqr.step_s", self.step_s, **{"lqr.horizon_s": self.horizon_s})


@dataclass(frozen=True)
class ConstantGainSettings:
    """QSA with a constant gain on the scalar linear model, and the average of its last part (23)."""

    alpha: Size
    horizon_s: Positive
    last_part: Part
