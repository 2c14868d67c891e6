"""`lqrpg plot`: saved tables to figures."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lqrpg.backends.cores import usable_cores
from lqrpg.checks import SettingError
from lqrpg.cli.console import echo
from lqrpg.cli.drawing import in_processes
from lqrpg.cli.run_tables import RunTables, drawn
from lqrpg.cli.saved import MISSING_TABLES, require_writable, warn, warn_lost, warn_outdated
from lqrpg.cli.selection import SelectedRuns
from lqrpg.figures.drawn_data import drawn_data
from lqrpg.figures.registry import FigureSpec, figures
from lqrpg.figures.style import FORMATS, USUAL, Look, house_style, save
from lqrpg.paths import expanded
from lqrpg.results.atomic import write_atomically
from lqrpg.results.csv_text import csv_bytes
from lqrpg.results.lookup import EmptyTableError, FinishedRun, MissingRunError, Selection, select
from lqrpg.runner.registry import suggestion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Batch = Sequence[FigureSpec]
"""Figures that one process draws."""
FIGURES = Path("figures")
"""Folder of the figures of full-size runs."""
OWN_LOOK = "own"
"""Folder below it of the figures of a width or a style of one's own."""
_ENOUGH = 5  # figures that take as long as a process needs to start


class FigureStatus(Enum):
    """What became of a figure."""

    DRAWN = "drawn"
    NO_ROWS = "its run has no rows for it"
    NO_RUN = "there is no run"
    BAD_TABLES = "its tables are damaged, or do not fit"


def style_of(style: str | None) -> str | None:
    """The style that a user names; a file's path is made absolute, as processes may draw elsewhere."""
    return str(expanded(style).resolve()) if style and style.endswith(".mplstyle") else style


def formats_of(text: str | None, *, svg: bool) -> tuple[str, ...]:
    """The formats that a user lists.

    Raises
    ------
    SettingError
        If one is unknown.
    """
    formats = tuple(dict.fromkeys(text.replace(" ", "").split(","))) if text else ("pdf", "png")
    for each in formats:
        if each not in FORMATS:
            raise SettingError(f"--format {each!r}: expected one or more of {', '.join(FORMATS)}, with commas between")
    return (*formats, "svg") if svg and "svg" not in formats else formats


def plot(wanted: Sequence[str], results: Path, run_name: str | None, out: Path, look: Look = USUAL) -> int:
    """Draw the wanted figures; return the exit code.

    A figure whose tables have no rows is reported, and counts as missing only where it was asked for by its full name.
    Damaged tables are reported, and the other figures drawn.
    """
    specs = _chosen(wanted)
    require_writable(out, "--out ")
    with house_style(look.width, look.style):
        pass  # a style that cannot be read is one error, not one for each figure
    draw = partial(draw_figures, results=results, run_name=run_name, out=out, look=look)
    batches = _batches(specs, results)
    drew = _draw_in_processes(draw, batches) if len(batches) > 1 else {}
    drew |= draw([spec for spec in specs if spec.name not in drew])
    absent = FigureStatus.NO_RUN in drew.values()
    if absent:
        runs = SelectedRuns(_experiments(specs), results, run_name, lambda damaged: None, named=bool(wanted))
        runs.warn_missing()
        absent = runs.is_lacking
    failed = (
        absent
        or FigureStatus.BAD_TABLES in drew.values()
        or any(drew.get(name) is FigureStatus.NO_ROWS for name in wanted)
    )
    return MISSING_TABLES if failed else 0


def _draw_in_processes(
    draw: Callable[[Batch], dict[str, FigureStatus]], batches: Sequence[Batch]
) -> dict[str, FigureStatus]:
    """Draw each batch in one of several processes; what they say is said as each is done, and some may be left out."""
    drew: dict[str, FigureStatus] = {}
    for found, said, told in in_processes(partial(_capture_output, draw), batches):
        click.echo(told, nl=False, err=True)
        click.echo(said, nl=False)
        drew |= found
    return drew


def draw_figures(
    specs: Sequence[FigureSpec],
    results: Path,
    run_name: str | None,
    out: Path,
    look: Look = USUAL,
) -> dict[str, FigureStatus]:
    """What became of each figure, by its name."""
    runs = SelectedRuns(_experiments(specs), results, run_name)
    missing = {selection.experiment for selection in runs.missing}
    drew = {spec.name: FigureStatus.NO_RUN for spec in specs if spec.experiment in missing}
    for selection, _ in runs:
        own = [spec for spec in specs if spec.experiment == selection.experiment]
        drew |= draw_selection(own, selection, out, look)
    return drew


def _experiments(specs: Sequence[FigureSpec]) -> list[str]:
    return list(dict.fromkeys(spec.experiment for spec in specs))


def draw_selection(
    specs: Sequence[FigureSpec], selection: Selection, out: Path, look: Look = USUAL
) -> dict[str, FigureStatus]:
    """What became of each figure of one experiment, by its name."""
    tables: dict[Path, RunTables] = {}
    with house_style(look.width, look.style):
        return {spec.name: _drew(spec, selection, tables, out, look) for spec in specs}


def figure_folder(out: Path, selection: Selection, spec: FigureSpec, run: FinishedRun, look: Look = USUAL) -> Path:
    """Where a figure of a run goes: beside the papers' figures only if the run is one of full size, drawn as usual."""
    if out.resolve() != FIGURES.resolve():
        return out
    folder = out if look.is_usual else out / OWN_LOOK
    return folder if selection.is_full_size(run, spec.condition) else folder / run.name


def _chosen(wanted: Sequence[str]) -> list[FigureSpec]:
    """The figures whose names begin with one of the words, and those of the experiments and papers that are named."""
    known = figures()
    for word in wanted:
        if not any(_is_meant(spec, word) for spec in known.values()):
            raise SettingError(f"unknown figure {word!r}: {suggestion(word, known)}")
    return [spec for spec in known.values() if not wanted or any(_is_meant(spec, word) for word in wanted)]


def _is_meant(spec: FigureSpec, word: str) -> bool:
    return (
        spec.name.startswith(word)
        or spec.experiment == word
        or spec.shows.startswith((f"{word.upper()} ", f"beyond {word.upper()}"))
    )


def _batches(specs: Sequence[FigureSpec], results: Path) -> list[Batch]:
    """The figures of each experiment that has a run, most of them first; a single batch if processes do not pay."""
    if usable_cores() == 1 or len(specs) < _ENOUGH:
        return [specs]
    batches: dict[str, list[FigureSpec]] = {}
    for spec in specs:
        batches.setdefault(spec.experiment, []).append(spec)
    with_runs = [batch for name, batch in batches.items() if select(results, name).run]
    pays = sum(map(len, with_runs)) >= _ENOUGH
    return sorted(with_runs, key=len, reverse=True) if pays else [specs]


def _capture_output(
    draw: Callable[[Batch], dict[str, FigureStatus]], batch: Batch
) -> tuple[dict[str, FigureStatus], str, str]:
    """What became of figures, and what was printed meanwhile on standard output and on standard error."""
    said, told = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(told):
        return draw(batch), said.getvalue(), told.getvalue()


def _drew(spec: FigureSpec, selection: Selection, read: dict[Path, RunTables], out: Path, look: Look) -> FigureStatus:
    """Draw from the run that the figure needs; a line says why if there is none, or names other runs than the taken."""
    try:
        run = selection.meeting(spec.condition)
        folder = figure_folder(out, selection, spec, run, look)
        tables = read.setdefault(run.path, RunTables(run))
        path, used = drawn(spec, tables, lambda figure: _saved(figure, folder, spec.name, look))
    except (EmptyTableError, MissingRunError) as error:
        warn(f"{spec.name}: {error}")
        return FigureStatus.NO_ROWS
    except SettingError as error:
        warn(f"{spec.name} is not drawn: {error}")
        return FigureStatus.BAD_TABLES
    echo(f"{spec.name}: {path}.{_kinds(look)}")
    for other in (each for each in used if each != selection.run):
        echo(f"{spec.name}: from {other.path}", err=True)
        warn_outdated(other)
        warn_lost(other)
    return FigureStatus.DRAWN


def _kinds(look: Look) -> str:
    kinds = [*look.formats, *(["csv"] if look.data else [])]
    return kinds[0] if len(kinds) == 1 else "{" + ",".join(kinds) + "}"


def _saved(figure: Figure, folder: Path, name: str, look: Look) -> Path:
    path = save(figure, folder, name, look.formats)[0].with_suffix("")
    if look.data:
        write_atomically(folder / f"{name}.csv", csv_bytes(drawn_data(figure)))
    return path
