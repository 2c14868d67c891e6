"""Tables as CSV: numbers read back as the same bits, and no text is a formula."""

from __future__ import annotations

import pandas as pd

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def csv_bytes(table: pd.DataFrame, digits: int | None = None) -> bytes:
    """A table as CSV.

    Parameters
    ----------
    table : the table.
    digits : of its numbers; unless given Python's shortest, which read back as the same number. A missing one is NaN.
    """
    form = None if digits is None else f"%.{digits}g"
    text: str = _without_formulas(table).to_csv(index=False, na_rep="NaN", lineterminator="\n", float_format=form)
    return text.encode("utf-8", "backslashreplace")


def _without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before text that a spreadsheet would take for a formula, and run."""
    columns = {name: table[name].map(_as_text) if _is_text(table[name]) else table[name] for name in table.columns}
    return pd.DataFrame({_as_text(name): column for name, column in columns.items()})


def _is_text(column: pd.Series) -> bool:
    return not (pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype))


def _as_text(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value
