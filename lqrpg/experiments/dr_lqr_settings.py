"""Groups of keys inside the settings of `dr_lqr`, and the checks that need more than one number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lqrpg.algorithms.quadrature import unstable_lengths
from lqrpg.checks import require
from lqrpg.lqr.plant import Array


@dataclass(frozen=True)
class Runtime:
    """What is timed: numbers of controllers, steps of a timed run (the time is scaled to all steps), repeats."""

    controllers: list[int]
    steps: int
    repeats: int

    def __post_init__(self) -> None:
        sizes = bool(self.controllers) and all(1 <= count <= 100_000 for count in self.controllers)
        require(
            sizes and len(set(self.controllers)) == len(self.controllers),
            "runtime.controllers",
            list(self.controllers),
            "distinct whole numbers from 1 to 100000",
        )
        require(1 <= self.steps <= 1_000_000, "runtime.steps", self.steps, "a whole number from 1 to 1000000")
        require(1 <= self.repeats <= 1000, "runtime.repeats", self.repeats, "a whole number from 1 to 1000")


def require_batches(batch_sizes: Sequence[int], compared: int) -> None:
    """Refuse batch sizes among which the one to be compared is missing."""
    sizes = bool(batch_sizes) and all(1 <= size <= 4096 for size in batch_sizes)
    require(
        sizes and len(set(batch_sizes)) == len(batch_sizes),
        "batch_sizes",
        list(batch_sizes),
        "distinct whole numbers from 1 to 4096",
    )
    require(compared in batch_sizes, "compared", compared, f"one of batch_sizes, {list(batch_sizes)}")


def require_family(system: Any) -> None:
    """Refuse a plant that is no family of lengths, or whose first gain does not stabilise every length."""
    is_family = system.time == "discrete" and hasattr(system, "family")
    require(is_family, "system.kind", system.kind, "a plant with a family of lengths, such as cartpole")
    unstable = unstable_lengths(system.family(), system.initial_gain())
    require(
        unstable.size == 0,
        "system.start_gain",
        list(system.start_gain),
        "a gain that stabilises the whole family, but it does not for " + describe(unstable, system),
    )


def describe(unstable: Array, system: Any) -> str:
    """Lengths of the stability grid in words, neighbours as one range."""
    if unstable.size == 0:
        return "no pole length"
    spacing = (system.longest - system.shortest) / 600
    groups = np.split(unstable, np.flatnonzero(np.diff(unstable) > 1.5 * spacing) + 1)
    ranges = [f"{group[0]:.3g} m" if len(group) == 1 else f"{group[0]:.3g} to {group[-1]:.3g} m" for group in groups]
    return "pole lengths " + ", ".join(ranges)
