"""The experiments of the third paper: their tables, what the tables must satisfy, and what is refused."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from lqrpg.checks import SettingError
from lqrpg.claims.registry import claims
from lqrpg.cli.compose import composer, request
from lqrpg.figures.registry import figures
from lqrpg.lqr.continuous import optimal_gain
from lqrpg.qsa.bellman import exact_coefficients
from lqrpg.results.rows import decode, encode
from lqrpg.systems.double_integrator import DoubleIntegrator

COLUMNS = {
    "qsa_monte_carlo": {
        "paths": ["method", "gain", "t_s", "estimate"],
        "estimates": ["method", "gain", "replicate", "estimate"],
        "variance": ["method", "gain", "mean", "variance", "runs", "integral", "points_mean"],
    },
    "qsa_policy_evaluation": {
        "evaluation": ["method", "replicate", "t_s", "relative_error", *(f"theta_{k}" for k in range(1, 7))]
    },
    "qsa_policy_iteration": {
        "iteration": ["method", "replicate", "iteration", "gain_error", "weighted_error", "k1", "k2"]
    },
    "qsa_rates": {
        "rates": ["case", "rho", "gain", "averaged", "replicate", "t_s", "error"],
        "slopes": ["case", "rho", "gain", "averaged", "slope", "predicted"],
    },
}


def experiment(name, *overrides):
    with composer(None):
        return request([f"experiment={name}", "scale=smoke", *overrides]).job


@cache
def computed(name, *overrides):
    """All tables of a smoke run, the trials in reverse and through bytes, as workers would hand them over."""
    job = experiment(name, *overrides)
    rows = {trial.key: decode(encode(job.experiment.run(trial))) for trial in reversed(job.experiment.trials())}
    tables = job.experiment.tables([(trial, rows[trial.key]) for trial in job.experiment.trials()])
    for table in tables.values():
        table.attrs["settings"] = job.settings
    return tables


@pytest.mark.parametrize("name", COLUMNS)
def test_tables_have_the_columns_of_the_contract_and_no_missing_number(name):
    tables = computed(name)
    for table, columns in COLUMNS[name].items():
        assert list(tables[table].columns[: len(columns)]) == columns
        assert len(tables[table])
        assert not tables[table].isna().any(axis=None)
    assert list(tables) == list(experiment(name).experiment.TABLES)


@pytest.mark.parametrize("name", COLUMNS)
def test_figures_and_claims_read_these_tables(name):
    for spec in figures().values():
        if spec.experiment == name:
            spec.draw(computed(name)).canvas.draw()
    own = [claim for claim in claims() if claim.experiment == name]
    assert own
    assert all(np.isfinite(claim.measure(computed(name))) for claim in own)


@pytest.mark.parametrize("rule", ["left", "midpoint"])
def test_fast_estimates_are_those_of_the_literal_recursion(rule):
    fast, slow = (
        computed("qsa_monte_carlo", f"rule={rule}", f"recursion={recursion}")["estimates"]
        for recursion in ("affine", "literal")
    )
    np.testing.assert_allclose(fast["estimate"], slow["estimate"], atol=1e-10)
    assert fast["method"].equals(slow["method"])


def test_variance_sums_up_the_estimates_and_falls_with_the_square_of_the_gains_power():
    tables = computed("qsa_monte_carlo")
    variance = tables["variance"].set_index(["method", "gain"])
    sample = tables["estimates"].query("method == 'qsa' and gain == 2")["estimate"]
    assert variance.loc[("qsa", 2.0), "variance"] == pytest.approx(np.var(sample, ddof=1))
    # alpha_N is 1/101 for g = 1 and 1/101^2 for g = 2, to order h.
    ratio = variance.loc[("qsa", 1.0), "variance"] / variance.loc[("qsa", 2.0), "variance"]
    assert ratio == pytest.approx(101.0**2, rel=0.01)


def test_other_midpoints_bring_the_running_average_nearer_to_the_integral():
    integral = (np.expm1(4 + 100j) / (4 + 100j)).imag
    errors = [
        abs(
            computed("qsa_monte_carlo", f"rule={rule}")["paths"].query("method == 'average'")["estimate"].iloc[-1]
            - integral
        )
        for rule in ("left", "midpoint")
    ]
    assert errors[1] < 0.05 * errors[0]


def test_evaluation_errors_are_distances_to_the_true_coefficients():
    table = computed("qsa_policy_evaluation")["evaluation"]
    truth = exact_coefficients(DoubleIntegrator().plant(), np.array([[1.0, 0.0]]))
    theta = table[[f"theta_{k}" for k in range(1, 7)]].to_numpy()
    expected = np.linalg.norm(theta - truth, axis=1) / np.linalg.norm(truth)
    np.testing.assert_allclose(table["relative_error"], expected)


@pytest.mark.parametrize("power", [-300, 300])
def test_relative_errors_do_not_depend_on_the_unit_of_cost(power, lqrpg, tmp_path):
    weight = repr(2.0**power)  # a power of two: no bit of a significand changes
    run = ("run", "experiment=qsa_policy_evaluation", "scale=smoke", "backend=serial")
    weights = (f"system.state_weight={weight}", f"system.input_weight={weight}")
    assert lqrpg(*run, "system.input_weight=1", "results_dir=usual").code == 0
    assert lqrpg(*run, *weights, "results_dir=far").code == 0
    usual, far = (
        pd.read_parquet(next((tmp_path / folder).glob("*/*/evaluation.parquet"))) for folder in ("usual", "far")
    )
    pd.testing.assert_series_equal(far["relative_error"], usual["relative_error"], check_exact=True)


@pytest.mark.parametrize("key", ["friction", "state_weight", "input_weight"])
def test_numbers_whose_squares_overflow_are_refused(key):
    with pytest.raises(SettingError, match=f"system.{key}=1e\\+101: expected a number from .* to 1e\\+100"):
        DoubleIntegrator(**{key: 1e101})


def test_moments_are_the_literal_recursion():
    fast, slow = (
        computed("qsa_policy_evaluation", f"recursion={recursion}", "horizon_s=1", "ridge=0.01")["evaluation"]
        for recursion in ("moments", "literal")
    )
    np.testing.assert_allclose(fast["relative_error"], slow["relative_error"], rtol=1e-6)


def test_iteration_starts_at_the_given_gain_and_the_exact_one_ends_at_the_optimum():
    table = computed("qsa_policy_iteration", "iterations=10")["iteration"]
    first = table[table["iteration"] == 0]
    assert set(zip(first["k1"], first["k2"], strict=True)) == {(1.0, 0.0)}
    last = table[(table["method"] == "exact") & (table["iteration"] == 10)]
    np.testing.assert_allclose(last[["k1", "k2"]].to_numpy()[0], optimal_gain(DoubleIntegrator().plant())[0])
    assert table["stabilising"].equals(np.isfinite(table["weighted_error"]))


def test_every_combination_of_the_rates_has_one_slope():
    slopes = computed("qsa_rates")["slopes"]
    assert not slopes.duplicated(["case", "rho", "gain", "averaged"]).any()
    counts = slopes.groupby(["case", "averaged"]).size().to_dict()
    assert counts[("additive", False)] == counts[("additive", True)] == 10
    assert counts[("multiplicative", True)] == counts[("multiplicative_quadrature", True)] == 4
    assert counts[("qsgd", False)] == counts[("spsa", False)] == 2


def test_one_more_seed_changes_no_other():
    two, three = (computed("qsa_policy_iteration", f"seeds={n}")["iteration"] for n in (2, 3))
    kept = three[three["replicate"] < 2].reset_index(drop=True)
    np.testing.assert_array_equal(two["k1"], kept["k1"])


def test_more_runs_change_no_other():
    few, many = (computed("qsa_monte_carlo", f"runs={n}")["estimates"] for n in (300, 500))
    kept = many[many["replicate"] < 300].reset_index(drop=True)
    np.testing.assert_array_equal(few["estimate"], kept["estimate"])


@pytest.mark.parametrize(
    ("name", "override", "words"),
    [
        ("qsa_monte_carlo", "gains=[0,1]", "gains="),
        ("qsa_monte_carlo", "gains=[inf]", "gains="),
        ("qsa_monte_carlo", "path_gains=[3000]", "unstable"),
        ("qsa_monte_carlo", "step_s=0.003", "horizon_s|step_s"),
        ("qsa_monte_carlo", "step_s=0", "step_s"),
        ("qsa_monte_carlo", "rule=right", "left, midpoint"),
        ("qsa_monte_carlo", "start_variance=-1", "start_variance"),
        ("qsa_policy_evaluation", "gain=[-1,0]", "^gain=.*stabilises"),
        ("qsa_policy_evaluation", "gain=[1]", "2 finite numbers"),
        ("qsa_policy_evaluation", "exploration.gain=[1,-2]", "exploration.gain=.*stabilises"),
        ("qsa_policy_evaluation", "exploration.gain=[1e6,1]", "step_s=.*unstable"),
        ("qsa_policy_evaluation", "ridge=0", "ridge"),
        ("qsa_policy_evaluation", "system=mass_spring gain=[1.0,0.0]", "4 rows of 8 finite numbers"),
        ("qsa_policy_evaluation", "system.friction=-1", "system.friction"),
        ("qsa_policy_iteration", "gain=[0,0]", "^gain=.*stabilises"),
        ("qsa_policy_iteration", "noise=qsa", "sa_equal_variance"),
        ("qsa_policy_iteration", "step_s=2", "horizon_s|step_s"),
        ("qsa_rates", "exponents=[0,0.5]", "exponents"),
        ("qsa_rates", "descent.exponents=[1.2]", "descent.exponents"),
        ("qsa_rates", "gain=-1", "gain"),
        ("qsa_rates", "gain=100", "RK4 is unstable"),
        ("qsa_rates", "descent.step_s=10", "descent.step_s"),
        ("qsa_rates", "descent.step_s=0.03", r"horizon_s=.*a whole multiple of descent\.step_s=0\.03"),
        ("qsa_rates", "lqr.step_s=0", r"^lqr\.step_s=0"),
        ("qsa_rates", "lqr.lowest=[0.05,0.15]", "stabilise"),
        ("qsa_rates", "window=0", "window"),
    ],
)
def test_bad_settings_are_refused_with_one_line_that_names_the_key(name, override, words):
    with pytest.raises(SettingError, match=words) as caught:
        experiment(name, *override.split())
    assert "\n" not in str(caught.value)
