"""The study of dimension: the chain, prices and limits, slopes, equal bits for any number of workers."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import expm

from lqrpg.checks import SettingError
from lqrpg.cli.compose import requests
from lqrpg.experiments.scaling_chain import SampledChain
from lqrpg.experiments.scaling_slopes import THEORY, line, middle
from lqrpg.experiments.shootout_methods import known
from lqrpg.figures.registry import figures
from lqrpg.figures.style import house_style
from lqrpg.methods.minimise import Optimum
from lqrpg.results.comparison import TIMINGS
from lqrpg.systems.by_name import natural_sample_time
from lqrpg.systems.mass_spring import MassSpring

FEW = ("states=[2,4,10]", "methods=[policy_iteration,two_point,certainty_equivalence]")


def study(*overrides):
    (request,) = requests(["experiment=scaling_dimension", "scale=smoke", *overrides], None, multirun=False)
    return request.job.experiment


def tables_of(settings):
    return settings.tables([(trial, settings.run(trial)) for trial in settings.trials()])


def paid(exponent, runs=5, sizes=(4, 8, 16, 32), spread=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return {n: 7.0 * n**exponent * np.exp(spread * rng.standard_normal(runs)) for n in sizes}


@pytest.fixture(scope="module")
def small():
    """A small run, with its settings."""
    settings = study(*FEW)
    return settings, tables_of(settings)


# -- the chain --------------------------------------------------------------------------------------------------------


def test_the_chain_is_that_of_the_paper_sampled():
    chain = SampledChain("mass_spring", 10, 0.04, 1e-3, 40.0)
    exact, plant = MassSpring("mass_spring", 5, 1.0, 1.0).plant(), chain.plant()
    assert np.allclose(plant.A, expm(0.04 * exact.A), atol=1e-13)
    block = np.zeros((15, 15))
    block[:10] = np.hstack([exact.A, exact.B])
    assert np.allclose(plant.B, expm(0.04 * block)[:10, 10:], atol=1e-13)
    assert plant.sample_time == 0.04
    assert math.isclose(np.trace(plant.Q), 10 * 0.04, rel_tol=0.1)  # the integral of x'x over a sample, nearly
    assert chain.initial_gain().shape == (5, 10)


def test_the_sample_time_is_that_of_the_rule_of_the_collection_for_long_chains():
    assert natural_sample_time(MassSpring("mass_spring", 32, 1.0, 1.0).plant()) == study().sample_time


def test_conditioning_does_not_grow_with_the_chain():
    """Or slopes would tell of more than dimension: the first gap and the rollouts' length level off."""
    chains = [study(f"states=[{n}]", "methods=[policy_iteration]").comparison(n) for n in (10, 20, 40)]
    found = [chain.described() for chain in chains]
    assert {each["length"] for each in found} == {100}
    assert max(each["first_gap"] for each in found) < 1.1 * min(each["first_gap"] for each in found)


def test_states_come_in_pairs():
    with pytest.raises(SettingError, match="even numbers: a position and a velocity"):
        study("states=[4,5]")


# -- runs and limits --------------------------------------------------------------------------------------------------


def test_a_price_is_where_the_median_run_first_is_below_the_target(small):
    _, tables = small
    assert len(tables["summary"]) == 3 * 3 * 2
    for row in tables["summary"].itertuples():
        own = tables["targets"].query("states == @row.states and method == @row.method and target == @row.target")
        reached = np.sort(own.loc[~own["censored"], "samples"])
        assert (row.runs, row.reached) == (len(own), len(reached))
        assert row.censored == (len(reached) < row.runs / 2)
        assert row.samples == (-1 if row.censored else reached[(row.runs - 1) // 2])
    assert not tables["summary"].query("method == 'policy_iteration'")["censored"].any()


def test_the_last_gap_is_that_of_the_optimum(small):
    """Policy iteration gets to the gain of the Riccati equation, so that its last gap is rounding."""
    settings, tables = small
    final = tables["final"].query("method == 'policy_iteration'")
    assert final["gap"].abs().max() < 1e-9
    plant = settings.comparison(10).system.plant()
    chains = tables["chains"].set_index("states")
    assert math.isclose(chains.loc[10, "optimal_cost"], Optimum(plant).cost, rel_tol=1e-9)


def test_what_does_not_finish_is_shown_and_not_dropped():
    tables = tables_of(study(*FEW, "limits.seconds=1e-9"))
    assert len(tables["final"]) == 3 * 3 * 2
    assert set(tables["final"]["status"]) == {"out of time"}
    assert tables["summary"]["censored"].all()
    assert tables["slopes"]["slope"].isna().all()
    assert set(tables["slopes"]["points"]) == {0}
    small = tables_of(study("states=[4]", "methods=[qsa_policy_iteration]", "limits.gigabytes=1e-9"))
    assert set(small["final"]["status"]) == {"out of memory"}


def test_rollouts_that_get_nowhere_do_not_start():
    """There is time for one iteration, but not for as many as it takes."""
    comparison = study("states=[10]", "methods=[two_point]").comparison(10)
    runs = comparison.runs("two_point") * comparison.microseconds("two_point")
    for iterations, obstacle in ((2, "out of time"), (30, "")):
        limited = dataclasses.replace(comparison, seconds=1e-6 * iterations * runs)
        assert limited.obstacle("two_point") == obstacle


def test_tables_have_the_same_bits_for_any_number_of_workers(lqrpg, tmp_path):
    words = ("run", "scaling_dimension", "scale=smoke", "states=[2,4]", "methods=[two_point,indirect]")
    for workers in (1, 2):
        assert lqrpg(*words, f"workers={workers}", f"results_dir={tmp_path}/{workers}").code == 0
    (one,), (two,) = ([*(tmp_path / str(workers) / "scaling_dimension").iterdir()] for workers in (1, 2))
    names = {file.name for file in one.glob("*.parquet")}
    assert {"targets.parquet", "slopes.parquet"} <= names
    for name in names - {f"{timing}.parquet" for timing in TIMINGS}:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


# -- slopes -----------------------------------------------------------------------------------------------------------


def test_a_planted_power_law_is_found():
    found = line(paid(2.5))
    assert np.allclose([found.slope, found.low, found.high, found.misfit], [2.5, 2.5, 2.5, 1.0])
    assert (found.points, found.smallest, found.largest) == (4, 4, 32)


def test_the_interval_covers_the_slope():
    inside = sum(each.low <= 2.0 <= each.high for each in (line(paid(2.0, 15, spread=0.5, seed=i)) for i in range(100)))
    assert inside >= 88  # 95 of 100, but for chance and the coarseness of a median of few runs


def test_only_chains_on_which_half_of_the_runs_reach_the_target_count():
    prices = paid(2.0)
    prices[32] = np.array([1.0, 1.0, np.inf, np.inf, np.inf])
    prices[16][:2] = np.inf
    found = line(prices)
    assert (found.points, found.largest) == (3, 16)
    assert math.isclose(found.slope, 2.0)
    assert math.isnan(line({n: prices[n] for n in (4, 8)}).slope)  # a line through two points says nothing
    assert middle(np.array([3.0, 1.0, np.inf, np.inf])) == 3.0


def test_a_misfit_says_that_points_are_on_no_line():
    bent = {n: np.full(3, 1.0 + (n / 16) ** 3) for n in (4, 8, 16, 32, 64)}
    assert line(bent).misfit > 2.0


def test_theory_names_methods_and_its_evidence(small):
    assert {name for name, _ in THEORY} <= set(known())
    assert all(source.startswith(("[stated] ", "[inferred] ")) for _, source in THEORY.values())
    _, tables = small
    slopes = pd.concat([tables["slopes"], tables["runtime_slopes"]])
    assert ((slopes["theory"] == "") == (slopes["source"] == "")).all()
    expected = slopes.query("method == 'two_point' and quantity == 'rollouts'")["theory"]
    assert set(expected) == {"2"}  # n m = n^2 / 2


def test_the_figure_is_drawn_also_where_nothing_is_reached(small):
    _, tables = small
    spec = figures()["scaling_dimension"]
    nothing = {
        **tables,
        "summary": tables["summary"].assign(censored=True),
        "runtime": tables["runtime"].assign(censored=True),
    }
    for width in (None, 3.5):
        with house_style(width):
            assert spec.draw(tables).get_figwidth() > 0
            assert spec.draw(nothing).get_figwidth() > 0
