"""Rows of several tables as bytes, without pickle: what a worker hands over for one trial."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = dict[str, NDArray[Any]]
"""One table's rows, column by column."""
Rows = dict[str, Columns]
"""Rows of several tables."""


def encode(rows: Mapping[str, Mapping[str, NDArray[Any]]]) -> bytes:
    """Rows as the bytes of an `.npz` archive with one member a column, named `table/column`."""
    members = {
        f"{table}/{name}": np.asarray(column) for table, columns in rows.items() for name, column in columns.items()
    }
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **members)
    return stream.getvalue()


def decode(content: bytes) -> Rows:
    """Inverse of `encode`."""
    rows: Rows = {}
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        for member in archive.files:
            table, name = member.split("/")
            rows.setdefault(table, {})[name] = archive[member]
    return rows
