"""The tables of a finished run as figures and claims read them, and the figure of a selection of runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from lqrpg.cli.saved import checksum_errors, schema_errors
from lqrpg.figures.registry import FigureSpec
from lqrpg.figures.style import fit
from lqrpg.results.lookup import EmptyTableError, FinishedRun, MissingRunError, find_companion

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

T = TypeVar("T")


class RunTables(Mapping[str, "pd.DataFrame"]):
    """Tables of a finished run, read when asked for; `experiment/table` is a table of the run's companion.

    See `lqrpg.results.lookup.find_companion`, which also says what is raised if there is none.

    Attributes
    ----------
    run : the run.
    used : the runs of which tables have been asked for, in that order.
    """

    def __init__(self, run: FinishedRun) -> None:
        self.run = run
        self.used: list[FinishedRun] = []
        self._read: dict[str, tuple[FinishedRun, pd.DataFrame]] = {}

    def tracked_copy(self) -> RunTables:
        """The same tables, each read once for both, of which nothing has been asked for yet."""
        other = RunTables(self.run)
        other._read = self._read
        return other

    @property
    def asked(self) -> list[str]:
        """Names of the tables that have been read, by this object or a copy."""
        return list(self._read)

    def __getitem__(self, name: str) -> pd.DataFrame:
        """The table; a copy, so that nobody changes another's."""
        if name not in self._read:
            companion, _, table = name.rpartition("/")
            run = find_companion(self.run, companion) if companion else self.run
            if table not in run.provenance["tables"]:
                raise EmptyTableError(f"{run.path} has no table {table!r}")
            with checksum_errors(run):
                self._read[name] = run, run.table(table)
        run, content = self._read[name]
        if content.empty:
            raise EmptyTableError(f"table {name!r} of {self.run.path} has no rows")
        if run not in self.used:
            self.used.append(run)
        return content.copy()

    def __iter__(self) -> Iterator[str]:
        """Names of the tables."""
        return iter(self.run.provenance["tables"])

    def __len__(self) -> int:
        """Number of tables."""
        return len(self.run.provenance["tables"])


def run_beside(spec: FigureSpec, run: FinishedRun) -> FinishedRun:
    """The run that a figure of another run reads beside it; the run itself if it needs none.

    Raises
    ------
    MissingRunError
        If there is none.
    """
    missing: list[MissingRunError] = []
    for key, values in {} if run.meets(spec.beside) else spec.beside.items():
        for value in values:
            try:
                return find_companion(run, f"{spec.experiment}?{key}={value}")
            except MissingRunError as error:
                missing.append(error)
    if missing:
        raise missing[0]
    return run


def drawn(spec: FigureSpec, tables: RunTables, render: Callable[[Figure], T]) -> tuple[T, list[FinishedRun]]:
    """A figure as `render` keeps it, and the runs that it shows.

    Raises
    ------
    EmptyTableError, MissingRunError
        If the run, or one that is read beside it, has no rows for the figure.
    SettingError
        If tables are damaged or do not fit.
    """
    own = tables.tracked_copy()
    with schema_errors(spec.name, own.run):
        figure = spec.draw(own)
        fit(figure)
        return render(figure), own.used
