"""Schedules of step sizes, biases, radii, rollout counts and lengths over the iterations i = 1, 2, ...

Each is a small frozen object: call it for a value, or hand its `code` to a compiled loop.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from lqrpg.compiler.jit import njit

Code = tuple[float, float, float, float, float]
"""(value, exponent, period, ceiling, sign): value * g^sign with g = i^exponent / period, rounded up if
ceiling."""


@njit
def schedule_value(code, i):  # type: ignore[no-untyped-def]
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
        if not (math.isfinite(value) and value > 0.0):
            kind = type(schedule).__name__
            raise ValueError(f"{kind}: {name} must be positive and finite, got {value}")


@dataclass(frozen=True)
class Constant:
    """The same value at every iteration."""

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
class Power:
    """value / i^exponent."""

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
class CeilingDecay:
    """value / ceil(i^exponent / period): constant at first, then a staircase that falls like i^-exponent."""

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
class CeilingGrowth:
    """value * ceil(i / period): a staircase that climbs by `value` every `period` iterations."""

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
    """The schedule of a kind in `KINDS`: `ceiling` is `CeilingDecay`, `staircase` is `CeilingGrowth`."""
    classes = {"constant": Constant, "power": Power, "ceiling": CeilingDecay, "staircase": CeilingGrowth}
    built: Schedule = classes[kind](**parameters)
    return built
