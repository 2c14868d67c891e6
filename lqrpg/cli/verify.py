"""`lqrpg verify`: the papers' claims, checked on saved tables."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from lqrpg.checks import SettingError
from lqrpg.claims.registry import Claim, Outcome, claims
from lqrpg.cli.plot import MISSING_TABLES, EmptyTableError, RunTables
from lqrpg.experiments.registry import suggestion
from lqrpg.results.atomic import DamagedFileError
from lqrpg.results.lookup import FinishedRun, MissingRunError, find_run

_WIDTH_OF_FILES = 140
_MARKS = {Outcome.REPRODUCED: "green", Outcome.CHANGED: "yellow", Outcome.NOT_REPRODUCED: "red"}


def verify(experiments: Sequence[str], results: Path, run_name: str | None, *, as_json: bool) -> int:
    """Check the claims of the wanted experiments, or of all; return the exit code."""
    known = claims()
    names = list(dict.fromkeys(claim.experiment for claim in known))
    for wanted in experiments:
        if wanted not in names:
            raise SettingError(f"unknown experiment {wanted!r}: {suggestion(wanted, names)}")
    rows: list[dict[str, Any]] = []
    missing = []
    incomplete: dict[str, str] = {}
    for name in experiments or names:
        run = find_run(results, name, run_name)
        if run is None:
            missing.append(name)
            continue
        checked, unchecked = check_run(name, run)
        rows += checked
        incomplete |= unchecked
    if as_json:
        click.echo(json.dumps({"claims": [_plain(row) for row in rows], "missing": [*missing, *incomplete]}, indent=1))
    else:
        _print(rows)
    for name in missing:
        click.echo(f"lqrpg: no finished run of {name} in {results}: lqrpg run experiment={name}", err=True)
    for name, reason in incomplete.items():
        click.echo(f"lqrpg: {name} is not checked: {reason}", err=True)
    if missing or incomplete:
        return MISSING_TABLES
    return 1 if any(row["outcome"] is Outcome.NOT_REPRODUCED for row in rows) else 0


def check_run(experiment: str, run: FinishedRun) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The claims of an experiment on a run's tables, and why some cannot be checked there."""
    tables = RunTables(run)
    rows, unchecked = [], {}
    for claim in (claim for claim in claims() if claim.experiment == experiment):
        try:
            rows.append(_check(claim, tables))
        except MissingRunError as error:
            unchecked[claim.name] = str(error)
    return rows, unchecked


def _check(claim: Claim, tables: RunTables) -> dict[str, Any]:
    try:
        measured = claim.measure(tables)
    except EmptyTableError:
        measured = math.nan
    except DamagedFileError as error:
        raise SettingError(f"{error}: lqrpg run experiment={claim.experiment} computes it again") from None
    return {"claim": claim, "run": tables.run, "measured": measured, "outcome": claim.outcome(measured)}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    claim: Claim = row["claim"]
    low, high = (value if math.isfinite(value) else None for value in claim.accepted)
    return {
        "name": claim.name,
        "experiment": claim.experiment,
        "run": str(row["run"].path),
        "paper": claim.paper,
        "says": claim.says,
        "measures": claim.measures,
        "measured": row["measured"] if math.isfinite(row["measured"]) else None,
        "accepted": [low, high],
        "because": claim.because,
        "outcome": row["outcome"].value,
        "change": claim.change,
        "caveat": claim.caveat,
    }


def _print(rows: Sequence[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH_OF_FILES)
    for experiment in dict.fromkeys(row["claim"].experiment for row in rows):
        own = [row for row in rows if row["claim"].experiment == experiment]
        table = Table(title=f"{experiment}: {own[0]['run'].path}", title_justify="left", show_lines=True, expand=True)
        for heading, share in (
            ("claim: the paper's word, and where", 4),
            ("measured", 3),
            ("accepted, and why", 3),
        ):
            table.add_column(heading, overflow="fold", ratio=share)
        table.add_column("outcome", overflow="fold", ratio=3)
        for row in own:
            table.add_row(*_cells(row))
        console.print(table)
    for outcome, colour in _MARKS.items():
        count = sum(row["outcome"] is outcome for row in rows)
        console.print(f"[{colour}]{count}[/{colour}] {outcome.value}")


def _cells(row: dict[str, Any]) -> list[str]:
    claim: Claim = row["claim"]
    notes = "".join(f"\n{label}: {text}" for label, text in (("change", claim.change), ("note", claim.caveat)) if text)
    colour = _MARKS[row["outcome"]]
    return [
        f"[bold]{claim.name}[/bold]\n{claim.says} ({claim.paper})",
        f"{row['measured']:.4g}: {claim.measures}",
        f"{_range(claim)}: {claim.because}",
        f"[{colour}]{row['outcome'].value}[/{colour}]{notes}",
    ]


def _range(claim: Claim) -> str:
    low, high = claim.accepted
    if math.isinf(low):
        return f"at most {high:g}"
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
