"""Rows of several tables as bytes, without pickle: what a worker hands over for one trial."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lqrpg.results.atomic import LARGEST_FILE, DamagedFileError

Columns = dict[str, NDArray[Any]]
"""One table's rows, column by column."""
Rows = dict[str, Columns]
"""Rows of several tables."""


def stacked(pieces: Sequence[Columns]) -> Columns:
    """The rows of pieces with the same columns, one below the other."""
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def encode(rows: Mapping[str, Mapping[str, NDArray[Any]]]) -> bytes:
    """Rows as the bytes of an `.npz` archive with one member a column, named `table/column`."""
    members = {
        f"{table}/{name}": np.asarray(column) for table, columns in rows.items() for name, column in columns.items()
    }
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **members)
    return stream.getvalue()


def decode(content: bytes) -> Rows:
    """Inverse of `encode`; arrays of Python objects, which only pickle could restore, are refused.

    Raises
    ------
    DamagedFileError
        If the bytes are not those of `encode`.
    """
    rows: Rows = {}
    try:
        _require_bounded(content)
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            for member in archive.files:
                table, name = member.split("/")
                rows.setdefault(table, {})[name] = archive[member]
    except (zipfile.BadZipFile, EOFError, MemoryError, TypeError, ValueError, zlib.error) as error:
        raise DamagedFileError(f"these are no rows: {error}") from None
    return rows


def _require_bounded(content: bytes) -> None:
    """Refuse an archive whose members, which a stranger may have compressed, are larger than any of ours."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(member.file_size for member in archive.infolist()) > LARGEST_FILE:
            raise ValueError(f"larger than {LARGEST_FILE} bytes, once unpacked")
