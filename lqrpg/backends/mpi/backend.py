"""Ranks of an MPI world as workers: rank 0 hands out chunks one by one, the others save what they compute."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from lqrpg.backends.base import Report, Work
from lqrpg.backends.mpi.launch import direct

if TYPE_CHECKING:
    from lqrpg.backends.mpi.world import Comm

_CHUNKS, _REPORTS = 2, 3


class MpiBackend:
    """Spread chunks over MPI ranks.

    Parameters
    ----------
    workers : ranks beside rank 0; a world in which a launcher has started this process is taken as it is.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def map(
        self, function: Callable[[Work], Report], chunks: Sequence[Work], last: Sequence[Work] = ()
    ) -> Iterator[Report]:
        """Reports as chunks are done; raises `WorkerLostError` when a rank dies."""
        director = partial(_hand_out, function=function, chunks=list(chunks), last=list(last))
        return direct(director, min(self.workers, max(1, len(chunks))))

    def alone(self, function: Callable[[Work], Report], chunk: Work) -> Report:
        """The report of one chunk, in a world with nothing else to do."""
        (report,) = self.map(function, [chunk])
        return report


def _hand_out(
    comm: Comm, function: Callable[[Any], Any], chunks: Sequence[Any], last: Sequence[Any] = ()
) -> Iterator[Any]:
    """On rank 0: a chunk to each rank, and the next to whichever is done first. An error waits for the others."""
    from lqrpg.backends.mpi.world import ANYONE, order, wait

    ranks = range(1, min(comm.size - 1, max(1, len(chunks))) + 1)
    order(comm, ranks, partial(_work, function=function))
    waiting, after, idle, busy = deque(chunks), deque(last), deque(ranks), 0
    failure: Exception | None = None
    while True:
        if not (waiting or busy) and after:
            waiting.append(after.popleft())
        while waiting and idle and failure is None:
            comm.send([waiting.popleft()], idle.popleft(), _CHUNKS)
            busy += 1
        if not busy:
            break
        rank = wait(comm, ANYONE, _REPORTS) or 0
        report, error = comm.recv(source=rank, tag=_REPORTS)
        failure = failure or error
        idle.appendleft(rank)
        busy -= 1
        if error is None:
            yield report
    for rank in ranks:
        comm.send([], rank, _CHUNKS)
    if failure is not None:
        raise failure


def _work(comm: Comm, function: Callable[[Any], Any]) -> None:
    """On the other ranks: chunks until there are none."""
    from lqrpg.backends.mpi.world import receive

    while chunk := receive(comm, 0, _CHUNKS):
        try:
            answer: tuple[Any, Exception | None] = (function(chunk[0]), None)
        except Exception as error:
            answer = (None, error)
        comm.send(answer, 0, _REPORTS)
