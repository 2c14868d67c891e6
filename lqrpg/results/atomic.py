"""Files that are either whole or absent, that tell when they were damaged, and that have an end."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

_DIGEST_BYTES = 32
_UNFINISHED = ".tmp"
LARGEST_FILE = 2**30
"""Bytes; no table and no trial comes near."""


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


def unfinished(folder: Path) -> Iterator[Path]:
    """The temporary files of writers that are at work in the folder, or were killed there."""
    return folder.glob(f".*{_UNFINISHED}")


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files of writers that were killed; nobody may be writing in the folder."""
    for file in unfinished(folder):
        file.unlink(missing_ok=True)


def write_sealed(path: Path, content: bytes, owner: str = "") -> None:
    """Write content atomically with a digest behind it, of the content and of what it belongs to."""
    write_atomically(path, content + _digest(content, owner))


def read_sealed(path: Path, owner: str = "") -> bytes:
    """Read what `write_sealed` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DamagedFileError
        If the digest does not fit the content, or the file belongs to something else.
    """
    raw = read_regular(path)
    content, digest = raw[:-_DIGEST_BYTES], raw[-_DIGEST_BYTES:]
    if _digest(content, owner) != digest:
        raise DamagedFileError(f"{path} is damaged")
    return content


def read_regular(file: Path, largest: int = LARGEST_FILE) -> bytes:
    """The bytes of a regular file: a pipe would wait for ever, a device would have no end, a huge file no place.

    Raises
    ------
    FileNotFoundError
        If there is none.
    DamagedFileError
        If it is none, or larger than `largest` bytes.
    """
    handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # an empty pipe would wait here already
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise DamagedFileError(f"{file} is no regular file")
        if found.st_size > largest:
            raise DamagedFileError(f"{file} is damaged: larger than {largest} bytes")
        with os.fdopen(handle, "rb", closefd=False) as stream:
            return stream.read(found.st_size)
    finally:
        os.close(handle)


def is_whole(file: Path, digest: str) -> bool:
    """Whether a file is there with the bytes of this SHA-256 digest."""
    try:
        return hashlib.sha256(read_regular(file)).hexdigest() == digest
    except (DamagedFileError, OSError):
        return False


def _digest(content: bytes, owner: str) -> bytes:
    return hashlib.sha256(hashlib.sha256(owner.encode()).digest() + content).digest()
