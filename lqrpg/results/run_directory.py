"""One run on disk: `results/<experiment>/<name>/` with tables, settings, provenance, and shards while it runs.

A run is finished once `provenance.json` is there: it is written last, and lists the digest of every table.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lqrpg.results.atomic import (
    DamagedFileError,
    is_whole,
    read_regular,
    read_sealed,
    remove_unfinished,
    unfinished,
    write_atomically,
    write_sealed,
)
from lqrpg.results.rows import Rows, decode, encode
from lqrpg.results.untrusted import is_record, read_json

if TYPE_CHECKING:
    import pandas as pd


class BusyError(RuntimeError):
    """Another process is computing the same run."""


class State(enum.Enum):
    """What a run directory holds, from the point of view of an identity."""

    ABSENT = "absent"
    FINISHED = "finished"
    INCOMPLETE = "incomplete"
    OUTDATED = "outdated"
    DAMAGED = "damaged"


class RunDirectory:
    """The files of one run.

    Parameters
    ----------
    path : `results/<experiment>/<name>`.
    identity : digest of the settings and the numerical sources; shards and tables of another identity are not used.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self.path = path
        self.identity = identity

    @property
    def _shards(self) -> Path:
        return self.path / "shards" / self.identity

    @property
    def previous(self) -> Path:
        """Where finished tables go when they are set aside."""
        return self.path.with_name(f"{self.path.name}.previous")

    def state(self) -> State:
        """Whether the tables are there, whole, complete and of this identity."""
        try:
            provenance = read_provenance(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return State.ABSENT
        except DamagedFileError:
            return State.DAMAGED
        if provenance.get("identity") != self.identity:
            return State.OUTDATED
        if damaged_tables(self.path, provenance):
            return State.DAMAGED
        return State.INCOMPLETE if provenance["trials"]["lost"] else State.FINISHED

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process; the system frees it when the process ends, however it ends.

        Raises
        ------
        BusyError
            If another process holds it.
        OSError
            If nothing can be written there, or a link in the folder's place leads elsewhere.
        """
        self._require_own()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = self.path.parent / f".{self.path.name}.lock"
        while True:
            handle = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o644)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                raise BusyError(f"another process is computing {self.path}") from None
            with contextlib.suppress(FileNotFoundError):
                if lock.stat().st_ino == os.fstat(handle).st_ino:
                    break
            os.close(handle)  # the last holder removed the file in between: take the new one
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
            os.close(handle)

    def _require_own(self) -> None:
        """Refuse links: what they lead to is somebody else's, and would be written over or removed."""
        for folder in (self.path, self.previous, self.path / "shards", self._shards):
            if folder.is_symlink():
                raise OSError(errno.ELOOP, "a symbolic link: a run is kept in a folder of its own", str(folder))

    def open(self, config: str) -> None:
        """Make the folder ready for shards of this identity, and note the settings."""
        self._shards.mkdir(parents=True, exist_ok=True)
        remove_unfinished(self.path)
        self.write_config(config)

    def write_config(self, config: str) -> None:
        """Note the settings beside the tables, for readers: nothing is computed from the file."""
        write_atomically(self.path / "config.yaml", config.encode())

    def has_config(self, config: str) -> bool:
        """Whether the file of the settings is there, as it was written."""
        try:
            return read_regular(self.path / "config.yaml", len(config.encode())) == config.encode()
        except (DamagedFileError, OSError):
            return False

    def set_aside(self) -> bool:
        """Move everything to `<name>.previous`, in the place of what an earlier call left there; return whether.

        A run that is not whole does not take the place of one that is: it is removed.
        """
        if _holds_whole_run(self.previous) and not _holds_whole_run(self.path):
            (self.path / "provenance.json").unlink(missing_ok=True)
            self.tidy()
            return False
        if self.path.exists():
            shutil.rmtree(self.previous, ignore_errors=True)
            self.path.replace(self.previous)
        return True

    def write_shard(self, key: str, rows: Rows) -> None:
        """Save one trial's rows; the file is whole or absent."""
        write_sealed(self._shards / f"{key}.npz", encode(rows), self._owner(key))

    def read_shard(self, key: str) -> Rows:
        """One trial's rows.

        Raises
        ------
        FileNotFoundError
            If the trial is not done.
        DamagedFileError
            If the file is not as it was written.
        """
        path = self._shards / f"{key}.npz"
        content = read_sealed(path, self._owner(key))
        try:
            return decode(content)
        except DamagedFileError as error:
            raise DamagedFileError(f"{path} is damaged: {error}") from None

    def has_shard(self, key: str, say: Callable[[str], None] = lambda line: None) -> bool:
        """Whether a trial is done; a damaged shard, or another trial's, is said, removed, and counts as missing."""
        try:
            self.read_shard(key)
        except FileNotFoundError:
            return False
        except DamagedFileError as error:
            (self._shards / f"{key}.npz").unlink()
            say(f"{error}; computing the trial again")
            return False
        return True

    def _owner(self, key: str) -> str:
        """What a shard belongs to: under another name, or in another run, it is not taken for one of ours."""
        return f"{self.identity}/{key}"

    def mark_started(self, key: str) -> None:
        """Note that a worker has begun a trial."""
        (self._shards / f"{key}.started").touch()

    def started(self, key: str) -> bool:
        """Whether a worker has begun a trial, in this attempt or an earlier one."""
        return (self._shards / f"{key}.started").exists()

    def forget_started(self) -> None:
        """Remove all notes of begun trials."""
        for note in self._shards.glob("*.started"):
            note.unlink()

    def is_settled(self, config: str) -> bool:
        """Whether the run is finished and its folder holds what it should, and nothing that `tidy` would remove."""
        left = (self.path / "shards").exists() or any(unfinished(self.path))
        return self.state() is State.FINISHED and self.has_config(config) and not left

    def finish(
        self,
        tables: Mapping[str, pd.DataFrame],
        description: Mapping[str, Any],
        provenance: Mapping[str, Any],
    ) -> None:
        """Write the tables, then the provenance; drop the shards if no trial is missing."""
        from lqrpg.results.tables import write_table

        (self.path / "provenance.json").unlink(missing_ok=True)
        digests = {
            name: {
                "sha256": write_table(self.path / f"{name}.parquet", table, description),
                "rows": len(table),
            }
            for name, table in tables.items()
        }
        record = {**description, **provenance, "tables": digests}
        write_atomically(self.path / "provenance.json", json.dumps(_sealed(record), indent=1).encode())
        if not provenance["trials"]["lost"]:
            self.tidy()

    def tidy(self) -> None:
        """Remove what a finished run no longer needs, and what a process that was killed at its end has left."""
        shards = self.path / "shards"
        for folder in (each for each in shards.glob("*") if each.is_dir() and not each.is_symlink()):
            remove_unfinished(folder)
            for file in (*folder.glob("*.npz"), *folder.glob("*.started")):
                _remove(file)
            _remove(folder)
        _remove(shards)
        remove_unfinished(self.path)


def _remove(path: Path) -> None:
    """Remove a file or an empty folder, if that can be done: what a stranger has put there stays."""
    with contextlib.suppress(OSError):
        path.rmdir() if path.is_dir() else path.unlink()


def _holds_whole_run(path: Path) -> bool:
    """Whether a folder holds a run with all its tables, whichever code computed them."""
    try:
        provenance = read_provenance(path)
    except (FileNotFoundError, DamagedFileError):
        return False
    return not (provenance["trials"]["lost"] or damaged_tables(path, provenance))


def read_provenance(path: Path) -> dict[str, Any]:
    """The provenance of the finished run in a folder.

    Raises
    ------
    FileNotFoundError
        If the run is not finished.
    DamagedFileError
        If the file is not as it was written, or is none of ours.
    """
    file = path / "provenance.json"
    record = read_json(file)
    if not (isinstance(record, dict) and _sealed(record) == record):
        raise DamagedFileError(f"{file} is damaged")
    if not is_record(record):
        raise DamagedFileError(f"{file} is not the record of a run")
    return dict(record)


def read_run_table(path: Path, provenance: Mapping[str, Any], name: str) -> pd.DataFrame:
    """A table of the finished run in a folder, checked against its digest."""
    from lqrpg.results.tables import read_table

    return read_table(path / f"{name}.parquet", provenance["tables"][name]["sha256"])


def damaged_tables(path: Path, provenance: Mapping[str, Any]) -> list[str]:
    """Names of the tables that are missing or not as they were written."""
    tables = provenance["tables"].items()
    return [name for name, entry in tables if not is_whole(path / f"{name}.parquet", entry["sha256"])]


def _sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    content = {name: value for name, value in record.items() if name != "seal"}
    seal = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return {**content, "seal": seal}
