"""Files that are either whole or absent, and that tell when they were damaged."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

_DIGEST_BYTES = 32


class DamagedFileError(ValueError):
    """A file whose bytes are not those that were written."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file through a temporary one beside it: after a crash the old file, the new one, or none is there."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def write_sealed(path: Path, content: bytes) -> None:
    """Write content atomically with its SHA-256 digest behind it."""
    write_atomically(path, content + hashlib.sha256(content).digest())


def read_sealed(path: Path) -> bytes:
    """Read what `write_sealed` wrote.

    Raises
    ------
    DamagedFileError
        If the digest does not fit the content.
    """
    if path.exists() and not path.is_file():
        raise DamagedFileError(f"{path} is no regular file")
    raw = path.read_bytes()
    content, digest = raw[:-_DIGEST_BYTES], raw[-_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise DamagedFileError(f"{path} is damaged")
    return content
