"""The experiment on domain randomisation: its options, its refusals, and runs that lose stability."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from lqrpg.cli.compose import requests
from lqrpg.domain_randomization.cubature import gauss, random_nodes, sampled_nodes
from lqrpg.domain_randomization.quadrature import family_cost
from lqrpg.figures.registry import figures
from lqrpg.figures.style import house_style
from lqrpg.kernels.evaluation import evaluate
from tests.cartpoles import START_GAIN, cartpole


def experiment(*overrides: str):
    (request,) = requests(["experiment=dr_lqr", "scale=smoke", *overrides], None, multirun=False)
    return request.job.experiment


def tables_of(settings):
    tables = settings.tables([(trial, settings.run(trial)) for trial in settings.trials()])
    for table in tables.values():
        table.attrs["settings"] = requests_settings(settings)
    return tables


def requests_settings(settings):
    return asdict(settings)


@pytest.mark.slow
@pytest.mark.parametrize("option", ["system.pole_mass=0.1", "system.pole=rod", "system.dt=0.05"])
def test_other_cart_poles_simply_work(option):
    tables = tables_of(experiment(option))
    assert (tables["final"]["fail_step"] < 0).all()
    assert (tables["final"]["excess"] > 0).all()
    last = tables["annealing"].iloc[-1]
    assert last["gamma"] == 1.0
    assert last["spectral_radius_max"] < 1.0


def test_few_nodes_stand_for_all_samples():
    """The interpolated Monte Carlo estimate is the sum over the samples, far below its own error."""
    family, seed = cartpole().family(), np.random.SeedSequence(3)
    lengths = random_nodes(family, 5000, seed).points
    A, B = family.systems(lengths)
    costs = evaluate(A, B, START_GAIN, family.Q, family.R, family.Sigma).cost
    nodes = sampled_nodes(family, gauss(family, 24), 5000, seed)
    error = costs.std() / np.sqrt(5000)
    assert abs(family_cost(family, START_GAIN, nodes).cost[0] - costs.mean()) < 1e-6 * error
    assert nodes.weights.sum() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.slow
def test_monte_carlo_objective_agrees_within_its_error():
    exact, sampled = (
        tables_of(experiment(f"objective={kind}", "samples=2000")) for kind in ("quadrature", "monte_carlo")
    )
    assert (exact["final"]["gain_norm"] == sampled["final"]["gain_norm"]).all()
    family = cartpole().family()
    A, B = family.systems(np.linspace(0.2, 0.8, 400))
    costs = evaluate(A, B, START_GAIN, family.Q, family.R, family.Sigma).cost
    error = costs.std() / np.sqrt(2000) / exact["optimum"]["cost"].iloc[0]
    gap = sampled["final"]["excess"] - exact["final"]["excess"]
    assert 0.0 < gap.abs().max() < 5.0 * error
    assert sampled["curves"]["median"].iloc[0] != exact["curves"]["median"].iloc[0]


@pytest.mark.parametrize("axis", ["excess", "absolute"])
def test_runs_that_lose_stability_are_counted_and_shown(axis):
    settings = experiment("step_size=2e-5", f"axis={axis}", "runtime.repeats=1")
    tables = tables_of(settings)
    final, curves = tables["final"], tables["curves"]
    lost = final[final["fail_step"] >= 0]
    assert 0 < len(lost) <= len(final)
    assert np.isinf(lost["excess"]).all()
    assert np.isfinite(final.loc[final["fail_step"] < 0, "excess"]).all()
    assert np.isfinite(final[["gain_norm", "k1", "k2", "k3", "k4"]]).all(axis=None)
    for (method, batch_size), runs in final.groupby(["method", "batch_size"]):
        curve = curves[(curves["method"] == method) & (curves["batch_size"] == batch_size)]
        running = [((runs["fail_step"] < 0) | (runs["fail_step"] > step)).sum() for step in curve["step"]]
        assert list(curve["n_stable"]) == running
    assert not curves.isna().any(axis=None)
    with house_style():
        drawn = figures()["dr_lqr_fig1"].draw(tables)
    labels = [text.get_text() for axis in drawn.axes for text in axis.get_legend().get_texts()]
    assert any("diverged" in label for label in labels)


def test_a_gain_that_does_not_stabilise_is_refused_with_the_lengths(lqrpg, tmp_path):
    ended = lqrpg("run", "experiment=dr_lqr", "scale=smoke", "system.start_gain=[0.0,0.0,-20.0,-3.0]")
    assert ended.code == 2
    assert "system.start_gain=[0.0, 0.0, -20.0, -3.0]" in ended.err
    assert "pole lengths" in ended.err
    assert "Traceback" not in ended.err
    assert not list(tmp_path.iterdir())


def test_lengths_are_named_as_ranges():
    family = cartpole().family()
    assert family.describe(family.grid()[[0, 1, 2, 100, 598, 599, 600]]) == (
        "pole lengths 0.2 to 0.202 m, 0.3 m, 0.798 to 0.8 m"
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("compared=3", "compared=3: expected one of batch_sizes"),
        ("objective=simpson", "one of quadrature, monte_carlo"),
        ("axis=log", "one of excess, absolute"),
        ("batch_sizes=[8,8]", "distinct integers"),
        ("runtime.repeats=0", "runtime.repeats=0"),
        ("system=mass_spring", "a plant with a family of lengths"),
    ],
)
def test_bad_settings_are_refused(override, message):
    with pytest.raises(ValueError, match="expected") as refused:
        experiment(override)
    assert message in str(refused.value)


def test_blocks_change_no_number():
    settings = experiment()
    block = settings._block("dr", 8, 0)
    whole = settings.run(block)["final"]
    part = settings.run(replace(block, values={**block.values, "first": 5, "count": 3}))["final"]
    for name, column in part.items():
        np.testing.assert_array_equal(column, whole[name][5:8])
