"""What a backend is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from lqrpg.checks import SettingError

Work = TypeVar("Work")
Report = TypeVar("Report")


class WorkerLostError(RuntimeError):
    """A worker process ended while it was at work: killed, or out of memory."""


class LauncherError(SettingError):
    """Workers cannot be had here; no trial is to blame."""


class Backend(Protocol):
    """Runs a function over chunks of work.

    The function must be picklable and save what it computes by itself: a chunk may be lost with its worker.
    """

    def map(
        self, function: Callable[[Work], Report], chunks: Sequence[Work], last: Sequence[Work] = ()
    ) -> Iterator[Report]:
        """Reports of the chunks, as they come; those of `last` run when all others are done, one at a time.

        Raises
        ------
        WorkerLostError
            If a worker died; chunks without a report may or may not have been done.
        """
        ...

    def alone(self, function: Callable[[Work], Report], chunk: Work) -> Report:
        """The report of one chunk that runs with nothing beside it.

        Raises
        ------
        WorkerLostError
            If its worker died.
        """
        ...
