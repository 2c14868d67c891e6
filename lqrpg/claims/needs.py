"""What claims need of a run: replicates, lengths, decades. Each constructor gives a `Need` with its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lqrpg.claims.registry import Need, Tables

Rows = Mapping[str, Sequence[object]]
"""Values by column that rows must have."""

NORMAL_REPLICATES = 8
"""Replicates from which a range of three standard errors is left by chance at most once in 50 (Student's t)."""
RANKED_REPLICATES = 11
"""Replicates from which the median less and plus three standard errors, by ranks, lies within the sample."""


def distinct(table: str, column: str, least: int, what: str, why: str, rows: Rows | None = None) -> Need:
    """At least so many distinct values of a column, such as replicates, in each group of rows.

    Parameters
    ----------
    table, column : where they are counted.
    least : how many are needed.
    what : their name, such as `seeds`.
    why : the reason for the number.
    rows : values of other columns; each combination of them is a group of its own. Without it all rows are one group.
    """

    def lacking(tables: Tables) -> str:
        found = min(len(set(group[column])) for group in _groups(tables[table], rows or {}))
        return "" if found >= least else f"the run has {found} {what}"

    return Need(f"{least} are needed: {why}", lacking)


def present(table: str, column: str, values: Sequence[object], what: str) -> Need:
    """Rows with each of these values of a column."""

    def lacking(tables: Tables) -> str:
        absent = [value for value in values if value not in set(tables[table][column])]
        return f"the run has no {what} {', '.join(map(str, absent))}" if absent else ""

    return Need("the claim compares it", lacking)


def setting(key: str, least: float, why: str) -> Need:
    """A setting, with dots between the names of groups, that is at least so large."""

    def lacking(tables: Tables) -> str:
        value = _setting(tables, key)
        return "" if value >= least else f"the run has {key}={value:g}"

    return Need(f"at least {least:g} is needed: {why}", lacking)


def computed(number: Callable[[Tables], float], least: float, what: str, why: str) -> Need:
    """A number of the tables that is at least so large; `what` says what it is, such as `decades of the gap`."""

    def lacking(tables: Tables) -> str:
        value = number(tables)
        return "" if value >= least else f"the run has {value:.3g} {what}"

    return Need(f"{least:g} are needed: {why}", lacking)


def _groups(table: pd.DataFrame, rows: Rows) -> list[pd.DataFrame]:
    groups = [table]
    for column, values in rows.items():
        groups = [group[group[column] == value] for group in groups for value in values]
    return groups


def _setting(tables: Tables, key: str) -> float:
    """A number among the settings, which every table of a run carries."""
    value: Any = settings_of(tables)
    for name in key.split("."):
        value = value[name]
    return float(value)


def settings_of(tables: Tables) -> dict[str, Any]:
    """The settings of the run, from the first of its tables that has rows."""
    for name in tables:
        try:
            return dict(tables[name].attrs["settings"])
        except LookupError:
            continue
    return {}


def decades(values: ArrayLike) -> float:
    """Decades between the first and the least of some positive numbers."""
    numbers = np.asarray(values, dtype=np.float64)
    return float(np.log10(numbers[0] / numbers.min()))
