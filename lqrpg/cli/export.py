"""`lqrpg export`: saved tables to CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lqrpg.checks import SettingError
from lqrpg.cli.console import echo
from lqrpg.cli.saved import MISSING_TABLES
from lqrpg.cli.selection import SelectedRuns, chosen
from lqrpg.plugins import choices
from lqrpg.results.atomic import DamagedFileError, write_atomically
from lqrpg.results.csv_text import csv_bytes
from lqrpg.results.lookup import FinishedRun


def export(experiments: Sequence[str], results: Path, run_name: str | None, out: Path) -> int:
    """Write `out/<experiment>/<run>/<table>.csv` for the wanted experiments, or for all; return the exit code."""
    runs = SelectedRuns(chosen(experiments, choices("experiment")), results, run_name)
    runs.warn_missing(named=bool(experiments))
    for selection, run in runs:
        _write(run, out / selection.experiment / run.name)
    return MISSING_TABLES if runs.is_lacking(named=bool(experiments)) else 0


def _write(run: FinishedRun, folder: Path) -> None:
    """All tables of a run."""
    for name in run.provenance["tables"]:
        try:
            table = run.table(name)
        except DamagedFileError as error:
            raise SettingError(f"{error}: the command that made the run computes it again") from None
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / f"{name}.csv", csv_bytes(table))
        echo(str(folder / f"{name}.csv"))
