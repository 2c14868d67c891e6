"""Worker processes, and what happens where there can be none; work that must have nothing beside it."""

import os
import subprocess
import sys
import time

import pytest

from lqrpg.backends.choice import backend

HERE = """
import signal
from lqrpg.backends.loky import LokyBackend
endings = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
before = [signal.getsignal(number) for number in endings]
print(sorted(LokyBackend(2).map(abs, [-1, 2])))
assert [signal.getsignal(number) for number in endings] == before
"""


def test_where_joblib_starts_no_processes_the_work_is_done_in_this_one():
    ended = subprocess.run(
        [sys.executable, "-c", HERE],
        env={**os.environ, "JOBLIB_MULTIPROCESSING": "0"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "[1, 2]\n"


def interval(seconds):
    """When this was at work, by the clock that all processes share."""
    begin = time.monotonic()
    time.sleep(seconds)
    return seconds, begin, time.monotonic()


@pytest.mark.parametrize("name", ["joblib", "mpi", "serial"])
def test_what_comes_last_has_nothing_beside_it(name):
    found = {
        seconds: (begin, end)
        for seconds, begin, end in backend(name, 2).map(interval, [0.3, 0.01, 0.02], [0.101, 0.102])
    }
    assert set(found) == {0.3, 0.01, 0.02, 0.101, 0.102}
    begin, end = found[0.101]
    assert all(ended <= begin for ended in (found[0.3][1], found[0.01][1], found[0.02][1]))
    assert end <= found[0.102][0]
    assert [seconds for seconds, _, _ in backend(name, 2).map(interval, [], [0.01])] == [0.01]
