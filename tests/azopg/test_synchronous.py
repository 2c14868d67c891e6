"""Synchronous baselines against one batch after the other, worked out literally."""

import heapq

import numpy as np
import pytest

from lqrpg.azopg.replay import ServiceTimes, slowed_workers
from lqrpg.azopg.synchronous import SCHEMES, time_per_update
from lqrpg.runner.experiment import generator

SERVICE = ServiceTimes(0.05, 0.4, 0.1)


@pytest.mark.parametrize("case", ["normal", "slow"])
@pytest.mark.parametrize("workers", [1, 3, 4, 7])
def test_barriers_are_the_literal_queues(workers, case):
    slowed, batch_size, updates = slowed_workers(workers, case), 10, 30
    times = SERVICE.estimates((updates, batch_size), generator(4))
    waits = SERVICE.waits(slowed)
    static, dynamic = [], []
    for batch in times:
        share = [
            batch[worker::workers].sum() + waits[worker] * len(batch[worker::workers]) for worker in range(workers)
        ]
        static.append(max(share))
        free = [(0.0, worker) for worker in range(workers)]
        for estimate in batch:
            at, worker = heapq.heappop(free)
            heapq.heappush(free, (at + estimate + waits[worker], worker))
        dynamic.append(max(at for at, _ in free))
    args = (slowed, batch_size, updates, SERVICE)
    assert time_per_update("static_barrier", *args, generator(4)) == pytest.approx(np.mean(static))
    assert time_per_update("dynamic_barrier", *args, generator(4)) == pytest.approx(np.mean(dynamic))


def test_with_one_worker_nobody_waits_for_anybody():
    slowed = slowed_workers(1, "normal")
    means = [time_per_update(scheme, slowed, 32, 400, SERVICE, generator(1)) for scheme in SCHEMES]
    error = 0.05 * 0.4 * np.sqrt(2.0 * 32 / 400)
    assert np.ptp(means) < 10 * error
    assert abs(means[0] - 3.2) < 5 * error
