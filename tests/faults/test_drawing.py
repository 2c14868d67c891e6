"""Processes that draw, disturbed: all figures are drawn in the end, or the command ends and leaves no half of one."""

import os
import signal

import pytest

from tests.faults.runs import RUN, processes_in, wait_for

pytestmark = pytest.mark.slow

# For the processes that draw for another one: to die when a figure is there and not yet saved, or to take long.
DISTURBED = """
import os, signal, sys, time
from pathlib import Path
if "popen_loky" in Path("/proc/self/cmdline").read_text():
    import lqrpg.figures.style as style
    save = style.drawn_bytes
    def disturbed(figure, kind):
        Path(f"drawing-{os.getpid()}").touch()
        if os.environ["DISTURBANCE"] == "death":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)
        return save(figure, kind)
    style.drawn_bytes = disturbed
"""


@pytest.fixture
def two_experiments(place):
    """A folder with finished runs of two experiments."""
    for run in (RUN, ("run", "experiment=qsa_rates", "scale=smoke")):
        assert place.call(*run).code == 0
    return place


def test_figures_of_a_process_that_dies_are_drawn_by_another(two_experiments):
    place = two_experiments
    whole = place.call("plot", "azopg", "qsa_rates", "--out", "whole")
    assert whole.code == 0
    ended = place.call("plot", "azopg", "qsa_rates", "--out", "drawn", patch=DISTURBED, DISTURBANCE="death")
    assert ended.code == 0, ended
    assert list(place.folder.glob("drawing-*"))  # somebody did die
    assert sorted(ended.out.replace("drawn/", "").split()) == sorted(whole.out.replace("whole/", "").split())
    contents = [{file.name: file.read_bytes() for file in (place.folder / out).iterdir()} for out in ("whole", "drawn")]
    assert contents[0] == contents[1]


def test_an_ending_while_figures_are_drawn(two_experiments):
    place = two_experiments
    for number in (signal.SIGINT, signal.SIGTERM):
        process = place.start("plot", "azopg", "qsa_rates", patch=DISTURBED, DISTURBANCE="delay")
        wait_for(lambda: list(place.folder.glob("drawing-*")))
        os.killpg(process.pid, number)
        ended = place.end(process, 20)
        assert (ended.code, ended.out) == (128 + number, "")
        wait_for(lambda: not processes_in(place.folder), 20)
        assert not list(place.folder.glob("figures/*"))
        for file in place.folder.glob("drawing-*"):
            file.unlink()
