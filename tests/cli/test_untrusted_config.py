"""A stranger's folder of configuration, a copied command, the folder one stands in: none of them runs anything."""

import os
import subprocess
import sys
import tempfile

import pytest

from lqrpg.backends.mpi.env import mpiexec
from tests.driven import Driven

pytestmark = pytest.mark.slow

SECRET = "secret-of-a-test"
HEAD = "# @package _global_\ndefaults:\n  - qsa_monte_carlo\n  - _self_\n"
CALL = "{_target_: os.system, command: touch marker}"
FACTORY = "{version: 1, handlers: {x: {(): os.system, command: touch marker}}, root: {handlers: [x]}}"
BOMB = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"a{level}: &a{level} [{','.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 10)
)

FILES = {
    "a tag": HEAD + "seed: !!python/object/apply:os.system [touch marker]\n",
    "a tag of a module": HEAD + "seed: !!python/module:os\n",
    "a tag of its own": HEAD + "seed: !env HOME\n",
    "an object to make": HEAD + f"evil: {CALL}\n",
    "an object for a value": HEAD + f"seed: {CALL}\n",
    "an object at the top": HEAD + "_target_: os.system\ncommand: touch marker\n",
    "a callback": HEAD + f"hydra: {{callbacks: {{x: {CALL}}}}}\n",
    "a launcher": HEAD + f"hydra: {{launcher: {CALL}}}\n",
    "a sweeper": HEAD + f"hydra: {{sweeper: {CALL}}}\n",
    "a log": HEAD + f"hydra: {{job_logging: {FACTORY}}}\n",
    "a log of Hydra's": HEAD + f"hydra: {{hydra_logging: {FACTORY}}}\n",
    "an environment": HEAD + "hydra: {job: {env_set: {LD_PRELOAD: /nowhere}}}\n",
    "a package of Hydra's": "# @package hydra.callbacks.x\n_target_: os.system\ncommand: touch marker\n",
    "a default of Hydra's": HEAD.replace("  - _self_", "  - override /hydra/launcher: evil\n  - _self_"),
    "a default put into Hydra's": HEAD.replace("  - _self_", "  - /system@hydra.callbacks.x: call\n  - _self_"),
    "a variable of the environment": HEAD + "seed: ${oc.env:SECRET_OF_A_TEST}\n",
    "a decoded variable": HEAD + "seed: ${oc.decode:${oc.env:SECRET_OF_A_TEST}}\n",
    "an object created": HEAD + 'seed: "${oc.create:${oc.env:SECRET_OF_A_TEST}}"\n',
    "the time": HEAD + "seed: ${now:%S}\n",
    "something of Hydra's": HEAD + "results_dir: ${hydra:runtime.cwd}\n",
    "a module elsewhere": HEAD + "name: ../../evil\n",
    "a module of Python's": HEAD + "name: os\n",
    "a module that is no experiment": HEAD + "name: registry\n",
    "a plant elsewhere": HEAD + "system: {kind: ../../evil}\n",
    "a name that is a path": HEAD + "name: /tmp/evil\n",
    "growth without bounds": HEAD + BOMB,
    "a loop": HEAD + "seed: &a [*a]\n",
    "depth": HEAD + "seed: " + "[" * 5000 + "\n",
    "no YAML": HEAD + "seed: [1\n",
    "no text": b"\xff\xfe\x00",
    "nothing": "",
    "a list": "- 1\n",
    "a tab": HEAD + "\tseed: 1\n",
    "a key twice": HEAD + "seed: 1\nseed: 2\n",
    "a key that is a list": HEAD + "? [1, 2]\n: 3\n",
    "a key that is a number": HEAD + "1: 3\n",
    "a default of nothing": HEAD.replace("qsa_monte_carlo", "nothing"),
    "itself": HEAD.replace("qsa_monte_carlo", "evil"),
    "an endless file": None,
}


@pytest.fixture(scope="module")
def driven():
    os.environ["SECRET_OF_A_TEST"] = SECRET
    calls = Driven()
    yield calls
    calls.close()
    del os.environ["SECRET_OF_A_TEST"]


@pytest.fixture
def folder(tmp_path):
    """A folder to stand in, with files that would leave a mark if they were imported or called."""
    (tmp_path / "evil.py").write_text("open('marker', 'w')\n")
    (tmp_path / "mine/experiment").mkdir(parents=True)
    (tmp_path / "mine/system").mkdir()
    (tmp_path / "mine/system/call.yaml").write_text("_target_: os.system\ncommand: touch marker\n")
    return tmp_path


def require_refused(ended, folder) -> None:
    """One line, exit code 2, nothing run, nothing written."""
    assert not (folder / "marker").exists()
    assert ended.code == 2, (ended.out, ended.err)
    assert ended.err.count("\n") == 1, ended.err
    assert SECRET not in ended.err
    assert not (folder / "results").exists()


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_configuration_runs_nothing(driven, folder, name):
    file = folder / "mine/experiment/evil.yaml"
    content = FILES[name]
    if content is None:
        file.symlink_to("/dev/zero")
    else:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    words = ("experiment=evil", "scale=smoke", "backend=serial", "--config-dir", "mine")
    require_refused(driven(folder, "run", "-m", *words, "runs=4,5"), folder)
    if "hydra" not in str(content).lower():  # without -m, Hydra's own part is not used
        require_refused(driven(folder, "run", *words), folder)


def test_a_folder_with_something_for_hydra_is_refused(driven, folder):
    (folder / "mine/hydra/launcher").mkdir(parents=True)
    (folder / "mine/hydra/launcher/evil.yaml").write_text("_target_: os.system\ncommand: touch marker\n")
    words = ("run", "-m", "experiment=qsa_monte_carlo", "scale=smoke", "hydra/launcher=evil", "--config-dir", "mine")
    require_refused(driven(folder, *words), folder)


@pytest.mark.parametrize("name", ["a,b", "a b", "a]b", "a=b", "a(b)", "é", "a:b", "a#b", "a&b", "[a]", "a%20b"])
def test_a_folder_may_have_any_usual_name(driven, folder, name):
    (folder / "mine").rename(folder / name)
    (folder / name / "experiment/own.yaml").write_text(HEAD + "seed: 7\n")
    ended = driven(folder, "run", "experiment=own", "--config-dir", name, "--cfg", "job")
    assert ended.code == 0, ended.err
    assert "seed: 7" in ended.out


@pytest.mark.parametrize(
    "word",
    [
        *("hydra.launcher._target_=os.system", "+hydra.launcher.x._target_=os.system", f"+hydra.callbacks.x={CALL}"),
        *(f"hydra.launcher={CALL}", f"hydra.sweeper={CALL}", "hydra.sweeper._target_=os.system"),
        *("hydra.callbacks.x._target_=os.system", "++hydra.job_logging.handlers.x={'()':os.system}"),
        *("hydra/job_logging=default", "hydra.searchpath=[file:///tmp]", "hydra.mode=RUN", "hydra.job.env_set.A=1"),
        *("hydra.run.dir=/tmp/x", "hydra.output_subdir=x", "hydra.sweep.dir=${oc.env:HOME}", "hydra/launcher=nothing"),
        *("hydra.launcher.nothing=1", "+hydra.launcherx=1", "hydra=1", "hydra.launcher=1", "hydra/output=x"),
        *("hydra.sweeper.params={a:{_target_:os.system}}", "hydra@x=1", "hydra/launcher@x=joblib"),
    ],
)
def test_a_copied_command_has_hydra_make_nothing(driven, folder, word):
    words = ("run", "-m", "experiment=qsa_monte_carlo", "scale=smoke", "backend=serial", "seed=1,2", word)
    require_refused(driven(folder, *words), folder)


def test_a_launcher_may_be_chosen_and_adjusted(driven, folder):
    words = ("experiment=qsa_monte_carlo", "scale=smoke", "backend=serial", "seed=0,1", "runs=4", "mc_draws=10")
    where = f"hydra.sweep.dir={folder}/jobs"
    ended = driven(folder, "run", "-m", *words, "hydra/launcher=joblib", "hydra.launcher.n_jobs=1", where, limit_s=120)
    assert ended.code == 0, ended.err
    assert ended.out.count("done  results/qsa_monte_carlo/smoke-") == 2


IMPOSTORS = ("joblib", "mpi4py", "numpy", "lqrpg", "cloudpickle", "encodings", "sitecustomize", "hydra_plugins")
ENTRY = "from lqrpg.cli.main import main; main()"


def call(folder, *arguments):
    """As the installed command does: the folder one stands in is not where modules are looked for."""
    command = [sys.executable, "-P", "-c", ENTRY, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize("backend", ["joblib", "mpi"])
def test_workers_import_nothing_from_the_folder_one_stands_in(tmp_path, backend):
    if backend == "mpi" and mpiexec() is None:
        pytest.skip("no MPI here")
    marker = tmp_path / "marker"
    for name in IMPOSTORS:
        (tmp_path / f"{name}.py").write_text(f"open({str(marker)!r}, 'a').write({name!r})\n")
    (tmp_path / "matplotlibrc").write_text("backend: module://evil\n")
    words = ("experiment=qsa_monte_carlo", "scale=smoke", "runs=4", "mc_draws=10", f"backend={backend}", "workers=2")
    assert call(tmp_path, "run", *words).returncode == 0
    assert call(tmp_path, "info").returncode == 0
    assert call(tmp_path, "plot", "qsa_fig1").returncode == 0
    assert not marker.exists(), marker.read_text()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_compiled_kernels_are_read_from_a_folder_of_ones_own_only(tmp_path):
    """Numba's cache is code to be run: a folder that belongs to another user is not used."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    code = "from lqrpg.compiler.jit import cache_folder; print(cache_folder())"
    environment = {**os.environ, "LQRPG_CACHE": str(theirs)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith(tempfile.gettempdir() + "/lqrpg-")


def test_an_experiment_without_a_plant_says_so(lqrpg):
    ended = lqrpg("run", "experiment=qsa_monte_carlo", "system=custom")
    assert (ended.code, ended.err) == (2, "lqrpg: system: the experiment has no plant: leave it out\n")
    assert "did you mean 'system'" not in lqrpg("run", "experiment=qsa_monte_carlo", "system.A=1").err
