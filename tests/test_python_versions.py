"""Which Pythons and systems serve, and the one line that says so where they do not."""

import ast
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import lqrpg
from lqrpg import checks

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ROOT / ".ci" / "pythons.py"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SUPPORTED = ["3.11", "3.12", "3.13", "3.14"]

# A Python that is not what it is: a patch sets its version, or takes a module from it.
PRETENDED = """#!{python}
import runpy, sys
{patch}
del sys.argv[0]
if sys.argv[0] == "-c":
    exec(sys.argv[1])
else:
    runpy.run_path(sys.argv[0], run_name="__main__")
"""


def pretend(folder: Path, name: str, patch: str) -> Path:
    file = folder / name
    file.write_text(PRETENDED.format(python=sys.executable, patch=patch))
    file.chmod(0o755)
    return file


def version(*numbers: int) -> str:
    return f"sys.version_info = {(*numbers, 'final', 0)}"


def make(*words: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What `make` would do; nothing is done. No Python is found but those in `path`, if it is given."""
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    if path:
        (path / "tools").mkdir(exist_ok=True)
        for tool in ("make", "sed"):
            link = path / "tools" / tool
            if not link.exists():
                link.symlink_to(shutil.which(tool))
        environment["PATH"] = f"{path}:{path / 'tools'}"
    return subprocess.run(
        ["make", "--dry-run", *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )


def test_metadata_name_the_supported_pythons():
    named = [word.rpartition(" ")[2] for word in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", word)]
    assert named == SUPPORTED
    assert runpy.run_path(str(PYTHONS))["supported"]() == ((3, 11), (3, 15))
    assert PROJECT["requires-python"] == ">=3.11,<3.15"


@pytest.mark.parametrize(
    ("numbers", "target"), [((2, 7, 18), "test"), ((3, 10, 13), "figures"), ((3, 15, 0), "check")], ids=str
)
def test_make_says_in_one_line_that_a_python_does_not_serve(numbers, target, tmp_path):
    found = pretend(tmp_path, "snake", version(*numbers))
    ended = make(f"PYTHON={found}", f"VENV={tmp_path / 'venv'}", target)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert f"{found} is Python {'.'.join(map(str, numbers))}: lqrpg needs Python 3.11 to 3.14" in ended.stderr
    assert re.search(rf"another: make PYTHON=\S*python3\.1[1-4] {target}\b", ended.stderr)


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_make_says_in_one_line_that_a_python_cannot_make_environments(module, tmp_path):
    found = pretend(tmp_path, "snake", f"{version(3, 13, 5)}; sys.modules['{module}'] = None")
    ended = make(f"PYTHON={found}", f"VENV={tmp_path / 'venv'}", "test")
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert f"it lacks {module} (on Debian and Ubuntu: apt install python3.13-venv)" in ended.stderr


@pytest.mark.parametrize(("python", "reason"), [("no-such-python", "not found"), ("false", "does not run")])
def test_make_says_in_one_line_that_there_is_no_python(python, reason, tmp_path):
    ended = make(f"PYTHON={python}", f"VENV={tmp_path / 'venv'}", "test")
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert f"{python}: {reason}; lqrpg needs Python" in ended.stderr
    assert "make PYTHON=python3.13 test" in ended.stderr


def test_a_supported_python_that_is_there_is_offered(tmp_path):
    for name, numbers in (("python3.14", (3, 14, 1)), ("python3.13", (3, 13, 1)), ("python3.12", (3, 9, 1))):
        pretend(tmp_path, name, version(*numbers))
    old = pretend(tmp_path, "python3", version(3, 9, 2))
    assert f"make PYTHON={tmp_path / 'python3.14'} test" in make(f"VENV={tmp_path / 'v'}", "test", path=tmp_path).stderr
    pretend(tmp_path, "python3.14", f"{version(3, 14, 1)}; sys.modules['ensurepip'] = None")
    ended = make(f"PYTHON={old}", f"VENV={tmp_path / 'v'}", "test", path=tmp_path)
    assert f"choose another: make PYTHON={tmp_path / 'python3.13'} test" in ended.stderr


def test_the_list_has_one_python_of_each_supported_version(tmp_path):
    (tmp_path / "path").mkdir()
    (tmp_path / "pyenv/versions/3.13.9/bin").mkdir(parents=True)
    first = pretend(tmp_path / "path", "python3.12", version(3, 12, 1))
    pretend(tmp_path / "path", "python3.10", version(3, 10, 1))
    other = pretend(tmp_path / "pyenv/versions/3.13.9/bin", "python3.13", version(3, 13, 9))
    places = {"PATH": f"{tmp_path / 'path'}:/nowhere", "PYENV_ROOT": str(tmp_path / "pyenv")}
    listed = subprocess.check_output([sys.executable, PYTHONS, "list"], env={**os.environ, **places}, text=True)
    assert listed.split() == [str(other), str(first)]


def test_another_python_makes_the_environment_again(tmp_path):
    (tmp_path / "venv/bin").mkdir(parents=True)
    same = pretend(tmp_path / "venv/bin", "python", "")
    (tmp_path / "venv/.ready").touch()
    kept = make(f"PYTHON={same}", f"VENV={tmp_path / 'venv'}", "check").stdout
    assert "-m venv" not in kept
    assert "ruff" in kept
    other = pretend(tmp_path, "snake", f"{version(3, 14, 0)}; sys.version = '3.14.0'")
    assert (
        f"{other} -m venv --clear {tmp_path / 'venv'}"
        in make(f"PYTHON={other}", f"VENV={tmp_path / 'venv'}", "test").stdout
    )


def test_the_check_can_be_read_by_old_pythons():
    tree = ast.parse(PYTHONS.read_text(), feature_version=(3, 4))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr | ast.AnnAssign | ast.NamedExpr)]


LACKING = [name for names in checks._OF_POSIX.values() for name in names]


def without(name: str) -> str:
    """The start of a process in which a module lacks what it has on other systems."""
    module, _, attribute = name.partition(".")
    if module == "fcntl":
        return "import sys; sys.modules['fcntl'] = None"
    return f"import {module}; del {module}.{attribute}"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fcntl.flock", ["run", "experiment=azopg"]),
        ("signal.SIGHUP", ["list"]),
        ("signal.pthread_sigmask", ["reproduce"]),
        ("os.getuid", ["info"]),
        ("os.O_NOFOLLOW", ["--help"]),
    ],
)
def test_a_system_that_lacks_what_is_needed_is_refused_in_one_line(name, words, tmp_path):
    code = f"{without(name)}; import runpy; runpy.run_module('lqrpg', run_name='__main__')"
    ended = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    advice = r"use Linux \(on Windows: WSL\)\n"
    assert re.fullmatch(rf"lqrpg: this system lacks [\w ]+ \({name}\): {advice}", ended.stderr)
    assert list(tmp_path.iterdir()) == []


def test_a_system_that_lacks_everything_is_refused_in_one_line(monkeypatch):
    monkeypatch.setattr(checks, "_exists", lambda name: False)
    with pytest.raises(
        ImportError, match=r"^this system lacks file locks \(fcntl.flock\) and .*\(on Windows: WSL\)$"
    ) as refused:
        checks.require_system()
    assert "\n" not in str(refused.value)
    monkeypatch.delitem(vars(lqrpg), "Plant", raising=False)
    with pytest.raises(ImportError, match="this system lacks"):
        _ = lqrpg.Plant
    assert lqrpg.SettingError is checks.SettingError


@pytest.mark.slow
def test_all_that_other_systems_lack_is_looked_for(tmp_path):
    """What mypy misses when it takes the package for one on Windows."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--platform", "win32", "--cache-dir", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
    )
    missed = set(re.findall(r'Module has no attribute "(\w+)"', done.stdout))
    constants = {"LOCK_EX", "LOCK_NB", "SIG_BLOCK", "SIG_SETMASK", "ST_RDONLY"}  # of functions that are looked for
    assert missed - constants == {name.partition(".")[2] for name in LACKING}
