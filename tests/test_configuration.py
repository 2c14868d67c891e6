"""Every configuration composes, opens with its command, and says where each parameter is from."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from lqrpg.checks import SettingError
from lqrpg.cli.compose import requests
from lqrpg.plugins import choices, config_folders
from lqrpg.runner.execute import _config
from lqrpg.runner.experiment import collect

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
        assert _config(request.job) == OmegaConf.to_yaml(OmegaConf.create(request.job.settings))
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
        if key.group(2) == "plant" or re.search(r"\$\{plants\.\$\{plant\}\.\w+\}$", value):
            continue  # the line in `plants` has the tag
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
@pytest.mark.parametrize(
    "experiment",
    [pytest.param(name, marks=pytest.mark.slow if name.startswith("sgd_") else ()) for name in EXPERIMENTS],
)
def test_any_system_is_taken_or_refused_in_one_line(experiment, system):
    """A family where a plant is wanted, continuous time where it is discrete, other sizes: never a traceback."""
    words = [f"experiment={experiment}", "scale=smoke", f"system={system}"]
    refusal = ""
    try:
        requests(words, None, multirun=False)
    except SettingError as error:
        refusal = str(error)
    assert "\n" not in refusal


@pytest.mark.parametrize("value", ["0", "[0,0]"])
def test_asynchronous_descent_refuses_a_start_at_rest(value):
    plant = ["system=custom", "system.sample_time=0", "system.A=[[0,1],[-1,-1]]", "system.B=[0,1]", "system.K0=[1,2]"]
    with pytest.raises(SettingError, match=r"^system.first_state=0: expected a covariance"):
        requests(["experiment=azopg", *plant, f"system.first_state={value}"], None, multirun=False)


def test_curvatures_too_flat_for_a_prediction_are_refused():
    with pytest.raises(SettingError, match=r"^descent.curvatures=\[0.1, 20.0\]: expected numbers above 0.284"):
        requests(["experiment=qsa_rates", "scale=smoke", "descent.curvatures=[0.1,20.0]"], None, multirun=False)
