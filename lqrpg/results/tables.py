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

from lqrpg.results.atomic import DamagedFileError, write_atomically

_METADATA = b"lqrpg"


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
        content = path.read_bytes()
    except FileNotFoundError:
        raise DamagedFileError(f"{path} is missing") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise DamagedFileError(f"{path} is damaged")
    arrow = pq.read_table(io.BytesIO(content))
    table: pd.DataFrame = arrow.replace_schema_metadata(None).to_pandas()
    table.attrs.update(json.loads((arrow.schema.metadata or {}).get(_METADATA, b"{}")))
    return table


def is_whole(path: Path, digest: str) -> bool:
    """Whether a table is there with the bytes that were written."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == digest
    except OSError:
        return False
