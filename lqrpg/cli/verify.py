"""`lqrpg verify`: the papers' claims, checked on saved tables."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lqrpg.checks import SettingError
from lqrpg.claims.papers import OTHER, Paper, paper_named_in, papers
from lqrpg.claims.registry import Claim, Outcome, Verdict, claims
from lqrpg.cli.console import echo, plain
from lqrpg.cli.run_tables import RunTables
from lqrpg.cli.saved import MISSING_TABLES, schema_errors, warn_lost, warn_outdated
from lqrpg.cli.selection import SelectedRuns, chosen
from lqrpg.plugins import choices
from lqrpg.results.lookup import EmptyTableError, FinishedRun, MissingRunError

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

_MARKS = {
    Outcome.REPRODUCED: "green",
    Outcome.CHANGED: "yellow",
    Outcome.NOT_REPRODUCED: "red",
    Outcome.NOT_TESTED: "cyan",
}


def verify(experiments: Sequence[str], results: Path, run_name: str | None, *, as_json: bool, strict: bool) -> int:
    """Check the claims of the wanted experiments, or of all; return the exit code.

    It is 0 where every outcome is the one that its claim documents. A claim that is not tested because the run is too
    small, or the measurement too noisy to decide, is no failure; one without a number on a run that is large enough is.
    """
    claiming = list(dict.fromkeys(claim.experiment for claim in claims()))
    names = chosen(experiments, list(dict.fromkeys([*claiming, *choices("experiment")])))
    for name in names:
        if experiments and name not in claiming:
            echo(f"lqrpg: {name} checks no claim of a paper", err=True)
    rows: list[dict[str, Any]] = []
    unchecked: dict[str, str] = {}
    runs = SelectedRuns([name for name in names if name in claiming], results, run_name)
    for selection, taken in runs:
        found = judge(selection.experiment, taken)
        for run in found.used[1:]:
            warn_outdated(run)
            warn_lost(run)
        rows += found.rows
        unchecked |= found.unchecked | found.unfit
    missing = [selection.experiment for selection in runs.missing]
    if as_json:
        click.echo(json.dumps({"claims": [_plain(row) for row in rows], "missing": [*missing, *unchecked]}, indent=1))
    elif rows:
        _print(rows)
    runs.warn_missing()
    for name, reason in unchecked.items():
        echo(f"lqrpg: {name} is not checked: {reason}", err=True)
    if missing or unchecked:
        return MISSING_TABLES
    refused = {Outcome.NOT_REPRODUCED, Outcome.CHANGED} if strict else set()
    return 1 if any(not row["verdict"].is_documented or row["verdict"].outcome in refused for row in rows) else 0


@dataclass(frozen=True)
class Judged:
    """The claims of an experiment on the tables of a run.

    Attributes
    ----------
    run : the run.
    rows : those of `check`.
    unchecked : why claims could not be checked, by their names: this run has no rows for them.
    unfit : the same where tables are damaged, or do not fit.
    """

    run: FinishedRun
    rows: list[dict[str, Any]]
    unchecked: dict[str, str]
    unfit: dict[str, str]

    @property
    def used(self) -> list[FinishedRun]:
        """The run, and others of which tables were read."""
        found = {run.path: run for row in self.rows for run in row["used"]}
        return list(({self.run.path: self.run} | found).values())


def judge(experiment: str, run: FinishedRun) -> Judged:
    """The claims of an experiment on a run's tables."""
    tables, found = RunTables(run), Judged(run, [], {}, {})
    for claim in (claim for claim in claims() if claim.experiment == experiment):
        try:
            found.rows.append(check(claim, tables))
        except MissingRunError as error:
            found.unchecked[claim.name] = str(error)
        except SettingError as error:
            found.unfit[claim.name] = str(error)
    return found


def check(claim: Claim, tables: RunTables) -> dict[str, Any]:
    """A claim on the tables of a run: `claim`, `run`, the runs `used`, and the `verdict`."""
    own = tables.tracked_copy()
    try:
        with schema_errors(claim.name, own.run):
            verdict = claim.judge(own)
    except EmptyTableError as error:
        raise MissingRunError(f"{error}; --run names another run") from None
    return {"claim": claim, "run": own.run, "used": own.used, "verdict": verdict}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    claim: Claim = row["claim"]
    verdict: Verdict = row["verdict"]
    low, high = (value if math.isfinite(value) else None for value in claim.accepted)
    return {
        "name": claim.name,
        "experiment": claim.experiment,
        "run": str(row["run"].path),
        "used": [str(run.path) for run in row["used"]],
        "paper": claim.paper,
        "says": claim.says,
        "measures": claim.measures,
        "measured": verdict.measured if math.isfinite(verdict.measured) else None,
        "interval": list(verdict.interval) if verdict.interval else None,
        "measurement": verdict.note,
        "accepted": [low, high],
        "because": claim.because,
        "needs": [need.text for need in claim.needs],
        "outcome": verdict.outcome.value,
        "reason": verdict.reason,
        "documented": claim.documented.value,
        "as_documented": verdict.is_documented,
        "discrepancy": claim.discrepancy,
        "change": claim.change,
        "caveat": claim.caveat,
    }


def _print(rows: Sequence[dict[str, Any]]) -> None:
    from lqrpg.cli.console import table_console

    console = table_console()
    for paper, own in _by_paper(rows):
        console.rule(_heading(paper), align="left", characters="─")
        for experiment in dict.fromkeys(row["claim"].experiment for row in own):
            console.print(_table([row for row in own if row["claim"].experiment == experiment]))
        console.print()
    verdicts: list[Verdict] = [row["verdict"] for row in rows]
    for outcome, colour in _MARKS.items():
        counted = [verdict for verdict in verdicts if verdict.outcome is outcome]
        known = sum(verdict.is_documented for verdict in counted)
        hint = f", {known} of them as documented" if counted and outcome is Outcome.NOT_REPRODUCED else ""
        console.print(f"[{colour}]{len(counted)}[/{colour}] {outcome.value}{hint}")
    for row in rows:
        if not row["verdict"].is_documented:
            claim: Claim = row["claim"]
            console.print(f"{claim.name}: {row['verdict'].outcome.value}; documented: {claim.documented.value}")


def _by_paper(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[Paper, list[dict[str, Any]]]]:
    """The rows of each paper, in the papers' order."""
    for paper in (*papers().values(), OTHER):
        own = [row for row in rows if paper_named_in(row["claim"].paper) is paper]
        if own:
            yield paper, own


def _heading(paper: Paper) -> Text:
    from rich.text import Text

    return Text(": ".join(part for part in (paper.key, paper.authors, paper.title) if part), style="bold")


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    title = Text(plain(f"{rows[0]['claim'].experiment}: {rows[0]['run'].path}"))
    table = Table(title=title, title_justify="left", show_lines=True, expand=True)
    for heading, share in (
        ("claim: the paper's word, and where", 4),
        ("measured", 3),
        ("accepted, and why", 3),
        ("outcome", 3),
    ):
        table.add_column(heading, overflow="fold", ratio=share)
    for row in rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: dict[str, Any]) -> list[str]:
    from rich.markup import escape

    claim: Claim = row["claim"]
    others = ", ".join(plain(run.path) for run in row["used"] if run != row["run"])
    verdict: Verdict = row["verdict"]
    labelled = (
        ("reason", escape(verdict.reason)),
        ("documented", claim.discrepancy),
        ("change", claim.change),
        ("note", claim.caveat),
        ("with tables of", escape(others)),
    )
    notes = "".join(f"\n{label}: {text}" for label, text in labelled if text)
    colour = _MARKS[verdict.outcome]
    return [
        f"[bold]{claim.name}[/bold]\n{claim.says} ({claim.paper})",
        ": ".join(filter(None, [escape(plain(measured_text(verdict))), claim.measures])),
        f"{accepted_text(claim)}: {claim.because}",
        f"[{colour}]{verdict.outcome.value}[/{colour}]{notes}",
    ]


def measured_text(verdict: Verdict) -> str:
    """The measured number in words, with its interval; empty if there is none."""
    if math.isnan(verdict.measured):
        return ""
    if verdict.interval is None:
        return f"{verdict.measured:.4g}"
    low, high = verdict.interval
    return f"{verdict.measured:.4g} ({low:.4g} to {high:.4g}{verdict.note and '; '}{verdict.note})"


def accepted_text(claim: Claim) -> str:
    """The accepted range in words."""
    low, high = claim.accepted
    if math.isinf(low):
        return f"at most {high:g}"
    if math.isinf(high):
        return f"at least {low:g}"
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
