"""What a run on a plant of the user's own says to try first."""

from types import SimpleNamespace

import pandas as pd
import pytest

from lqrpg.cli.hints import hints
from lqrpg.systems.from_python import load_system

METHODS = pd.DataFrame(
    {
        "method": ["exact_gradient", "two_point", "indirect"],
        "samples": [0, 12800, 10],
        "radius": [0.0, 0.02, 0.0],
        "length": [0, 100, 0],
    }
)
GAINS = pd.DataFrame({"row": [1, 1, 2, 2], "column": [1, 2, 1, 2]})


PLANT = load_system(([[0.9, 0.1], [0.0, 0.8]], [[0.0], [1.0]]), sample_time=1, K0=[[0.1, 0.2]])


def told(diverged, medians, scale="paper", given=(), radius=None):
    lengths = {"gradient": 100, "rollout_samples": 1000, "trajectory_samples": 500}
    settings = {"start_samples": 50, "excitation": 1.0, "radius": radius, "iterations": lengths}
    summary = pd.DataFrame({"method": METHODS["method"], "median": medians})
    tables = {"methods": METHODS, "summary": summary, "gains": GAINS}
    experiment = SimpleNamespace(system=PLANT)
    return hints(SimpleNamespace(settings=settings, scale=scale, given=given, experiment=experiment), tables, diverged)


@pytest.mark.parametrize(
    ("diverged", "medians", "expected"),
    [
        ([], [0.0, 0.1, 0.2], []),
        (["two_point"], [0.0, float("inf"), 0.2], ["two_point: try first radius=0.005"]),
        (
            ["indirect"],
            [0.0, 0.1, float("inf")],
            ["indirect: try first start_samples=500: the first model has 8"],
        ),
        (["exact_gradient"], [float("inf"), 0.1, 0.1], ["exact_gradient: try first a first gain nearer"]),
        ([], [0.0, 0.9, 0.2], ["two_point: gap still 0.9 of the first; try first iterations.rollout_samples=10000"]),
    ],
)
def test_the_first_setting_to_try_is_named_with_the_reason(diverged, medians, expected):
    found = told(diverged, medians)
    assert len(found) == len(expected)
    assert all(line.startswith(begin) for line, begin in zip(found, expected, strict=True))


def test_a_small_run_that_does_not_progress_is_to_be_made_larger():
    assert told([], [0.0, 0.1, 0.9], scale="small") == [
        "indirect: gap still 0.9 of the first; try first scale=paper: this run is a small one"
    ]


def test_each_method_is_told_how_far_it_came():
    assert told([], [0.9, 0.6, 0.7])[0].startswith("two_point: gap still 0.6 of the first; try")
    assert told([], [0.9, 3.0, 0.7])[0].startswith("two_point: gap rose to 3 times the first; try")


def test_settings_that_would_have_been_found_are_to_be_left_out_first():
    lost = [float("inf")] * 3
    rollouts, trajectory, _ = told(list(METHODS["method"]), lost, given=("excitation",), radius=0.3)
    assert "leave radius=0.3 out" in rollouts
    assert "leave excitation out" in trajectory
    assert "start_samples" not in trajectory
