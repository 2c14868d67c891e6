"""Whether tables are those that are kept: words and whole numbers exactly, floats as far as rounding allows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lqrpg.results.comparison import ColumnDifference, column_difference, table_difference
from tests.reference.tolerances import tolerance


def deviations(kept: Mapping[str, pd.DataFrame], found: Mapping[str, pd.DataFrame], experiment: str) -> list[str]:
    """What is not as it was, one line each; none if all is well."""
    lines = [f"{name}: a table that was not there before" for name in found if name not in kept]
    lines += [f"{name}: a table that is no longer there" for name in kept if name not in found]
    for name in kept:
        if name in found:
            lines += [f"{name}: {line}" for line in table_deviations(f"{experiment}/{name}", kept[name], found[name])]
    return lines


def table_deviations(table: str, kept: pd.DataFrame, found: pd.DataFrame) -> list[str]:
    """What is not as it was in a table, named `experiment/table`."""
    lines = list(table_difference(table, kept, found).notes)
    if not lines and list(kept.columns) != list(found.columns):
        lines.append("the columns are in another order")
    if lines:
        return lines
    wrong = [column for column in kept if not _agree(table, kept[column], found[column])]
    return [_described(column_difference(column, kept[column], found[column])) for column in wrong]


def _agree(table: str, kept: pd.Series, found: pd.Series) -> bool:
    if kept.dtype.kind != found.dtype.kind:
        return False
    if kept.dtype.kind != "f":
        return bool((kept.to_numpy() == found.to_numpy()).all())
    allowed = tolerance(table, str(kept.name))
    close = np.isclose(found, kept, rtol=allowed.relative, atol=allowed.absolute, equal_nan=True)
    return bool(close.all())


def _described(difference: ColumnDifference) -> str:
    size = "" if np.isnan(difference.relative) else f", relative difference up to {difference.relative:.2g}"
    return f"column {difference.column}: {difference.rows} rows differ{size}"
