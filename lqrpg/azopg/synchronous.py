"""Synchronous baselines of AZOPG: how long a batch takes when all workers wait for its last estimate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lqrpg.azopg.replay import ServiceTimes, virtual_schedule

SCHEMES = ("async", "static_barrier", "dynamic_barrier")


def time_per_update(
    scheme: str,
    slowed: NDArray[np.bool_],
    batch_size: int,
    updates: int,
    service: ServiceTimes,
    generator: np.random.Generator,
) -> float:
    """Mean time of an update, in seconds.

    Parameters
    ----------
    scheme : `async` (nobody waits), `static_barrier` (the batch is split evenly beforehand), or `dynamic_barrier`
        (whoever is free takes the next estimate of the batch); under a barrier the next batch starts when all is in.
    slowed : (workers,) which workers wait after each rollout.
    batch_size : N, estimates an update.
    updates : number of updates to average over.
    service : how long an estimate takes.
    generator : source of the service times.
    """
    if scheme == "async":
        return float(virtual_schedule(slowed, batch_size, updates, service, generator).update_s[-1] / updates)
    times = service.estimates((updates, batch_size), generator)
    waits = service.waits(slowed)
    busy = np.zeros((updates, len(slowed)))
    every = np.arange(updates)
    for estimate in range(batch_size):
        free = np.argmin(busy, axis=1) if scheme == "dynamic_barrier" else np.full(updates, estimate % len(slowed))
        busy[every, free] += times[:, estimate] + waits[free]
    return float(busy.max(axis=1).mean())
