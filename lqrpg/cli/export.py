"""`lqrpg export`: saved tables to CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lqrpg.checks import SettingError
from lqrpg.cli.console import echo
from lqrpg.cli.saved import MISSING_TABLES, require_writable
from lqrpg.cli.selection import SelectedRuns, chosen
from lqrpg.plugins import choices
from lqrpg.results.atomic import DamagedFileError, write_atomically
from lqrpg.results.csv_text import csv_bytes
from lqrpg.results.lookup import FinishedRun


def export(experiments: Sequence[str], results: Path, run_name: str | None, out: Path, *, mat: bool = False) -> int:
    """Write `out/<experiment>/<run>/<table>.csv` for the wanted experiments, or for all; return the exit code.

    With `mat` the table of gains is written as matrices, too, for MATLAB: `gains.mat`.
    """
    runs = SelectedRuns(chosen(experiments, choices("experiment")), results, run_name, named=bool(experiments))
    runs.warn_missing()
    require_writable(out, "--out ")
    for selection, run in runs:
        _write(run, out / selection.experiment / run.name, mat)
    return MISSING_TABLES if runs.is_lacking else 0


def _write(run: FinishedRun, folder: Path, mat: bool) -> None:
    """All tables of a run."""
    for name in run.provenance["tables"]:
        try:
            table = run.table(name)
        except DamagedFileError as error:
            raise SettingError(f"{error}: the command that made the run computes it again") from None
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / f"{name}.csv", csv_bytes(table))
        echo(str(folder / f"{name}.csv"))
        if mat and name == "gains":
            from lqrpg.cli.matlab import gains_file  # SciPy takes a while to import

            write_atomically(folder / "gains.mat", gains_file(table))
            echo(str(folder / "gains.mat"))
