"""What became of claims, as an object of the Python interface: a sequence of outcomes, shown in a few lines."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, overload

from lqrpg.claims.registry import Claim, Outcome, Verdict
from lqrpg.cli.saved import is_outdated
from lqrpg.cli.shown import Shown, Summary
from lqrpg.cli.verdicts import accepted_text, measured_text
from lqrpg.cli.verify import judge, named_claims
from lqrpg.figures.style import counted
from lqrpg.results.lookup import FinishedRun, select

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 20
"""Claims that are shown, those first that are not reproduced as they stand; `table` has all."""


@dataclass(frozen=True, repr=False)
class ClaimOutcome(Shown):
    """A claim on the tables of a run.

    Attributes
    ----------
    claim : what is claimed, and which numbers agree with it.
    verdict : what was measured, and what became of the claim.
    run : the run.
    """

    claim: Claim
    verdict: Verdict
    run: FinishedRun

    @property
    def name(self) -> str:
        """Name of the claim."""
        return self.claim.name

    @property
    def outcome(self) -> str:
        """`reproduced`, `reproduced with a documented change`, `not reproduced` or `not tested`."""
        return self.verdict.outcome.value

    def _summary(self) -> Summary:
        claim, verdict = self.claim, self.verdict
        facts = {
            "claim": f"{claim.says} ({claim.paper})",
            "measures": claim.measures,
            "measured": measured_text(verdict, short=True),
            "accepted": accepted_text(claim),
            "reason": verdict.reason,
            "change": claim.change,
            "documented": "" if verdict.is_documented else claim.documented.value,
            "run": str(self.run.path),
        }
        shown = [(label, text) for label, text in facts.items() if text]
        return Summary(f"{self.name}: {self.outcome}", shown, longest=None)


@dataclass(frozen=True, repr=False)
class ClaimOutcomes(Shown, Sequence[ClaimOutcome]):
    """Outcomes of claims, in the order of the claims.

    Attributes
    ----------
    outcomes : those of the claims that could be checked.
    unchecked : why others could not be, by their names.
    outdated : folders of the runs that other code has computed.
    """

    outcomes: tuple[ClaimOutcome, ...]
    unchecked: Mapping[str, str] = field(default_factory=dict)
    outdated: tuple[Path, ...] = ()

    @overload
    def __getitem__(self, place: int) -> ClaimOutcome: ...
    @overload
    def __getitem__(self, place: slice) -> ClaimOutcomes: ...
    def __getitem__(self, place: int | slice) -> ClaimOutcome | ClaimOutcomes:
        """The outcome at a place, or those of several."""
        return ClaimOutcomes(self.outcomes[place]) if isinstance(place, slice) else self.outcomes[place]

    def __len__(self) -> int:
        """Number of claims that could be checked."""
        return len(self.outcomes)

    @property
    def as_documented(self) -> bool:
        """Whether all could be checked, and each outcome is the one that its claim documents, or not tested."""
        return not self.unchecked and all(each.verdict.is_documented for each in self.outcomes)

    @property
    def table(self) -> pd.DataFrame:
        """A row per claim: name, experiment, paper, outcome, measured, low, high (the accepted range), says, reason."""
        import pandas as pd

        rows = [
            {
                "name": each.name,
                "experiment": each.claim.experiment,
                "paper": each.claim.paper,
                "outcome": each.outcome,
                "measured": each.verdict.measured if math.isfinite(each.verdict.measured) else math.nan,
                "low": each.claim.accepted[0],
                "high": each.claim.accepted[1],
                "says": each.claim.says,
                "reason": each.verdict.reason,
            }
            for each in self.outcomes
        ]
        names = ["name", "experiment", "paper", "outcome", "measured", "low", "high", "says", "reason"]
        return pd.DataFrame(rows, columns=names)

    def _summary(self) -> Summary:
        counts = Counter(each.verdict.outcome for each in self.outcomes)
        outcomes = ", ".join(f"{counts[kind]} {kind.value}" for kind in Outcome if counts[kind])
        facts = [(f"{name}", f"not checked: {reason}") for name, reason in self.unchecked.items()]
        facts += [("outdated", f"{path}: the code has changed since") for path in self.outdated]
        shown = sorted(self.outcomes, key=lambda each: each.verdict.outcome is Outcome.REPRODUCED)[:MOST_ROWS]
        rows = [
            [each.name, each.outcome, measured_text(each.verdict, short=True), accepted_text(each.claim)]
            for each in (self.outcomes if len(self) <= MOST_ROWS else shown)
        ]
        title = counted(len(self), "claim") + (f": {outcomes}" if outcomes else "")
        title += f"; {len(rows)} of them here, all in .table" if len(rows) < len(self) else ""
        return Summary(title, facts, ("claim", "outcome", "measured", "accepted"), rows)


def outcomes(names: Sequence[str], results: Path, run_name: str | None) -> ClaimOutcomes:
    """Claims that names choose, checked on the runs that `lqrpg verify` takes."""
    wanted = named_claims(names)
    found: list[ClaimOutcome] = []
    unchecked: dict[str, str] = {}
    outdated: list[Path] = []
    for experiment in dict.fromkeys(claim.experiment for claim in wanted):
        selection = select(results, experiment, run_name)
        if selection.run is None:
            unchecked[experiment] = selection.missing
            continue
        judged = judge([claim for claim in wanted if claim.experiment == experiment], selection.run)
        found += [ClaimOutcome(row["claim"], row["verdict"], row["run"]) for row in judged.rows]
        unchecked |= judged.unchecked | judged.unfit
        outdated += [run.path for run in judged.used if is_outdated(run)]
    return ClaimOutcomes(tuple(found), unchecked, tuple(outdated))
