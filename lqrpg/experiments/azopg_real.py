"""Fleets of `azopg` in real time: by which clock they run, and what is measured of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lqrpg.azopg.master import Master
from lqrpg.azopg.mpi_workers import run_ranks
from lqrpg.azopg.replay import Replay, ServiceTimes, virtual_schedule
from lqrpg.azopg.thread_workers import Estimator, run_fleet

REAL_CLOCKS = ("threads", "mpi")
WALL_CLOCK = (
    *("case", "workers", "replicate", "repeat", "updates", "time_s", "predicted_s"),
    *("throughput_speedup", "ideal_speedup", "master_overhead_us"),
)
"""Columns of the table of that name; the first four are its keys."""


def run_real(clock: str, master: Master, estimator: Estimator, estimate_s: Sequence[float]) -> Master:
    """Run a fleet on a clock of that name; return its master with what it recorded."""
    return (run_ranks if clock == "mpi" else run_fleet)(master, estimator, estimate_s)


def require_same_gains(result: Replay, master: Master) -> None:
    """Raise unless a replay of the recorded schedule ends with the very gain that the fleet had."""
    if not np.array_equal(result.gains[-1], master.gains[-1], equal_nan=True):
        raise AssertionError("the replay of the recorded schedule gives other gains than the fleet had")


def wall_clock_columns(master: Master, service: ServiceTimes, slowed: NDArray[np.bool_]) -> dict[str, Any]:
    """What a fleet took for its updates, and what the virtual clock says that it should have taken.

    The emulated times do not vary, so the prediction has nothing random in it.

    Raises
    ------
    ValueError
        If the fleet made no update.
    """
    updates = master.schedule().updates
    if updates == 0:
        raise ValueError("no update in the time given: set a longer real_clock.throughput_s")
    constant = ServiceTimes(service.rollout_s, 0.0, service.slow_wait_s)
    predicted = virtual_schedule(slowed, master.batch_size, updates, constant, np.random.default_rng(0))
    return {
        "updates": updates,
        "time_s": float(master.schedule().update_s[-1]),
        "predicted_s": float(predicted.update_s[-1]),
        "ideal_speedup": service.ideal_speedup(slowed),
        "master_overhead_us": 1e6 * float(np.mean(master.exchanges_s)),
    }
