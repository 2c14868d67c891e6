"""Every configuration composes, opens with its command, and says where each parameter is from."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from lqrpg.checks import SettingError
from lqrpg.cli.compose import requests
from lqrpg.experiments.base import collect
from lqrpg.rooms import choices, config_folders

EXPERIMENTS = choices("experiment")
CONF = config_folders()[0]
FILES = sorted(CONF.rglob("*.yaml"))
TAG = re.compile(r"#.*\[(stated|inferred|chosen)\](.*)")


def scales(experiment: str) -> list[str]:
    return list(yaml.safe_load((CONF / "experiment" / f"{experiment}.yaml").read_text())["scales"])


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_scale_composes_to_a_run_of_its_name(experiment):
    assert scales(experiment) == ["smoke", "small", "paper"]
    for scale in scales(experiment):
        (request,) = requests([f"experiment={experiment}", f"scale={scale}"], None, multirun=False)
        assert request.run_name == scale
        trials = request.job.experiment.trials()
        keys = [trial.key for trial in trials]
        assert len(set(keys)) == len(keys) > 0
        assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", key) for key in keys)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiments_file_opens_with_a_command_that_composes(experiment):
    lines = (CONF / "experiment" / f"{experiment}.yaml").read_text().splitlines()
    command = shlex.split(lines[1].removeprefix("# "))
    assert command[:2] == ["lqrpg", "run"]
    assert f"experiment={experiment}" in command
    requests(command[2:], None, multirun=False)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(CONF)))
def test_every_parameter_carries_its_tag(file: Path):
    untagged = []
    inside = ""
    for line in file.read_text().splitlines():
        key = re.match(r"( *)([a-z_0-9]+):(.*)", line)
        if line and not line.startswith((" ", "#")) and key:
            inside = key.group(2)
        if not key or inside in ("defaults", "scales") or key.group(2) in ("name", "kind"):
            continue
        value = key.group(3).split("#")[0].strip()
        tag = TAG.search(line)
        if value and (not tag or (tag.group(1) == "chosen" and len(tag.group(2).strip()) < 10)):
            untagged.append(line)
    assert not untagged, "no tag, or chosen without a reason"


def test_an_experiment_declares_the_columns_that_its_tables_get():
    for experiment in EXPERIMENTS:
        (request,) = requests([f"experiment={experiment}"], None, multirun=False)
        assert request.job.experiment.TABLES
        for name, columns in request.job.experiment.TABLES.items():
            assert list(collect([], name, columns, columns[:1]).columns) == list(columns)


@pytest.mark.parametrize("system", choices("system"))
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_any_system_is_taken_or_refused_in_one_line(experiment, system):
    """A family where a plant is wanted, continuous time where it is discrete, other sizes: never a traceback."""
    try:
        requests([f"experiment={experiment}", "scale=smoke", f"system={system}"], None, multirun=False)
    except SettingError as error:
        assert "\n" not in str(error)
