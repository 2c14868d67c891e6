"""A rank of a world that `launch` has started: `python -m mpi4py -m lqrpg.backends.mpi.rank SOCKET LOG SIZE`."""

from __future__ import annotations

import pickle
import shutil
import sys
import threading
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import NoReturn

from lqrpg.backends.base import LauncherError, WorkerLostError
from lqrpg.backends.mpi.world import Comm, forget_shared_memory, join, release, serve


def main() -> None:
    """Rank 0 takes a director from the launching process, and sends back what it yields; the others serve."""
    socket, log, size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    try:
        comm = join(size)
    except LauncherError as error:
        sys.exit(f"lqrpg: {error}")
    if comm.rank:
        serve(comm, log)
        return
    forget_shared_memory()
    folder = Path(socket).parent
    try:
        channel = Client(socket)
    except OSError:  # the launching process went away while its world started
        _end(comm, folder)
    with channel:
        _direct(comm, channel, folder)


def _direct(comm: Comm, channel: Connection, folder: Path) -> None:
    director = channel.recv()
    launcher = threading.Thread(target=_end_with_the_launcher, args=(comm, channel, folder), daemon=True)
    launcher.start()
    try:
        for result in director(comm):
            channel.send(("result", result))
    except WorkerLostError as error:
        channel.send(("error", error))
        comm.Abort(1)
    except Exception as error:
        release(comm)
        channel.send(("error", _portable(error)))
    else:
        release(comm)
        channel.send(("end", None))
    launcher.join()  # it has heard the last word: a channel that closes before would look like a death


def _end_with_the_launcher(comm: Comm, channel: Connection, folder: Path) -> None:
    """End the whole world, and its folder, when the launching process goes away, which may be without a word."""
    try:
        done = channel.recv()
    except (EOFError, OSError):
        done = False
    if not done:
        _end(comm, folder)


def _end(comm: Comm, folder: Path) -> NoReturn:
    """End the whole world, and the folder of a launching process that cannot remove it any more."""
    shutil.rmtree(folder, ignore_errors=True)
    comm.Abort(1)
    raise SystemExit(1)


def _portable(error: Exception) -> Exception:
    """The error itself if it can be sent to another process, else its text."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


if __name__ == "__main__":
    main()
