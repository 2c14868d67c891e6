"""AZOPG in real time, with a thread a worker; each rollout lasts as long as an emulated plant would take.

A plant answers in its own time, and waiting costs no core: a fleet of threads shows its true concurrency on any
machine, as long as the numerics of an estimate (tens of microseconds) are short beside the emulated latency.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from lqrpg.azopg.master import Master, Pulled
from lqrpg.lqr.plant import Array

Estimator = Callable[[int, Array], Array]
"""An estimate, (m, n), from a ticket and a gain."""


def run_fleet(master: Master, estimator: Estimator, estimate_s: Sequence[float]) -> Master:
    """Run a fleet until its master stops it, and return the master with what it recorded.

    Parameters
    ----------
    master : the master; its events are recorded in seconds since the start of the fleet.
    estimator : the numerics of one estimate.
    estimate_s : emulated time of an estimate, in seconds, one entry a worker.

    Raises
    ------
    Exception
        The first one that a worker raised; the others are stopped then.
    """
    lock = threading.Lock()
    failures: list[BaseException] = []
    start = time.perf_counter()

    def now_s() -> float:
        return time.perf_counter() - start

    def work(worker: int) -> None:
        try:
            _serve(worker)
        except BaseException as error:
            with lock:
                failures.append(error)
                master.stopped = True

    def _serve(worker: int) -> None:
        with lock:
            pulled = master.pull(now_s())
        while pulled.ticket >= 0:
            estimate = estimator(pulled.ticket, pulled.gain)
            _sleep_until(pulled.at_s + estimate_s[worker], now_s)
            pulled = _exchange(worker, pulled, estimate)

    def _exchange(worker: int, pulled: Pulled, estimate: Array) -> Pulled:
        pushed_s = now_s()
        with lock:
            master.push(worker, pulled, estimate, now_s())
            answer = master.pull(now_s())
            master.exchanges_s.append(answer.at_s - pushed_s)
            return answer

    threads = [threading.Thread(target=work, args=(worker,), daemon=True) for worker in range(len(estimate_s))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return master


def _sleep_until(moment_s: float, now_s: Callable[[], float]) -> None:
    remaining = moment_s - now_s()
    if remaining > 0:
        time.sleep(remaining)
