"""Methods side by side from Python: the experiment's own tables, with objects and classes of the user's among them."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import lqrpg
from lqrpg import ExactGradient, Method, PolicyIteration, SettingError, load_tables, minimise, run_experiment, shootout
from lqrpg.cli.contest import named

ROOT = Path(__file__).resolve().parents[2]
MASS = {"A": [[1, 0.1], [0, 1]], "B": [0.005, 0.1], "sample_time": 0.1, "K0": [1, 2]}
SHORT = {"replicates": 2, "pilots": 1, "scale": "smoke", "length": 20, "rollouts": 16, "excitation": 1.0}
SHORT |= {"start_samples": 50, "samples_per_policy": 250}

pytestmark = pytest.mark.filterwarnings("ignore:found for this plant")


@pytest.fixture(scope="module")
def mass():
    return lqrpg.load_system(MASS)


@dataclass(frozen=True)
class Halving(Method):
    """Goes half of the way to the optimum, and claims to use samples for it."""

    each: int = 10
    name = "halving"
    budget = "rollout_samples"

    def samples(self, iteration):
        return self.each * iteration

    def update(self, state):
        return (state.gain + lqrpg.optimal_gain(state.plant)) / 2.0, None


@dataclass(frozen=True)
class OnTrajectory(Halving):
    budget = "trajectory_samples"


@dataclass(frozen=True)
class Undeclared(Halving):
    budget = ""


def same(tables, others, names):
    for name in names:
        pd.testing.assert_frame_equal(tables[name], others[name])


def test_classes_run_as_in_the_experiment_to_the_bit(mass, tmp_path):
    taking_part = {
        "policy_iteration": lqrpg.PolicyIteration,
        "indirect": lqrpg.IndirectGradient,
        "one_point": "one_point",
    }
    found = shootout([*taking_part.values()], mass, seed=3, samples={"rollouts": 6400, "trajectory": 1000}, **SHORT)
    iterations = {"rollout_samples": 6400, "trajectory_samples": 1000}
    settings = {**SHORT, "backend": "serial", "results_dir": tmp_path, "iterations": iterations}
    expected = run_experiment("shootout", methods=[*taking_part], system=mass, seed=3, **settings)
    same(found.tables, expected, set(expected) - {"runtime"})
    assert found.tables["runtime"]["method"].tolist() == expected["runtime"]["method"].tolist()
    assert found.tables["curves"].attrs["settings"] == expected["curves"].attrs["settings"]


def test_an_object_runs_as_it_is(mass):
    plant, K0 = mass.plant(), mass.initial_gain()
    found = shootout([ExactGradient(step_size=10.0)], plant, K0, iterations={"gradient": 50}, **SHORT)
    alone = minimise(ExactGradient(step_size=10.0), plant, K0, steps=50)
    gains = found.tables["gains"].query("replicate == 0")["value"].to_numpy()
    np.testing.assert_array_equal(gains, alone.gain.ravel())
    assert found.tables["pilots"]["step_size"].tolist() == [10.0]


def test_objects_of_one_class_are_told_apart(mass):
    slow, fast = ExactGradient(step_size=1.0), ExactGradient(step_size=10.0)
    found = shootout([slow, PolicyIteration, fast], mass, **SHORT)
    names = found.medians["method"].tolist()
    assert names == ["exact gradient, step_size 1.0", "policy iteration", "exact gradient, step_size 10.0"]
    assert found.medians["gap"].is_monotonic_decreasing is False
    assert found.medians["gap"][2] < found.medians["gap"][0]


@pytest.mark.parametrize(("method", "used"), [(Halving(), 400), (OnTrajectory(), 200), (Undeclared, 200)])
def test_a_method_of_ones_own_gets_the_budget_of_its_kind(method, used, mass):
    found = shootout([method], mass, samples={"rollouts": 400, "trajectory": 200}, **SHORT)
    assert found.medians["samples"].tolist() == [used]
    assert found.tables["final"]["samples"].tolist() == [used] * 2
    assert not found.tables["methods"]["length"].any()


def test_a_plants_rollouts_start_as_those_of_minimise(mass):
    plant, K0 = mass.plant(), mass.initial_gain()
    settings = shootout([PolicyIteration], plant, K0, **SHORT).tables["final"].attrs["settings"]
    assert settings["system"]["first_state"] == plant.Sigma.tolist()
    other = shootout([PolicyIteration], plant, K0, initial_covariance=np.eye(2), **SHORT)
    assert other.tables["final"].attrs["settings"]["system"]["first_state"] == np.eye(2).tolist()


def test_names_are_the_packages_for_its_classes_alone():
    @dataclass(frozen=True)
    class Indirect(Halving):
        pass

    given = [lqrpg.IndirectGradient, Indirect, Halving(), Halving(each=20), "two_point"]
    assert list(named(given)) == ["indirect", "indirect_2", "halving", "halving_2", "two_point"]


@dataclass(frozen=True)
class Misspelt(Halving):
    budget = "rollouts_samples"


@dataclass(frozen=True)
class Free(Halving):
    each: int = 0


@dataclass(frozen=True)
class Priced(Halving):
    budget = "gradient"


@dataclass(frozen=True)
class Incomplete(Halving):
    radius: float = None

    def __init__(self, radius):
        pass


@pytest.mark.parametrize(
    ("methods", "options", "message"),
    [
        ([], {}, "expected methods, such as"),
        ("indirect", {}, "expected methods, such as"),
        ([3], {}, "methods=3: expected methods, such as"),
        (["inderect"], {}, "did you mean 'indirect'"),
        ([Misspelt], {}, "budget of Misspelt='rollouts_samples': expected one of rollout_samples, trajectory_samples"),
        ([Free()], {}, "of Free=0: expected 1 or more samples an iteration, since its budget is rollout_samples"),
        ([Priced()], {}, "of Priced=10: expected no samples, since its budget is gradient"),
        ([Incomplete], {}, "missing 1 required positional argument: 'radius'"),
        ([PolicyIteration], {"gain": [[0, 0]]}, "does not stabilise the plant"),
        ([PolicyIteration], {"samples": {"rollout": 3}}, "a number for each of rollouts, trajectory"),
        ([PolicyIteration], {"samples": 0}, "iterations.rollout_samples=0"),
        ([PolicyIteration], {"replicates": 0}, "replicates=0"),
        ([PolicyIteration], {"system": "boeing747"}, "what runs on which plant is given otherwise"),
        ([PolicyIteration], {"plots": 3}, "unknown key 'plots'"),
    ],
)
def test_mistakes_are_refused_in_one_line(methods, options, message, mass, tmp_path):
    with pytest.raises(SettingError, match=re.escape(message)) as refused:
        shootout(methods, mass, results_dir=tmp_path, **{**SHORT, **options})
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_what_a_method_raises_comes_through(mass):
    class Broken(Halving):
        def update(self, state):
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        shootout([Broken()], mass, **SHORT)


def test_figures_are_the_experiments(mass):
    found = shootout([Halving(), PolicyIteration], mass, samples=400, **SHORT)
    assert isinstance(found.figure(), Figure)
    assert found.figure("shootout_curves", width=3.5).get_size_inches()[0] == 3.5
    assert found.figure("shootout_summary", style="current").axes
    with pytest.raises(SettingError, match="unknown figure 'shootout_curve': did you mean 'shootout_curves'"):
        found.figure("shootout_curve")
    with pytest.raises(SettingError, match="width=1"):
        found.figure(width=1)


def test_a_comparison_is_shown_by_its_medians(mass):
    found = shootout([Halving(), PolicyIteration], mass, samples=400, **SHORT)
    lines = repr(found).splitlines()
    assert lines[0] == "2 methods side by side, medians of 2 runs"
    assert [line.split("  ")[1] for line in lines[-2:]] == ["halving", "policy iteration"]
    assert found._repr_html_().count("<tr>") == 4
    assert list(found.medians.columns) == [
        *("method", "gap", "samples", "samples to 0.1", "samples to 0.01", "samples to 0.001", "diverged", "runs")
    ]


@pytest.mark.slow
def test_a_run_is_kept_where_that_is_asked_for_and_read_like_any_other(mass, tmp_path, lqrpg):
    first = shootout([Halving()], mass, samples=400, results_dir=tmp_path / "results", **SHORT)
    assert first.folder.parent == tmp_path / "results" / "shootout"
    kept = load_tables(first.folder)
    same(kept, first.tables, first.tables)
    assert kept["curves"].attrs["settings"] == first.tables["curves"].attrs["settings"]
    again = shootout([Halving()], mass, samples=400, results_dir=tmp_path / "results", **SHORT)
    other = shootout([Halving(each=20)], mass, samples=400, results_dir=tmp_path / "results", **SHORT)
    assert again.folder == first.folder != other.folder
    assert {each.name for each in first.folder.parent.iterdir()} == {
        *(first.folder.name, f"{first.folder.name}.previous", other.folder.name)
    }
    drawn = lqrpg("plot", "shootout_curves", "--run", first.folder.name)
    assert (drawn.code, "outdated" in drawn.err) == (0, False)


@pytest.mark.slow
def test_the_page_on_methods_of_ones_own_runs_as_it_stands(tmp_path):
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    program = "\n".join(re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    program = re.sub(r"^import lqrpg\n", "import warnings; warnings.simplefilter('ignore')\nimport lqrpg\n", program)
    check = (
        "\nassert alone.history['gap'].iloc[-1] < 0.1 * alone.history['gap'].iloc[0]"
        "\nassert found.medians['samples'].tolist() == [20_000, 20_000]"
        "\nassert (found.medians['gap'] < 0.1).all()"
        "\nstate = alone.state"
        "\nassert (state.method.step(state).gain == state.method.step(state).gain).all()"
        "\nnoise = np.random.SeedSequence(1)"
        "\nruns = [lqrpg.simulate(plant, K0 + d, 30, seed=noise) for d in (0.0, 0.1)]"
        "\nK = [K0, K0 + 0.1]"
        "\nw = [r.states[1:] - r.states[:-1] @ (plant.A - plant.B @ k).T for r, k in zip(runs, K)]"
        "\nassert np.allclose(*w, atol=1e-12)"
    )
    command = [sys.executable, "-W", "error", "-c", program + check]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "curves.png").stat().st_size > 10_000
