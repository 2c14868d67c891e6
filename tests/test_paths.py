"""Paths as users write them: what stands for another name, and what is taken as it stands."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lqrpg.checks import SettingError
from lqrpg.paths import as_it_stands, expanded

PARTS = st.text("aB~$ü {}.'", min_size=1, max_size=6).filter(lambda part: part.strip(".") != "")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    for name in ("a", "B", "aB", "Ba"):  # so that no variable of the machine has one of these names
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FILES", str(tmp_path / "files"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("~", "home"),
        ("~/a", "home/a"),
        ("$FILES/a", "files/a"),
        ("${FILES}/a b", "files/a b"),
        ("~/$FILES", f"home/{Path('/')}"),
        ("~root/a", None),
    ],
)
def test_home_and_variables_stand_for_what_they_do_in_a_shell(tmp_path, written, meant):
    shell = os.path.expandvars(os.path.expanduser(written))  # noqa: PTH111 - the oracle
    assert expanded(written) == Path(shell)
    assert meant is None or shell.startswith(str(tmp_path))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PARTS, min_size=1, max_size=3).map("/".join), st.booleans())
def test_any_path_is_itself_or_refused_with_a_form_that_is(tmp_path, written, absolute):
    path = f"{tmp_path}/{written}" if absolute else written
    inside = Path(os.environ["HOME"]) / path[2:] if path.startswith("~/") else Path(path)
    inside = Path(os.environ["HOME"]) if path == "~" else inside
    try:
        assert expanded(path) == inside
    except SettingError as refusal:
        message = str(refusal)
    else:
        assert expanded(as_it_stands(path)) == inside
        return
    assert "\n" not in message
    [form] = shlex.split(re.search(r" is written (.*)$", message)[1])
    assert expanded(form) == inside


def test_a_file_that_is_there_is_taken_as_it_stands(tmp_path):
    for name in ("~draft", "$FILES", "a$b", "~"):
        (tmp_path / name).write_text("")
    assert [str(expanded(name)) for name in ("~draft", "$FILES", "a$b")] == ["~draft", "$FILES", "a$b"]
    assert expanded("~") == tmp_path / "home"


def test_a_relative_path_belongs_to_the_folder_that_is_given(tmp_path):
    folder = tmp_path / "yaml"
    assert expanded("p.yaml", "", folder) == folder / "p.yaml"
    assert expanded("../p.yaml", "", folder) == folder / "../p.yaml"
    assert expanded("~/p.yaml", "", folder) == tmp_path / "home/p.yaml"
    assert expanded("/p.yaml", "", folder) == Path("/p.yaml")


def test_a_missing_variable_or_user_is_named():
    with pytest.raises(
        SettingError, match=r"^results_dir=\$NOT/x: the variable NOT is not set; .* 'results_dir=\./\$NOT/x'$"
    ):
        expanded("$NOT/x", "results_dir")
    with pytest.raises(SettingError, match=r"^~no such/x: there is no user 'no such'; .* is written './~no such/x'$"):
        expanded("~no such/x")
