"""How two runs of an experiment differ: parameters, versions, and tables, column by column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lqrpg.results.lookup import Differing, FinishedRun, differing

TIMINGS = frozenset({"runtime", "runtime_slopes", "wall_clock"})
"""Tables of measured times; they differ from run to run and do not decide whether runs are equal."""
_VERSIONS = ("version", "python", "libraries", "commit", "sources", "machine")


@dataclass(frozen=True)
class ColumnDifference:
    """How a column differs.

    Attributes
    ----------
    column : its name.
    rows : how many rows differ; two missing numbers are equal.
    absolute : largest |a - b|; NaN if there are no two finite numbers to compare.
    relative : largest |a - b| / max(|a|, |b|); NaN likewise.
    """

    column: str
    rows: int
    absolute: float
    relative: float


@dataclass(frozen=True)
class TableDifference:
    """How a table differs; `notes` say what is not a matter of single values."""

    table: str
    notes: tuple[str, ...]
    columns: tuple[ColumnDifference, ...]

    @property
    def differs(self) -> bool:
        """Whether anything does."""
        return bool(self.notes or self.columns)


def differing_settings(a: FinishedRun, b: FinishedRun) -> Differing:
    """Parameters that differ."""
    return differing(a.provenance["settings"], b.provenance["settings"])


def differing_versions(a: FinishedRun, b: FinishedRun) -> Differing:
    """Versions, commit, sources and machine, where they differ."""
    one, other = ({key: run.provenance[key] for key in _VERSIONS if key in run.provenance} for run in (a, b))
    return differing(one, other)


def differing_tables(a: FinishedRun, b: FinishedRun) -> list[TableDifference]:
    """The tables that differ.

    Raises
    ------
    DamagedFileError
        If a table is missing or not as it was written.
    """
    names = sorted({*a.provenance["tables"], *b.provenance["tables"]})
    found = (_table(name, a, b) for name in names)
    return [difference for difference in found if difference.differs]


def _table(name: str, a: FinishedRun, b: FinishedRun) -> TableDifference:
    for run, letter in ((a, "B"), (b, "A")):
        if name not in run.provenance["tables"]:
            return TableDifference(name, (f"only in {letter}",), ())
    return table_difference(name, a.table(name), b.table(name))


def table_difference(name: str, a: pd.DataFrame, b: pd.DataFrame) -> TableDifference:
    """Two tables, row against row; if one has more rows, those are compared that both have, if that is clear."""
    notes = [f"column {column} only in A" for column in a.columns if column not in b]
    notes += [f"column {column} only in B" for column in b.columns if column not in a]
    shared = [column for column in a.columns if column in b]
    if len(a) != len(b):
        notes.append(f"{len(a)} rows against {len(b)}")
        a, b = _common_rows(a[shared], b[shared], _keys(a[shared], b[shared]))
        notes.append(f"the {len(a)} common ones compared" if len(a) else "which belong together is not clear")
    columns = (column_difference(column, a[column], b[column]) for column in shared)
    return TableDifference(name, tuple(notes), tuple(each for each in columns if each.rows))


def _keys(a: pd.DataFrame, b: pd.DataFrame) -> list[str]:
    """The first columns of tables, as few as tell the rows of each apart; none where no columns do."""
    columns = list(a.columns)
    for count in range(1, len(columns) + 1):
        keys = columns[:count]
        if any(a[key].dtype != b[key].dtype for key in keys):
            return []
        if not (a.duplicated(keys).any() or b.duplicated(keys).any()):
            return keys
    return []


def _common_rows(a: pd.DataFrame, b: pd.DataFrame, keys: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that agree in some columns."""
    if not keys:
        return a.iloc[:0], b.iloc[:0]
    common = a[keys].merge(b[keys], on=keys)
    return common.merge(a, on=keys), common.merge(b, on=keys)


def column_difference(name: str, a: pd.Series, b: pd.Series) -> ColumnDifference:
    """Two columns of equal length."""
    one, other = a.to_numpy(), b.to_numpy()
    if not (pd.api.types.is_numeric_dtype(a.dtype) and pd.api.types.is_numeric_dtype(b.dtype)):
        same = (a.reset_index(drop=True) == b.reset_index(drop=True)).to_numpy() | (pd.isna(one) & pd.isna(other))
        return ColumnDifference(name, int((~same).sum()), np.nan, np.nan)
    differ = ~((one == other) | (pd.isna(one) & pd.isna(other)))
    x, y = one[differ].astype(float), other[differ].astype(float)
    both = np.isfinite(x) & np.isfinite(y)
    if not both.any():
        return ColumnDifference(name, int(differ.sum()), np.nan, np.nan)
    gap = np.abs(x[both] - y[both])
    relative = gap / np.maximum(np.maximum(np.abs(x[both]), np.abs(y[both])), np.finfo(float).tiny)
    return ColumnDifference(name, int(differ.sum()), float(gap.max()), float(relative.max()))
