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
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from lqrpg.results.atomic import LARGEST_FILE, DamagedFileError, read_regular, write_atomically

_METADATA = b"lqrpg"
_MOST_CELLS = 2**28
_MOST_BYTES = 8 * _MOST_CELLS
_TEXT = (types.is_string, types.is_large_string)
_KINDS = (types.is_floating, types.is_integer, types.is_boolean, *_TEXT)


class _Shared(dict[str, Any]):
    """A description that all copies of a table share: pandas copies `attrs` with each selection of rows or columns."""

    def __deepcopy__(self, memo: dict[int, Any]) -> _Shared:
        return self


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


def read_table(path: Path, digest: str | None) -> pd.DataFrame:
    """Read a table; `attrs` holds its description (experiment, settings, ...).

    Parameters
    ----------
    path : of the file.
    digest : its own; None for a file that came alone.

    Raises
    ------
    DamagedFileError
        If the file is missing or no regular one, or its bytes are not those that were written.
    """
    try:
        content = read_regular(path)
    except FileNotFoundError:
        raise DamagedFileError(f"{path} is missing") from None
    if digest is not None and hashlib.sha256(content).hexdigest() != digest:
        raise DamagedFileError(f"{path} is damaged")
    try:
        return _table(content)
    except (pa.ArrowException, OSError, RecursionError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DamagedFileError(f"{path} is no table of ours: {reason}") from None


def _table(content: bytes) -> pd.DataFrame:
    """The table in the bytes of a Parquet file: plain columns only, no more numbers and text than memory holds.

    Nothing but the numbers and our own description is used of it: no index, no types of pandas or other libraries.
    """
    file = pq.ParquetFile(io.BytesIO(content))
    schema = file.schema_arrow
    if file.metadata.num_rows * file.metadata.num_columns > _MOST_CELLS:
        raise ValueError(f"more than {_MOST_CELLS} values")
    if sum(file.metadata.row_group(k).total_byte_size for k in range(file.num_row_groups)) > _MOST_BYTES:
        raise ValueError(f"more than {_MOST_BYTES} bytes, once unpacked")
    for column in schema:
        if not any(is_kind(column.type) for is_kind in _KINDS):
            raise ValueError(f"column {column.name!r} has the type {column.type}")
    if len(set(schema.names)) < len(schema.names):
        raise ValueError("two columns have one name")
    arrow = _read(content, schema)
    description = json.loads((arrow.schema.metadata or {}).get(_METADATA, b"{}"))
    if not isinstance(description, dict):
        raise ValueError("its description is none")
    table: pd.DataFrame = arrow.replace_schema_metadata(None).to_pandas()
    table.attrs.update(
        {key: _Shared(value) if isinstance(value, dict) else value for key, value in description.items()}
    )
    return table


def _read(content: bytes, schema: pa.Schema) -> pa.Table:
    """The columns, text read as a dictionary first: a long entry of many rows stands in the file once."""
    words = [column.name for column in schema if any(is_text(column.type) for is_text in _TEXT)]
    arrow = pq.ParquetFile(io.BytesIO(content), read_dictionary=words).read()
    for name in words:
        lengths = [pc.max(pc.binary_length(part.dictionary)).as_py() or 0 for part in arrow[name].chunks]
        if max(lengths, default=0) * len(arrow) > LARGEST_FILE:
            raise ValueError(f"column {name!r} holds more than {LARGEST_FILE} bytes of text")
    return arrow.cast(schema)
