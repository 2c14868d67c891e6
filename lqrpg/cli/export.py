"""`lqrpg export`: saved tables to CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lqrpg.checks import SettingError
from lqrpg.cli.console import echo
from lqrpg.cli.saved import MISSING_TABLES
from lqrpg.cli.selection import SelectedRuns, chosen
from lqrpg.plugins import choices
from lqrpg.results.atomic import DamagedFileError, write_atomically
from lqrpg.results.lookup import FinishedRun

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def export(experiments: Sequence[str], results: Path, run_name: str | None, out: Path) -> int:
    """Write `out/<experiment>/<run>/<table>.csv` for the wanted experiments, or for all; return the exit code."""
    runs = SelectedRuns(chosen(experiments, choices("experiment")), results, run_name)
    runs.warn_missing()
    for selection, run in runs:
        _write(run, out / selection.experiment / run.name)
    return MISSING_TABLES if runs.missing else 0


def _write(run: FinishedRun, folder: Path) -> None:
    """All tables of a run. Python's shortest digits read back as the same number; a missing one is NaN."""
    for name in run.provenance["tables"]:
        try:
            table = run.table(name)
        except DamagedFileError as error:
            raise SettingError(f"{error}: the command that made the run computes it again") from None
        folder.mkdir(parents=True, exist_ok=True)
        text = _without_formulas(table).to_csv(index=False, na_rep="NaN", lineterminator="\n")
        write_atomically(folder / f"{name}.csv", text.encode("utf-8", "backslashreplace"))
        echo(str(folder / f"{name}.csv"))


def _without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before text that a spreadsheet would take for a formula, and run."""
    columns = {name: table[name].map(_as_text) if _is_text(table[name]) else table[name] for name in table.columns}
    return pd.DataFrame({_as_text(name): column for name, column in columns.items()})


def _is_text(column: pd.Series) -> bool:
    return not (pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype))


def _as_text(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value
