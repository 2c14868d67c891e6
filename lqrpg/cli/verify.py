"""`lqrpg verify`: the papers' claims, checked on saved tables."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from lqrpg.checks import SettingError
from lqrpg.claims.registry import Claim, Outcome, Verdict, claims
from lqrpg.cli.console import echo, plain
from lqrpg.cli.run_tables import RunTables
from lqrpg.cli.saved import MISSING_TABLES, schema_errors, warn_lost, warn_outdated
from lqrpg.cli.selection import SelectedRuns, chosen
from lqrpg.cli.verdicts import details, summary
from lqrpg.plugins import choices
from lqrpg.results.lookup import EmptyTableError, FinishedRun, MissingRunError, finished_runs


def verify(
    words: Sequence[str], results: Path, run_name: str | None, *, as_json: bool, strict: bool, long: bool
) -> int:
    """Check the claims that words name, or all; return the exit code.

    It is 0 where every outcome is the one that its claim documents. A claim that is not tested because the run is too
    small, or the measurement too noisy to decide, is no failure; one without a number on a run that is large enough is.
    """
    wanted = named_claims(words)
    rows: list[dict[str, Any]] = []
    unchecked: dict[str, str] = {}
    runs = SelectedRuns(list(dict.fromkeys(claim.experiment for claim in wanted)), results, run_name, says_from=False)
    for selection, taken in runs:
        found = judge([claim for claim in wanted if claim.experiment == selection.experiment], taken)
        for run in found.used[1:]:
            warn_outdated(run)
            warn_lost(run)
        rows += found.rows
        unchecked |= found.unchecked | found.unfit
    missing = [selection.experiment for selection in runs.missing]
    if as_json:
        click.echo(json.dumps({"claims": [_plain(row) for row in rows], "missing": [*missing, *unchecked]}, indent=1))
    elif rows:
        named = long or all(word in {claim.name for claim in wanted} for word in words or [""])
        for line in details(rows) if named else summary(rows, _source(rows)):
            click.echo(line)
    none_found = len(runs.missing) == len(runs.selections)
    if not words and none_found and (others := _without_claims(results)):
        echo(f"lqrpg: {plain(str(results))} has runs of {', '.join(others)} alone, which check no claim", err=True)
    else:
        runs.warn_missing()
    for name, reason in unchecked.items():
        echo(f"lqrpg: {name} is not checked: {reason}", err=True)
    if missing or unchecked:
        return MISSING_TABLES
    refused = {Outcome.NOT_REPRODUCED, Outcome.CHANGED} if strict else set()
    return 1 if any(not row["verdict"].is_documented or row["verdict"].outcome in refused for row in rows) else 0


def _without_claims(results: Path) -> list[str]:
    """The experiments that check no claim and have a run."""
    claiming = {claim.experiment for claim in claims()}
    return [name for name in choices("experiment") if name not in claiming and finished_runs(results, name)]


def named_claims(words: Sequence[str]) -> list[Claim]:
    """The claims that words name: claims, experiments, their beginnings, or papers; all where there are no words."""
    every = claims()
    named = {claim.name for claim in every} & set(words)
    others = [word for word in words if word not in named]
    claiming = list(dict.fromkeys(claim.experiment for claim in every))
    known = list(dict.fromkeys([*claiming, *choices("experiment")]))
    experiments = chosen(others, known, {claim.name for claim in every}) if others or not words else []
    for name in experiments if words else ():
        if name not in claiming:
            echo(f"lqrpg: {name} checks no claim of a paper", err=True)
    return [claim for claim in every if claim.name in named or claim.experiment in experiments]


def _source(rows: Sequence[dict[str, Any]]) -> str:
    """Which runs claims are judged on, in a few words."""
    paths = {row["run"].path for row in rows}
    if len(paths) == 1:
        return plain(next(iter(paths)))
    names = {path.name for path in paths}
    return plain(f"{next(iter(paths)).parent.parent}/, {'runs' if len(names) == 1 else 'various runs'}") + (
        f" named {plain(next(iter(names)))}" if len(names) == 1 else ""
    )


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


def judge(wanted: Sequence[Claim], run: FinishedRun) -> Judged:
    """Claims of an experiment on a run's tables."""
    tables, found = RunTables(run), Judged(run, [], {}, {})
    for claim in wanted:
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
