"""Real processes, killed and interrupted: nothing finished is lost, and the final tables are the undisturbed ones."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults import heed_interrupts

pytestmark = pytest.mark.slow

COMMAND = ["run", "experiment=azopg", "scale=smoke", "replicates=6", "backend=joblib", "workers=2"]
# Trials that take a while, so that there is something to disturb.
SLOWLY = (
    "import time, sys, os, signal\n"
    "from lqrpg.experiments.azopg import Azopg\n"
    "run = Azopg.run\n"
    "def slow(self, trial):\n"
    "    time.sleep(float(os.environ.get('TRIAL_S', '0.2')))\n"
    "    if trial.key == os.environ.get('POISON'):\n"
    "        os.kill(os.getpid(), signal.SIGKILL)\n"
    "    return run(self, trial)\n"
    "Azopg.run = slow\n"
)


@pytest.fixture
def start(tmp_path):
    """Start the command line in a process group of its own, its trials slowed; the group is ended afterwards."""
    (tmp_path / "sitecustomize.py").write_text(SLOWLY)
    begun = []

    def go(*arguments, **environment):
        search = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        process = subprocess.Popen(
            [sys.executable, "-m", "lqrpg", *COMMAND, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": search, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=heed_interrupts,
        )
        begun.append(process)
        return process

    yield go
    for process in begun:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=10)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The tables of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    subprocess.run([sys.executable, "-m", "lqrpg", *COMMAND], cwd=folder, check=True, capture_output=True, timeout=120)
    return tables(folder)


def tables(folder):
    return {file.name: file.read_bytes() for file in folder.glob("results/azopg/*/*.parquet")}


def shards(folder):
    return list(folder.glob("results/azopg/*/shards/*/*.npz"))


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def children(pid):
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
            command = (stat.parent / "cmdline").read_text()
        except OSError:
            continue
        if int(fields[1]) == pid and "popen_loky" in command and "resource_tracker" not in command:
            found.append(int(stat.parent.name))
    return found


def test_killing_workers_changes_nothing(start, tmp_path, undisturbed):
    process = start()
    for count in (3, 8):
        wait_for(lambda count=count: len(shards(tmp_path)) >= count and children(process.pid))
        os.kill(children(process.pid)[0], signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "tried again, alone" in err
    assert tables(tmp_path) == undisturbed
    assert out.strip().startswith("results/azopg/smoke-")


def test_a_trial_that_always_kills_its_worker_is_recorded_and_the_rest_finished(start, tmp_path, undisturbed):
    process = start(POISON="scaling-8-64-0", TRIAL_S="0.02")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "trial scaling-8-64-0 has no result (killed: exit codes of the workers are {SIGKILL(-9)" in err
    record = json.loads(next(tmp_path.glob("results/azopg/*/provenance.json")).read_text())
    assert list(record["trials"]["lost"]) == ["scaling-8-64-0"]
    assert record["trials"]["lost"]["scaling-8-64-0"].startswith("killed: ")
    found = tables(tmp_path)
    assert {name for name in found if found[name] != undisturbed[name]} == {"scaling.parquet"}
    again = start(TRIAL_S="0.02")
    _, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert tables(tmp_path) == undisturbed


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interruption_keeps_what_is_done_and_says_how_to_go_on(start, tmp_path, undisturbed, number, code):
    process = start()
    wait_for(lambda: len(shards(tmp_path)) >= 4)
    os.killpg(process.pid, number)  # as a terminal does: the whole group
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "lqrpg run experiment=azopg scale=smoke" in err
    assert "Traceback" not in err
    wait_for(lambda: not children(process.pid), 10)
    kept = len(shards(tmp_path))
    assert kept >= 4
    assert tables(tmp_path) == {}
    again = start(TRIAL_S="0")
    _, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    assert f"{kept} done before" in err
    assert tables(tmp_path) == undisturbed


def test_a_killed_parent_loses_at_most_what_was_under_way(start, tmp_path, undisturbed):
    process = start()
    wait_for(lambda: len(shards(tmp_path)) >= 4)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=10)
    kept = len(shards(tmp_path))
    again = start(TRIAL_S="0")
    _, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    assert int(err.split(" done before")[0].split()[-1]) >= kept
    assert tables(tmp_path) == undisturbed


def test_two_identical_runs_at_once(start, tmp_path, undisturbed):
    first = start()
    wait_for(lambda: len(shards(tmp_path)) >= 1)
    second = start()
    _, err = second.communicate(timeout=60)
    assert second.returncode == 2
    assert "another process is computing" in err
    first.communicate(timeout=120)
    assert first.returncode == 0
    assert tables(tmp_path) == undisturbed


def test_two_different_runs_at_once(start, tmp_path, undisturbed):
    both = [start(), start("seed=1")]
    folders = [tmp_path / process.communicate(timeout=120)[0].strip() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    alone = start("seed=1", "results_dir=alone", TRIAL_S="0")
    folders.append(tmp_path / alone.communicate(timeout=120)[0].strip())
    first, other, expected = ({file.name: file.read_bytes() for file in each.glob("*.parquet")} for each in folders)
    assert first == undisturbed
    assert other == expected != undisturbed


def test_a_full_disk_is_one_line_and_loses_nothing(start, tmp_path, undisturbed):
    process = start()
    wait_for(lambda: len(shards(tmp_path)) >= 3)
    folder = shards(tmp_path)[0].parent
    # Make every further write fail as on a full disk: the folder of the shards is replaced by a file.
    aside = tmp_path / "aside"
    folder.replace(aside)
    folder.write_text("")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "Traceback" not in err
    folder.unlink()
    aside.replace(folder)
    again = start(TRIAL_S="0")
    _, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    assert "done before" in err
    assert tables(tmp_path) == undisturbed
