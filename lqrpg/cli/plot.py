"""`lqrpg plot`: saved tables to figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click
import pandas as pd

from lqrpg.checks import SettingError
from lqrpg.experiments.registry import suggestion
from lqrpg.figures.registry import FigureSpec, figures
from lqrpg.figures.style import house_style, save
from lqrpg.results.atomic import DamagedFileError
from lqrpg.results.lookup import FinishedRun, find_companion, find_run

MISSING_TABLES = 3


class EmptyTableError(LookupError):
    """A table that has no rows in this run."""


class RunTables(Mapping[str, pd.DataFrame]):
    """Tables of a finished run, read when asked for; `experiment/table` is a table of the run's companion.

    See `lqrpg.results.lookup.find_companion`, which also says what is raised if there is none.
    """

    def __init__(self, run: FinishedRun) -> None:
        self.run = run
        self._read: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        """The table; a copy, so that nobody changes another's."""
        if name not in self._read:
            companion, _, table = name.rpartition("/")
            run = find_companion(self.run, companion) if companion else self.run
            self._read[name] = run.table(table)
        if self._read[name].empty:
            raise EmptyTableError(f"table {name!r} of {self.run.path} has no rows")
        return self._read[name].copy()

    def __iter__(self) -> Iterator[str]:
        """Names of the tables."""
        return iter(self.run.provenance["tables"])

    def __len__(self) -> int:
        """Number of tables."""
        return len(self.run.provenance["tables"])


def plot(wanted: Sequence[str], results: Path, run_name: str | None, out: Path, *, svg: bool) -> int:
    """Draw the wanted figures; return the exit code."""
    missing, empty = [], False
    runs: dict[str, RunTables | None] = {}
    with house_style():
        for spec in _chosen(wanted):
            if spec.experiment not in runs:
                runs[spec.experiment] = _tables(results, spec.experiment, run_name)
            tables = runs[spec.experiment]
            if tables is None:
                missing.append(spec.experiment)
                continue
            try:
                _draw(spec, tables, out, ("pdf", "png", "svg") if svg else ("pdf", "png"))
            except EmptyTableError as error:
                empty = True
                click.echo(f"lqrpg: {spec.name}: {error}", err=True)
    for experiment in dict.fromkeys(missing):
        which = f" named {run_name!r}" if run_name else ""
        click.echo(
            f"lqrpg: no finished run{which} of {experiment} in {results}: lqrpg run experiment={experiment}",
            err=True,
        )
    return MISSING_TABLES if missing or empty else 0


def _chosen(wanted: Sequence[str]) -> list[FigureSpec]:
    known = figures()
    for prefix in wanted:
        if not any(name.startswith(prefix) for name in known):
            raise SettingError(f"unknown figure {prefix!r}: {suggestion(prefix, known)}")
    return [spec for name, spec in known.items() if not wanted or name.startswith(tuple(wanted))]


def _tables(results: Path, experiment: str, run_name: str | None) -> RunTables | None:
    run = find_run(results, experiment, run_name)
    if run is None:
        return None
    click.echo(f"{experiment}: from {run.path}", err=True)
    return RunTables(run)


def _draw(spec: FigureSpec, tables: RunTables, out: Path, formats: tuple[str, ...]) -> None:
    try:
        drawn = spec.draw(tables)
    except DamagedFileError as error:
        raise SettingError(f"{error}: lqrpg run experiment={spec.experiment} computes it again") from None
    out.mkdir(parents=True, exist_ok=True)
    click.echo(f"{spec.name}: {save(drawn, out, spec.name, formats)[0].with_suffix('')}.{{{','.join(formats)}}}")
