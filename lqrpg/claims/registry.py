"""Claims by name. A module of a folder `claims` declares each of its claims with the decorator `claim`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import pandas as pd

from lqrpg import rooms

Tables = Mapping[str, pd.DataFrame]
Measure = Callable[[Tables], float]


class Outcome(Enum):
    """What became of a claim."""

    REPRODUCED = "reproduced"
    CHANGED = "reproduced with a documented change"
    NOT_REPRODUCED = "not reproduced"


@dataclass(frozen=True)
class Claim:
    """One claim of a paper, as a number that must lie in a range.

    Attributes
    ----------
    name : such as `azopg_speedup`.
    experiment : whose tables it reads.
    paper : which paper, and where in it the claim stands.
    says : the claim, in our words.
    measures : what the number is.
    accepted : smallest and largest number that agree with the claim.
    because : where the range is from: the paper's wording, a bound, or a Monte Carlo error.
    change : what differs from the paper's setting or statement, if that is needed for the claim to hold.
    caveat : what a reader should know beside the outcome.
    measure : tables to number.
    """

    name: str
    experiment: str
    paper: str
    says: str
    measures: str
    accepted: tuple[float, float]
    because: str
    measure: Measure
    change: str = ""
    caveat: str = ""

    def outcome(self, measured: float) -> Outcome:
        """The outcome of a measured number; NaN is not reproduced."""
        low, high = self.accepted
        if not low <= measured <= high:
            return Outcome.NOT_REPRODUCED
        return Outcome.CHANGED if self.change else Outcome.REPRODUCED


_known: dict[str, Claim] = {}


def claim(
    name: str,
    experiment: str,
    paper: str,
    says: str,
    *,
    measures: str,
    accepted: tuple[float, float],
    because: str,
    change: str = "",
    caveat: str = "",
) -> Callable[[Measure], Measure]:
    """Declare a function as the measure of a claim."""

    def declare(measure: Measure) -> Measure:
        _known[name] = Claim(name, experiment, paper, says, measures, accepted, because, measure, change, caveat)
        return measure

    return declare


def claims() -> list[Claim]:
    """All claims, module by module in the order of their declaration."""
    for module in rooms.modules("claims"):
        rooms.load(module)
    return list(_known.values())
