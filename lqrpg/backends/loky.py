"""Worker processes on this machine, by joblib's loky executor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool

import joblib

from lqrpg.backends.base import Report, Work, WorkerLostError


class LokyBackend:
    """Spread chunks over processes.

    Parameters
    ----------
    workers : number of processes, two or more.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def map(self, function: Callable[[Work], Report], chunks: Sequence[Work]) -> Iterator[Report]:
        """Reports as chunks are done; raises `WorkerLostError` when a process dies."""
        pool = joblib.Parallel(
            n_jobs=min(self.workers, max(2, len(chunks))),
            backend="loky",
            return_as="generator_unordered",
            batch_size=1,
            pre_dispatch="2*n_jobs",
        )
        try:
            yield from pool(joblib.delayed(function)(chunk) for chunk in chunks)
        except BrokenProcessPool as error:
            raise WorkerLostError(str(error).splitlines()[0]) from error

    def alone(self, function: Callable[[Work], Report], chunk: Work) -> Report:
        """The report of one chunk, in a process of its own."""
        return next(self.map(function, [chunk]))
