"""The shootout: its rule for step sizes, lost runs in every table, settings that are refused."""

import warnings

import numpy as np
import pandas as pd
import pytest

from lqrpg import cost_gradient
from lqrpg.checks import SettingError, SettingWarning
from lqrpg.cli.compose import requests
from lqrpg.experiments.shootout_methods import METHODS
from lqrpg.experiments.shootout_tables import seconds_per_iteration, target_rows
from lqrpg.figures.shootout import curves, summary
from lqrpg.figures.style import house_style
from lqrpg.lqr.discrete import cost, optimal_gain
from lqrpg.methods.minimise import Optimum
from lqrpg.methods.tuning import FLOOR, HIGHEST, PATIENCE, chosen, pilots, reference_step
from lqrpg.runner.experiment import Trial
from lqrpg.systems.three_state import ThreeState


def experiment(*overrides):
    (request,) = requests(["experiment=shootout", "scale=smoke", *overrides], None, multirun=False)
    return request.job.experiment


def tables_of(settings):
    parts = [(trial, settings.run(trial)) for trial in settings.trials()]
    found = settings.tables(parts)
    for table in found.values():
        table.attrs["settings"] = {"system": {"kind": "three_state"}}
    return found


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("methods=[newton]", "distinct names from exact_gradient"),
        ("methods=[]", "distinct names"),
        ("methods=[two_point,two_point]", "distinct names"),
        ("replicates=0", "replicates=0: expected an integer"),
        ("points=1", "points=1"),
        ("targets=[1.5]", r"distinct numbers between 0 and 1"),
        ("radius=-1", r"radius=-1\.0"),
        ("rollouts=7", "rollouts=7: expected an even number: .*for the method two_point"),
        ("baseline=median", "baseline='median': expected one of none, mean"),
        ("methods=[one_point] rollouts=1", "rollouts=1: .*for the method one_point; it is set by .*rollouts.*baseline"),
        ("start_samples=5", "start_samples=5: expected at least .*for the method indirect"),
        (
            "samples_per_policy=21",
            "samples_per_step=21: .*for the method qsa_policy_iteration; it is set by samples_per_policy",
        ),
        ("excitation=0", r"excitation=0\.0: expected a positive number"),
        ("iterations.newton=0", r"iterations\.newton=0: expected an integer"),
        ("system=mass_spring", "a plant in discrete time"),
        ("system=cartpole", "not a family of plants"),
        ("system.initial_factor=1", "a plant whose initial gain is not optimal already"),
    ],
)
def test_bad_settings_are_refused_in_one_line(override, message):
    with pytest.raises(SettingError, match=message) as refused:
        experiment(*override.split(" "))
    assert "\n" not in str(refused.value)


def test_all_methods_have_a_name_a_trial_and_a_word_on_what_they_are_given():
    settings = experiment()
    assert [trial.key for trial in settings.trials()] == list(METHODS)
    methods = {name: settings._method(name, 1.0) for name in METHODS}
    assert all((method.samples(1) == 0) == (method.given == "the model") for method in methods.values())
    assert len({settings._spec(name).label for name in METHODS}) == len(METHODS)


def test_one_point_has_the_baseline_of_the_settings_and_then_learns_faster():
    assert experiment()._method("one_point", 1.0).baseline == "mean"
    gaps = {}
    for baseline in ("none", "mean"):
        settings = experiment("methods=[one_point]", f"baseline={baseline}", "replicates=8")
        assert settings._method("one_point", 1.0).baseline == baseline
        gaps[baseline] = tables_of(settings)["summary"]["median"].iloc[0]
    assert gaps["mean"] < gaps["none"]


def test_iterations_are_timed_by_runs_that_are_much_longer_than_their_set_up():
    settings = experiment("methods=[policy_iteration,natural_gradient]")
    runtime = tables_of(settings)["runtime"].set_index("method")
    assert runtime["iterations"].to_dict() == {"policy_iteration": 12, "natural_gradient": 30}
    for name in settings.methods:
        single = settings._single(name, 1e-3)
        short = settings._runs(name, 1e-3, settings._steps(name), 3, "run")
        runs = settings._timed(name, 1e-3, short, single, 2)
        assert len(runs) == 2
        assert runs[0][0].state.iteration >= 10 * settings._steps(name)
        assert 0 < runtime.loc[name, "seconds_per_iteration"] < runtime.loc[name, "seconds"]


def test_a_run_that_took_no_longer_than_its_set_up_still_has_a_time():
    settings = experiment("methods=[policy_iteration]")
    runs = [(result, path, 0.001) for result, path, _ in settings._runs("policy_iteration", 1.0, 4, 3, "run")]
    assert seconds_per_iteration(runs, runs) == 0.00025


def test_the_search_goes_down_from_far_above_and_takes_the_best_that_loses_no_run():
    def runs(step_size):
        """Lost above 1; else the faster the larger, but above 1/4 the level is higher."""
        if step_size > 1.0:
            return [np.array([1.0, np.inf]), np.array([1.0, 0.5])]
        level = 1e-3 if step_size <= 0.25 else 0.5
        return [np.array([1.0, max(1.0 - step_size, level), level])] * 2

    found = pilots(runs, 1.0)
    assert [pilot.step_size for pilot in found] == [2.0**power for power in range(HIGHEST, -3 - PATIENCE + 0, -1)]
    assert chosen(found).step_size == 0.25
    assert [pilot.lost for pilot in found if pilot.step_size > 1.0] == [1] * HIGHEST
    assert chosen(found).score == pytest.approx(np.mean(np.log10([1.0, 0.75, 1e-3])))


def test_rounding_decides_nothing_and_where_all_is_lost_the_smallest_size_is_taken():
    tiny = pilots(lambda size: [np.array([1.0, FLOOR * size * 1e-3])], 1.0)
    assert chosen(tiny).step_size == tiny[-1].step_size  # all the same: the smaller is the safer
    assert len({pilot.score for pilot in tiny}) == 1
    lost = pilots(lambda size: [np.array([1.0, np.inf])], 1.0)
    assert chosen(lost).step_size == lost[-1].step_size == min(pilot.step_size for pilot in lost)


def test_the_grid_is_anchored_where_one_exact_step_is_as_long_as_the_way():
    system = ThreeState()
    plant, gain = system.plant(), system.initial_gain()
    for natural in (False, True):
        from lqrpg import ExactGradient, NaturalGradient

        method = (NaturalGradient if natural else ExactGradient)(reference_step(plant, gain, natural=natural))
        moved = method.step(method.start(plant, gain)).gain - gain
        assert np.linalg.norm(moved) == pytest.approx(np.linalg.norm(gain - optimal_gain(plant)))


def test_the_excess_is_the_difference_of_costs_and_keeps_small_digits():
    system = ThreeState()
    plant, optimum = system.plant(), Optimum(system.plant())
    gains = np.array([system.initial_gain(), optimum.gain, optimum.gain + 1e-9, np.zeros((3, 3))])
    excess = optimum.excess(gains)
    assert excess[0] == pytest.approx(cost(plant, gains[0]) - cost(plant, optimum.gain), rel=1e-9)
    assert excess[1] == 0.0
    closer = optimum.excess(gains[2:3] - 0.5e-9)[0]
    assert excess[2] == pytest.approx(4.0 * closer, rel=1e-4)  # quadratic where the difference of costs is rounding
    assert excess[3] == np.inf


def test_a_method_gives_the_same_rows_whatever_runs_beside_it():
    alone = experiment("methods=[indirect]", "points=20")
    together = experiment("methods=[exact_gradient,indirect]", "points=20")
    first, second = (settings.run(Trial("indirect", {"method": "indirect"})) for settings in (alone, together))
    np.testing.assert_array_equal(first["paths"]["gaps"], second["paths"]["gaps"])


def test_the_exact_methods_go_down_and_their_runs_are_equal():
    found = tables_of(experiment("methods=[exact_gradient,natural_gradient,policy_iteration]", "points=20"))
    for _, rows in found["curves"].groupby("method"):
        assert rows["median"].iloc[0] == 1.0
        assert np.all(np.diff(np.log10(np.maximum(rows["median"], 1e-20))) <= 0.0)
        assert (rows["p25"] == rows["p75"]).all()
    assert set(found["pilots"]["method"]) == {"exact_gradient", "natural_gradient"}
    assert found["pilots"].groupby("method")["chosen"].sum().tolist() == [1, 1]


def test_lost_runs_are_counted_everywhere_and_drawn(monkeypatch, tmp_path):
    """Steps far too long: all runs are lost, and half of one method's."""
    settings = experiment("methods=[exact_gradient,one_point]", "points=20", "replicates=4")
    monkeypatch.setattr("lqrpg.experiments.shootout.pilots", lambda runs, reference: [])
    monkeypatch.setattr(type(settings), "_reference", lambda self, name: 1.0)
    monkeypatch.setattr(type(settings), "_has_step", lambda self, name: False)
    own = type(settings)._method
    monkeypatch.setattr(type(settings), "_method", lambda self, name, size: own(self, name, 1e9 * size))
    found = tables_of(settings)
    assert found["summary"]["diverged"].tolist() == [4, 4]
    assert found["summary"]["censored"].all()
    assert (found["final"]["fail_step"] >= 1).all()
    assert set(found["final"]["status"]) == {"gain left the stabilising set"}
    assert found["targets"]["reached"].eq(0).all()
    assert found["targets"]["censored"].all()
    assert found["curves"].loc[found["curves"]["iteration"] == 0, "median"].eq(1.0).all()
    with house_style():
        curves(found).savefig(tmp_path / "curves.png")
        summary(found).savefig(tmp_path / "summary.png")


def test_targets_are_the_medians_of_the_first_recorded_iterations_below_them():
    iterations = np.array([0, 1, 2, 5])
    gaps = np.array([[1.0, 0.5, 0.05, 0.05], [1.0, 0.05, 0.5, 0.5], [1.0, 0.5, 0.5, 0.05], [1.0, 0.9, np.inf, np.inf]])
    rows = target_rows("one_point", 10 * iterations, {"iteration": iterations, "gaps": gaps[:3]}, [0.1, 0.01])
    assert rows["target"].tolist() == [0.1, 0.01]
    assert rows["reached"].tolist() == [3, 0]
    assert (rows["iteration"][0], rows["samples"][0]) == (2.0, 20.0)
    assert np.isnan(rows["iteration"][1])
    assert rows["censored"].tolist() == [False, True]
    with_lost = target_rows("one_point", 10 * iterations, {"iteration": iterations, "gaps": gaps}, [0.1])
    assert with_lost["reached"].tolist() == [3]
    assert with_lost["iteration"].tolist() == [5.0]  # a lost run never gets there: the upper median


def test_the_methods_are_part_of_what_the_tables_depend_on():
    from lqrpg.results import identity
    from lqrpg.runner.settings import sources_of

    settings = {"name": "shootout", "methods": ["one_point", "exact_gradient"]}
    assert "lqrpg.methods.oracles.zeroth_order" in identity._closure(["lqrpg.methods.one_point"])
    assert sources_of(settings) != sources_of({**settings, "methods": ["exact_gradient"]})


def test_verify_says_that_it_checks_no_claim(lqrpg):
    ended = lqrpg("verify", "shootout")
    assert ended.code == 0
    assert "shootout checks no claim of a paper" in ended.err


SLOW = (
    "system=custom",
    "system.sample_time=1",
    "system.B=[0,1]",
    "system.R=1000",
    "system.K0=[0,0]",
    "methods=[two_point,one_point]",
)


def chain(mode):
    return f"system.A=[[0.5,1],[0,{mode}]]"


def test_rollouts_are_as_long_as_the_slowest_optimal_mode_asks_for():
    assert experiment().rollout_length == 100
    assert experiment("length=70").rollout_length == 70
    settings = experiment(*SLOW, chain(0.99), "system.Q=[0.0001,0]")
    plant = settings.system.plant()
    ends = settings.system.initial_gain(), optimal_gain(plant)
    slowest = max(np.abs(np.linalg.eigvals(plant.closed_loop(gain))).max() for gain in ends)
    assert slowest ** (settings.rollout_length) <= 0.05 < slowest ** (settings.rollout_length - 100)
    assert settings.rollout_length > 100
    found = tables_of(experiment("methods=[indirect,one_point,two_point]", "points=20"))
    assert found["methods"]["length"].tolist() == [100, 100, 0]


def test_rollouts_that_end_early_are_noted_in_one_line():
    slower = (*SLOW, chain(0.9995), "system.Q=[0.000001,0]")
    with pytest.warns(SettingWarning, match=r"asks for rollouts of \d{4} steps; 1000 are taken") as noted:
        assert experiment(*slower).rollout_length == 1000
    assert all("\n" not in str(note.message) for note in noted)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        experiment(*slower, "length=500")


def test_the_radius_of_pairs_leaves_neither_bias_nor_rounding_and_that_of_points_is_as_large_as_stability_allows():
    """The slope of the cost by one pair, in the direction of steepest change, against the exact one."""
    settings = experiment()
    plant, gain = settings.system.plant(), settings.system.initial_gain()
    slope = cost_gradient(plant, gain)
    direction = slope / np.linalg.norm(slope)

    def error(radius):
        ahead, behind = (cost(plant, gain + sign * radius * direction) for sign in (1.0, -1.0))
        return abs((ahead - behind) / (2.0 * radius) / np.linalg.norm(slope) - 1.0)

    assert settings._method("one_point", 1.0).radius == settings.point_radius
    assert settings._method("two_point", 1.0).radius == settings.pair_radius
    assert error(settings.pair_radius) < 6e-5 < error(8.0 * settings.point_radius)
    assert error(settings.pair_radius) == pytest.approx(error(2.0 * settings.pair_radius) / 4.0, rel=0.01)  # bias alone
    both = experiment("radius=0.02")
    assert [both._method(name, 1.0).radius for name in ("two_point", "one_point")] == [0.02, 0.02]


@pytest.mark.parametrize("unit", [1.0, 1e-6, 1e4])
def test_without_a_first_gain_the_radius_is_a_part_of_the_optimum_in_any_unit_of_the_input(unit):
    settings = experiment(*SLOW[:2], f"system.B=[0,{unit}]", f"system.R={unit**2}", *SLOW[4:], chain(0.9))
    best = np.linalg.norm(optimal_gain(settings.system.plant()))
    power = np.log2(settings.point_radius / best)
    assert power == pytest.approx(round(power))
    assert -6 <= power <= 0


def test_what_methods_do_not_need_is_not_sought_for_them():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert experiment(*SLOW, chain(0.9), "system.Q=[1,1]").samples_per_policy == 250


def test_figures_name_the_size_of_a_plant_of_ones_own():
    from lqrpg.figures.shootout import _plant

    for settings, words in (
        ({"kind": "three_state"}, "three state"),
        ({"kind": "custom", "B": [[0.0], [1.0]]}, "custom, n = 2, m = 1"),
    ):
        table = pd.DataFrame()
        table.attrs["settings"] = {"system": settings}
        assert _plant(table) == words
