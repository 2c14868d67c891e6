"""What became of claims, as text: a summary that fits one screen, and all that is known of one claim."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import click

from lqrpg.claims.papers import OTHER, Paper, paper_named_in, papers
from lqrpg.claims.registry import Claim, Outcome, Verdict
from lqrpg.cli.console import NARROWEST, plain, text_width
from lqrpg.cli.saved import command_of
from lqrpg.figures.registry import figures

Row = dict[str, Any]
"""A claim on the tables of a run, as `lqrpg.cli.verify.check` gives it."""
HEADINGS = {
    Outcome.REPRODUCED: "reproduced",
    Outcome.CHANGED: "changed",
    Outcome.NOT_REPRODUCED: "failed",
    Outcome.NOT_TESTED: "not tested",
}
_COLOURS = {
    Outcome.REPRODUCED: "green",
    Outcome.CHANGED: "yellow",
    Outcome.NOT_REPRODUCED: "red",
    Outcome.NOT_TESTED: "cyan",
}


def summary(rows: Sequence[Row], source: str) -> list[str]:
    """Counts for each paper, then what is not reproduced as it stands, a line each, then how to see more.

    Parameters
    ----------
    rows : the claims.
    source : which runs they are judged on.
    """
    shown = [kind for kind in Outcome if kind is not Outcome.NOT_TESTED or any(map(_is_untested, rows))]
    room = NARROWEST - sum(len(HEADINGS[kind]) + 2 for kind in shown)
    lines = [_cut(f"Claims on {source}", room).ljust(room) + "".join(f"  {HEADINGS[kind]}" for kind in shown)]
    lines += [_counts(paper, own, shown, room) for paper, own in by_paper(rows)]
    for heading, own in _exceptions(rows):
        lines += ["", heading, *(line for row in own for line in _exception(row, own))]
    first = next((row for _, own in _exceptions(rows) for row in own), rows[0])["claim"].name
    return [*lines, "", f"One claim: lqrpg verify {first}", "All: lqrpg verify --long    On a page: lqrpg report"]


def by_paper(rows: Sequence[Row]) -> Iterator[tuple[Paper, list[Row]]]:
    """The rows of each paper, in the papers' order."""
    for paper in (*papers().values(), OTHER):
        own = [row for row in rows if paper_named_in(row["claim"].paper) is paper]
        if own:
            yield paper, own


def _is_untested(row: Row) -> bool:
    return row["verdict"].outcome is Outcome.NOT_TESTED


def _counts(paper: Paper, rows: Sequence[Row], shown: Sequence[Outcome], room: int) -> str:
    """A line: the paper, and how many of its claims came to each outcome."""
    found = [row["verdict"].outcome for row in rows]
    what = f"{paper.key:<4}{paper.short or paper.title}"
    whole = f"{what} ({paper.who})" if paper.who else what
    numbers = (
        click.style(f"{found.count(kind) or '-':>{len(HEADINGS[kind]) + 2}}", fg=_COLOURS[kind]) for kind in shown
    )
    return _cut(whole if len(whole) <= room else what, room).ljust(room) + "".join(numbers)


def _exceptions(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Claims that are not reproduced as they stand, by what became of them."""
    surprising = [row for row in rows if not row["verdict"].is_documented]
    yield from _titled("NOT AS DOCUMENTED", surprising)
    known = [row for row in rows if row["verdict"].is_documented]
    yield from _titled("FAILED, as documented", [row for row in known if _came_to(row, Outcome.NOT_REPRODUCED)])
    yield from _titled("REPRODUCED WITH A CHANGE", [row for row in known if _came_to(row, Outcome.CHANGED)])
    yield from _titled("NOT TESTED", [row for row in known if _is_untested(row)])


def _came_to(row: Row, outcome: Outcome) -> bool:
    return row["verdict"].outcome is outcome


def _titled(heading: str, rows: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    if rows:
        yield click.style(heading, bold=True), rows


def _exception(row: Row, among: Sequence[Row]) -> list[str]:
    """The lines of one claim in the summary: name, place, and in short what is to be known."""
    claim: Claim = row["claim"]
    verdict: Verdict = row["verdict"]
    widest = max(len(each["claim"].name) for each in among)
    head = f"  {claim.name:<{widest}}  {_place(claim):<{max(len(_place(each['claim'])) for each in among)}}  "
    if verdict.is_documented and verdict.outcome is not Outcome.NOT_REPRODUCED:
        return [head + _cut(verdict.reason or claim.change, text_width() - len(head))]
    numbers = f"{measured_text(verdict, short=True) or 'no number'}, accepted {accepted_text(claim)}"
    why = (
        claim.discrepancy if verdict.is_documented else f"{verdict.outcome.value}; documented: {claim.documented.value}"
    )
    return [
        head + numbers,
        *textwrap.wrap(f"{claim.measures}: {why}", text_width(), initial_indent=" " * 4, subsequent_indent=" " * 4),
    ]


def _place(claim: Claim) -> str:
    """Where a claim stands, as short as it can be found: `P4 Fig. 6`, or `Fazel 2018`."""
    key, _, rest = claim.paper.partition(", ")
    if year := re.search(r"^(\w+).*? (\d{4})\b", claim.paper):
        return f"{year[1]} {year[2]}"
    parts = [part.partition(":")[0] for part in rest.split(", ")]
    figure = next((part for part in parts if part.startswith("Fig.")), "")
    return _cut(f"{key.partition(':')[0]} {figure or parts[0]}", 18).strip()


def _cut(text: str, width: int) -> str:
    """A text on one line, its end left out where it is too long."""
    return text if len(text) <= width else text[: max(width - 1, 0)].rstrip() + "…"


def details(rows: Sequence[Row]) -> Iterator[str]:
    """All that is known of each claim, paper by paper."""
    for paper, own in by_paper(rows):
        heading = ": ".join(part for part in (paper.key, paper.authors, paper.title) if part)
        yield from (click.style(line, bold=True) for line in textwrap.wrap(heading, text_width()))
        for row in own:
            yield ""
            yield from _detail(row)
        yield ""


def _detail(row: Row) -> Iterator[str]:
    """A claim: its statement and place, what was measured and is accepted, why, and what to type."""
    claim: Claim = row["claim"]
    verdict: Verdict = row["verdict"]
    yield f"{click.style(claim.name, bold=True)}: {click.style(verdict.outcome.value, fg=_COLOURS[verdict.outcome])}"
    unexpected = "" if verdict.is_documented else claim.documented.value
    others = ", ".join(str(run.path) for run in row["used"] if run != row["run"])
    drawn = [figure.name for figure in figures().values() if figure.experiment == claim.experiment]
    labelled = {
        "claim": f"{claim.says} ({claim.paper})",
        "measured": ": ".join(filter(None, [measured_text(verdict), claim.measures])),
        "accepted": f"{accepted_text(claim)}: {claim.because}",
        "documented": unexpected or claim.discrepancy,
        "reason": verdict.reason,
        "change": claim.change,
        "note": claim.caveat,
        "run": str(row["run"].path) + (f", with tables of {others}" if others else ""),
        "command": command_of(row["run"]),
        "figures": ", ".join(drawn),
    }
    for label, text in labelled.items():
        if text:
            yield from textwrap.wrap(
                plain(text), text_width(), initial_indent=f"  {label:<11}", subsequent_indent=" " * 13
            )


def measured_text(verdict: Verdict, *, short: bool = False) -> str:
    """The measured number in words, with its interval, and unless `short` what is known of that; empty without one."""
    if math.isnan(verdict.measured):
        return ""
    if verdict.interval is None:
        return f"{verdict.measured:.4g}"
    low, high = verdict.interval
    note = "" if short or not verdict.note else f"; {verdict.note}"
    return f"{verdict.measured:.4g} ({low:.4g} to {high:.4g}{note})"


def accepted_text(claim: Claim) -> str:
    """The accepted range in words."""
    low, high = claim.accepted
    if math.isinf(low):
        return f"at most {high:g}"
    if math.isinf(high):
        return f"at least {low:g}"
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
