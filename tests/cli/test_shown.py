"""How results, states, runs and claims are shown: short, escaped, and in a notebook as HTML; and progress there."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest

import lqrpg
from lqrpg import ExactGradient, Plant, PolicyIteration, load_tables, minimise, run_experiment, verify
from lqrpg.cli import progress
from lqrpg.cli.shown import Summary, matrix
from lqrpg.runner.attempt import Task
from lqrpg.runner.experiment import Trial
from tests.forgery import forge

EVIL = "\x1b[2J\x07</td></table><script>alert(1)</script>\u202e\r\nlqrpg: all is well\ud800"


class Tags(HTMLParser):
    """The tags of a page, and whether all are closed in order."""

    def __init__(self, page):
        super().__init__()
        self.open, self.seen = [], set()
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def plant_of(n):
    return Plant(A=0.9 * np.eye(n), B=np.eye(n), Q=np.eye(n), R=np.eye(n), Sigma=np.eye(n), sample_time=1)


def shown(thing):
    """Text and HTML of an object, which say the same in short."""
    text, page = repr(thing), thing._repr_html_()
    assert all(line.isprintable() for line in text.split("\n"))
    assert Tags(page).seen <= {"div", "p", "b", "table", "thead", "tbody", "tr", "th", "td"}
    return text


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("shown")
    run_experiment("qsa_monte_carlo", scale="smoke", backend="serial", results_dir=place)
    return place


def test_a_result_and_its_state_are_shown_in_four_lines():
    found = minimise(ExactGradient(step_size=0.005), plant_of(2), np.zeros((2, 2)), steps=100)
    lines = shown(found).splitlines()
    assert lines[0] == "Result of exact gradient after 100 iterations, no samples of the plant"
    assert re.fullmatch(r"  gap \(f\(K\) - f\*\) / f\*  \S+ at the start, \S+ at the end", lines[2])
    assert len(lines) == 4
    state = shown(found.state).splitlines()
    assert state[1].split() == ["status", "running"]
    gain = found.gain[0, 0]
    assert state[2].split("  ")[-1] == f"[[{gain:.4g}, 0], [0, {gain:.4g}]]"


def test_the_gap_that_is_shown_is_the_histories():
    found = minimise(ExactGradient(step_size=0.005), plant_of(2), np.zeros((2, 2)), steps=3)
    first, last = found.history["gap"].iloc[[0, -1]]
    assert f"{first:.3g} at the start, {last:.3g} at the end" in repr(found)


def test_large_gains_and_plants_without_a_cost_are_shown_shortly():
    large = minimise(PolicyIteration(), plant_of(60), np.zeros((60, 60)), steps=2)
    assert "60 x 60 matrix of Frobenius norm" in shown(large)
    assert len(repr(large)) < 250
    free = plant_of(2)._replace(Sigma=np.zeros((2, 2)))
    assert "gap" not in shown(minimise(ExactGradient(step_size=0.1), free, np.zeros((2, 2)), steps=1))


def test_a_lost_run_says_so():
    found = minimise(ExactGradient(step_size=100.0), plant_of(2), np.zeros((2, 2)), steps=5)
    assert "gain left the stabilising set" in shown(found)
    assert "inf at the end" in repr(found)


def test_a_plant_is_shown_as_it_was_given():
    pendulum = lqrpg.load_system(([[0, 1], [9.81, -0.1]], [0, 1]), sample_time=0, convert_to=0.05, K0=[20, 8])
    lines = shown(pendulum).splitlines()
    assert lines[0] == "Plant of 2 states and 1 input in continuous time, sampled every 0.05 s"
    assert lines[1].split("  ")[-1] == "[[0, 1], [9.81, -0.1]]"
    large = lqrpg.load_system(plant_of(30), K0=np.zeros((30, 30)))
    assert shown(large).startswith("Plant of 30 states and 30 inputs in discrete time, 1 s between samples\n")
    assert len(repr(large)) < 700


def test_matrices():
    assert matrix(np.array([[1.0, -2.34567], [1e-9, np.inf]])) == "[[1, -2.346], [1e-09, inf]]"
    assert matrix(np.ones((4, 4))) == "4 x 4 matrix of Frobenius norm 4"
    longest = matrix(-1.2345678e-5 * np.ones((3, 4)))
    assert Summary("", [("gain K", longest)]).text().endswith(longest)


def test_objects_are_shown_whichever_public_name_comes_first():
    code = (
        "import numpy as np; from lqrpg import Plant, ExactGradient\n"
        "e = np.eye(1); print(ExactGradient(0.1).start(Plant(e, e, e, e, e, sample_time=1), e))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("State of exact gradient after 0 iterations")


def test_the_tables_of_a_run_are_shown_by_name_and_size(folder):
    tables = load_tables(folder / "qsa_monte_carlo" / "smoke")
    assert isinstance(tables, dict)
    lines = shown(tables).splitlines()
    assert lines[0] == "Run smoke of qsa_monte_carlo"
    assert [line.split()[0] for line in lines[-len(tables) :]] == list(tables)
    assert len(repr(tables.run)) < 300


def test_outcomes_of_claims_are_shown_and_a_table(folder):
    found = verify("qsa_monte_carlo", results=folder)
    assert shown(found).startswith(f"{len(found)} claims: ")
    assert len(found.table) == len(found) == len(found[:]) > 0
    assert found.as_documented
    assert shown(found[0]).startswith(f"{found[0].name}: {found[0].outcome}")
    assert set(found.table["outcome"]) <= {"reproduced", "not tested", "not reproduced"}
    one = verify(found[0].name, results=folder, run="smoke")
    assert shown(one).startswith("1 claim: ")


def test_all_committed_claims_are_as_documented_and_shown_in_few_lines():
    found = verify(results=lqrpg.__path__[0] + "/../results")
    assert found.as_documented
    assert len(shown(found).splitlines()) <= 22 + len(found.outdated)
    assert "not reproduced" in repr(found)


def test_claims_without_a_run_are_named(tmp_path):
    found = verify("P3", results=tmp_path)
    assert (len(found), found.as_documented) == (0, False)
    assert "no finished run of qsa_rates" in shown(found)


def test_a_strangers_record_is_text(folder, tmp_path):
    place = tmp_path / "qsa_monte_carlo" / "smoke"
    shutil.copytree(folder / "qsa_monte_carlo" / "smoke", place)
    settings = load_tables(place).run.provenance["settings"]
    forge(place, {"version": EVIL * 1000, "scale": EVIL, "settings": {**settings, "seed": {EVIL: [EVIL]}}})
    assert len(shown(load_tables(place))) < 2000
    shown(verify("qsa_monte_carlo", results=tmp_path))


def test_a_summary_is_one_line_each_and_escaped():
    summary = Summary(EVIL, [(EVIL, EVIL)], (EVIL, "b"), [("1", EVIL)])
    assert len(summary.text().split("\n")) == 4
    assert Tags(summary.html()).seen == {"div", "p", "b", "table", "thead", "tbody", "tr", "th", "td"}
    assert Summary("only").text() == "only"


def test_a_notebook_has_one_line_of_progress_without_times_at_its_end(monkeypatch):
    bundles = []
    handle = SimpleNamespace(update=lambda bundle, raw: bundles.append(bundle))

    def display(bundle, raw, display_id):
        bundles.append(bundle)
        return handle

    shell = SimpleNamespace(kernel=object())
    notebook = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    assert progress.in_notebook()
    tasks = [Task(0, Trial(str(number)), 1.0) for number in range(5)]
    with progress.reporter("<name>\x1b") as report:
        report.begin({"run": tasks}, {"run": tasks[:1]})
        for task in tasks[1:]:
            report.advance("run", task)
    assert [bundle["text/plain"] for bundle in bundles][:: len(bundles) - 1] == [
        "<name>\\x1b: 1/5 trials",
        "<name>\\x1b: 5/5 trials",
    ]
    assert Tags(bundles[-1]["text/html"]).seen == {"div", "progress"}
    shell.kernel = None
    assert not progress.in_notebook()


def test_plants_optima_and_trajectories_are_shown_in_a_few_lines():
    plant = Plant(A=0.9 * np.eye(2), B=np.ones((2, 1)), Q=np.eye(2), R=np.eye(1), Sigma=np.eye(2), sample_time=0.1)
    lines = repr(plant).splitlines()
    assert lines[0] == "Plant of 2 states and 1 input in discrete time, 0.1 s between samples"
    assert [line.split()[0] for line in lines[1:]] == ["A", "B", "Q", "R", "Sigma"]
    assert "<th>Sigma</th>" in plant._repr_html_()
    assert repr(plant._replace(sample_time=0)).splitlines()[0].endswith("in continuous time")
    assert repr(plant._replace(sample_time=None)).splitlines()[0].endswith("whose time is not given")
    best = lqrpg.solve(plant)
    assert repr(best).startswith(f"Optimum of cost {best.cost:.6g}\n  gain K*")
    walk = lqrpg.simulate(plant, best.gain, steps=5)
    lines = repr(walk).splitlines()
    assert lines[0] == "Trajectory of 5 steps of 2 states and 1 input"
    assert lines[1].split() == ["mean", "cost", f"{walk.costs.mean():.6g}"]


def test_a_plant_of_odd_matrices_is_shown_as_it_is():
    odd = Plant(A=[1, 2], B=3, Q=4, R=5, Sigma=6)
    assert repr(odd) == "Plant(A=[1, 2], B=3, Q=4, R=5, Sigma=6, S=None, sample_time=None)"
    assert "Plant(A=[1, 2]" in odd._repr_html_()
