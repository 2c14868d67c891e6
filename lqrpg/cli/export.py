"""`lqrpg export`: saved tables to CSV."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import io as matlab

from lqrpg.checks import SettingError
from lqrpg.cli.console import echo
from lqrpg.cli.saved import MISSING_TABLES, require_writable
from lqrpg.cli.selection import SelectedRuns, chosen
from lqrpg.experiments.gains import TABLE
from lqrpg.lqr.plant import Array
from lqrpg.plugins import choices
from lqrpg.results.atomic import DamagedFileError, write_atomically
from lqrpg.results.csv_text import csv_bytes
from lqrpg.results.lookup import FinishedRun

LONGEST_NAME = 63
"""Letters of a variable of MATLAB's."""


def export(experiments: Sequence[str], results: Path, run_name: str | None, out: Path, *, mat: bool = False) -> int:
    """Write `out/<experiment>/<run>/<table>.csv` for the wanted experiments, or for all; return the exit code.

    With `mat` the table of gains is written as matrices, too, for MATLAB: `gains.mat`.
    """
    runs = SelectedRuns(chosen(experiments, choices("experiment")), results, run_name)
    runs.warn_missing(named=bool(experiments))
    require_writable(out, "--out ")
    for selection, run in runs:
        _write(run, out / selection.experiment / run.name, mat)
    return MISSING_TABLES if runs.is_lacking(named=bool(experiments)) else 0


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
        if mat and name == TABLE:
            write_atomically(folder / f"{name}.mat", _mat(table))
            echo(str(folder / f"{name}.mat"))


def _mat(gains: pd.DataFrame) -> bytes:
    """The gains of a run as a MATLAB file.

    It holds `K_METHOD`, (m, n, runs), for each method, and each plant where there are several, with NaN for a run that
    was lost; and `K_optimum`, (m, n), where there is one optimum.
    """
    content: dict[str, Any] = {}
    plants = [name for name in ("system",) if name in gains]
    for names, rows in gains.groupby([*plants, "method"], sort=False):
        content[_variable("_".join(map(str, names)))] = _matrices(rows, "value")
        content[_variable("_".join([*map(str, names[:-1]), "optimum"]))] = _matrices(rows, "optimum")[:, :, 0]
    stream = io.BytesIO()
    matlab.savemat(stream, content)  # type: ignore[arg-type]  # SciPy's stubs know names only
    return stream.getvalue()


def _variable(name: str) -> str:
    """A name that MATLAB takes."""
    return re.sub(r"\W", "_", f"K_{name}", flags=re.ASCII)[:LONGEST_NAME]


def _matrices(rows: pd.DataFrame, column: str) -> Array:
    """A column of the table of one method's gains, (m, n, runs)."""
    shape = rows["row"].max(), rows["column"].max(), rows["replicate"].nunique()
    ordered = rows.sort_values(["row", "column", "replicate"])
    return np.asarray(ordered[column].to_numpy().reshape(shape))
