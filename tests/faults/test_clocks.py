"""A system clock that jumps: no number changes, nothing hangs, and no time left is negative."""

import json
import re

import pytest

from tests.faults.runs import RUN, SLOWLY

pytestmark = pytest.mark.slow

# Every look at the wall clock is off by up to a day, either way; the monotonic one leaps ahead, as after a sleep.
JUMPING = """
import random, time
_rng = random.Random(3)
_time, _monotonic = time.time, time.monotonic
_ahead = [0.0]
def _wall():
    return _time() + _rng.uniform(-86400.0, 86400.0)
def _steady():
    _ahead[0] += _rng.choice((0.0, 0.0, 0.0, 11.0))
    return _monotonic() + _ahead[0]
time.time, time.monotonic = _wall, _steady
time.time_ns = lambda: int(_wall() * 1e9)
"""
# Ranks that take their time to start, while the clock of the process that waits for them leaps.
LATE_RANKS = """
import sys, time
if "lqrpg.backends.mpi.rank" in sys.orig_argv:
    time.sleep(3.0)
"""


@pytest.mark.parametrize("backend", ["serial", "joblib", "mpi"])
def test_a_clock_that_jumps(place, expected, backend):
    ended = place.call(*RUN, f"backend={backend}", patch=JUMPING + LATE_RANKS + SLOWLY, TRIAL_S="0.02")
    assert ended.code == 0, ended
    assert place.tables() == expected
    assert not re.search(r"-\d+ s left", ended.err), ended.err
    record = json.loads((place.folder / "results/azopg/smoke/provenance.json").read_text())
    assert record["seconds"] >= 0
    assert place.call("verify", "azopg").code in (0, 1)
    assert place.is_tidy()
