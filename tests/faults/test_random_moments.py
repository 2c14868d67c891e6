"""Processes of a run killed at random moments: the tables are the undisturbed ones, and nothing else is left."""

import os
import random
import signal
import time

import pytest

from tests.faults.runs import RUN, SLOWLY, TRIALS, descendants
from tests.soak import times

pytestmark = [pytest.mark.slow, pytest.mark.soak]


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
    print(f"seed {seed}: {backend}, {number.name} to {victim} (run: {process.pid}) after {done} trials")
    try:
        os.kill(victim, number)
    except ProcessLookupError:
        print("it had ended by itself")
    ended = place.end(process)
    if victim == process.pid:
        assert ended.code in (0, -number, 128 + number), ended
    else:
        assert ended.code == 0, ended
    if ended.code:
        again = place.call(*RUN, f"backend={backend}")
        assert again.code == 0, again
    assert place.tables() == expected
    assert place.is_tidy()
