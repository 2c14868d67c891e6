"""Final tables: one Parquet file each, equal bytes for equal rows and settings."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from lqrpg.results.atomic import DamagedFileError, write_atomically
from lqrpg.results.strangers import read_regular

_METADATA = b"lqrpg"
_MOST_CELLS = 2**28
_KINDS = (types.is_floating, types.is_integer, types.is_boolean, types.is_string, types.is_large_string)


def write_table(path: Path, table: pd.DataFrame, description: Mapping[str, Any]) -> str:
    """Write a table with its deterministic description; return the SHA-256 digest of the file."""
    arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(
        {_METADATA: json.dumps(description, sort_keys=True)}
    )
    stream = io.BytesIO()
    pq.write_table(arrow, stream, compression="zstd")
    content = stream.getvalue()
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()


def read_table(path: Path, digest: str) -> pd.DataFrame:
    """Read a table whose digest is known; `attrs` holds its description (experiment, settings, ...).

    Raises
    ------
    DamagedFileError
        If the file is missing, or its bytes are not those that were written.
    """
    try:
        content = read_regular(path)
    except FileNotFoundError:
        raise DamagedFileError(f"{path} is missing") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise DamagedFileError(f"{path} is damaged")
    try:
        return _table(content)
    except (pa.ArrowException, OSError, RecursionError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DamagedFileError(f"{path} is no table of ours: {reason}") from None


def _table(content: bytes) -> pd.DataFrame:
    """The table in the bytes of a Parquet file: plain columns only, and no more numbers than memory holds.

    Nothing but the numbers and our own description is used of it: no index, no types of pandas or other libraries.
    """
    file = pq.ParquetFile(io.BytesIO(content))
    if file.metadata.num_rows * file.metadata.num_columns > _MOST_CELLS:
        raise ValueError(f"more than {_MOST_CELLS} values")
    for column in file.schema_arrow:
        if not any(is_kind(column.type) for is_kind in _KINDS):
            raise ValueError(f"column {column.name!r} has the type {column.type}")
    if len(set(file.schema_arrow.names)) < len(file.schema_arrow.names):
        raise ValueError("two columns have one name")
    arrow = file.read()
    description = json.loads((arrow.schema.metadata or {}).get(_METADATA, b"{}"))
    if not isinstance(description, dict):
        raise ValueError("its description is none")
    table: pd.DataFrame = arrow.replace_schema_metadata(None).to_pandas()
    table.attrs.update(description)
    return table


def is_whole(path: Path, digest: str) -> bool:
    """Whether a table is there with the bytes that were written."""
    try:
        return hashlib.sha256(read_regular(path)).hexdigest() == digest
    except (DamagedFileError, OSError):
        return False
