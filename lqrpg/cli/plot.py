"""`lqrpg plot`: saved tables to figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path

from matplotlib.figure import Figure

from lqrpg.checks import SettingError
from lqrpg.cli.console import say
from lqrpg.cli.run_tables import RunTables, drawn
from lqrpg.cli.saved import MISSING_TABLES, tell, tell_lost, tell_outdated
from lqrpg.experiments.registry import suggestion
from lqrpg.figures.registry import FigureSpec, figures
from lqrpg.figures.style import house_style, save
from lqrpg.results.lookup import EmptyTableError, MissingRunError, finished_runs


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
    drew = draw_figures(specs, results, run_name, out, ("pdf", "png", "svg") if svg else ("pdf", "png"))
    absent = [name for name, became in drew.items() if became is Drawn.NO_RUN]
    for experiment in dict.fromkeys(spec.experiment for spec in specs if spec.name in absent):
        which = f" named {run_name!r}" if run_name else ""
        say(f"lqrpg: no finished run{which} of {experiment} in {results}: lqrpg run experiment={experiment}", err=True)
    failed = absent or Drawn.UNFIT in drew.values() or any(drew.get(name) is Drawn.NO_ROWS for name in wanted)
    return MISSING_TABLES if failed else 0


def draw_figures(
    specs: Sequence[FigureSpec],
    results: Path,
    run_name: str | None,
    out: Path,
    formats: tuple[str, ...] = ("pdf", "png"),
    first: str | None = None,
) -> Mapping[str, Drawn]:
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
