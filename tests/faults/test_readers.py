"""Commands that read tables while a run writes them: a finished run, or a clear word, and never half of one."""

import json
import os
import signal

import pytest

from lqrpg.results.atomic import DamagedFileError
from lqrpg.results.lookup import finished_runs
from tests.faults.runs import RUN, SLOWLY

pytestmark = pytest.mark.slow

# A finish that takes a while: a pause before each file that is written in the run's own folder.
SLOW_FINISH = """
import time
from lqrpg.results import run_directory, tables
for module in (run_directory, tables):
    def pausing(path, content, write=module.write_atomically):
        if "shards" not in path.parts:
            time.sleep(0.25)
        write(path, content)
    module.write_atomically = pausing
"""
READERS = [
    ("plot", "azopg_fig3"),
    ("verify", "azopg", "--json"),
    ("list", "--json"),
    ("report",),
    ("export", "azopg"),
    ("compare", "results/azopg/smoke", "results/azopg/smoke"),
]


def assert_clear(command, ended):
    """Success, or one of the documented codes with a word about what is missing."""
    assert ended.code in (0, 1, 2, 3), ended
    if command[0] == "list":
        assert ended.code == 0
        states = {run["state"] for run in json.loads(ended.out)[0]["results"]}
        assert states <= {"current", "damaged"}
    elif ended.code in (2, 3):
        words = ("no finished run", "being computed again", "not the folder of a finished run")
        assert any(word in ended.err for word in words), ended


def test_readers_during_a_first_run_see_nothing_and_say_so(place):
    process = place.start(*RUN, patch=SLOWLY, TRIAL_S="1.5")
    place.shards_reach(1, process)
    readers = [(command, place.start(*command)) for command in READERS]
    for command, reader in readers:
        ended = place.end(reader)
        assert process.poll() is None, "the run was over too soon"
        assert ended.code == {"list": 0, "compare": 2}.get(command[0], 3)
        assert_clear(command, ended)
    os.kill(process.pid, signal.SIGTERM)
    assert place.end(process).code == 143


def test_readers_during_finishes_see_a_finished_run_or_a_clear_word(place, expected):
    assert place.call(*RUN, "backend=serial").code == 0
    process = place.start(*RUN, "backend=serial", "--force", patch=SLOW_FINISH)
    readers = [(command, place.start(*command)) for command in READERS * 2]
    looks = set()
    while process.poll() is None:
        looks.add(look(place.folder / "results").removeprefix(f"{place.folder}/"))
    assert place.end(process).code == 0
    assert {"a finished run", "no run"} <= looks
    assert looks <= {"a finished run", "no run", "results/azopg/smoke is being computed again at this moment"}
    for command, reader in readers:
        assert_clear(command, place.end(reader))
    assert place.tables() == expected


def look(results):
    """Read all tables of the newest run, one after the other, as a slow reader would; say what was seen."""
    runs = finished_runs(results, "azopg", warn=pytest.fail)
    if not runs:
        return "no run"
    try:
        for name in runs[0].provenance["tables"]:
            assert runs[0].table(name).attrs["identity"] == runs[0].provenance["identity"]
    except DamagedFileError as error:
        return str(error)
    return "a finished run"
