"""The papers: their references, and which of them a claim or an experiment belongs to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from lqrpg.claims.registry import claims

_FILE = Path(__file__).with_name("papers.yaml")


@dataclass(frozen=True)
class Paper:
    """A paper.

    Attributes
    ----------
    key : its short name, such as `P1`.
    authors : their family names.
    title : its title.
    short : its subject, in a few words.
    arxiv : its number at arXiv; empty if it has none.
    differs : what our computations do differently, and why, beyond what stands beside single claims.
    """

    key: str
    authors: str
    title: str
    arxiv: str
    short: str = ""
    differs: Sequence[str] = ()

    @property
    def who(self) -> str:
        """Its authors as they are cited: the first of more than two."""
        names = self.authors.split(", ")
        return f"{names[0]} et al." if len(names) > 2 else " and ".join(names)


OTHER = Paper("", "", "Other experiments, literature", "")
"""Where experiments go that belong to none of the papers."""


@cache
def papers() -> dict[str, Paper]:
    """All papers by their short names."""
    content = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return {key: Paper(key, **entry) for key, entry in content.items()}


def paper_named_in(text: str) -> Paper:
    """The paper whose short name stands first in a text, such as `P1, Theorem 1` or `beyond P3: ...`."""
    found = next((name for name in re.findall(r"\bP\d+\b", text) if name in papers()), "")
    return papers().get(found, OTHER)


def paper_of(experiment: str) -> Paper:
    """The paper of an experiment: that of its first claim."""
    named = (paper_named_in(claim.paper) for claim in claims() if claim.experiment == experiment)
    return next((paper for paper in named if paper is not OTHER), OTHER)
