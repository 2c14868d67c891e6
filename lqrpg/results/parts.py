"""The parts of `sgd_direct`, which may lie in different runs: where a figure or a claim finds one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lqrpg.results.lookup import MissingRunError

if TYPE_CHECKING:
    import pandas as pd

_HOLDERS = {
    "printed": ("default", "all"),
    "baseline": ("baseline", "all"),
    "surrogate": ("baseline", "all"),
}


def part_table(tables: Mapping[str, pd.DataFrame], part: str, name: str) -> pd.DataFrame:
    """The rows of one part in a table, from the run itself, or else from its companion that holds the part.

    Raises
    ------
    MissingRunError
        If no run of the same scale holds the part; the message says how to compute it.
    """
    holders = _HOLDERS[part]
    table = tables[name]
    if table.attrs["settings"]["part"] not in holders:
        table = _companion(tables, holders, name)
    return table[table["case"].str.startswith(part)]


def _companion(tables: Mapping[str, pd.DataFrame], holders: tuple[str, str], name: str) -> pd.DataFrame:
    alone, everything = holders
    try:
        return tables[f"sgd_direct?part={alone}/{name}"]
    except MissingRunError as error:
        try:
            return tables[f"sgd_direct?part={everything}/{name}"]
        except MissingRunError:
            raise error from None
