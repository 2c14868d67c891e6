"""Schedules of step sizes, biases, radii, rollout counts and lengths over the iterations i = 1, 2, ...

Each is an immutable dataclass: call it for a value, or hand its `code` to a compiled loop. Where a method takes a
schedule it takes a number too, which is a constant one.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lqrpg.checks import SettingError
from lqrpg.compiler.jit import njit_borrowing

Code = tuple[float, float, float, float, float]
"""(value, exponent, period, ceiling, sign): value * g^sign with g = i^exponent / period, rounded up if
ceiling."""


@njit_borrowing
def schedule_value(code, i):
    """Value of a coded schedule at iteration i >= 1."""
    value, exponent, period, ceiling, sign = code
    if exponent == 0.0:
        return value
    growth = i / period if exponent == 1.0 else i**exponent / period
    if ceiling > 0.0:
        growth = 1.0 * math.ceil(growth)
    return value * growth if sign > 0.0 else value / growth


@runtime_checkable
class Schedule(Protocol):
    """A positive sequence over the iterations."""

    @property
    def code(self) -> Code:
        """The schedule as five numbers, for compiled loops."""

    def __call__(self, i: int) -> float:
        """Value at iteration i >= 1."""


def _require_positive(schedule: object, **values: float) -> None:
    for name, value in values.items():
        if not _is_positive(value):
            raise SettingError(f"{type(schedule).__name__}: {name}={value!r}: expected a positive number")


def _is_positive(value: object) -> bool:
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return is_number and bool(0.0 < value < np.inf)  # type: ignore[operator]


def require_schedules(**values: object) -> None:
    """Refuse settings that are neither positive numbers nor schedules; `SettingError` in one line."""
    for key, value in values.items():
        if isinstance(value, type) or not (isinstance(value, Schedule) or _is_positive(value)):
            raise SettingError(
                f"{key}={value!r}: expected a positive number, or a schedule such as PowerSchedule(1, 0.5)"
            )


def code_of(value: Schedule | float) -> Code:
    """The code of a schedule, or of a constant number."""
    return value.code if isinstance(value, Schedule) else ConstantSchedule(float(value)).code


@njit_borrowing
def _cumulated(one, other, even, iterations, out):
    total, i = 0, 0
    for place in range(len(iterations)):
        while i < iterations[place]:
            i += 1
            count = math.ceil(schedule_value(one, i))
            if even:
                count += count % 2
            total += count * math.ceil(schedule_value(other, i))
        out[place] = total


def cumulated_products(one: Code, other: Code, even: bool, iterations: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sums over the first iterations of the product of two schedules, each rounded up, the first to an even number.

    Parameters
    ----------
    one, other : the schedules.
    even : whether the first is rounded up to an even number.
    iterations : (count,) increasing numbers of iterations.
    """
    out = np.empty(len(iterations), np.int64)
    _cumulated(one, other, even, np.ascontiguousarray(iterations, dtype=np.int64), out)
    return out


@dataclass(frozen=True)
class ConstantSchedule:
    """The same value at every iteration.

    Examples
    --------
    >>> from lqrpg import ConstantSchedule
    >>> ConstantSchedule(0.1)(1), ConstantSchedule(0.1)(1000)
    (0.1, 0.1)
    """

    value: float

    def __post_init__(self) -> None:
        _require_positive(self, value=self.value)

    @property
    def code(self) -> Code:
        """The schedule as five numbers, for compiled loops."""
        return (float(self.value), 0.0, 1.0, 0.0, 1.0)

    def __call__(self, i: int) -> float:
        """Value at iteration i >= 1."""
        return float(schedule_value(self.code, i))


@dataclass(frozen=True)
class PowerSchedule:
    """value / i^exponent, the decreasing step of stochastic approximation.

    Examples
    --------
    >>> from lqrpg import PowerSchedule
    >>> PowerSchedule(value=0.1, exponent=0.5)(4)
    0.05
    """

    value: float
    exponent: float

    def __post_init__(self) -> None:
        _require_positive(self, value=self.value, exponent=self.exponent)

    @property
    def code(self) -> Code:
        """The schedule as five numbers, for compiled loops."""
        return (float(self.value), float(self.exponent), 1.0, 0.0, -1.0)

    def __call__(self, i: int) -> float:
        """Value at iteration i >= 1."""
        return float(schedule_value(self.code, i))


@dataclass(frozen=True)
class StaircaseDecay:
    """value / ceil(i^exponent / period): constant at first, then a staircase that falls like i^-exponent.

    Examples
    --------
    >>> from lqrpg import StaircaseDecay
    >>> steps = StaircaseDecay(value=0.06, exponent=0.5, period=10)
    >>> steps(100), steps(101), steps(900)
    (0.06, 0.03, 0.02)
    """

    value: float
    exponent: float
    period: float

    def __post_init__(self) -> None:
        _require_positive(self, value=self.value, exponent=self.exponent, period=self.period)

    @property
    def code(self) -> Code:
        """The schedule as five numbers, for compiled loops."""
        return (float(self.value), float(self.exponent), float(self.period), 1.0, -1.0)

    def __call__(self, i: int) -> float:
        """Value at iteration i >= 1."""
        return float(schedule_value(self.code, i))


@dataclass(frozen=True)
class StaircaseGrowth:
    """value * ceil(i / period): a staircase that climbs by `value` every `period` iterations.

    Examples
    --------
    >>> from lqrpg import StaircaseGrowth
    >>> rollouts = StaircaseGrowth(value=300, period=1000)
    >>> rollouts(1000), rollouts(1001)
    (300.0, 600.0)
    """

    value: float
    period: float

    def __post_init__(self) -> None:
        _require_positive(self, value=self.value, period=self.period)

    @property
    def code(self) -> Code:
        """The schedule as five numbers, for compiled loops."""
        return (float(self.value), 1.0, float(self.period), 1.0, 1.0)

    def __call__(self, i: int) -> float:
        """Value at iteration i >= 1."""
        return float(schedule_value(self.code, i))


KINDS: dict[str, tuple[str, ...]] = {
    "constant": ("value",),
    "power": ("value", "exponent"),
    "ceiling": ("value", "exponent", "period"),
    "staircase": ("value", "period"),
}
"""Kinds of schedules by the names that settings use, with the parameters that each takes."""


def schedule(kind: str, **parameters: float) -> Schedule:
    """The schedule of a kind in `KINDS`: `ceiling` is `StaircaseDecay`, `staircase` is `StaircaseGrowth`."""
    classes = {
        "constant": ConstantSchedule,
        "power": PowerSchedule,
        "ceiling": StaircaseDecay,
        "staircase": StaircaseGrowth,
    }
    built: Schedule = classes[kind](**parameters)
    return built
