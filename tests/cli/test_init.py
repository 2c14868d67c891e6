"""`lqrpg init`: a folder that works as it stands, and never one in somebody's way."""

import re
import shlex
from pathlib import Path

import pytest

from lqrpg.cli import init
from lqrpg.plugins import choices
from lqrpg.results.atomic import write_atomically


def commands(readme: Path) -> list[list[str]]:
    """The commands of all code blocks, without their comments."""
    blocks = readme.read_text().split("```")[1::2]
    lines = [line.split("#")[0] for block in blocks for line in block.strip().splitlines()]
    return [shlex.split(line)[1:] for line in lines]


@pytest.mark.slow
def test_the_three_commands_of_a_new_study_run_as_they_stand(lqrpg, tmp_path, monkeypatch):
    ended = lqrpg("init", "my_study")
    assert ended.code == 0
    monkeypatch.chdir(tmp_path / "my_study")
    run, plot, export = commands(Path("README.md"))[:3]
    printed = [line.split("#")[0].split()[1:] for line in ended.out.splitlines() if line.strip().startswith("lqrpg")]
    assert printed == [run, plot, export]
    smoke = [word.replace("scale=small", "scale=smoke") for word in run]
    assert lqrpg(*smoke).code == 0
    assert lqrpg(*plot).code == 0
    assert lqrpg(*export).code == 0
    assert "draw two figures, in a folder of the run below figures/" in ended.out
    assert len(list(Path("figures").glob("smoke-*/*.png"))) == 2
    assert list(Path("csv").rglob("summary.csv"))


@pytest.mark.slow
def test_the_other_commands_of_its_readme_run_too(lqrpg, tmp_path, monkeypatch):
    lqrpg("init", "mine")
    monkeypatch.chdir(tmp_path / "mine")
    others = commands(Path("README.md"))[3:]
    assert len(others) == 2
    for command in others:
        assert lqrpg(*command, "--cfg", "job").code == 0
    assert lqrpg("run", "experiment=mine", "--config-dir", ".", "--cfg", "job").code == 0


@pytest.mark.parametrize("name", ["2fast", "my-study", "a b", "azopg", "..", "null", "True", "false", "inf", "NaN"])
def test_a_name_that_no_experiment_can_have_is_refused(lqrpg, tmp_path, name):
    ended = lqrpg("init", name)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert list(tmp_path.iterdir()) == []


def test_nothing_that_is_there_is_overwritten(lqrpg, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "plant.yaml").write_text("precious")
    ended = lqrpg("init", "mine")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert (tmp_path / "mine" / "plant.yaml").read_text() == "precious"
    (tmp_path / "empty").mkdir()
    assert lqrpg("init", "empty").code == 0


@pytest.mark.parametrize("there_before", [True, False])
def test_a_full_disk_leaves_no_half_of_a_study(lqrpg, tmp_path, monkeypatch, there_before):
    if there_before:
        (tmp_path / "deep" / "mine").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    with monkeypatch.context() as patched:
        patched.setattr(init, "write_atomically", Disk(2).write)
        ended = lqrpg("init", "deep/mine")
    assert (ended.code, ended.err) == (2, "lqrpg: deep/mine/experiment/mine.yaml: No space left on device\n")
    assert sorted(tmp_path.rglob("*")) == before
    assert lqrpg("init", "deep/mine").code == 0


class Disk:
    """One that takes so many files and is full then."""

    def __init__(self, files):
        self.files = files

    def write(self, path, content):
        if not self.files:
            raise OSError(28, "No space left on device", str(path))
        self.files -= 1
        write_atomically(path, content)


def test_every_key_of_the_example_is_explained(lqrpg, tmp_path):
    lqrpg("init", "mine")
    lines = (tmp_path / "mine" / "plant.yaml").read_text().splitlines()
    keys = [line for line in lines if re.match(r"\w+: .", line) and not line.startswith("B:")]
    assert keys
    assert all("#" in line for line in keys)
    assert "mine" not in choices("experiment")
