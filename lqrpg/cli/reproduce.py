"""`lqrpg reproduce`: every experiment, every figure, every claim, from one command."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lqrpg.checks import SettingError
from lqrpg.claims.registry import Outcome
from lqrpg.cli.chosen import chosen
from lqrpg.cli.compose import Request, requests, with_plain_paths
from lqrpg.cli.console import os_reason, say
from lqrpg.cli.one_run import compute_all
from lqrpg.cli.plot import Drawn, draw_figures
from lqrpg.cli.ranks import serves_another
from lqrpg.cli.run import require_runnable
from lqrpg.cli.verify import judge
from lqrpg.experiments.execute import Result
from lqrpg.figures.registry import figures
from lqrpg.results.lookup import find_run
from lqrpg.rooms import choices

_PAPER = "paper"


@dataclass(frozen=True)
class Row:
    """What became of one experiment; `seconds` of work, summed over its trials; whether `all_fits` its tables."""

    experiment: str
    run: str
    seconds: float
    figures: int
    counts: dict[Outcome, int]
    all_fits: bool


def reproduce(words: Sequence[str], out: Path | None, *, force: bool) -> int:
    """Bring the wanted experiments to the finished state, draw, check, and print a table; return the exit code.

    The trials of all experiments share the workers, the longest first, and each experiment's figures are drawn as soon
    as its tables are there. A claim that does not hold is a result: it is in the table, and `lqrpg verify` says more.
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
            say(f"lqrpg: {wanted[number].job.experiment.name}: {reason}; going on", err=True)

    results = compute_all(wanted, "reproduce", force=force, finished=finish)
    _print([rows[number] for number in sorted(rows)], time.monotonic() - started)
    if wanted[0].job.scale != _PAPER:
        say("claims are stated for scale=paper; at a smaller scale they may fail for want of runs", err=True)
    return 1 if failed or Result.INCOMPLETE in results else 0


def _requests(words: Sequence[str], *, force: bool) -> list[Request]:
    """One request for each wanted experiment, all checked before anything starts."""
    overrides = with_plain_paths([word for word in words if "=" in word], multirun=False)
    named = [word for word in words if "=" not in word]
    names = chosen(named, choices("experiment", own=not named))
    wanted = [requests([f"experiment={name}", *overrides], None, multirun=False)[0] for name in names]
    for request in wanted:
        require_runnable(request, force=force)
    return wanted


def _finish(request: Request, out: Path | None) -> Row:
    """Draw the figures of a run and check its claims."""
    job = request.job
    results, name = Path(job.runner.results_dir), job.experiment.name
    folder = out or (Path("figures") if job.scale == _PAPER else Path("figures") / job.scale)
    own = [spec for spec in figures().values() if spec.experiment == name]
    drew = draw_figures(own, results, None, folder, first=request.run_name)
    run = find_run(results, name, request.run_name)
    judged = judge(name, run) if run else None
    for claim, reason in judged.unfit.items() if judged else ():
        say(f"lqrpg: {claim} is not checked: {reason}", err=True)
    found = [row["outcome"] for row in judged.rows] if judged else []
    seconds = float(run.provenance.get("busy_seconds", run.provenance["seconds"])) if run else 0.0
    drawn = list(drew.values()).count(Drawn.DRAWN)
    all_fits = Drawn.UNFIT not in drew.values() and not (judged and judged.unfit)
    return Row(name, request.run_name, seconds, drawn, {kind: found.count(kind) for kind in Outcome}, all_fits)


def _print(rows: Sequence[Row], seconds: float) -> None:
    from rich.table import Table

    from lqrpg.cli.console import table_console

    table = Table(title=f"{len(rows)} experiment(s) in {seconds:.0f} s", title_justify="left")
    for heading in ("experiment", "run", "work (s)", "figures", "reproduced", "with a change", "not reproduced"):
        table.add_column(heading, justify="left" if heading in ("experiment", "run") else "right")
    for row in rows:
        counts = [str(row.counts[kind]) for kind in (Outcome.REPRODUCED, Outcome.CHANGED, Outcome.NOT_REPRODUCED)]
        table.add_row(row.experiment, row.run, f"{row.seconds:.1f}", str(row.figures), *counts)
    table_console().print(table)
