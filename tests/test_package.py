"""What `make dist` builds: it holds what a user needs and no more, and runs in an empty environment."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import lqrpg
from tests.test_layout import LINKS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # installation may be slow

ROOT = Path(__file__).resolve().parent.parent
NAME = f"lqrpg-{lqrpg.__version__}"
PAGES = {"README.md", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE"}
BUILT = {"PKG-INFO", "setup.cfg", "MANIFEST.in", "pyproject.toml", "constraints.txt"}


def call(*command, cwd, **environment):
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def sources() -> list[str]:
    """The files of the repository, those that are new among them."""
    listed = call("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines()
    return [name for name in listed if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """What `make dist` builds in a copy of the repository in which an earlier build has left a file."""
    folder = tmp_path_factory.mktemp("copy")
    for name in [*sources(), *LINKS]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name, follow_symlinks=False)
    (folder / "build/lib/lqrpg").mkdir(parents=True)
    (folder / "build/lib/lqrpg/left_over.py").touch()
    environment = {"PYTHONPATH": "", "MAKEFLAGS": "", "MAKELEVEL": ""}  # those of a `make` that runs the tests
    told = call("make", f"--assume-old={sys.prefix}/.ready", f"VENV={sys.prefix}", "dist", cwd=folder, **environment)
    assert told.count("PASSED") == 2
    return folder / "dist"


def test_the_wheel_holds_the_package_and_no_more(dist):
    (wheel,) = dist.glob("*.whl")
    assert wheel.name == f"{NAME}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as file:
        held = set(file.namelist())
    described = {name for name in held if name.startswith(f"{NAME}.dist-info/")}
    assert held - described == {name for name in sources() if name.startswith("lqrpg/")}
    assert f"{NAME}.dist-info/licenses/LICENSE" in described
    assert f"{NAME}.dist-info/entry_points.txt" in described


def test_the_source_distribution_holds_what_builds_explains_and_cites_the_package(dist):
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        held = {member.name.partition("/")[2] for member in file.getmembers() if member.isfile()}
    held = {name for name in held if not name.startswith("lqrpg.egg-info/")}
    wanted = {name for name in sources() if name.split("/")[0] in ("lqrpg", "docs", "examples")}
    assert held == wanted | PAGES | BUILT


def test_the_wheel_runs_in_an_empty_environment_outside_the_repository(dist, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH")  # pip would find the repository there, and install nothing
    (wheel,) = dist.glob("*.whl")
    call(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    pip = [tmp_path / "venv/bin/python", "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt"]
    call(*pip, wheel, cwd=tmp_path)
    command = tmp_path / "venv/bin/lqrpg"
    assert call(command, "--version", cwd=tmp_path) == f"lqrpg, version {lqrpg.__version__}\n"
    settings = call(command, "run", "experiment=azopg", "--cfg", "job", cwd=tmp_path)
    assert "name: azopg" in settings
    assert call(command, "run", "experiment=azopg", "scale=smoke", cwd=tmp_path) == "results/azopg/smoke\n"
    assert "azopg_fig3" in call(command, "plot", "azopg", cwd=tmp_path)
