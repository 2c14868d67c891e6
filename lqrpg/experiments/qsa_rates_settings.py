"""The groups of keys inside the settings of `qsa_rates`, each with its own ranges and what it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lqrpg.checks import require
from lqrpg.experiments.exploring import LARGEST, require_size, require_steps
from lqrpg.qsa.ode import Gain
from lqrpg.qsa.qsgd import OneMeasurement


@dataclass(frozen=True)
class Descent:
    """One-measurement descent, by qSGD and SPSA; see `OneMeasurement`."""

    curvatures: list[float]
    offset: float
    epsilon: float
    frequencies_rad_s: list[float]
    box: float
    start: float
    step_s: float
    gain: float
    largest_gain: float
    exponents: list[float]
    seeds: int

    def __post_init__(self) -> None:
        for key in ("epsilon", "box", "gain", "largest_gain"):
            require_size(f"descent.{key}", getattr(self, key))
        for key in ("curvatures", "frequencies_rad_s"):
            values = getattr(self, key)
            require(bool(values), f"descent.{key}", values, "positive numbers, one a dimension")
            for value in values:
                require_size(f"descent.{key}", value)
        count = len(self.curvatures)
        require(len(self.frequencies_rad_s) == count, "descent.frequencies_rad_s", self.frequencies_rad_s, f"{count}")
        require(abs(self.offset) <= LARGEST, "descent.offset", self.offset, f"a number of size up to {LARGEST:g}")
        require(abs(self.start) <= self.box, "descent.start", self.start, "a number inside the box")
        require_exponents("descent.exponents", self.exponents)
        require(2 <= self.seeds <= 10_000, "descent.seeds", self.seeds, "a whole number from 2 to 10000")
        bound = 2.0 / (min(self.gain, self.largest_gain) * max(self.curvatures))
        require(0 < self.step_s < bound, "descent.step_s", self.step_s, f"a step above 0 and below {bound:.3g} (Euler)")

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

    epsilon: float
    start: list[float]
    lowest: list[float]
    highest: list[float]
    gain: float
    largest_gain: float
    rho: float
    step_s: float
    horizon_s: float

    def __post_init__(self) -> None:
        for key in ("epsilon", "gain", "largest_gain"):
            require_size(f"lqr.{key}", getattr(self, key))
        for key in ("start", "lowest", "highest"):
            values = getattr(self, key)
            require(len(values) == 2 and bool(np.all(np.isfinite(values))), f"lqr.{key}", values, "two finite numbers")
        inside = bool(
            np.all(np.less_equal(self.lowest, self.start)) and np.all(np.less_equal(self.start, self.highest))
        )
        require(inside, "lqr.start", self.start, "a gain between lqr.lowest and lqr.highest")
        require_exponents("lqr.rho", [self.rho])
        require_steps("lqr.step_s", self.step_s, **{"lqr.horizon_s": self.horizon_s})


@dataclass(frozen=True)
class ConstantGainSettings:
    """QSA with a constant gain on the scalar linear model, and the average of its last part (23)."""

    alpha: float
    horizon_s: float
    last_part: float

    def __post_init__(self) -> None:
        require_size("constant.alpha", self.alpha)
        require(0 < self.last_part <= 1, "constant.last_part", self.last_part, "a number above 0, up to 1")


def require_exponents(key: str, exponents: Sequence[float], highest: float = 1.0) -> None:
    """Refuse exponents rho outside (0, highest]."""
    right = bool(exponents) and len(set(exponents)) == len(exponents) and all(0 < rho <= highest for rho in exponents)
    require(right, key, list(exponents), f"distinct exponents rho above 0, up to {highest:g}")
