"""Worker processes on this machine, by joblib's loky executor."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import cache

import joblib
from joblib.externals.loky.backend.resource_tracker import ensure_running

from lqrpg.backends.base import Report, Work, WorkerLostError

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def _signals_for_the_parent() -> Iterator[None]:
    """Have processes that are started meanwhile ignore Ctrl-C and the like: the parent ends them in good order.

    A closed terminal or a batch system signals every process of the group. A blocked signal stays blocked in the
    processes that are started here, and waits for this one. Loky's resource tracker has to be there before: to start
    it unblocks what was blocked.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
    try:
        _ensure_quiet_tracker()
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ensure_quiet_tracker() -> None:
    """Have the resource tracker remove what a process that ended at once has left, without a list of it."""
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, [before, "ignore:resource_tracker:UserWarning"]))
    try:
        ensure_running()
    finally:
        del os.environ["PYTHONWARNINGS"]
        os.environ.update({} if before is None else {"PYTHONWARNINGS": before})


@cache
def _watch(parent: int) -> None:
    """Have this worker end within a second or so of its parent, which may be killed without a word, and not before."""
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _watched(parent: int, function: Callable[[Work], Report], chunk: Work) -> Report:
    if os.getpid() != parent:  # joblib works in this very process where it cannot start others
        _watch(parent)
    return function(chunk)


class LokyBackend:
    """Spread chunks over processes.

    Parameters
    ----------
    workers : number of processes, two or more.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def map(
        self, function: Callable[[Work], Report], chunks: Sequence[Work], last: Sequence[Work] = ()
    ) -> Iterator[Report]:
        """Reports as chunks are done; raises `WorkerLostError` when a process dies."""
        # Loky replaces a process that has grown by 300 MB, as compiling makes it; nothing is lost by that.
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
        # After an interruption, what was under way is computed by the command that continues.
        warnings.filterwarnings("ignore", r"\d+ tasks which were still being processed", UserWarning)
        try:
            for together in (chunks, *([chunk] for chunk in last)):
                pool = joblib.Parallel(
                    n_jobs=min(self.workers, max(2, len(chunks))),
                    backend="loky",
                    return_as="generator_unordered",
                    batch_size=1,
                    pre_dispatch="2*n_jobs",
                )
                with _signals_for_the_parent():
                    reports = pool(joblib.delayed(_watched)(os.getpid(), function, chunk) for chunk in together)
                yield from reports
        except BrokenProcessPool as error:
            found = re.search("exit codes of the workers.*", str(error))  # what is before is a guess at the reasons
            raise WorkerLostError(found[0] if found else str(error)) from error

    def alone(self, function: Callable[[Work], Report], chunk: Work) -> Report:
        """The report of one chunk, in a process of its own."""
        return next(self.map(function, [chunk]))
