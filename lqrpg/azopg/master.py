"""The master of AZOPG on a real clock: it hands out tickets, averages what arrives, and records every event."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lqrpg.azopg.replay import Objective, Schedule, next_gain
from lqrpg.lqr.plant import Array


@dataclass(frozen=True)
class Pulled:
    """What a worker gets from the master.

    Attributes
    ----------
    ticket : which samples to use; -1 tells the worker to stop.
    version : number of updates behind the gain.
    gain : (m, n) the gain.
    at_s : time of the pull, in seconds since the start.
    """

    ticket: int
    version: int
    gain: Array
    at_s: float


@dataclass
class Master:
    """State of the master (Sha et al., Algorithm 1); calls must not overlap.

    Attributes
    ----------
    objective : the plant, the initial gain and its gap.
    batch_size : N, estimates an update.
    step_size : eta of eq. (7).
    tolerance : relative gap at which to stop.
    limit_s : time at which to stop in any case, in seconds.
    gains : all gains so far, the initial one first.
    stopped : whether workers are told to stop.
    late : estimates that came after the stop.
    exchanges_s : what each push and the pull after it took, as its worker saw it, in seconds.
    """

    objective: Objective
    batch_size: int
    step_size: float
    tolerance: float
    limit_s: float
    gains: list[Array] = field(default_factory=list)
    stopped: bool = False
    late: int = 0
    exchanges_s: list[float] = field(default_factory=list)
    _tickets: int = 0
    _batch: list[Array] = field(default_factory=list)
    _events: list[tuple[float, float, int, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gains.append(self.objective.initial_gain)

    def pull(self, now_s: float) -> Pulled:
        """The latest gain and a new ticket, or the order to stop."""
        ticket = -1 if self.stopped else self._tickets
        self._tickets += 1
        return Pulled(ticket, len(self.gains) - 1, self.gains[-1], now_s)

    def push(self, worker: int, pulled: Pulled, estimate: Array, now_s: float) -> None:
        """Take an estimate; update the gain if the batch is full. Estimates after the stop are counted, not used."""
        if self.stopped:
            self.late += 1
            return
        self._events.append((pulled.at_s, now_s, worker, pulled.ticket, pulled.version))
        self._batch.append(estimate)
        if len(self._batch) == self.batch_size:
            self.gains.append(next_gain(self.gains[-1], np.array(self._batch), self.step_size))
            self._batch.clear()
            gap = float(self.objective.gaps(self.gains[-1][None])[0])
            self.stopped = not np.isfinite(gap) or gap <= self.tolerance
        self.stopped = self.stopped or now_s >= self.limit_s

    def schedule(self) -> Schedule:
        """The recorded events, whole batches only."""
        whole = len(self._events) // self.batch_size * self.batch_size
        table = np.array(self._events[:whole], dtype=np.float64).reshape(whole, 5)
        worker, ticket, version = (table[:, column].astype(np.int64) for column in (2, 3, 4))
        return Schedule(self.batch_size, table[:, 0].copy(), table[:, 1].copy(), worker, ticket, version)
