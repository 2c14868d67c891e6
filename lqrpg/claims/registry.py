"""Claims by name. A module of a folder `claims` declares each of its claims with the decorator `claim`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from lqrpg import plugins

if TYPE_CHECKING:
    import pandas as pd

Tables = Mapping[str, "pd.DataFrame"]


@dataclass(frozen=True)
class Interval:
    """A measured number with the interval that it is known to lie in.

    Attributes
    ----------
    low, high : ends of the interval.
    value : the number itself.
    note : how the interval was found, and what else a reader should know of it.
    """

    low: float
    value: float
    high: float
    note: str = ""


Measure = Callable[[Tables], "float | Interval"]


@dataclass(frozen=True)
class Need:
    """What a run must have for a claim to be tested on it.

    Attributes
    ----------
    text : what is needed, and why.
    lacking : tables to what the run has instead; empty if it has enough.
    """

    text: str
    lacking: Callable[[Tables], str]


class Outcome(Enum):
    """What became of a claim."""

    REPRODUCED = "reproduced"
    CHANGED = "reproduced with a documented change"
    NOT_REPRODUCED = "not reproduced"
    NOT_TESTED = "not tested"


@dataclass(frozen=True)
class Verdict:
    """A claim on the tables of a run.

    Attributes
    ----------
    outcome : what became of it.
    measured : the number; NaN if there is none.
    interval : the ends of its interval; None if it has none.
    reason : why the claim is not tested.
    note : what is known of the measurement.
    is_documented : whether the outcome is the one that the claim documents, or the run cannot decide.
    """

    outcome: Outcome
    measured: float = math.nan
    interval: tuple[float, float] | None = None
    reason: str = ""
    note: str = ""
    is_documented: bool = True


@dataclass(frozen=True)
class Claim:
    """One claim of a paper, as a number that must lie in a range.

    A claim is not tested where the run lacks what the claim needs, or where an interval of the number holds an end of
    the range: both are to be expected of a small run or a noisy measurement. It is not tested either where there is no
    finite number though the run has all that is needed, but that is not to be expected.

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
    needs : what a run must have.
    discrepancy : why the claim is known not to be reproduced; empty if it is reproduced.
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
    needs: Sequence[Need] = ()
    discrepancy: str = ""

    @property
    def documented(self) -> Outcome:
        """The outcome on tables that are large enough."""
        if self.discrepancy:
            return Outcome.NOT_REPRODUCED
        return Outcome.CHANGED if self.change else Outcome.REPRODUCED

    def judge(self, tables: Tables) -> Verdict:
        """Measure the claim on tables, if they have what it needs."""
        lacks = [f"{have}, and {need.text}" for need in self.needs if (have := need.lacking(tables))]
        if lacks:
            return Verdict(Outcome.NOT_TESTED, reason="; ".join(lacks))
        return self.verdict(self.measure(tables))

    def verdict(self, measured: float | Interval) -> Verdict:
        """The verdict on a measured number, or on one with its interval."""
        found = measured if isinstance(measured, Interval) else Interval(measured, measured, measured)
        low, high = self.accepted
        if not all(map(math.isfinite, (found.low, found.value, found.high))):
            reason = "there is no finite number, though the run is large enough"
            return Verdict(Outcome.NOT_TESTED, reason=reason, note=found.note, is_documented=False)
        interval = (found.low, found.high) if isinstance(measured, Interval) else None
        if low <= found.low and found.high <= high:
            outcome = Outcome.CHANGED if self.change else Outcome.REPRODUCED
        elif found.high < low or high < found.low:
            outcome = Outcome.NOT_REPRODUCED
        else:
            reason = f"the interval, {found.low:.4g} to {found.high:.4g}, holds an end of the accepted range"
            return Verdict(Outcome.NOT_TESTED, found.value, interval, reason, found.note)
        return Verdict(outcome, found.value, interval, note=found.note, is_documented=outcome is self.documented)

    def outcome(self, measured: float | Interval) -> Outcome:
        """The outcome of a measured number; one that is missing or infinite is not tested."""
        return self.verdict(measured).outcome


M = TypeVar("M", bound=Measure)

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
    needs: Sequence[Need] = (),
    discrepancy: str = "",
) -> Callable[[M], M]:
    """Declare a function as the measure of a claim; see `Claim`."""

    def declare(measure: M) -> M:
        texts = says, measures, accepted, because
        _known[name] = Claim(name, experiment, paper, *texts, measure, change, caveat, needs, discrepancy)
        return measure

    return declare


def claims() -> list[Claim]:
    """All claims, module by module in the order of their declaration."""
    for module in plugins.modules("claims"):
        plugins.load(module)
    return list(_known.values())
