"""Overheads of MPI ranks, and what they gain: python -m benchmarks.mpi [--quick].

Times of exchanges are medians over a fleet's run; efficiencies compare whole runs of the command line, side by side.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

import numpy as np

from lqrpg.algorithms.azopg import Objective
from lqrpg.algorithms.azopg_master import Master
from lqrpg.algorithms.mpi_clock import run_ranks
from lqrpg.algorithms.zeroth_order import TicketEstimator, TicketSamples
from lqrpg.backends.mpi_launch import direct
from lqrpg.experiments.base import stream
from lqrpg.lqr.rollout import finite_horizon_costs
from lqrpg.systems.mass_spring import MassSpring

PLANT = MassSpring("mass_spring", 4, 1.0, 1.0).plant()


def master(limit_s: float, batch_size: int = 8) -> Master:
    return Master(Objective.of(PLANT, np.zeros((4, 8))), batch_size, 2e-3, 0.0, limit_s)


def nothing(ticket: int, gain: np.ndarray) -> np.ndarray:
    return np.zeros_like(gain)


def idle(comm, seconds):
    """CPU of rank 0 while it waits for a message that does not come, as the master of a fleet does."""
    from lqrpg.backends.mpi_world import ANYONE, wait

    for longest_nap_s in (5e-4, 1e-2):
        before = time.process_time()
        wait(comm, ANYONE, 99, longest_nap_s=longest_nap_s, timeout_s=seconds)
        yield (time.process_time() - before) / seconds


def empty(comm):
    yield comm.size


def pushes(seconds: float) -> None:
    from benchmarks.mpi import nothing as importable  # the ranks have to find it too

    for workers in (1, 2, 8):
        done = run_ranks(master(seconds, 32), importable, [0.0] * workers)
        sample = 1e6 * np.array(done.exchanges_s)
        rate = len(sample) / seconds
        print(f"push and pull, null work, M = {workers}: ", end="")
        print(f"median {np.median(sample):.0f} us, 99 % {np.quantile(sample, 0.99):.0f} us, {rate:.0f} a second")


def throughput(seconds: float) -> None:
    samples = TicketSamples(PLANT, stream(0))
    estimator = TicketEstimator(samples, partial(finite_horizon_costs, PLANT, horizon=100.0), 1e-4)
    rates = {}
    for workers in (1, 8):
        done = run_ranks(master(seconds), estimator, [0.04] * workers)
        rates[workers] = done.schedule().updates / done.schedule().update_s[-1]
        exchange_us = 1e6 * statistics.median(done.exchanges_s)
        print(f"20 ms rollouts, M = {workers}: {rates[workers]:.3f} updates a second, exchange {exchange_us:.0f} us")
    print(f"throughput speedup at M = 8: {rates[8] / rates[1]:.2f}")


def waiting_and_starting(seconds: float) -> None:
    from benchmarks import mpi as importable

    fleet, trials = direct(partial(importable.idle, seconds=seconds), 2)
    print(f"CPU of the idle master: {fleet:.1%} of a core in a fleet, {trials:.2%} while trials run")
    begin = time.perf_counter()
    list(direct(importable.empty, 8))
    print(f"start and end of 9 ranks: {time.perf_counter() - begin:.2f} s")


def seconds_of(folder: str, *overrides: str) -> float:
    command = [sys.executable, "-m", "lqrpg", "run", *overrides, f"results_dir={folder}/{time.monotonic_ns()}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads((Path(done.stdout.strip()) / "provenance.json").read_text())["seconds"])


def machine() -> None:
    """What two processes that share nothing gain here: the most that two workers could."""
    command = [sys.executable, "-c", "for i in range(20_000_000): pass"]
    begin = time.perf_counter()
    subprocess.run(command, check=True)
    alone_s = time.perf_counter() - begin
    for process in [subprocess.Popen(command) for _ in range(2)]:
        process.wait()
    print(f"two plain loops at once: efficiency {alone_s / (time.perf_counter() - begin - alone_s):.2f}")


def efficiency(*overrides: str) -> None:
    ways = {
        "serial": ["backend=serial"],
        "joblib, 2 processes": ["backend=joblib", "workers=2"],
        "mpi, 2 workers": ["backend=mpi", "workers=2"],
    }
    with tempfile.TemporaryDirectory() as folder:
        seconds = {name: seconds_of(folder, "experiment=azopg", *overrides, *how) for name, how in ways.items()}
    for name, taken in seconds.items():
        cores = 1 if name == "serial" else 2
        print(f"azopg {' '.join(overrides)}, {name}: {taken:.1f} s, efficiency {seconds['serial'] / cores / taken:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter runs, rougher numbers")
    quick = parser.parse_args().quick
    pushes(1.0 if quick else 5.0)
    waiting_and_starting(1.0 if quick else 5.0)
    throughput(2.0 if quick else 10.0)
    machine()
    efficiency("scale=small")
    if not quick:
        efficiency("scale=paper", "replicates=4")


if __name__ == "__main__":
    main()
