"""Memory that runs out in a worker: the trial is tried again alone, then recorded; the others are finished."""

import json

import pytest

from tests.faults.runs import RUN

pytestmark = pytest.mark.slow

# A real limit on the memory of each worker, and a trial that wants more: always, or where HUNGRY names a file, once.
LIMITED = """
import os, resource, sys
import numpy as np
from lqrpg.experiments.azopg import Azopg
if "loky" in " ".join(sys.orig_argv):
    resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))
_run = Azopg.run
def _hungry(self, trial):
    if trial.key == "barrier":
        mark = os.environ["HUNGRY"]
        if mark == "always" or not os.path.exists(mark):
            if mark != "always":
                open(mark, "w").close()
            np.ones(2**30)
    return _run(self, trial)
Azopg.run = _hungry
"""


def test_a_trial_that_needs_too_much_is_recorded_and_the_rest_finished(place, expected):
    ended = place.call(*RUN, patch=LIMITED, HUNGRY="always")
    assert ended.code == 1
    assert "1 trial(s) ran out of memory and will be tried again, alone" in ended.err
    assert "trial barrier has no result (out of memory: Unable to allocate 8.00 GiB" in ended.err
    record = json.loads((place.folder / "results/azopg/smoke/provenance.json").read_text())
    assert list(record["trials"]["lost"]) == ["barrier"]
    found = place.tables()
    assert {name for name in found if found[name] != expected[name]} == {"barrier.parquet"}
    again = place.call(*RUN)
    assert again.code == 0, again
    assert place.tables() == expected
    assert place.is_tidy()


def test_a_trial_that_finds_enough_when_it_is_alone_is_done(place, expected):
    ended = place.call(*RUN, patch=LIMITED, HUNGRY=str(place.folder / "once"))
    assert ended.code == 0, ended
    assert "1 trial(s) ran out of memory and will be tried again, alone" in ended.err
    assert place.tables() == expected


def test_workers_without_memory_to_start_are_given_up_soon(place, expected):
    tight = (
        "import resource, sys\n"
        "if 'loky' in ' '.join(sys.orig_argv):\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (300 * 2**20, 300 * 2**20))\n"
    )
    ended = place.call(*RUN, patch=tight, quiet=False)
    assert ended.code == 2
    assert ended.err.count("a worker died; starting others") == 2
    assert "lqrpg: workers end before they begin any trial" in ended.err.splitlines()[-1]
    again = place.call(*RUN)
    assert again.code == 0, again
    assert place.tables() == expected
