"""A package of the user's own, found by its entry point: listed, run by workers, swept, resumed, drawn, compared."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

PLUGIN = Path(__file__).parent / "plugin"


class Elsewhere:
    """The command line in a process that finds the package on its path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.packages = folder / "site"
        shutil.copytree(PLUGIN, self.packages, ignore=shutil.ignore_patterns("__pycache__"))

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(self.packages), *sys.path])}
        return subprocess.run(
            [sys.executable, "-m", "lqrpg", *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def change(self, file: str, old: str, new: str) -> None:
        path = self.packages / "walkers" / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


@pytest.fixture
def elsewhere(tmp_path):
    return Elsewhere(tmp_path)


RUN = ("run", "experiment=walkers_walk", "scale=smoke")


@pytest.mark.slow
def test_an_experiment_of_another_package_is_listed_run_drawn_and_compared(elsewhere):
    listed = json.loads(elsewhere("list", "--json").stdout)
    (own,) = [entry for entry in listed if entry["experiment"] == "walkers_walk"]
    assert own["figures"] == {"walkers_paths": "paths of the walkers"}
    ended = elsewhere(*RUN, "workers=2")
    assert ended.returncode == 0, ended.stderr
    table = pd.read_parquet(elsewhere.folder / "results/walkers_walk/smoke/paths.parquet")
    assert table.groupby("walker").size().tolist() == [20, 20, 20]
    assert "nothing to do" in elsewhere(*RUN).stderr
    assert elsewhere("plot", "walkers").returncode == 0
    assert (elsewhere.folder / "figures/smoke/walkers_paths.png").stat().st_size > 1000
    assert elsewhere("verify", "walkers_walk").returncode in (0, 2)
    assert elsewhere("report").returncode == 0
    assert elsewhere("export", "walkers_walk").returncode == 0
    assert elsewhere("compare", *["results/walkers_walk/smoke"] * 2).returncode == 0


@pytest.mark.slow
def test_its_settings_are_checked_completed_and_swept(elsewhere):
    refused = elsewhere(*RUN, "system.pull=3")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "system.pull=3" in refused.stderr
    assert "did you mean 'walkers'" in elsewhere(*RUN, "walker=2").stderr
    swept = elsewhere("run", "-m", "experiment=walkers_walk", "scale=smoke", "seed=0,1", "backend=serial")
    assert swept.returncode == 0, swept.stderr
    assert swept.stdout.count("done") == 2


@pytest.mark.slow
def test_a_change_of_its_code_makes_its_tables_outdated(elsewhere):
    assert elsewhere(*RUN, "backend=serial").returncode == 0
    elsewhere.change("walk.py", "STEP = 1.0", "STEP = 2.0")
    (entry,) = [e for e in json.loads(elsewhere("list", "--json").stdout) if e["experiment"] == "walkers_walk"]
    assert [run["state"] for run in entry["results"]] == ["outdated"]
    before = pd.read_parquet(elsewhere.folder / "results/walkers_walk/smoke/paths.parquet")
    assert elsewhere(*RUN, "backend=serial").returncode == 0
    after = pd.read_parquet(elsewhere.folder / "results/walkers_walk/smoke/paths.parquet")
    pd.testing.assert_series_equal(after["place"], 2.0 * before["place"])  # no kernel was left over in the cache


@pytest.mark.slow
def test_a_package_that_fails_to_import_is_named_in_one_line(elsewhere):
    elsewhere.change("figures/walkers.py", "from matplotlib.figure", "from matplotlib.nowhere")
    ended = elsewhere("list")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "walkers.figures.walkers cannot be imported" in ended.stderr
    (elsewhere.packages / "walkers-1.0.dist-info" / "entry_points.txt").unlink()
    assert elsewhere("list").returncode == 0


SHOOTOUT = ("run", "experiment=shootout", "scale=smoke", "methods=[exact_gradient,halfway]", "backend=serial")


@pytest.mark.slow
def test_a_method_of_another_package_is_listed_run_drawn_and_outdated_by_its_code(elsewhere):
    assert elsewhere(*SHOOTOUT).returncode == 0
    assert "nothing to do" in elsewhere(*SHOOTOUT).stderr
    assert elsewhere("plot", "shootout").returncode == 0

    def entry():
        (found,) = [e for e in json.loads(elsewhere("list", "--json").stdout) if e["experiment"] == "shootout"]
        return found

    assert entry()["methods"][-2:] == ["halfway", "momentum"]
    ((run,), states) = (entry()["results"], [run["state"] for run in entry()["results"]])
    assert states == ["current"]
    table = pd.read_parquet(elsewhere.folder / run["path"] / "methods.parquet").set_index("method")
    assert (table.loc["halfway", "label"], table.loc["halfway", "place"]) == ("half way", 7)
    elsewhere.change("methods/halfway.py", "SHARE = 0.5", "SHARE = 0.25")
    assert [run["state"] for run in entry()["results"]] == ["outdated"]


@pytest.mark.slow
def test_a_method_of_another_package_takes_part_in_the_benchmark_and_its_plant_is_refused_in_one_line(elsewhere):
    words = ("run", "benchmark", "scale=smoke", "methods=[halfway,policy_iteration]", "scaling.states=[2]")
    ended = elsewhere(*words, "backend=serial")
    assert ended.returncode == 0, ended.stderr
    (run,) = (elsewhere.folder / "results/benchmark").iterdir()
    final = pd.read_parquet(run / "final.parquet").set_index("method")
    assert set(final.loc["halfway", "status"]) == {"completed"}
    assert final.loc["halfway", "gap"].lt(1e-6).all()
    assert elsewhere("plot", "benchmark", "--run", run.name).returncode == 0
    refused = elsewhere(*words, "systems=[spring]", "backend=serial")  # it has no plant
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "systems: spring: " in refused.stderr


@pytest.mark.slow
def test_a_method_that_will_not_do_is_refused_in_one_line(elsewhere):
    refused = elsewhere("run", "experiment=shootout", "scale=smoke", "methods=[halfwya]")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "halfway" in refused.stderr
    elsewhere.change("methods/halfway.py", "    name = ", "    share: float\n    name = ")
    refused = elsewhere(*SHOOTOUT)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "fields of halfway=['share']: expected defaults, but for step_size" in refused.stderr


@pytest.mark.slow
def test_three_files_add_a_compiled_method_to_an_experiment_the_shootout_and_python(elsewhere):
    """A method, an experiment and its YAML file; P4's experiments, `shootout` and `minimise` run the same loop."""
    ended = elsewhere("run", "experiment=walkers_momentum", "scale=smoke", "backend=serial")
    assert ended.returncode == 0, ended.stderr
    table = pd.read_parquet(elsewhere.folder / "results/walkers_momentum/smoke/trajectories.parquet")
    gaps = table[table["iteration"] == 200].set_index("case")["gap"]
    assert gaps["with_momentum-constant_step"] < gaps["without_momentum-constant_step"]
    compared = "methods=[exact_gradient,momentum]"
    ended = elsewhere("run", "experiment=shootout", "scale=smoke", compared, "backend=serial")
    assert ended.returncode == 0, ended.stderr
    code = (
        "from lqrpg import PowerSchedule, minimise\n"
        "from lqrpg.systems.boeing747 import Boeing747\n"
        "from walkers.methods.momentum import Momentum\n"
        "plane = Boeing747()\n"
        "found = minimise(Momentum(PowerSchedule(0.05, 0.1)), plane.plant(), plane.initial_gain(), steps=200)\n"
        "print(found.history['gap'].iloc[-1] < found.history['gap'].iloc[0])\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(elsewhere.packages), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=200)
    assert done.stdout == "True\n", done.stderr
