"""MPI ranks killed, interrupted and raising: the tables are the undisturbed ones, and nothing of the world is left."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from lqrpg.backends.mpi.env import mpiexec
from tests.faults import heed_interrupts

pytestmark = pytest.mark.slow

COMMAND = ["run", "experiment=azopg", "scale=smoke", "replicates=4"]
SLOWLY = (
    "import time, os, signal\n"
    "from lqrpg.azopg import mpi_workers\n"
    "from lqrpg.experiments.azopg import Azopg\n"
    "run = Azopg.run\n"
    "def slow(self, trial):\n"
    "    time.sleep(float(os.environ.get('TRIAL_S', '0.2')))\n"
    "    if trial.key == os.environ.get('POISON'):\n"
    "        os.kill(os.getpid(), signal.SIGKILL)\n"
    "    if trial.key == os.environ.get('BROKEN'):\n"
    "        raise ZeroDivisionError('a broken trial')\n"
    "    return run(self, trial)\n"
    "Azopg.run = slow\n"
    "gather = mpi_workers._MasterRank._gather\n"
    "def gather_and_tell(self, ranks):\n"
    "    gather(self, ranks)\n"
    "    open(os.path.join(os.environ['TMPDIR'], f'{len(ranks)} are ready'), 'w').close()\n"
    "mpi_workers._MasterRank._gather = gather_and_tell\n"
)


@pytest.fixture
def start(tmp_path):
    """Start the command line with slowed trials, in a process group of its own that is ended afterwards."""
    (tmp_path / "sitecustomize.py").write_text(SLOWLY)
    begun = []
    folders = Path(tempfile.mkdtemp(prefix="lqrpg-test-"))

    def go(*arguments, launcher=(), **environment):
        search = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        process = subprocess.Popen(
            [*launcher, sys.executable, "-m", "lqrpg", *(arguments or COMMAND), "backend=mpi"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": search, "TMPDIR": str(folders), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=heed_interrupts,
        )
        process.folders = folders
        begun.append(process)
        return process

    before = shared_memory()
    yield go
    for process in begun:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=10)
    wait_for(lambda: not processes_in(tmp_path), 15)
    assert not list(folders.glob("lqrpg-mpi-*"))
    shutil.rmtree(folders)
    assert shared_memory() <= before | of_others()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The tables of a serial run that nothing happened to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    command = [sys.executable, "-m", "lqrpg", *COMMAND, "backend=serial"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    return tables(folder)


def tables(folder):
    return {file.name: file.read_bytes() for file in folder.glob("results/azopg/*/*.parquet")}


def shards(folder):
    return list(folder.glob("results/azopg/*/shards/*/*.npz"))


def shared_memory():
    return {file.name for file in Path("/dev/shm").glob("mpich_shm_*")}


def of_others():
    """Files of worlds that other programs run on this machine at the moment."""
    names = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            names |= {word.rsplit("/", 1)[1] for word in maps.read_text().split() if "/dev/shm/mpich_shm_" in word}
        except OSError:
            continue
    return names


def processes_in(folder, word="mpi"):
    """Live processes of a world that was started in a folder, by rank (None: the launcher and its helpers)."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_text()
            if word not in command or (process / "cwd").resolve() != folder.resolve():
                continue
            environment = dict(
                item.split("=", 1) for item in (process / "environ").read_text().split("\0") if "=" in item
            )
            is_rank = "backends.mpi.rank" in command or "lqrpg\0run" in command
            found.append((int(process.name), environment.get("PMI_RANK") if is_rank else None))
        except OSError:
            continue
    return found


def rank(folder, number):
    return next((pid for pid, found in processes_in(folder) if found == str(number)), None)


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_killed_rank_is_made_good(start, tmp_path, undisturbed, number):
    process = start(*COMMAND, "workers=3")
    wait_for(lambda: len(shards(tmp_path)) >= 4)
    os.kill(rank(tmp_path, number), signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "a worker died" in err  # what was under way is tried again, unless it was done before its world ended
    assert tables(tmp_path) == undisturbed
    assert out.startswith("results/azopg/smoke-")


def test_a_trial_that_always_kills_its_rank_is_recorded_and_the_rest_finished(start, tmp_path, undisturbed):
    process = start(*COMMAND, "workers=2", POISON="scaling-8-64-0", TRIAL_S="0")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "trial scaling-8-64-0 has no result (killed: an MPI rank died, and its world with it: SIGKILL)" in err
    found = tables(tmp_path)
    assert {name for name in found if found[name] != undisturbed[name]} == {"scaling.parquet"}


@pytest.mark.parametrize("launcher", [(), (mpiexec(), "-n", "3")])
def test_a_trial_that_raises_is_recorded_and_the_others_go_on(start, tmp_path, undisturbed, launcher):
    process = start(*COMMAND, "workers=2", launcher=launcher, BROKEN="barrier", TRIAL_S="0")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "trial barrier has no result (ZeroDivisionError: a broken trial)" in err
    record = json.loads(next(tmp_path.glob("results/azopg/*/provenance.json")).read_text())
    assert list(record["trials"]["lost"]) == ["barrier"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_an_ended_launching_process_takes_its_ranks_along(start, tmp_path, undisturbed, number, code):
    process = start(*COMMAND, "workers=3")
    wait_for(lambda: len(shards(tmp_path)) >= 3)
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Traceback" not in err
    wait_for(lambda: not processes_in(tmp_path), 15)
    again = start(*COMMAND, "workers=3", TRIAL_S="0")
    _, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    assert "done before" in err
    assert tables(tmp_path) == undisturbed


def test_under_mpiexec_a_killed_rank_ends_the_run_and_the_same_command_continues(start, tmp_path, undisturbed):
    launcher = (mpiexec(), "-n", "4")
    process = start(*COMMAND, launcher=launcher)
    wait_for(lambda: len(shards(tmp_path)) >= 3)
    os.kill(rank(tmp_path, 2), signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode != 0
    again = start(*COMMAND, launcher=launcher, TRIAL_S="0")
    _, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    assert "done before" in err
    assert tables(tmp_path) == undisturbed


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_under_mpiexec_an_interruption_has_its_exit_code_and_says_how_to_go_on(start, tmp_path, number, code):
    process = start(*COMMAND, launcher=(mpiexec(), "-n", "3"))
    wait_for(lambda: len(shards(tmp_path)) >= 3)
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert f"continue with\n  {mpiexec()} -n 3 " in err
    assert "Traceback" not in err


def test_under_mpiexec_an_interruption_of_the_others_leaves_the_end_to_rank_0(start, tmp_path, undisturbed):
    process = start(*COMMAND, launcher=(mpiexec(), "-n", "3"))
    wait_for(lambda: len(shards(tmp_path)) >= 3)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(rank(tmp_path, 2), number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert tables(tmp_path) == undisturbed


def wait_for_a_fleet(process, workers):
    """Until the clock of a fleet of so many workers has started."""
    wait_for(lambda: (Path(process.folders) / f"{workers} are ready").exists() or process.poll() is not None, 180.0)


def loss_noticed_by(process):
    """The line of a lost worker, and how long it took to come."""
    begin = time.monotonic()
    return next((line for line in process.stderr if "worker died" in line), ""), time.monotonic() - begin


FLEET = ["clock=mpi", "timeline.workers=1", "real_clock.tolerance=1e-9", "real_clock.throughput_s=0.5"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_dead_or_stopped_worker_of_a_fleet_is_noticed_and_its_fleet_run_again(start, tmp_path, number):
    process = start(*COMMAND, *FLEET, "fleets=[1]", "workers=1", "real_clock.limit_s=12", TRIAL_S="0")
    wait_for_a_fleet(process, 1)
    os.kill(rank(tmp_path, 1), number)
    noticed, seconds = loss_noticed_by(process)
    assert "tried again, alone" in noticed
    assert seconds < 15.0
    process.communicate(timeout=180)
    assert process.returncode == 0


def test_a_stopped_worker_is_noticed_while_the_others_go_on(start, tmp_path):
    process = start(*COMMAND, *FLEET, "fleets=[1,3]", "workers=3", "real_clock.limit_s=30", TRIAL_S="0")
    wait_for_a_fleet(process, 3)
    os.kill(rank(tmp_path, 2), signal.SIGSTOP)
    noticed, seconds = loss_noticed_by(process)
    assert "tried again, alone" in noticed
    assert seconds < 8.0  # the fleet itself would end later
    process.terminate()
    process.communicate(timeout=60)


def test_a_launching_process_that_is_killed_while_its_world_starts_leaves_nothing(start, tmp_path):
    process = start(*COMMAND, "workers=2")
    wait_for(lambda: rank(tmp_path, 0))
    process.kill()  # the fixture then looks for what the ranks have left
    wait_for(lambda: not processes_in(tmp_path))


def test_a_rank_that_is_killed_while_its_world_starts_is_made_good(start, tmp_path, undisturbed):
    process = start(*COMMAND, "workers=3", TRIAL_S="0")
    wait_for(lambda: rank(tmp_path, 2))
    os.kill(rank(tmp_path, 2), signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert tables(tmp_path) == undisturbed
