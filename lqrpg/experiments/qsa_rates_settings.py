"""The settings of `qsa_rates`: its keys, in groups with their own ranges, and what is checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from lqrpg.checks import require
from lqrpg.experiments.exploring import Signed, Size, Sizes, require_steps, small_plant
from lqrpg.lqr.continuous import is_stabilising
from lqrpg.qsa.ode import Gain
from lqrpg.qsa.qsgd import OneMeasurement
from lqrpg.qsa.rates import RK4_STABILITY, RateCase, standard_cases
from lqrpg.ranges import Entries, Finite, Positive, Range
from lqrpg.runner.experiment import Experiment
from lqrpg.systems.system import System

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


@dataclass(frozen=True)
class QsaRatesSettings(Experiment):
    """Settings of the experiment `qsa_rates`; `conf/experiment/qsa_rates.yaml` says what each key is."""

    exponents: Annotated[list[SlowExponent], Entries(distinct=True)]
    gain: Size
    small_gain: Size
    small_gain_exponents: Annotated[list[SlowExponent], Entries(distinct=True)]
    unit_gains: Sizes
    multiplicative: Size
    frequency_rad_s: Size
    start: Signed
    step_s: Positive
    horizon_s: Positive
    shown_decades: Annotated[float, Range(high=6)]
    fitted_decades: Annotated[float, Range(0.5, 5)]
    window: Part
    scaled_horizon_s: Positive
    shown_s: Positive
    constant: ConstantGainSettings
    descent: Descent
    lqr: TwoMeasurements
    system: System

    TABLES: ClassVar[Mapping[str, Sequence[str]]] = {
        "rates": ("case", "rho", "gain", "averaged", "replicate", "t_s", "error"),
        "slopes": (
            *("case", "rho", "gain", "averaged", "slope", "predicted"),
            *("finite_time", "standard_error", "last_projection_s", "y_bar"),
        ),
        "paths": ("case", "rho", "gain", "t_s", "value", "predicted"),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        self.descent.check()
        self.lqr.check()
        require(self.small_gain != self.gain, "small_gain", self.small_gain, "another gain than `gain`")
        self._require_times()
        self._require_prediction()
        self._require_lqr()

    def _require_times(self) -> None:
        horizons = {"horizon_s": self.horizon_s, "scaled_horizon_s": self.scaled_horizon_s, "shown_s": self.shown_s}
        require_steps("step_s", self.step_s, **horizons, **{"constant.horizon_s": self.constant.horizon_s})
        require_steps("descent.step_s", self.descent.step_s, horizon_s=self.horizon_s)
        steepest = max(self.gain, self.small_gain, *self.unit_gains) * (1.0 + self.multiplicative)
        bound = RK4_STABILITY / steepest
        require(self.step_s <= bound, "step_s", self.step_s, f"a step up to {bound:.3g}, or RK4 is unstable")
        shown = self.shown_decades
        require(self.fitted_decades <= shown, "shown_decades", shown, "a number from fitted_decades to 6")
        require(self.shown_s <= self.scaled_horizon_s, "shown_s", self.shown_s, "seconds, up to scaled_horizon_s")

    def _require_prediction(self) -> None:
        """Refuse curvatures for which `stochastic_error` is not defined at all times that are fitted."""
        first = self.horizon_s * 10.0**-self.fitted_decades
        least = max(0.5 * rho / self.descent.gain * (1.0 + first) ** (rho - 1.0) for rho in self.descent.exponents)
        expected = (
            f"numbers above {least:.3g}, or SPSA's error has no prediction for descent.gain and descent.exponents at "
            "the first fitted time, which horizon_s and fitted_decades give"
        )
        require(min(self.descent.curvatures) > least, "descent.curvatures", self.descent.curvatures, expected)

    def _require_lqr(self) -> None:
        model, reach = small_plant(self.system), math.sqrt(2.0) * self.lqr.epsilon
        low, high = np.array(self.lqr.lowest) - reach, np.array(self.lqr.highest) + reach
        corners = [np.array([[a, b]]) for a in (low[0], high[0]) for b in (low[1], high[1])]
        right = all(is_stabilising(model.plant, model.inward(corner)) for corner in corners)
        require(
            right, "lqr.lowest", self.lqr.lowest, "a box whose gains, sqrt(2) epsilon beyond it, stabilise the plant"
        )

    @property
    def _cases(self) -> list[RateCase]:
        gains = (self.gain, self.small_gain, self.small_gain_exponents, self.unit_gains)
        return standard_cases(self.exponents, *gains, self.multiplicative)
