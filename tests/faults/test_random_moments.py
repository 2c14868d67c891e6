"""Processes of a run killed at random moments: the tables are the undisturbed ones, and nothing else is left."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.faults.runs import RUN, SLOWLY, TRIALS, descendants
from tests.soak import times

pytestmark = [pytest.mark.slow, pytest.mark.soak]


def command_of(pid: int) -> str:
    """The command line of a process, as far as there is one."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


@pytest.mark.parametrize("seed", range(times(10, 60)))
def test_a_random_kill_changes_nothing(seed, place, expected):
    rng = random.Random(seed)
    backend = ("joblib", "mpi")[seed % 2]
    number = rng.choice([signal.SIGKILL, signal.SIGTERM])
    process = place.start(*RUN, f"backend={backend}", patch=SLOWLY)
    done = rng.randint(-1, TRIALS)  # -1: while it starts
    place.shards_reach(done, process) if done >= 0 else time.sleep(rng.uniform(0.3, 2.0))
    time.sleep(rng.uniform(0.0, 0.4))
    victim = process.pid if rng.random() < 0.3 else rng.choice([process.pid, *descendants(process.pid)])
    what = command_of(victim)
    print(f"seed {seed}: {backend}, {number.name} to {victim} (run: {process.pid}) after {done} trials: {what}")
    try:
        os.kill(victim, number)
    except ProcessLookupError:
        print("it had ended by itself")
    # joblib's own keeper of semaphores, started again, is loud about what it never saw
    ended = place.end(process, quiet="resource_tracker" not in what)
    if victim == process.pid:
        assert ended.code in (0, -number, 128 + number), ended
    else:
        assert ended.code == 0, ended
    if ended.code:
        again = place.call(*RUN, f"backend={backend}")
        assert again.code == 0, again
    assert place.tables() == expected
    assert place.is_tidy()
