"""The groups of keys inside the settings of `azopg`, each with its own ranges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from lqrpg.checks import require
from lqrpg.ranges import Entries, Fraction, NonNegative, Positive, Range

BatchSize = Annotated[int, Range(1, 4096)]
Fleets = Annotated[list[Annotated[int, Range(1, 65536)]], Entries(distinct=True)]
"""Numbers of workers."""


def require_single_worker(key: str, fleets: Sequence[int]) -> None:
    """Refuse fleets to which no speedup can refer."""
    require(1 in fleets, key, list(fleets), "1 among the numbers of workers, as speedups refer to it")


@dataclass(frozen=True)
class Service:
    """Times of the virtual clock, in seconds; see `ServiceTimes`."""

    rollout_s: Positive
    variation: Annotated[float, Range(0, 10)]
    slow_wait_s: NonNegative


@dataclass(frozen=True)
class RealClock:
    """What differs when the clock is real: emulated times in seconds, and sizes that spare real time."""

    rollout_s: Annotated[float, Range(1e-4, 60)]
    slow_wait_s: Annotated[float, Range(0, 60)]
    batch_size: BatchSize
    tolerance: Fraction
    limit_s: Annotated[float, Range(above=0, high=86400)]
    throughput_s: Annotated[float, Range(above=0, high=3600)]
    repeats: Annotated[int, Range(1, 1000)]


@dataclass(frozen=True)
class Scaling:
    """The staleness study: batch sizes, fleets and replicates."""

    batch_sizes: Annotated[list[BatchSize], Entries()]
    fleets: Fleets
    replicates: Annotated[int, Range(1, 1000)]


@dataclass(frozen=True)
class Barrier:
    """The comparison with synchronous updates: how many updates to average over."""

    updates: Annotated[int, Range(1, 100_000)]


@dataclass(frozen=True)
class Timeline:
    """The short schedule of the picture of pulls and pushes."""

    workers: Annotated[int, Range(1, 16)]
    batch_size: Annotated[int, Range(1, 64)]
    updates: Annotated[int, Range(1, 64)]
