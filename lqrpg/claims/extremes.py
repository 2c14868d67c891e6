"""The worst of several numbers, or of several with intervals; NaN if one is missing."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lqrpg.claims.registry import Interval


def largest(values: Iterable[float]) -> float:
    """The largest value; NaN if there is none or one is NaN."""
    return float(np.max(_numbers(values)))


def least(values: Iterable[float]) -> float:
    """The least value; NaN if there is none or one is NaN."""
    return float(np.min(_numbers(values)))


def farthest(values: Iterable[float], target: float) -> float:
    """The value farthest from the target; NaN if there is none or one is NaN."""
    numbers = _numbers(values)
    return float(numbers[np.argmax(np.abs(numbers - target))])  # of a NaN, its place


def largest_interval(intervals: Iterable[Interval]) -> Interval:
    """The interval of the largest of several numbers that are each known to lie in one."""
    found = list(intervals)
    low, value, high = (largest(getattr(each, end) for each in found) for end in ("low", "value", "high"))
    return Interval(low, value, high)


def _numbers(values: Iterable[float]) -> NDArray[np.float64]:
    numbers = np.array(list(values), dtype=np.float64)
    return numbers if numbers.size else np.array([np.nan])
