"""No number is NaN or infinite without the status that explains it: saved tables, smoke runs, runs bound to fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lqrpg.cli.compose import requests
from lqrpg.plugins import choices
from lqrpg.results.lookup import finished_runs
from tests.statuses import ANY, RULES, unexplained

pytestmark = pytest.mark.slow

RESULTS = Path(__file__).resolve().parent.parent / "results"
EXPERIMENTS = choices("experiment")

LARGE = "{kind: constant, value: 50.0, exponent: null, period: null}"
HOSTILE = {
    "azopg, step too large": ("azopg", "step_size=1.0", "max_updates=30"),
    "azopg, never there": ("azopg", "max_updates=3"),
    "benchmark, nearly no samples": ("benchmark", "budget.trajectory=1e-6", "budget.rollouts=1", "replicates=2"),
    "benchmark, no time": ("benchmark", "limits.seconds=1e-3", "systems=[double_integrator]"),
    "dr_lqr, step too large": ("dr_lqr", "step_size=1e-3"),
    "dr_lqr, some runs lost": ("dr_lqr", "step_size=3e-6", "compared=1"),
    "dr_lqr, Monte Carlo": ("dr_lqr", "step_size=3e-6", "compared=1", "objective=monte_carlo", "samples=100"),
    "qsa_monte_carlo, two runs": ("qsa_monte_carlo", "runs=2"),
    "qsa_policy_evaluation, too short": ("qsa_policy_evaluation", "horizon_s=0.5"),
    "qsa_policy_iteration, too short": ("qsa_policy_iteration", "horizon_s=0.5"),
    "qsa_rates, two runs": ("qsa_rates", "descent.seeds=2", "horizon_s=100"),
    "sgd_biased, step too large": ("sgd_biased", f"steps.constant={LARGE}", "runs=2"),
    "sgd_direct, step too large": ("sgd_direct", f"printed.constant.step={LARGE}"),
    "sgd_indirect, step too large": ("sgd_indirect", f"steps.constant={LARGE}"),
    "sgd_indirect, hardly any data": ("sgd_indirect", "start=9", "dither=1e-9"),
    "sgd_oracles, hardly any data": ("sgd_oracles", "indirect.start=6", "indirect.dither=1e-9"),
    "sgd_oracles, radius too large": ("sgd_oracles", "direct.largest_radius=1e60"),
    "scaling_dimension, no time": ("scaling_dimension", "limits.seconds=1e-3", "states=[4,10]"),
    "shootout, nearly no samples": ("shootout", "iterations.trajectory_samples=600", "excitation=1e-7"),
}


def tables_of(name, *overrides):
    (request,) = requests([f"experiment={name}", "scale=smoke", *overrides], None, multirun=False)
    experiment = request.job.experiment
    return experiment.tables([(trial, experiment.run(trial)) for trial in experiment.trials()])


@pytest.mark.parametrize("case", HOSTILE)
def test_a_run_that_is_bound_to_fail_says_so(case):
    name, *overrides = HOSTILE[case]
    assert unexplained(name, tables_of(name, *overrides)) == []


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_saved_tables(experiment):
    for run in finished_runs(RESULTS, experiment):
        tables = {name: run.table(name) for name in run.provenance["tables"]}
        assert unexplained(experiment, tables) == []


def test_a_number_that_is_lost_is_found():
    """The walk itself: a NaN in a table without a rule, and in a row whose status says that all is well."""
    tables = tables_of("sgd_biased")
    assert unexplained("sgd_biased", tables) == []
    tables["outcomes"].loc[1, ["final_gap", "fail_step", "status"]] = [np.inf, -1, "completed"]
    tables["trajectories"].loc[2, "gap"] = np.nan
    assert unexplained("sgd_biased", tables) == ["trajectories, row 2: gap=nan", "outcomes, row 1: final_gap=inf"]


def test_rules_name_columns_that_exist():
    for name, rules in RULES.items():
        (request,) = requests([f"experiment={name}", "scale=smoke"], None, multirun=False)
        for table, column in rules:
            assert column in (ANY, *request.job.experiment.TABLES[table])
