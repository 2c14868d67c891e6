"""Groups of keys inside the settings of `dr_lqr`, and the checks that need more than one number."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from lqrpg.checks import SettingError, SettingWarning, require
from lqrpg.domain_randomization.cubature import coarse_nodes
from lqrpg.domain_randomization.discount_annealing import anneal
from lqrpg.domain_randomization.quadrature import unstable_points
from lqrpg.ranges import Entries, Range
from lqrpg.systems.custom_family import CustomFamily
from lqrpg.systems.system import UncertainSystem

ANNEALING_ROUNDS = 40


@dataclass(frozen=True)
class Runtime:
    """What is timed: numbers of controllers, steps of a timed run (the time is scaled to all steps), pairs of runs."""

    controllers: Annotated[list[Annotated[int, Range(1, 100_000)]], Entries(distinct=True)]
    steps: Annotated[int, Range(1, 1_000_000)]
    repeats: Annotated[int, Range(1, 1000)]


def with_start_gain(system: UncertainSystem) -> UncertainSystem:
    """The system with a first gain, by discount annealing where its settings have none.

    The gain is rounded, and it becomes a setting like any other: a run says in full from where it started.
    """
    if not isinstance(system, CustomFamily) or system.start_gain is not None:
        return system
    family = system.family()
    with contextlib.suppress(np.linalg.LinAlgError):
        found = anneal(family, nodes=coarse_nodes(family), max_rounds=ANNEALING_ROUNDS)
        gain = np.array([[float(f"{entry:.9g}") for entry in row] for row in found.rounds[-1].gain])
        if found.stabilising and unstable_points(family, gain).size == 0:
            text = ", ".join("[" + ", ".join(map(repr, row)) + "]" for row in gain.tolist())
            line = f"start_gain: [{text}] is by discount annealing; write it into the file to keep it"
            warnings.warn(line, SettingWarning, stacklevel=2)
            return replace(system, start_gain=gain.tolist())
    raise SettingError(
        "system.start_gain is missing, and discount annealing finds no gain that stabilises the whole family: "
        "expected a start_gain, or narrower distributions"
    )


def require_family(system: UncertainSystem) -> None:
    """Refuse a plant that is no family, or whose first gain does not stabilise all of it."""
    known = "a plant with a family of lengths or of other parameters, such as cartpole or custom_family"
    require(isinstance(system, UncertainSystem), "system.kind", system.kind, known)
    family = system.family()
    unstable = unstable_points(family, system.initial_gain())
    require(
        len(unstable) == 0,
        "system.start_gain",
        list(system.start_gain or ()),
        "a gain that stabilises the whole family, but it does not for " + family.describe(unstable),
    )
