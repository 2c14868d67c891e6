"""Columns of each of many short runs as arrays: what pandas takes milliseconds for, a run at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


def each_group(
    table: pd.DataFrame, keys: Sequence[str], *columns: str
) -> Iterator[tuple[tuple[object, ...], tuple[NDArray[np.float64], ...]]]:
    """The keys of each group of rows, in increasing order, and its columns as numbers, in the order of the rows."""
    if table.empty:
        return
    codes = table.groupby(list(keys), observed=True).ngroup().to_numpy()
    order = np.argsort(codes, kind="stable")
    bounds = np.flatnonzero(np.diff(codes[order])) + 1
    split = [np.split(table[name].to_numpy(dtype=np.float64)[order], bounds) for name in columns]
    first = table[list(keys)].iloc[order[np.concatenate(([0], bounds))]]
    yield from zip(first.itertuples(index=False, name=None), zip(*split, strict=True), strict=True)
