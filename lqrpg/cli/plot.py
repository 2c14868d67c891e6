"""`lqrpg plot`: saved tables to figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from lqrpg.checks import SettingError
from lqrpg.cli.console import say
from lqrpg.cli.saved import EmptyTableError, fitting, tell, tell_outdated
from lqrpg.experiments.registry import suggestion
from lqrpg.figures.registry import FigureSpec, figures
from lqrpg.figures.style import house_style, save
from lqrpg.results.lookup import FinishedRun, MissingRunError, find_companion, finished_runs

MISSING_TABLES = 3


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
            if table not in run.provenance["tables"]:
                raise EmptyTableError(f"{run.path} has no table {table!r}")
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


def plot(
    wanted: Sequence[str], results: Path, run_name: str | None, out: Path, *, svg: bool, first: str | None = None
) -> int:
    """Draw the wanted figures; return the exit code.

    A figure whose tables have no rows in the newest run is drawn from the newest one in which they have some. If
    there is none it is reported, and counts as missing only where it was asked for by its full name.
    """
    missing, code = [], 0
    runs: dict[str, list[RunTables]] = {}
    with house_style():
        for spec in _chosen(wanted):
            if spec.experiment not in runs:
                runs[spec.experiment] = _runs(results, spec.experiment, run_name, first)
            if not runs[spec.experiment]:
                missing.append(spec.experiment)
            elif not _draw_first(spec, runs[spec.experiment], out, ("pdf", "png", "svg") if svg else ("pdf", "png")):
                code = MISSING_TABLES if spec.name in wanted else code
    for experiment in dict.fromkeys(missing):
        which = f" named {run_name!r}" if run_name else ""
        say(
            f"lqrpg: no finished run{which} of {experiment} in {results}: lqrpg run experiment={experiment}",
            err=True,
        )
    return MISSING_TABLES if missing else code


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
    return [RunTables(run) for run in runs]


def _draw_first(spec: FigureSpec, runs: Sequence[RunTables], out: Path, formats: tuple[str, ...]) -> bool:
    """Draw from the first run whose tables have rows; False, and a line that says why, if there is none."""
    reasons: list[LookupError] = []
    for tables in runs:
        try:
            _draw(spec, tables, out, formats)
        except (EmptyTableError, MissingRunError) as error:
            reasons.append(error)
            continue
        if reasons:
            say(f"{spec.name}: from {tables.run.path}", err=True)
        return True
    say(f"lqrpg: {spec.name}: {reasons[0]}", err=True)
    return False


def _draw(spec: FigureSpec, tables: RunTables, out: Path, formats: tuple[str, ...]) -> None:
    with fitting(spec.name, tables.run):
        drawn = spec.draw(tables)
        out.mkdir(parents=True, exist_ok=True)
        saved = save(drawn, out, spec.name, formats)
    say(f"{spec.name}: {saved[0].with_suffix('')}.{{{','.join(formats)}}}")
