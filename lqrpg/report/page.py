"""The page as text: every value is escaped by the template engine, none is taken for HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import lqrpg
from lqrpg.report.content import KINDS, UNCHECKED, PaperPart
from lqrpg.report.formulas import typeset

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
        parts=parts,
        counts=counts,
        incomplete=incomplete,
        common=_common(parts),
        words=_WORDS,
        signs=_SIGNS,
        version=lqrpg.__version__,
    )


def _common(parts: Sequence[PaperPart]) -> list[tuple[str, str]]:
    """The lines of provenance that all runs share; none if there is only one run."""
    records = [experiment.provenance for part in parts for experiment in part.experiments if experiment.run]
    return [line for line in records[0] if all(line in record for record in records)] if len(records) > 1 else []


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["typeset"] = typeset
    return environment
