"""The page as text: every value is escaped by the template engine, none is taken for HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import lqrpg
from lqrpg.report.content import KINDS, UNCHECKED, PaperPart

_WORDS = {
    **{kind: outcome.value for outcome, kind in KINDS.items()},
    UNCHECKED: "not checked",
}
_SIGNS = {
    "reproduced": "✓",
    "changed": "≈",
    "failed": "✗",
    "untested": "?",
    UNCHECKED: "–",
    "differs": "≠",
    "note": "i",
}


def page(parts: Sequence[PaperPart]) -> str:
    """The HTML page of these papers."""
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part.counts)
    counts = {kind: total[kind] for kind in _WORDS if total[kind]}
    incomplete = any(not each.run or each.warnings for part in parts for each in part.experiments)
    template = _environment().get_template("page.html.j2")
    return template.render(
        parts=parts, counts=counts, incomplete=incomplete, words=_WORDS, signs=_SIGNS, version=lqrpg.__version__
    )


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
