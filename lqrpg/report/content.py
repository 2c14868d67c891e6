"""What stands on the page: plain values in the page's order, nothing that needs a result folder any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lqrpg.claims.papers import Paper
from lqrpg.claims.registry import Claim, Outcome
from lqrpg.report.images import Image
from lqrpg.report.parameters import Parameter

KINDS = {
    Outcome.REPRODUCED: "reproduced",
    Outcome.CHANGED: "changed",
    Outcome.NOT_REPRODUCED: "failed",
    Outcome.NOT_TESTED: "untested",
}
UNCHECKED = "unchecked"


@dataclass(frozen=True)
class FigurePart:
    """A figure.

    Attributes
    ----------
    name : such as `azopg_fig3`.
    shows : its caption.
    reads : how to read it.
    command : what draws it again.
    image : the picture, or None.
    problem : why there is none.
    files : what can be kept of it, as addresses by the files' names.
    """

    name: str
    shows: str
    reads: str
    command: str
    image: Image | None = None
    problem: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ClaimPart:
    """A claim with what became of it.

    Attributes
    ----------
    claim : the claim.
    accepted : its range in words.
    measured : the number as text, or empty.
    kind : `reproduced`, `changed`, `failed`, `untested` or `unchecked`.
    problem : why it is not tested, or not checked.
    told_at : name of an earlier claim with the same change, beside which that is told; empty if there is none.
    """

    claim: Claim
    accepted: str
    measured: str = ""
    kind: str = UNCHECKED
    problem: str = ""
    told_at: str = ""

    @property
    def outcome(self) -> str:
        """The outcome in words."""
        return next((outcome.value for outcome, kind in KINDS.items() if kind == self.kind), "not checked")


@dataclass(frozen=True)
class ExperimentPart:
    """An experiment and its run.

    Attributes
    ----------
    name : the experiment's name.
    about : what it is.
    command : what makes the run, or one at full size if there is none.
    run : name of the run, or empty.
    warnings : what a reader should know before trusting it.
    parameters : with their sources.
    provenance : labels and values.
    """

    name: str
    about: str
    command: str
    run: str = ""
    warnings: Sequence[str] = ()
    parameters: Sequence[Parameter] = ()
    provenance: Sequence[tuple[str, str]] = ()

    @property
    def anchor(self) -> str:
        """Its place on the page."""
        return f"{self.name}-{self.run}"

    def tagged(self, tag: str) -> int:
        """Number of parameters with a tag."""
        return sum(parameter.tag == tag for parameter in self.parameters)


@dataclass(frozen=True)
class PaperPart:
    """A paper with all that belongs to it."""

    paper: Paper
    figures: Sequence[FigurePart]
    claims: Sequence[ClaimPart]
    experiments: Sequence[ExperimentPart]

    @property
    def anchor(self) -> str:
        """Its place on the page."""
        return self.paper.key or "other"

    @property
    def missing(self) -> list[ExperimentPart]:
        """The experiments without a run."""
        return [part for part in self.experiments if not part.run]

    @property
    def counts(self) -> dict[str, int]:
        """How many claims have come to each kind of outcome, those with none left out."""
        kinds = [part.kind for part in self.claims]
        return {kind: kinds.count(kind) for kind in (*KINDS.values(), UNCHECKED) if kind in kinds}
