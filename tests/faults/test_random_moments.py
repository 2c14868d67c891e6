"""Processes of a run killed at random moments: the tables are the undisturbed ones, and nothing else is left."""

import itertools
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.faults.runs import RUN, SLOWLY, TRIALS, descendants
from tests.soak import times

pytestmark = [pytest.mark.slow, pytest.mark.soak]

# What part of its command a victim has, or lacks; every seed has its kind and signal, so that none is left to chance.
KINDS = {
    "worker": lambda what: "popen_loky" in what and "resource_tracker" not in what,
    "parent": lambda what: False,
    "rank": lambda what: "backends.mpi.rank" in what and "mpiexec" not in what,
    "any": lambda what: True,
}
CASES = list(itertools.product(KINDS, [signal.SIGKILL, signal.SIGTERM]))
BACKENDS = {"worker": ("joblib",), "rank": ("mpi",)}
ATTEMPTS = 20


def command_of(pid: int) -> str:
    """The command line of a live process, as far as there is one; that of one that has ended is empty."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def victim_of(process, kind: str, rng: random.Random) -> tuple[int, str] | None:
    """A live process of a run and its command; None if there is none of the kind at the moment."""
    if kind == "parent":
        return (process.pid, "parent") if process.poll() is None else None
    commands = {pid: command_of(pid) for pid in descendants(process.pid)}
    found = [(pid, what) for pid, what in commands.items() if what and KINDS[kind](what)]
    return rng.choice(found) if found else None


def strike(place, kind: str, number: int, backend: str, rng: random.Random):
    """Start a run and send a signal at a random moment; the run, and the command of what was struck, or None."""
    process = place.start(*RUN, f"backend={backend}", patch=SLOWLY)
    done = rng.randint(-1, TRIALS)  # -1: while it starts
    place.shards_reach(done, process) if done >= 0 else time.sleep(rng.uniform(0.3, 2.0))
    time.sleep(rng.uniform(0.0, 0.4))
    found = victim_of(process, kind, rng)
    if found is None:
        return process, None
    victim, what = found
    print(f"{backend}, {signal.Signals(number).name} to {victim} (run: {process.pid}) after {done} trials: {what}")
    try:
        os.kill(victim, number)
    except ProcessLookupError:
        return process, None
    return process, what


@pytest.mark.parametrize("seed", range(times(10, 60)))
def test_a_random_kill_changes_nothing(seed, place, expected):
    rng = random.Random(seed)
    kind, number = CASES[seed % len(CASES)]
    backend = rng.choice(BACKENDS.get(kind, ("joblib", "mpi")))
    for _ in range(ATTEMPTS):
        process, what = strike(place, kind, number, backend, rng)
        if what is not None:
            break
        place.end(process)  # the victim had ended by itself: another moment
        shutil.rmtree(place.folder / "results", ignore_errors=True)
    else:
        pytest.fail(f"no {kind} was met alive")
    # joblib's own keeper of semaphores, started again, is loud about what it never saw
    ended = place.end(process, quiet="resource_tracker" not in what)
    if kind == "parent":
        assert ended.code in (0, -number, 128 + number), ended
    else:
        assert ended.code == 0, ended
    if ended.code:
        again = place.call(*RUN, f"backend={backend}")
        assert again.code == 0, again
    assert place.tables() == expected
    assert place.is_tidy()
