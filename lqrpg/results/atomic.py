"""Files that are either whole or absent, and that tell when they were damaged."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

_DIGEST_BYTES = 32
_UNFINISHED = ".tmp"


class DamagedFileError(ValueError):
    """A file whose bytes are not those that were written."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file through a temporary one beside it: after a crash the old file, the new one, or none is there.

    Raises
    ------
    OSError
        If it cannot be written; the error names the file that was meant.
    """
    try:
        _write(path, content)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_UNFINISHED)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files of writers that were killed; nobody may be writing in the folder."""
    for file in folder.glob(f".*{_UNFINISHED}"):
        file.unlink(missing_ok=True)


def write_sealed(path: Path, content: bytes, owner: str = "") -> None:
    """Write content atomically with a digest behind it, of the content and of what it belongs to."""
    write_atomically(path, content + _digest(content, owner))


def read_sealed(path: Path, owner: str = "") -> bytes:
    """Read what `write_sealed` wrote.

    Raises
    ------
    DamagedFileError
        If the digest does not fit the content, or the file belongs to something else.
    """
    if path.exists() and not path.is_file():
        raise DamagedFileError(f"{path} is no regular file")
    raw = path.read_bytes()
    content, digest = raw[:-_DIGEST_BYTES], raw[-_DIGEST_BYTES:]
    if _digest(content, owner) != digest:
        raise DamagedFileError(f"{path} is damaged")
    return content


def _digest(content: bytes, owner: str) -> bytes:
    return hashlib.sha256(hashlib.sha256(owner.encode()).digest() + content).digest()
