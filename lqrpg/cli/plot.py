"""`lqrpg plot`: saved tables to figures."""

from __future__ import annotations

from collections.abc import Sequence
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


def plot(wanted: Sequence[str], results: Path, run_name: str | None, out: Path, *, svg: bool) -> int:
    """Draw the wanted figures; return the exit code.

    A figure whose tables have no rows in the newest run is drawn from the newest one in which they have some. If
    there is none it is reported, and counts as missing only where it was asked for by its full name.
    """
    specs = _chosen(wanted)
    drew = draw_figures(specs, results, run_name, out, ("pdf", "png", "svg") if svg else ("pdf", "png"))
    absent = [name for name, is_there in drew.items() if is_there is None]
    for experiment in dict.fromkeys(spec.experiment for spec in specs if spec.name in absent):
        which = f" named {run_name!r}" if run_name else ""
        say(f"lqrpg: no finished run{which} of {experiment} in {results}: lqrpg run experiment={experiment}", err=True)
    failed = absent or any(drew[name] is False for name in wanted if name in drew)
    return MISSING_TABLES if failed else 0


def draw_figures(
    specs: Sequence[FigureSpec],
    results: Path,
    run_name: str | None,
    out: Path,
    formats: tuple[str, ...] = ("pdf", "png"),
    first: str | None = None,
) -> dict[str, bool | None]:
    """Whether each figure, by its name, was drawn: not where no run has rows for it, None where there is no run.

    `first` names the run to draw from before the newest.
    """
    drew: dict[str, bool | None] = {}
    runs: dict[str, list[RunTables]] = {}
    with house_style():
        for spec in specs:
            if spec.experiment not in runs:
                runs[spec.experiment] = _runs(results, spec.experiment, run_name, first)
            own = runs[spec.experiment]
            drew[spec.name] = _drew(spec, own, out, formats) if own else None
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


def _drew(spec: FigureSpec, runs: Sequence[RunTables], out: Path, formats: tuple[str, ...]) -> bool:
    """Draw from the first run whose tables have rows; False, and a line that says why, if there is none."""

    def written(figure: Figure) -> Path:
        out.mkdir(parents=True, exist_ok=True)
        return save(figure, out, spec.name, formats)[0].with_suffix("")

    try:
        path, tables = drawn(spec, runs, written)
    except (EmptyTableError, MissingRunError) as error:
        say(f"lqrpg: {spec.name}: {error}", err=True)
        return False
    say(f"{spec.name}: {path}.{{{','.join(formats)}}}")
    if tables is not runs[0]:
        say(f"{spec.name}: from {tables.run.path}", err=True)
    return True
