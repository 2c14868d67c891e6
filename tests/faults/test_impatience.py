"""Ctrl-C, or a closed terminal, twice in a row: the run ends at once, keeps what is done, and says how to go on."""

import os
import signal
import time

import pytest

from tests.faults.runs import RUN, SLOWLY, processes_in, wait_for

pytestmark = pytest.mark.slow


# For a process: Ctrl-C while it imports what it needs first.
AT_ONCE = """
import os, signal, sys
class Hasty:
    def find_spec(self, name, path=None, target=None):
        if name == "click":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Hasty())
"""


# For a process: threads that Python waits for at its end, as it does for those that keep joblib's workers.
ENDS_SLOWLY = """
import os, sys, threading, time
def wait():
    if os.environ.get("LQRPG_TYPED"):
        open("ending", "w").close()
        end = time.monotonic() + float(os.environ["END_S"])
        while time.monotonic() < end:
            time.sleep(0.01)
threading._register_atexit(wait)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_the_end_makes_no_difference(place, number):
    undisturbed = place.call("list")
    assert undisturbed.code == 0
    process = place.start("list", patch=ENDS_SLOWLY, END_S="1")
    wait_for((place.folder / "ending").exists)
    process.send_signal(number)
    assert place.end(process) == undisturbed


def test_two_signals_at_the_end_end_at_once(place):
    process = place.start("list", patch=ENDS_SLOWLY, END_S="60")
    wait_for((place.folder / "ending").exists)
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    ended = place.end(process, 20)
    assert ended.code == 128 + signal.SIGTERM
    assert "ended at once" in ended.err


def test_ctrl_c_at_once(place):
    ended = place.call("--help", patch=AT_ONCE)
    assert (ended.code, ended.out, ended.err) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize("pause", [0.3, 2.0])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_kernels_compile(place, number, pause):
    process = place.start(*RUN, LQRPG_CACHE=str(place.folder / "cache"))
    wait_for(lambda: list(place.folder.glob("results/azopg/*/config.yaml")))
    time.sleep(pause)
    begin = time.monotonic()
    process.send_signal(number)
    ended = place.end(process, 60)
    assert ended.code == 128 + number
    assert time.monotonic() - begin < 8.0  # two seconds or so on a machine that has nothing else to do
    assert not place.shards()
    assert "continue" in ended.err
    assert "beforehand" not in ended.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize(("backend", "pause"), [("joblib", 0.0), ("joblib", 0.05), ("joblib", 0.4), ("mpi", 0.05)])
def test_an_ending_twice(place, expected, backend, pause, number):
    process = place.start(*RUN, f"backend={backend}", patch=SLOWLY)
    place.shards_reach(4, process)
    for _ in range(2):
        try:
            os.killpg(process.pid, number)  # as a terminal does: the whole group
        except ProcessLookupError:
            break
        time.sleep(pause)
    begin = time.monotonic()
    ended = place.end(process, 20)
    assert ended.code == 128 + number
    assert time.monotonic() - begin < 10.0
    assert "continue" in ended.err
    wait_for(lambda: not processes_in(place.folder), 20)
    kept = len(place.shards())
    assert kept >= 4
    again = place.call(*RUN, f"backend={backend}")
    assert again.code == 0, again
    assert f"{kept} done before" in again.err
    assert place.tables() == expected
    assert place.is_tidy()
