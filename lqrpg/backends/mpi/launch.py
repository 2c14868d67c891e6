"""Directing an MPI world from a process outside it: `mpiexec` is started here, and ended here."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lqrpg.backends.base import LauncherError, WorkerLostError
from lqrpg.backends.mpi.env import SHARED_MEMORY, launch_environment, require_mpiexec

if TYPE_CHECKING:
    from lqrpg.backends.mpi.world import Director

_START_S, _LOOK_S = 60.0, 0.05
_GRACE_S = 5.0


def direct(director: Director, workers: int) -> Iterator[Any]:
    """Results of a director on rank 0 of a world: the one that a launcher put this process in, or a new one.

    Parameters
    ----------
    director : what rank 0 does; picklable.
    workers : how many ranks to start beside rank 0; a world that is there is taken as it is.

    Raises
    ------
    WorkerLostError
        If a rank died, which ends all of them.
    SettingError
        If the world could not be started.
    """
    here = sys.modules.get("lqrpg.backends.mpi.world")
    comm = here.entered() if here else None
    if here and comm is not None:
        yield from here.direct_here(comm, director)
        return
    with _folder() as folder, _Launched(folder, workers + 1) as world:
        yield from world.results(director)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A private folder with a path that is short enough for a socket."""
    parent = tempfile.gettempdir()
    folder = tempfile.mkdtemp(prefix="lqrpg-mpi-", dir=parent if len(parent) < 60 else "/tmp")
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Launched:
    """A world of our own, reached through a socket that its rank 0 opens."""

    def __init__(self, folder: Path, size: int) -> None:
        self._log = folder / "log"
        self._socket = folder / "rank0"
        self._size = size
        self._before = _shared_memory()

    def __enter__(self) -> _Launched:
        command = [require_mpiexec("a run on MPI ranks"), "-n", str(self._size), sys.executable, "-P", "-m", "mpi4py"]
        command += ["-m", "lqrpg.backends.mpi.rank", str(self._socket), str(self._log), str(self._size)]
        with socket.socket(socket.AF_UNIX) as listener, self._log.open("ab") as log:
            listener.bind(str(self._socket))
            listener.listen(1)
            self._mpiexec = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=launch_environment(self._log.parent),
                start_new_session=True,  # Ctrl-C is for this process, which then ends the world in good order
            )
            try:
                self._channel = self._accept(listener)
            except BaseException:
                self._end()
                raise
        return self

    def __exit__(self, *ending: object) -> None:
        self._channel.close()
        self._end()

    def results(self, director: Director) -> Iterator[Any]:
        """What the director yields, until it ends."""
        try:
            self._channel.send(director)
            while True:
                kind, content = self._channel.recv()
                if kind == "error":
                    with contextlib.suppress(ConnectionError):
                        self._channel.send(True)
                    raise content
                if kind == "end":
                    self._channel.send(True)
                    break
                yield content
        except (EOFError, ConnectionError):
            raise WorkerLostError(self._why_it_died()) from None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._mpiexec.wait(_GRACE_S)

    def _accept(self, listener: socket.socket) -> Connection:
        for _ in range(round(_START_S / _LOOK_S)):  # looks, not the clock: it may leap ahead while the ranks start
            if select.select([listener], [], [], _LOOK_S)[0]:
                return Connection(listener.accept()[0].detach())
            if self._mpiexec.poll() is not None:
                raise self._what_the_log_says()
        raise WorkerLostError(f"{self._mpiexec.args!r} started no world of {self._size} ranks in {_START_S:.0f} s")

    def _what_the_log_says(self) -> Exception:
        """Why nothing started: our own word if a rank could still say it, else what the launcher says."""
        if self._mpiexec.returncode < 0:
            return WorkerLostError("mpiexec was killed while its world started")
        said = self._said()
        own = [line.removeprefix("lqrpg: ") for line in said if line.startswith("lqrpg: ")]
        if not own and any(re.search(r"signal:? \d", line) for line in said):
            return WorkerLostError("an MPI rank was killed while its world started")
        errors = [line for line in said if "error" in line.lower()]
        return LauncherError((own or [f"mpiexec: {line}" for line in errors or said or ["no word of explanation"]])[0])

    def _why_it_died(self) -> str:
        """What a rank could still say of itself, else what the launcher says: the signal, or an error."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._mpiexec.wait(_GRACE_S)  # it says so when it has ended the others
        said = self._said()
        own = [line for line in said if re.match(r"rank \d+: ", line)]
        signals = [signal.Signals(int(found[1])).name for line in said if (found := re.search(r"signal:? (\d+)", line))]
        errors = [line for line in said if "error" in line.lower()]
        return ": ".join(["an MPI rank died, and its world with it", *(own or signals or errors)[-1:]])

    def _said(self) -> list[str]:
        """What the ranks and the launcher have printed."""
        lines = [line.strip(" =-") for line in self._log.read_text(errors="replace").splitlines()]
        return [line for line in lines if line]

    def _end(self) -> None:
        """End the launcher, and with it the ranks; the hard way if it must be."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._mpiexec.poll() is None:
                os.kill(self._mpiexec.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._mpiexec.wait(_GRACE_S)
        if self._mpiexec.returncode != 0:
            _forget_shared_memory(self._before)


def _forget_shared_memory(before: set[Path]) -> None:
    """Unlink what MPI leaves in memory if it is killed while it starts: new files of ours that nobody has open."""
    left = [file for file in _shared_memory() - before if _is_own(file)]
    for _ in range(2):  # twice: another world may have made its file just now, and be about to open it
        time.sleep(0.1 if left else 0.0)
        left = [file for file in left if not _is_open(file)]
    for file in left:
        file.unlink(missing_ok=True)


def _shared_memory() -> set[Path]:
    return {file for name in SHARED_MEMORY for file in Path("/dev/shm").glob(f"{name}*")}


def _is_own(file: Path) -> bool:
    try:
        return file.stat().st_uid == os.getuid()
    except OSError:
        return False


def _is_open(file: Path) -> bool:
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            if str(file) in maps.read_text():
                return True
    return False
