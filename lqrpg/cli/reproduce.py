"""`lqrpg reproduce`: every experiment, every figure, every claim, from one command."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lqrpg.checks import SettingError
from lqrpg.claims.registry import Outcome, claims
from lqrpg.cli.compose import Request, requests
from lqrpg.cli.console import echo, os_reason
from lqrpg.cli.one_run import compute_all
from lqrpg.cli.plot import FIGURES, FigureStatus, draw_selection
from lqrpg.cli.ranks import serves_another
from lqrpg.cli.run import require_runnable
from lqrpg.cli.run_tables import run_beside
from lqrpg.cli.saved import command_of
from lqrpg.cli.selection import chosen, run_options
from lqrpg.cli.verify import Judged, judge
from lqrpg.cli.words import with_plain_paths
from lqrpg.figures.registry import FigureSpec, figures
from lqrpg.plugins import choices
from lqrpg.results.lookup import FULL_SCALE, FinishedRun, MissingRunError, Selection, select
from lqrpg.runner.execute import Result
from lqrpg.runner.settings import Job

BY_NAME = ("benchmark",)
"""Experiments beyond the papers that take long: computed where they are named."""


@dataclass(frozen=True)
class Row:
    """What became of one experiment.

    Attributes
    ----------
    experiment : its name.
    run : the run; None if there is none.
    seconds : work, summed over its trials.
    figures : how many were drawn.
    claims : they, with what became of each.
    all_fits : whether all figures and claims can be made of the tables.
    beside : other runs of which figures and claims read tables.
    missing : what such runs that are not there would be, and the command that makes each.
    """

    experiment: str
    run: FinishedRun | None
    seconds: float
    figures: int
    claims: Sequence[Mapping[str, Any]]
    all_fits: bool
    beside: Sequence[FinishedRun]
    missing: Sequence[str]


def reproduce(words: Sequence[str], out: Path | None, *, force: bool) -> int:
    """Bring the wanted experiments to the finished state, draw, check, and print what came of it; return the exit code.

    The trials of all experiments share the workers, the longest first, and each experiment's figures are drawn as soon
    as its tables are there. A claim that does not hold is a result: it is named, and `lqrpg verify` says more.
    Only a trial without a result, or a figure or claim that cannot be made of its tables, makes this command fail, and
    only after everything else is done.
    """
    if serves_another():
        return 0
    wanted, started = _requests(words, force=force), time.monotonic()
    rows: dict[int, Row] = {}
    failed = False

    def finish(number: int, result: Result) -> None:
        nonlocal failed
        try:
            rows[number] = _finish(wanted[number], out)
            failed = failed or not rows[number].all_fits
        except (SettingError, OSError) as error:
            failed = True
            reason = os_reason(error) if isinstance(error, OSError) else error
            echo(f"lqrpg: {wanted[number].job.experiment.name}: {reason}; going on", err=True)

    results = compute_all(wanted, "reproduce", force=force, finished=finish)
    ended = [rows[number] for number in sorted(rows)]
    for line in _told(wanted[0].job, ended, time.monotonic() - started, out or FIGURES):
        echo(line)
    return 1 if failed or Result.INCOMPLETE in results else 0


def _requests(words: Sequence[str], *, force: bool) -> list[Request]:
    """One request for each wanted experiment, all checked before anything starts."""
    overrides = with_plain_paths([word for word in words if "=" in word], multirun=False)
    named = [word for word in words if "=" not in word]
    names = chosen(named, choices("experiment", own=not named))
    names = [name for name in names if named or name not in BY_NAME]
    wanted = [requests([f"experiment={name}", *overrides], None, multirun=False)[0] for name in names]
    for request in wanted:
        require_runnable(request, force=force)
    return wanted


def _finish(request: Request, out: Path | None) -> Row:
    """Draw the figures of a run and check its claims."""
    job = request.job
    name = job.experiment.name
    own = [spec for spec in figures().values() if spec.experiment == name]
    selection = select(Path(job.runner.results_dir), name).taking(request.run_name)
    drew = draw_selection(own, selection, out or FIGURES)
    run = selection.run
    judged = judge([claim for claim in claims() if claim.experiment == name], run) if run else None
    for claim, reason in judged.unfit.items() if judged else ():
        echo(f"lqrpg: {claim} is not checked: {reason}", err=True)
    seconds = float(run.provenance.get("busy_seconds", run.provenance["seconds"])) if run else 0.0
    drawn = list(drew.values()).count(FigureStatus.DRAWN)
    all_fits = FigureStatus.BAD_TABLES not in drew.values() and not (judged and judged.unfit)
    return Row(name, run, seconds, drawn, judged.rows if judged else [], all_fits, *_beside(own, selection, judged))


def _beside(
    specs: Sequence[FigureSpec], selection: Selection, judged: Judged | None
) -> tuple[list[FinishedRun], list[str]]:
    """Other runs that the figures and claims of a run read, and what is said of those that are not there."""
    runs = list(judged.used) if judged else []
    missing = list(judged.unchecked.values()) if judged else []
    for spec in specs:
        try:
            runs.append(run_beside(spec, selection.meeting(spec.condition)))
        except MissingRunError as error:
            missing.append(str(error))
    return [run for run in runs if run != selection.run], missing


def _not_computed(rows: Sequence[Row]) -> list[str]:
    """What figures and claims show that this command has not computed, with the command for each."""
    computed = {row.run.path for row in rows if row.run}
    others = {run.path: run for row in rows for run in row.beside if run.path not in computed}
    lines = [f"not computed again: {path}: {command_of(run)} --force" for path, run in others.items()]
    return [*lines, *dict.fromkeys(f"not computed: {reason}" for row in rows for reason in row.missing)]


def _told(job: Job, rows: Sequence[Row], seconds: float, out: Path) -> Iterator[str]:
    """What was done: experiments with their work, claims, what was not computed, where figures are, what to type."""
    yield ""
    yield f"{len(rows)} experiment(s) at scale={job.scale} in {seconds:.0f} s"
    width = max((len(row.experiment) for row in rows), default=0)
    for row in rows:
        run = row.run.name if row.run else "no run"
        yield f"  {row.experiment:<{width}}  {run:<14}  {row.seconds:8.1f} s of work  {row.figures} figure(s)"
    yield from _told_of_claims(job, [claim for row in rows for claim in row.claims])
    yield from _not_computed(rows)
    names = {row.run.name for row in rows if row.run}
    apart = names and names != {FULL_SCALE} and out.resolve() == FIGURES.resolve()
    yield f"figures: {out / next(iter(names)) if apart and len(names) == 1 else out}{'/' * (out == FIGURES)}"
    options = run_options(next(iter(names)) if len(names) == 1 else FULL_SCALE, job.runner.results_dir)
    yield "next: " + "; ".join(shlex.join(["lqrpg", verb, *options]) for verb in ("verify", "report"))


def _told_of_claims(job: Job, claims: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Totals, and the names of the claims that failed; a run of another scale is too small for most claims."""
    if job.scale != FULL_SCALE:
        yield f"claims: stated for scale={FULL_SCALE}, and not judged here at scale={job.scale}"
        return
    outcomes = [claim["verdict"].outcome for claim in claims]
    counted = [f"{outcomes.count(kind)} {kind.value}" for kind in Outcome if kind in outcomes]
    yield f"claims: {', '.join(counted) or 'none'}"
    for claim in claims:
        verdict = claim["verdict"]
        if verdict.outcome is Outcome.NOT_REPRODUCED or not verdict.is_documented:
            known = "as documented" if verdict.is_documented else f"documented: {claim['claim'].documented.value}"
            yield f"  {claim['claim'].name}: {verdict.outcome.value} ({known})"
