"""The ranks of an MPI world: rank 0 directs, the others wait for orders, and nobody spins while waiting.

A *director* runs on rank 0 and yields results. A *job* is what it orders the other ranks to do; a rank that has done
its job waits for the next order.
"""

from __future__ import annotations

import atexit
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import mpi4py

from lqrpg.backends.base import WorkerLostError
from lqrpg.backends.mpi.env import SHARED_MEMORY, LaunchedRank, fits_launcher, launcher_mismatch_error

mpi4py.rc(initialize=False, finalize=True)  # `join` starts MPI: a launcher that does not fit would abort it there
from mpi4py import MPI  # noqa: E402

Comm = MPI.Intracomm
Director = Callable[[Comm], Iterator[Any]]
"""Runs on rank 0; yields results."""
Job = Callable[[Comm], None]
"""Runs on the other ranks; picklable."""

ANYONE = MPI.ANY_SOURCE
ORDERS = 1
LONGEST_NAP_S = 0.01
_SHORTEST_NAP_S = 2e-5
_NAP_SHARE = 0.125


class _Entered:
    """The world in which this process is rank 0, and whether a director is at work in it."""

    comm: Comm | None = None
    busy = False


def wait(
    comm: Comm, source: int, tag: int, *, longest_nap_s: float = LONGEST_NAP_S, timeout_s: float | None = None
) -> int | None:
    """Wait for a message and return its sender, or None after the timeout.

    Naps last a fraction of what was waited already: a message is late by little of its time, and long waits cost
    next to nothing.
    """
    status, begin = MPI.Status(), time.perf_counter()
    while not comm.Iprobe(source, tag, status):
        waited_s = time.perf_counter() - begin
        if timeout_s is not None and waited_s > timeout_s:
            return None
        time.sleep(min(max(_SHORTEST_NAP_S, _NAP_SHARE * waited_s), longest_nap_s))
    return status.Get_source()


def receive(comm: Comm, source: int, tag: int) -> Any:
    """Wait for an object."""
    sender = wait(comm, source, tag)
    return comm.recv(source=source if sender is None else sender, tag=tag)


def order(comm: Comm, ranks: Iterable[int], job: Job | None) -> None:
    """Order ranks to do a job; None ends them."""
    for rank in ranks:
        comm.send(job, rank, ORDERS)


def serve(comm: Comm, log: Path | None = None) -> None:
    """What every rank but 0 does: jobs as they are ordered, until the end. An error ends the whole world.

    A terminal, a launcher or a batch system signals every rank: rank 0 heeds it, and the others end with rank 0.

    Parameters
    ----------
    comm : the world.
    log : file to which the error is appended; standard error if None. Launchers may drop what a rank prints just
        before it aborts.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        while (job := receive(comm, 0, ORDERS)) is not None:
            job(comm)
    except BaseException as error:
        _tell(f"rank {comm.rank}: {type(error).__name__}: {error}\n", log)
        comm.Abort(1)


def _tell(line: str, log: Path | None) -> None:
    if log is not None and log.is_file():
        with log.open("a") as file:
            file.write(line)
    else:
        sys.stderr.write(line)
        sys.stderr.flush()


def release(comm: Comm) -> None:
    """End the other ranks, which must be waiting for orders."""
    order(comm, range(1, comm.size), None)


def forget_shared_memory() -> None:
    """Unlink the files through which the ranks of this machine share memory, now that all have them open.

    MPI unlinks its own only when it ends in good order; a killed world would leave it in memory for ever.
    """
    ours = f"/dev/shm/(?:{'|'.join(map(re.escape, SHARED_MEMORY))})\\S+$"
    for name in set(re.findall(ours, Path("/proc/self/maps").read_text(), re.MULTILINE)):
        Path(name).unlink(missing_ok=True)


def join(size: int) -> Comm:
    """Start MPI; all ranks are then there.

    Raises
    ------
    SettingError
        If the launcher's ranks do not find each other.
    """
    if not fits_launcher(MPI.Get_library_version()):
        raise launcher_mismatch_error()
    if not MPI.Is_initialized():
        MPI.Init_thread()
    if MPI.COMM_WORLD.size != size:
        raise launcher_mismatch_error()
    MPI.COMM_WORLD.Barrier()
    return MPI.COMM_WORLD


def enter(place: LaunchedRank) -> bool:
    """Join the world that a launcher has started; return whether this is rank 0, which the others then obey.

    Raises
    ------
    SettingError
        If the launcher's ranks do not find each other.
    """
    comm = join(place.size)
    if comm.rank:
        serve(comm)
        return False
    if Path("/proc/self/maps").is_file():
        forget_shared_memory()
    _Entered.comm = comm
    atexit.register(leave)
    return True


def leave(code: int = 1) -> None:
    """End the world before this process: in good order, or at once, with an exit code, in the middle of work."""
    comm, _Entered.comm = _Entered.comm, None
    if comm is None:
        return
    sys.stdout.flush()
    if _Entered.busy:
        comm.Abort(code)
    release(comm)


def entered() -> Comm | None:
    """The world that this process directs because a launcher started it there, or None."""
    return _Entered.comm


def direct_here(comm: Comm, director: Director) -> Iterator[Any]:
    """Results of a director in the world that this process has entered."""
    _Entered.busy = True
    try:
        yield from director(comm)
    except WorkerLostError as error:
        print(f"lqrpg: {error}; the same command continues", file=sys.stderr, flush=True)
        comm.Abort(1)
    except Exception:
        _Entered.busy = False  # directors raise only after their ranks have finished
        raise
    _Entered.busy = False
