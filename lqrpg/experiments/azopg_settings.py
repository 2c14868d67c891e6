"""The groups of keys inside the settings of `azopg`, each with its own ranges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lqrpg.checks import require


def require_fleets(key: str, fleets: Sequence[int]) -> None:
    """Refuse fleets to which no speedup can refer."""
    right = 1 in fleets and len(set(fleets)) == len(fleets) and all(1 <= workers <= 65536 for workers in fleets)
    require(
        right,
        key,
        list(fleets),
        "distinct whole numbers from 1 to 65536, 1 among them (speedups refer to it)",
    )


@dataclass(frozen=True)
class Service:
    """Times of the virtual clock, in seconds; see `ServiceTimes`."""

    rollout_s: float
    variation: float
    slow_wait_s: float

    def __post_init__(self) -> None:
        require(0 < self.rollout_s < np.inf, "service.rollout_s", self.rollout_s, "a positive number")
        require(0 <= self.variation <= 10, "service.variation", self.variation, "a number from 0 to 10")
        require(0 <= self.slow_wait_s < np.inf, "service.slow_wait_s", self.slow_wait_s, "a number not below 0")


@dataclass(frozen=True)
class RealClock:
    """What differs when the clock is real: emulated times in seconds, and sizes that spare real time."""

    rollout_s: float
    slow_wait_s: float
    batch_size: int
    tolerance: float
    limit_s: float
    throughput_s: float
    repeats: int

    def __post_init__(self) -> None:
        require(1e-4 <= self.rollout_s <= 60, "real_clock.rollout_s", self.rollout_s, "seconds, from 1e-4 to 60")
        require(0 <= self.slow_wait_s <= 60, "real_clock.slow_wait_s", self.slow_wait_s, "seconds, from 0 to 60")
        require(
            1 <= self.batch_size <= 4096,
            "real_clock.batch_size",
            self.batch_size,
            "a whole number, 1 to 4096",
        )
        require(0 < self.tolerance < 1, "real_clock.tolerance", self.tolerance, "a number between 0 and 1")
        require(0 < self.limit_s <= 86400, "real_clock.limit_s", self.limit_s, "seconds, up to a day")
        seconds, repeats = self.throughput_s, self.repeats
        require(0 < seconds <= 3600, "real_clock.throughput_s", seconds, "seconds, up to an hour")
        require(1 <= repeats <= 1000, "real_clock.repeats", repeats, "a whole number from 1 to 1000")


@dataclass(frozen=True)
class Scaling:
    """The staleness study: batch sizes, fleets and replicates."""

    batch_sizes: list[int]
    fleets: list[int]
    replicates: int

    def __post_init__(self) -> None:
        require_fleets("scaling.fleets", self.fleets)
        require(
            bool(self.batch_sizes) and all(1 <= size <= 4096 for size in self.batch_sizes),
            "scaling.batch_sizes",
            self.batch_sizes,
            "whole numbers from 1 to 4096",
        )
        require(
            1 <= self.replicates <= 1000,
            "scaling.replicates",
            self.replicates,
            "a whole number from 1 to 1000",
        )


@dataclass(frozen=True)
class Barrier:
    """The comparison with synchronous updates: how many updates to average over."""

    updates: int

    def __post_init__(self) -> None:
        require(1 <= self.updates <= 100_000, "barrier.updates", self.updates, "a whole number from 1 to 100000")


@dataclass(frozen=True)
class Timeline:
    """The short schedule of the picture of pulls and pushes."""

    workers: int
    batch_size: int
    updates: int

    def __post_init__(self) -> None:
        require(1 <= self.workers <= 16, "timeline.workers", self.workers, "a whole number from 1 to 16")
        require(1 <= self.batch_size <= 64, "timeline.batch_size", self.batch_size, "a whole number from 1 to 64")
        require(1 <= self.updates <= 64, "timeline.updates", self.updates, "a whole number from 1 to 64")
