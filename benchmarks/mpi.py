"""Overheads of MPI ranks, and what they gain: python benchmarks/mpi.py [--quick].

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
# The ranks look up functions of this module by its name, and see neither the current folder nor that of this file.
_ROOT = str(Path(__file__).resolve().parent.parent)
sys.path.insert(0, _ROOT)
os.environ["PYTHONPATH"] = os.pathsep.join([_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])])

import numpy as np

from lqrpg.azopg.master import Master
from lqrpg.azopg.mpi_workers import run_ranks
from lqrpg.azopg.replay import Objective
from lqrpg.azopg.two_point import TicketEstimator, TicketSamples
from lqrpg.backends.mpi.launch import direct
from lqrpg.kernels.rollout import finite_horizon_costs
from lqrpg.runner.experiment import stream
from lqrpg.systems.mass_spring import MassSpring

PLANT = MassSpring("mass_spring", 4, 1.0, 1.0).plant()


def master(limit_s: float, batch_size: int = 8) -> Master:
    return Master(Objective.of(PLANT, np.zeros((4, 8))), batch_size, 2e-3, 0.0, limit_s)


def nothing(ticket: int, gain: np.ndarray) -> np.ndarray:
    return np.zeros_like(gain)


def idle(comm, seconds):
    """CPU of rank 0 while it waits for a message that does not come, as the master of a fleet does."""
    from lqrpg.backends.mpi.world import ANYONE, wait

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


def started(folder: str, *overrides: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "lqrpg", "run", *overrides, f"results_dir={folder}/{time.monotonic_ns()}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def seconds_of(run: subprocess.Popen[str]) -> float:
    path, _ = run.communicate()
    if run.returncode:
        raise RuntimeError(f"{run.args} ended with {run.returncode}")
    return float(json.loads((Path(path.strip()) / "provenance.json").read_text())["seconds"])


def efficiency(experiment: str, *overrides: str) -> None:
    """Two workers against one, and the most that two could gain: whole serial runs side by side share nothing."""
    ways = {"joblib": ["backend=joblib", "workers=2"], "mpi": ["backend=mpi", "workers=2"]}
    own = [f"experiment={experiment}", *overrides]
    with tempfile.TemporaryDirectory() as folder:
        serial_s = seconds_of(started(folder, *own, "backend=serial"))
        taken = {name: seconds_of(started(folder, *own, *how)) for name, how in ways.items()}
        both = [started(folder, *own, "backend=serial") for _ in range(2)]
        beside_s = statistics.mean(map(seconds_of, both))
    print(f"{experiment} {' '.join(overrides)}, serial: {serial_s:.1f} s; two at once: {beside_s:.1f} s")
    for name, seconds in taken.items():
        reached, most = serial_s / 2 / seconds, serial_s / beside_s
        print(f"  {name}, 2 workers: {seconds:.1f} s, efficiency {reached:.2f} ({reached / most:.2f} of the most here)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short runs, rough numbers")
    quick = parser.parse_args().quick
    pushes(1.0 if quick else 5.0)
    waiting_and_starting(1.0 if quick else 5.0)
    throughput(2.0 if quick else 10.0)
    for experiment in ("azopg",) if quick else ("azopg", "dr_lqr"):
        efficiency(experiment, "scale=smoke" if quick else "scale=paper")


if __name__ == "__main__":
    main()
