"""AZOPG in real time on MPI ranks: rank 0 is the master, every other rank a worker with an emulated plant.

A plant answers in its own time, and waiting costs no core: a rank sleeps until its rollouts would be over. Messages
are flat buffers of float64: `[ticket, version, pulled, pushed, F]` to the master, `[version, ticket, stop, K]` back.
The first push has in the place of F how long the numerics of an estimate take, so that the master is as patient.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lqrpg.azopg.master import Master, Pulled
from lqrpg.azopg.thread_workers import Estimator
from lqrpg.backends.base import WorkerLostError
from lqrpg.backends.mpi.launch import direct
from lqrpg.lqr.plant import Array

if TYPE_CHECKING:
    from lqrpg.backends.mpi.world import Comm

_PUSH, _REPLY, _FAILURE = 4, 5, 6
_HEAD, _REPLY_HEAD = 4, 3  # numbers before F and before K
_HELLO, _FAILED = -1.0, -2.0  # tickets of a worker that is ready, and of one that raised
_LONGEST_NAP_S = 5e-4  # a late reply would slow the fleet
_START_S, _STRAGGLER_S, _SILENCE_S = 120.0, 30.0, 5.0
_NUMERICS = 5.0  # how many times longer than in the warm-up the numerics of an estimate may take


def run_ranks(master: Master, estimator: Estimator, estimate_s: Sequence[float]) -> Master:
    """Run a fleet until its master stops it, and return the master with what it recorded.

    Parameters
    ----------
    master : the master; its events are recorded in seconds since the start of the fleet.
    estimator : the numerics of one estimate; picklable.
    estimate_s : emulated time of an estimate, in seconds, one entry a worker.

    Raises
    ------
    WorkerLostError
        If a rank died, or was silent for seconds longer than an estimate takes, its numerics included.
    Exception
        The first one that a worker raised; the others are stopped then.
    """
    fleet = partial(_direct_fleet, master=master, estimator=estimator, estimate_s=tuple(estimate_s))
    (recorded,) = direct(fleet, len(estimate_s))
    return recorded  # type: ignore[no-any-return]


def _direct_fleet(comm: Comm, master: Master, estimator: Estimator, estimate_s: Sequence[float]) -> Iterator[Master]:
    from lqrpg.backends.mpi.world import order

    ranks = range(1, len(estimate_s) + 1)
    if comm.size <= len(estimate_s):
        raise ValueError(f"a fleet of {len(estimate_s)} workers needs as many ranks beside the master's")
    for rank in ranks:
        job = partial(_work, estimator=estimator, estimate_s=estimate_s[rank - 1], shape=master.gains[0].shape)
        order(comm, [rank], job)
    yield _MasterRank(comm, master, max(estimate_s)).run(set(ranks))


class _MasterRank:
    """Rank 0: receives pushes and answers them, until every worker has been told to stop."""

    def __init__(self, comm: Comm, master: Master, longest_s: float) -> None:
        self._comm = comm
        self._master = master
        self._patience_s = longest_s + _SILENCE_S
        self._pulled: dict[int, Pulled] = {}
        self._pushed_s: dict[int, float] = {}
        self._heard_s: dict[int, float] = {}
        self._failure: Exception | None = None
        self._start = 0.0
        size = master.gains[0].size
        self._push, self._reply = np.empty(_HEAD + size), np.empty(_REPLY_HEAD + size)

    def run(self, working: set[int]) -> Master:
        """Serve the given ranks."""
        self._gather(working)
        self._start = time.perf_counter()
        working = {rank for rank in sorted(working) if self._answer(rank)}
        while working:
            rank = self._receive(working)
            self._take(rank)
            if not self._answer(rank):
                working.remove(rank)
        if self._failure is not None:
            raise self._failure
        return self._master

    def _gather(self, ranks: set[int]) -> None:
        """Wait until all are ready, and have compiled code loaded here too: the clock starts then."""
        self._master.objective.gaps(self._master.gains[-1][None])
        silent, slowest_s = set(ranks), 0.0
        while silent:
            timeout_s = _START_S if silent == ranks else _STRAGGLER_S + _NUMERICS * slowest_s
            rank = self._next(timeout_s)
            if rank is None:
                raise WorkerLostError(f"MPI rank(s) {sorted(silent)} not ready after {timeout_s:.0f} s")
            self._comm.Recv(self._push, source=rank, tag=_PUSH)
            silent.remove(rank)
            if not self._note_failure(rank):
                slowest_s = max(slowest_s, self._push[_HEAD])
        self._patience_s += _NUMERICS * slowest_s

    def _next(self, timeout_s: float) -> int | None:
        from lqrpg.backends.mpi.world import ANYONE, wait

        return wait(self._comm, ANYONE, _PUSH, longest_nap_s=_LONGEST_NAP_S, timeout_s=timeout_s)

    def _receive(self, working: set[int]) -> int:
        """The rank whose push is now in the buffer; nobody may stay silent for too long meanwhile."""
        rank = None
        while rank is None:
            rank = self._next(1.0)
            quiet = min(working, key=lambda each: self._heard_s[each])
            late = self._now_s() - self._heard_s[quiet] > self._patience_s
            if late and not self._comm.Iprobe(quiet, _PUSH):  # if its push waits here, this process was the late one
                raise WorkerLostError(f"worker {quiet} has been silent for {self._patience_s:.0f} s: dead, or stopped")
        self._comm.Recv(self._push, source=rank, tag=_PUSH)
        return rank

    def _take(self, rank: int) -> None:
        if self._note_failure(rank):
            return
        _, _, pulled_s, pushed_s = self._push[:_HEAD]
        if rank in self._pushed_s:
            self._master.exchanges_s.append(pulled_s - self._pushed_s[rank])
        self._pushed_s[rank] = pushed_s
        estimate = self._push[_HEAD:].reshape(self._master.gains[0].shape).copy()
        self._master.push(rank - 1, self._pulled[rank], estimate, self._now_s())

    def _note_failure(self, rank: int) -> bool:
        """Whether the push says that its worker has raised; the fleet is stopped then."""
        failed = bool(self._push[0] == _FAILED)
        if failed:
            error = self._comm.recv(source=rank, tag=_FAILURE)
            self._failure = self._failure or error
            self._master.stopped = True
        return failed

    def _answer(self, rank: int) -> bool:
        """Send the latest gain and a ticket, or the order to stop; whether the worker goes on."""
        pulled = self._master.pull(self._now_s())
        self._pulled[rank], self._heard_s[rank] = pulled, pulled.at_s
        self._reply[:_REPLY_HEAD] = pulled.version, pulled.ticket, pulled.ticket < 0
        self._reply[_REPLY_HEAD:] = pulled.gain.ravel()
        self._comm.Send(self._reply, dest=rank, tag=_REPLY)
        return pulled.ticket >= 0

    def _now_s(self) -> float:
        return time.perf_counter() - self._start


def _work(comm: Comm, estimator: Estimator, estimate_s: float, shape: tuple[int, ...]) -> None:
    """On a worker's rank: estimates until the master says stop."""
    worker = _WorkerRank(comm, shape)
    try:
        estimator(0, np.zeros(shape))  # load compiled code before the clock starts
        begin = time.perf_counter()
        estimator(0, np.zeros(shape))
        pulled_s = worker.exchange(_HELLO, 0.0, np.full(shape, time.perf_counter() - begin))
        while not worker.stop:
            estimate = estimator(worker.ticket, worker.gain)
            time.sleep(max(0.0, pulled_s + estimate_s - time.perf_counter()))
            pulled_s = worker.exchange(worker.ticket, pulled_s, estimate)
    except Exception as error:
        comm.send(error, 0, _FAILURE)
        worker.exchange(_FAILED, 0.0, np.zeros(shape))


class _WorkerRank:
    """The buffers of a worker, and the last reply in them."""

    def __init__(self, comm: Comm, shape: tuple[int, ...]) -> None:
        self._comm = comm
        size = int(np.prod(shape))
        self._push, self._reply = np.empty(_HEAD + size), np.zeros(_REPLY_HEAD + size)
        self.gain: Array = self._reply[_REPLY_HEAD:].reshape(shape)

    @property
    def ticket(self) -> int:
        """Which samples to use next."""
        return int(self._reply[1])

    @property
    def stop(self) -> bool:
        """Whether the master wants no more."""
        return bool(self._reply[2])

    def exchange(self, ticket: float, pulled_s: float, estimate: Array) -> float:
        """Push an estimate and pull the next gain; return when it came, on this rank's clock."""
        from lqrpg.backends.mpi.world import wait

        self._push[:_HEAD] = ticket, self._reply[0], pulled_s, time.perf_counter()
        self._push[_HEAD:] = estimate.ravel()
        self._comm.Send(self._push, dest=0, tag=_PUSH)
        wait(self._comm, 0, _REPLY, longest_nap_s=_LONGEST_NAP_S)
        self._comm.Recv(self._reply, source=0, tag=_REPLY)
        return time.perf_counter()
