"""`lqrpg plot`: saved tables to figures."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from pathlib import Path

import click
from matplotlib.figure import Figure

from lqrpg.backends.base import WorkerLostError
from lqrpg.backends.choice import backend
from lqrpg.backends.cores import usable_cores
from lqrpg.checks import SettingError
from lqrpg.cli.console import say
from lqrpg.cli.run_tables import RunTables, drawn
from lqrpg.cli.saved import MISSING_TABLES, tell, tell_lost, tell_outdated
from lqrpg.experiments.registry import suggestion
from lqrpg.figures.registry import FigureSpec, figures
from lqrpg.figures.style import house_style, save
from lqrpg.results.lookup import EmptyTableError, MissingRunError, finished_runs

Share = Sequence[FigureSpec]
"""Figures that one process draws."""
_ENOUGH = 5  # figures that take as long as a process needs to start


class Drawn(Enum):
    """What became of a figure."""

    DRAWN = "drawn"
    NO_ROWS = "no run has rows for it"
    NO_RUN = "there is no run"
    UNFIT = "its tables are damaged, or do not fit"


def plot(wanted: Sequence[str], results: Path, run_name: str | None, out: Path, *, svg: bool) -> int:
    """Draw the wanted figures; return the exit code.

    A figure whose tables have no rows in the newest run is drawn from the newest one in which they have some. If
    there is none it is reported, and counts as missing only where it was asked for by its full name. Damaged tables
    are reported, and the other figures drawn.
    """
    specs = _chosen(wanted)
    formats = ("pdf", "png", "svg") if svg else ("pdf", "png")
    draw = partial(draw_figures, results=results, run_name=run_name, out=out, formats=formats)
    shares = _shares(specs, results)
    drew = _draw_apart(draw, shares) if len(shares) > 1 else {}
    drew |= draw([spec for spec in specs if spec.name not in drew])
    absent = [name for name, became in drew.items() if became is Drawn.NO_RUN]
    for experiment in dict.fromkeys(spec.experiment for spec in specs if spec.name in absent):
        which = f" named {run_name!r}" if run_name else ""
        say(f"lqrpg: no finished run{which} of {experiment} in {results}: lqrpg run experiment={experiment}", err=True)
    failed = absent or Drawn.UNFIT in drew.values() or any(drew.get(name) is Drawn.NO_ROWS for name in wanted)
    return MISSING_TABLES if failed else 0


def _draw_apart(draw: Callable[[Share], dict[str, Drawn]], shares: Sequence[Share]) -> dict[str, Drawn]:
    """Draw each share of the figures in one of several processes; what they say is said as each is done.

    A process that dies is no reason to fail: the figures that are not in the answer are still to be drawn.
    """
    drew: dict[str, Drawn] = {}
    with contextlib.suppress(WorkerLostError):
        workers = backend("joblib", usable_cores())
        for found, said, told in workers.map(partial(_overheard, Path.cwd(), draw), shares):
            click.echo(told, nl=False, err=True)
            click.echo(said, nl=False)
            drew |= found
    return drew


def draw_figures(
    specs: Sequence[FigureSpec],
    results: Path,
    run_name: str | None,
    out: Path,
    formats: tuple[str, ...] = ("pdf", "png"),
    first: str | None = None,
) -> dict[str, Drawn]:
    """What became of each figure, by its name; `first` names the run to draw from before the newest."""
    drew: dict[str, Drawn] = {}
    runs: dict[str, list[RunTables]] = {}
    with house_style():
        for spec in specs:
            if spec.experiment not in runs:
                runs[spec.experiment] = _runs(results, spec.experiment, run_name, first)
            own = runs[spec.experiment]
            drew[spec.name] = _drew(spec, own, out, formats) if own else Drawn.NO_RUN
    return drew


def _chosen(wanted: Sequence[str]) -> list[FigureSpec]:
    known = figures()
    for prefix in wanted:
        if not any(name.startswith(prefix) for name in known):
            raise SettingError(f"unknown figure {prefix!r}: {suggestion(prefix, known)}")
    return [spec for name, spec in known.items() if not wanted or name.startswith(tuple(wanted))]


def _shares(specs: Sequence[FigureSpec], results: Path) -> list[Share]:
    """The figures of each experiment that has a run, most of them first; a single share if processes do not pay."""
    if usable_cores() == 1 or len(specs) < _ENOUGH:
        return [specs]
    shares: dict[str, list[FigureSpec]] = {}
    for spec in specs:
        shares.setdefault(spec.experiment, []).append(spec)
    with_runs = [share for name, share in shares.items() if any(finished_runs(results, name))]
    pays = sum(map(len, with_runs)) >= _ENOUGH
    return sorted(with_runs, key=len, reverse=True) if pays else [specs]


def _overheard(
    folder: Path, draw: Callable[[Share], dict[str, Drawn]], share: Share
) -> tuple[dict[str, Drawn], str, str]:
    """What became of figures, and what was printed meanwhile on standard output and on standard error.

    Processes that have served before may be in another folder than the one that paths are under.
    """
    said, told = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(said), contextlib.redirect_stderr(told):
        return draw(share), said.getvalue(), told.getvalue()


def _runs(results: Path, experiment: str, run_name: str | None, first: str | None) -> list[RunTables]:
    """Finished runs that a figure may be drawn from: the one of the name `first`, then newest first."""
    runs = [run for run in finished_runs(results, experiment, tell) if run_name in (None, run.name)]
    runs.sort(key=lambda run: run.name != first)
    if runs:
        say(f"{experiment}: from {runs[0].path}", err=True)
        tell_outdated(runs[0])
        tell_lost(runs[0])
    return [RunTables(run) for run in runs]


def _drew(spec: FigureSpec, runs: Sequence[RunTables], out: Path, formats: tuple[str, ...]) -> Drawn:
    """Draw from the first run whose tables have rows; a line says why if there is none, or names other runs."""

    def written(figure: Figure) -> Path:
        out.mkdir(parents=True, exist_ok=True)
        return save(figure, out, spec.name, formats)[0].with_suffix("")

    try:
        path, tables = drawn(spec, runs, written)
    except (EmptyTableError, MissingRunError) as error:
        tell(f"{spec.name}: {error}")
        return Drawn.NO_ROWS
    except SettingError as error:
        tell(f"{spec.name} is not drawn: {error}")
        return Drawn.UNFIT
    say(f"{spec.name}: {path}.{{{','.join(formats)}}}")
    for run in tables.used:
        if run != runs[0].run:
            say(f"{spec.name}: from {run.path}", err=True)
            tell_outdated(run)
            tell_lost(run)
    return Drawn.DRAWN
