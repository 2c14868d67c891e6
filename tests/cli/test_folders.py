"""Paths on the command line: any name as it is typed, `~` and variables, and folders of results."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lqrpg.checks import SettingError
from lqrpg.cli.compose import requests
from lqrpg.cli.words import quoted, with_plain_paths

PLANT = "sample_time: 0\nA: [[-1, 0.5], [0, -2]]\nB: [0, 1]\nK0: [0, 0.1]\n"
STUDY = "# @package _global_\ndefaults:\n  - azopg\n  - override /system: custom\n  - _self_\n"

LETTERS = st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="/")
NAMES = st.text(st.one_of(st.sampled_from("aü[]()'\"#=,$ ~-{}\\*?!&|<>:;%@^`1.e"), LETTERS), min_size=1, max_size=12)


def value_of(override: str) -> object:
    [parsed] = OverridesParser.create().parse_overrides([override])
    return parsed.value()


def job_of(*words: str):
    [request] = requests(with_plain_paths(["experiment=azopg", *words], multirun=False), None, multirun=False)
    return request.job


def job_or_mend(key: str, name: str, *words: str):
    """The job of KEY=NAME; where it is refused, that of the form that the refusal shows, taken literally."""
    try:
        return job_of(*words, f"{key}={name}")
    except SettingError as refusal:
        message = str(refusal)
    assert "\n" not in message
    shown = re.search(r" is written (.*)$", message)
    assert shown, message
    [word] = shlex.split(shown[1])
    return job_of(*words, word)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_a_quoted_text_is_read_back_as_it_was(text):
    assert str(value_of(f"results_dir={quoted(text)}")) == text


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NAMES)
@example("~draft")
@example("-plant(1)")
@example('größe, it\'s [x] "q" #1=2')
@example("a$b")
@example("a${b}\\${c}")
@example("'quoted'")
@example("null")
def test_any_file_name_is_taken_as_it_is_typed(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for old in tmp_path.iterdir():
        old.unlink()
    Path(f"{name}.yaml").write_text(PLANT)
    assert job_or_mend("system.file", f"{name}.yaml", "system=custom").settings["system"]["K0"] == [[0.0, 0.1]]


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NAMES.filter(lambda name: name.strip() and not re.fullmatch(r"'.*'|\".*\"|~|null", name)))
@example("a$b")
@example("~no such user")
@example("$NOT_SET")
@example("a${b}")
@example("${")
@example("1e3")
@example("true")
@example("a,b")
def test_any_folder_of_results_is_taken_as_it_is_typed(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert Path(job_or_mend("results_dir", name).runner.results_dir) == Path(name)


def test_quotes_around_a_whole_value_are_hydras():
    assert with_plain_paths(["results_dir='a b'"], multirun=False) == ["results_dir='a b'"]
    assert with_plain_paths(["fleets=[1,2]"], multirun=False) == ["fleets=[1,2]"]


def test_a_sweep_over_paths_stays_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert with_plain_paths(["results_dir=a,b"], multirun=True) == ["results_dir=a,b"]
    [word] = with_plain_paths(["system.file=größe.yaml,plant(1).yaml"], multirun=True)
    assert list(OverridesParser.create().parse_override(word).sweep_string_iterator()) == [
        "'größe.yaml'",
        "'plant(1).yaml'",
    ]
    Path("a,b.yaml").write_text(PLANT)
    [word] = with_plain_paths(["system.file=a,b.yaml"], multirun=True)
    assert value_of(word) == "a,b.yaml"


@pytest.mark.parametrize("name", ["none,there.yaml", "ü (1),b.yaml", "a,it's.yaml"])
def test_a_name_with_commas_is_shown_quoted_in_a_sweep(lqrpg, tmp_path, name):
    words = ("run", "-m", "experiment=azopg", "--cfg", "job", "system=custom")
    ended = lqrpg(*words, f"system.file={name}")
    assert ended.code == 2
    [word] = shlex.split(re.search(r"a name with commas is written (.*)$", ended.err)[1])
    refusal = lqrpg(*words, word).err
    assert f"system.file={name!r}: no such file" in refusal
    (tmp_path / name).write_text(PLANT)
    for written in (word, f"system.file={name}"):
        assert "- 0.1" in lqrpg(*words, written).out


@pytest.mark.parametrize("written", ["~/x", "$PLANTS/x", "${PLANTS}/x", "'~/x'"])
def test_home_and_variables_are_expanded_in_every_setting(tmp_path, monkeypatch, written):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PLANTS", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~").mkdir()  # a folder of that name changes nothing
    (tmp_path / "home").mkdir()
    (tmp_path / "home/x.yaml").write_text(PLANT)
    file = written.replace("/x", "/x.yaml")
    job = job_of("system=custom", f"system.file={file}", f"results_dir={written}")
    assert job.runner.results_dir == str(tmp_path / "home/x")
    assert job.settings["system"]["K0"] == [[0.0, 0.1]]


@pytest.mark.parametrize("option", ["--results", "--out"])
def test_home_is_expanded_in_options(lqrpg, tmp_path, monkeypatch, option):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    ended = lqrpg("export", "azopg", option, "~/there")
    assert not (tmp_path / "~").exists()
    if option == "--results":
        assert str(tmp_path / "home/there") in ended.err


def test_a_new_study_goes_into_the_home_folder(lqrpg, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert lqrpg("init", "~/mine").code == 0
    assert (tmp_path / "home/mine/plant.yaml").is_file()


def test_a_variable_that_is_not_set_makes_no_folder(lqrpg, tmp_path):
    ended = lqrpg("run", "experiment=azopg", "scale=smoke", "results_dir=$NOT_SET_HERE/x")
    assert ended.code == 2
    assert "the variable NOT_SET_HERE is not set" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_a_path_in_a_yaml_file_is_relative_to_that_file(lqrpg, tmp_path):
    for name, gain in (("a", "1"), ("b", "2")):
        (tmp_path / name / "experiment").mkdir(parents=True)
        (tmp_path / name / "plant.yaml").write_text(PLANT.replace("0.1", f"0.{gain}"))
        (tmp_path / name / f"experiment/study_{name}.yaml").write_text(
            STUDY + "results_dir: out\nsystem:\n  file: ../plant.yaml\n"
        )
    os.chdir(tmp_path / "a")
    ended = lqrpg("run", "experiment=study_b", "--config-dir", str(tmp_path / "b"), "--cfg", "job")
    assert "- 0.2" in ended.out, ended.err
    assert f"results_dir: {tmp_path / 'b/experiment/out'}" in ended.out


def test_two_new_studies_keep_their_plants(lqrpg, tmp_path, monkeypatch):
    for name in ("study_a", "study_b"):
        lqrpg("init", name)
    plant = tmp_path / "study_b/plant.yaml"
    plant.write_text(plant.read_text().replace("9.81", "4.5"))
    shown = []
    for place in ("study_a", "study_b", "."):
        monkeypatch.chdir(tmp_path / place)
        folder = os.path.relpath(tmp_path / "study_b")
        words = ("run", "experiment=study_b", "--config-dir", folder, "--cfg", "job")
        monkeypatch.setattr("sys.argv", ["lqrpg", *words])
        shown.append(lqrpg(*words).out if place == "." else _run_here(words))
    assert all("- 4.5" in text for text in shown)
    assert len({re.search(r"identity: (\w+)", text)[1] for text in shown}) == 1


def _run_here(words) -> str:
    from click.testing import CliRunner

    from lqrpg.cli.main import cli

    return CliRunner().invoke(cli, list(words)).output


def test_an_older_study_is_told_where_its_plant_is(lqrpg, tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "plant.yaml").write_text(PLANT)
    (tmp_path / "experiment/old.yaml").write_text(STUDY + "system:\n  file: plant.yaml\n")
    ended = lqrpg("run", "experiment=old", "--config-dir", ".", "--cfg", "job")
    assert ended.code == 2
    assert "a path in a YAML file is relative to it: ../plant.yaml" in ended.err
    (tmp_path / "experiment/old.yaml").write_text(STUDY + "system:\n  file: ../plant.yaml\n")
    assert lqrpg("run", "experiment=old", "--config-dir", ".", "--cfg", "job").code == 0


def test_numbers_of_a_configuration_file_are_yaml_1_2(lqrpg, tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/own.yaml").write_text(STUDY + "seed: 010\nsystem: {file: ../p.yaml, noise: 1e-5}\n")
    (tmp_path / "p.yaml").write_text(PLANT)
    ended = lqrpg("run", "experiment=own", "--config-dir", ".", "--cfg", "job")
    assert "seed: 10\n" in ended.out, ended.err
    (tmp_path / "experiment/own.yaml").write_text(STUDY + "seed: 1:30\nsystem: {file: ../p.yaml}\n")
    ended = lqrpg("run", "experiment=own", "--config-dir", ".", "--cfg", "job")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "seed=1:30: expected a non-negative integer" in ended.err


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        (("experiment=azopg", "system.file=plant.npz"), "add system=custom"),
        (("experiment=azopg", "system.A=[[0,1],[0,0]]"), "add system=custom"),
        (("experiment=azopg", "system.convert_to=0"), "add system=custom"),
        (("experiment=azopg", "system=double_integrator", "system.file=p.mat"), "write system=custom in the place of"),
        (("experiment=dr_lqr", "system.file=family.yaml"), "add system=custom_family"),
        (("experiment=azopg", "system=custom", "system.Ts=1"), "write system.sample_time"),
        (("experiment=azopg", "system=custom", "system.N=1"), "write system.S"),
        (("experiment=azopg", "system=custom", "system.start_gain=[1]"), "write system.K0"),
        (("experiment=azopg", "system=custom", "system.Sigma=1"), "write system.noise (the covariance of w"),
        (("experiment=dr_lqr", "system=custom_family", "system.K0=[1]"), "write system.start_gain"),
    ],
)
def test_a_key_of_another_system_names_what_to_type(lqrpg, words, mend):
    ended = lqrpg("run", *words)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert mend in ended.err
    assert "did you mean" not in ended.err


def test_a_value_that_hydra_cannot_read_is_shown_quoted(lqrpg):
    ended = lqrpg("run", "experiment=azopg", "backend=größe(1)")
    [word] = shlex.split(re.search(r"as a text: (.*)\)$", ended.err)[1])
    assert "backend='größe(1)': expected one of" in lqrpg("run", "experiment=azopg", word).err
    assert "write KEY=VALUE" in lqrpg("run", "experiment=azopg", "workers").err


@pytest.mark.parametrize(("pattern", "count"), [("sgd_i*", 1), ("sgd_*", 4), ("[sgd_*,qsa_rates],exclude=sgd_b*", 4)])
def test_a_pattern_of_experiments_stands_for_their_names(lqrpg, pattern, count):
    ended = lqrpg("run", "-m", f"experiment=glob({pattern})", "--cfg", "job")
    assert ended.out.count("# run: paper ") == count, ended.err


def test_a_pattern_that_fits_no_name_is_refused(lqrpg):
    ended = lqrpg("run", "-m", "experiment=glob(x*)")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "fits none of the names of experiment" in ended.err
