"""The benchmark: plants by name, rules by which settings follow from them, limits, prices, the study of scaling."""

import dataclasses
import math
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat
from scipy.linalg import solve_discrete_lyapunov

from lqrpg.checks import SettingError, SettingWarning
from lqrpg.claims.registry import Outcome, claims
from lqrpg.cli.compose import composer, requests
from lqrpg.experiments.benchmark_scaling import evaluation_errors, loop_of, lstd, plug_in, trajectory, value_of
from lqrpg.figures.registry import figures
from lqrpg.figures.style import house_style
from lqrpg.lqr.plant import Plant
from lqrpg.methods.minimise import Optimum
from lqrpg.plugins import choices, config_content
from lqrpg.results.prices import geometric_mean, prices, ratios
from lqrpg.systems.by_name import contents, natural_sample_time
from lqrpg.systems.custom import Custom
from lqrpg.systems.plant_files import read_plant

FEW = ("methods=[policy_iteration,two_point,certainty_equivalence]", "scaling.states=[2]")
CLAIMS = {claim.name: claim for claim in claims() if claim.experiment == "benchmark"}


def benchmark(*overrides):
    (request,) = requests(["experiment=benchmark", "scale=smoke", *overrides], None, multirun=False)
    return request.job.experiment


def tables_of(settings):
    return settings.tables([(trial, settings.run(trial)) for trial in settings.trials()])


@pytest.fixture(scope="module")
def scalar():
    """A small run on one plant, with its settings."""
    settings = benchmark("systems=[scalar]", *FEW)
    return settings, tables_of(settings)


# -- plants by name ---------------------------------------------------------------------------------------------------


def test_a_plant_has_the_numbers_of_its_name_wherever_it_is_chosen():
    for name in ("scalar", "double_integrator", "three_state"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SettingWarning)  # about a first gain that is found
            words = ["experiment=shootout", f"system=collection/{name}", "scale=smoke", "methods=[exact_gradient]"]
            (request,) = requests(words, None, multirun=False)
        chosen = benchmark(f"systems=[{name}]").plants[name].plant()
        assert all(map(np.array_equal, chosen, request.job.experiment.system.plant()))
    assert list(benchmark("systems=[collection/scalar]").systems) == ["scalar"]


@pytest.mark.parametrize(
    ("systems", "message"),
    [
        ("[]", "expected a list of names, such as"),
        ("scalar", "expected a list of names, such as [scalar]"),
        ("[scalar,3]", "expected a list of names"),
        ("[scalra]", "unknown system: did you mean 'scalar'"),
        ("[scalar,collection/scalar]", "distinct plants: scalar is among them twice"),
        ("[nowhere.mat]", "no such file"),
        ("[cartpole,custom]", "custom: "),
    ],
)
def test_plants_that_are_none_are_refused_in_one_line(systems, message):
    with pytest.raises(SettingError) as refused:
        benchmark(f"systems={systems}").trials()
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_plants_file_takes_part_and_is_sampled_by_the_rule(tmp_path):
    savemat(tmp_path / "mine.mat", {"A": [[0.0, 1.0], [-2.0, -0.5]], "B": [[0.0], [1.0]], "Ts": 0.0})
    with pytest.warns(SettingWarning, match=r"systems: mine\.mat is in continuous time: sampled every 0\.\d+ s"):
        settings = benchmark(f"systems=[scalar,'{tmp_path}/mine.mat']")
    assert list(settings.systems) == ["scalar", "mine.mat"]
    mine = settings.systems["mine.mat"]
    assert mine["A"] == [[0.0, 1.0], [-2.0, -0.5]]  # known by its numbers, not by its name
    with pytest.warns(SettingWarning, match=r"systems: mine\.mat: system\.K0 is not given"):
        assert settings.plants["mine.mat"].plant().sample_time == mine["convert_to"]
    assert {trial.values["system"] for trial in settings.trials() if trial.kind == ""} == {"scalar", "mine.mat"}


def test_a_plant_of_a_configuration_folder_takes_part(tmp_path):
    (tmp_path / "system").mkdir()
    (tmp_path / "system" / "cart.yaml").write_text(
        "defaults:\n  - /system/custom@_here_\n  - _self_\nkind: custom\n"
        "sample_time: 1e-1\nA: [[1, 0.1], [0, 1]]\nB: [0.005, 0.1]\nK0: [1, 1]\n"
    )
    with composer(tmp_path):
        (request,) = requests(["experiment=benchmark", "scale=smoke", "systems=[cart]"], tmp_path, multirun=False)
    assert request.job.experiment.systems["cart"]["sample_time"] == 0.1


SAMPLED = [name for name in choices("system/collection") if config_content("system/collection", name).get("convert_to")]


@pytest.mark.parametrize("name", [name for name in SAMPLED if name != "spring_chain"])
def test_the_sample_time_of_the_rule_is_that_of_the_collection(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SettingWarning)
        content = contents([name], dict)[name]
        plant = Custom(**Custom.expand({**content, "convert_to": None, "K0": None})).plant()
    assert math.isclose(natural_sample_time(plant), content["convert_to"], rel_tol=1e-12)


def test_files_that_are_plants_have_the_endings_of_plants_files(tmp_path):
    from lqrpg.systems.by_name import ENDINGS

    for ending in (*ENDINGS, ".txt", ".csv"):
        with pytest.raises(SettingError) as refused:
            read_plant(tmp_path / f"plant{ending}")
        assert ("no such file" in str(refused.value)) == (ending in ENDINGS)


# -- rules ------------------------------------------------------------------------------------------------------------


def test_budgets_and_rollouts_follow_from_the_plant():
    settings = benchmark()
    for name, comparison in settings.comparisons.items():
        n, m = comparison.sizes
        plant, length = comparison.system.plant(), comparison.rollout_length
        loops = plant.A - plant.B @ comparison.system.initial_gain(), plant.A - plant.B @ comparison.optimum
        slowest = max(np.abs(np.linalg.eigvals(loop)).max() for loop in loops)
        assert slowest ** (length - 10) > 0.05 >= slowest**length, name
        assert comparison.rollouts == max(8, 2 * n * m)
        assert comparison.budgeted("two_point") == settings.budget.rollouts
        assert comparison.iterations.trajectory_samples >= 10 * comparison.start_samples
        assert comparison.start_samples >= max(length, 4 * (n + m))
        assert comparison.samples_per_policy >= 10 * ((n + m) * (n + m + 1) // 2 + 1)


def test_plants_have_random_numbers_of_their_own():
    """Two names of one plant: the same settings, other runs."""
    content = {"kind": "custom", "sample_time": 1.0, "A": [[0.9]], "B": [[1.0]], "K0": [[0.2]]}
    settings = benchmark("systems=[scalar]", "methods=[two_point]", "scaling.states=[2]")
    twice = dataclasses.replace(settings, systems={"one": content, "other": content})
    paths = tables_of(twice)["paths"].query("iteration > 0")
    first, second = (paths.loc[paths["system"] == name, "gap"] for name in ("one", "other"))
    assert len(first) > 0
    assert not first.isin(second).any()


def test_what_is_found_for_a_plant_is_in_a_table(scalar):
    settings, tables = scalar
    (row,) = tables["systems"].to_dict("records")
    assert (row["system"], row["states"], row["inputs"]) == ("scalar", 1, 1)
    plant = settings.plants["scalar"].plant()
    assert math.isclose(row["spectral_radius"], abs(plant.A[0, 0]))
    assert math.isclose(row["optimal_cost"], Optimum(plant._replace(sample_time=1.0)).cost)


def test_gaps_are_those_of_the_gains(scalar):
    """By SciPy, from the costs of the saved gains."""
    settings, tables = scalar
    plant = settings.plants["scalar"].plant()

    def cost(gain):
        loop = plant.A - plant.B @ gain
        return np.trace(solve_discrete_lyapunov(loop.T, plant.Q + gain.T @ plant.R @ gain) @ plant.Sigma)

    best = cost(tables["gains"]["optimum"].to_numpy()[:1].reshape(1, 1))
    first = cost(settings.plants["scalar"].initial_gain()) - best
    final = tables["final"].set_index(["method", "replicate"])
    for row in tables["gains"].itertuples():
        ended = final.loc[(row.method, row.replicate)]
        if row.status == "completed":
            assert math.isclose(
                (cost(np.array([[row.value]])) - best) / first, ended["gap"], rel_tol=1e-6, abs_tol=1e-9
            )


def test_targets_are_where_the_paths_first_are_below_them(scalar):
    _, tables = scalar
    paths = tables["paths"].groupby(["method", "replicate"])
    assert not tables["targets"]["censored"].all()
    for row in tables["targets"].itertuples():
        own = paths.get_group((row.method, row.replicate))
        below = own[own["gap"] <= row.target]
        assert row.censored == below.empty
        if not row.censored:
            assert (row.iteration, row.samples) == tuple(below.iloc[0][["iteration", "samples"]])


def test_a_method_that_is_stopped_by_a_limit_is_shown_and_not_dropped():
    short = tables_of(benchmark("systems=[scalar]", *FEW, "limits.seconds=1.5e-4"))
    ends = short["final"].groupby("method")["status"].agg(set)
    assert ends["two_point"] == {"out of time"}
    assert (short["final"].set_index("method").loc["two_point", "iterations"] >= 1).all()
    never = tables_of(benchmark("systems=[scalar]", *FEW, "limits.seconds=1e-9", "limits.gigabytes=1e-9"))
    assert len(never["final"]) == 3 * 3
    assert set(never["final"]["status"]) == {"out of time"}
    assert never["final"]["iterations"].eq(0).all()
    assert never["targets"]["censored"].all()
    assert never["runtime"]["status"].eq("out of time").all()
    small = tables_of(benchmark("systems=[scalar]", "methods=[qsa_policy_iteration]", "limits.gigabytes=1e-9"))
    assert set(small["final"]["status"]) == {"out of memory"}


def test_the_limit_of_time_is_a_rule_and_not_a_clock():
    """Equal settings stop at equal iterations on any machine, however busy it is."""
    comparison = benchmark("systems=[three_state]", "limits.seconds=0.02").comparisons["three_state"]
    assert comparison._steps("svrpg") < comparison.budgeted("svrpg")
    expected = 1e-6 * comparison.microseconds("svrpg") * comparison._steps("svrpg") * comparison.runs("svrpg")
    assert 0.5 * comparison.seconds < expected <= comparison.seconds


def test_a_method_that_refuses_a_plant_says_why(monkeypatch):
    from lqrpg.methods.two_point import TwoPointZerothOrder

    def refuse(self, plant):
        raise SettingError("rollouts: too few")

    monkeypatch.setattr(TwoPointZerothOrder, "require_fit", refuse)
    tables = tables_of(benchmark("systems=[scalar]", "methods=[two_point]", "scaling.states=[2]"))
    assert set(tables["final"]["status"]) == {"refused: rollouts: too few"}


# -- prices and claims ------------------------------------------------------------------------------------------------


def test_pilot_runs_are_paid_for_by_what_they_took():
    settings = benchmark("systems=[double_integrator]", "methods=[two_point]", "scaling.states=[2]", "pilots=2")
    comparison = settings.comparisons["double_integrator"]
    tried = comparison.tuned("two_point")
    full = 2 * comparison.samples("two_point", comparison.marks("two_point")[-1:])[0]
    assert all(0 < each.samples <= full for each in tried)
    assert all(each.samples == full for each in tried if each.pilot.lost == 0)
    assert any(each.samples < full for each in tried)  # the largest sizes lose their runs at once


def synthetic(count, **samples):
    """Tables in which each method reaches one target on all plants, at these samples, times a factor of the plant's."""
    systems = [f"plant{i}" for i in range(count)]
    rows = [
        (system, method, replicate, 0.001, 10 + replicate, int(paid * (1 + i)), False)
        for i, system in enumerate(systems)
        for method, paid in samples.items()
        for replicate in range(5)
    ]
    columns = ["system", "method", "replicate", "target", "iteration", "samples", "censored"]
    return {
        "systems": pd.DataFrame({"system": systems, "states": 2, "inputs": 1}),
        "targets": pd.DataFrame(rows, columns=columns),
        "final": pd.DataFrame(rows, columns=columns),
    }


def test_a_price_is_a_median_over_runs_of_which_lost_ones_count_as_infinite():
    tables = synthetic(2, two_point=100.0)
    assert prices(tables)["plant1", "two_point", 0.001] == 200
    rows = tables["targets"]
    rows.loc[(rows["system"] == "plant1") & (rows["replicate"] < 3), "censored"] = True
    assert prices(tables)["plant1", "two_point", 0.001] == math.inf
    even = synthetic(1, two_point=100.0)
    even["targets"] = even["targets"].iloc[:4]
    even["targets"].loc[:1, "censored"] = True
    assert prices(even)["plant0", "two_point", 0.001] == 100  # half of four
    assert len(ratios(tables, "two_point", "two_point")) == 1


def test_the_interval_of_a_ratio_is_over_plants():
    rng = np.random.default_rng(3)
    index = pd.MultiIndex.from_product([range(400), (0.1, 0.01)], names=["system", "target"])
    values = pd.Series(np.exp(0.7 + np.repeat(rng.normal(0.0, 1.0, 400), 2)), index=index)
    low, mean, high = geometric_mean(values)
    assert low < mean < high
    assert low < math.exp(0.7) < high
    assert math.isclose(math.log(high / low), 2 * 1.96 / math.sqrt(400), rel_tol=0.15)
    assert all(math.isnan(value) for value in geometric_mean(values.iloc[:0]))


@pytest.mark.parametrize(
    ("name", "dear", "cheap", "decisive"),
    [
        ("benchmark_direct_needs_more", "two_point", "indirect", 30.0),
        ("benchmark_two_points_need_less", "one_point", "two_point", 3.0),
        ("benchmark_natural_from_data", "two_point", "natural_two_point", 3.0),
        ("benchmark_deterministic_probing", "two_point", "deterministic_probing", 3.0),
    ],
)
def test_a_claim_on_prices_is_decided_by_their_ratio(name, dear, cheap, decisive):
    claim = CLAIMS[name]
    found = claim.judge(synthetic(24, **{dear: 1000.0 * decisive, cheap: 1000.0}))
    assert (found.outcome, round(found.measured, 6)) == (Outcome.REPRODUCED, decisive)
    assert claim.judge(synthetic(24, **{dear: 100.0, cheap: 1000.0})).outcome is Outcome.NOT_REPRODUCED
    assert claim.judge(synthetic(4, **{dear: 3000.0, cheap: 100.0})).outcome is Outcome.NOT_TESTED


@pytest.mark.parametrize("name", ["benchmark_natural_before_plain", "benchmark_newton_first"])
def test_the_order_of_exact_methods_is_counted_plant_by_plant(name):
    tables = synthetic(20, policy_iteration=1.0, natural_gradient=1.0, exact_gradient=1.0)
    assert CLAIMS[name].judge(tables).outcome is Outcome.REPRODUCED  # ties
    first = "policy_iteration" if name == "benchmark_newton_first" else "natural_gradient"
    late = (tables["targets"]["method"] == first) & (tables["targets"]["system"] == "plant3")
    tables["targets"].loc[late, "censored"] = True
    assert math.isclose(CLAIMS[name].judge(tables).measured, 19 / 20)
    tables["targets"].loc[tables["targets"]["system"] == "plant3", "censored"] = True
    assert CLAIMS[name].judge(tables).measured == 1.0  # neither gets there: no order


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_on_what_a_run_does_not_have_is_not_tested(name):
    empty = {"evaluation": None, **synthetic(24, exact_gradient=10.0)}
    empty["scaling"] = pd.DataFrame({"states": [1, 2, 3, 5] * 3, "replicate": 0})
    empty["paths"] = pd.DataFrame({"system": [], "method": [], "replicate": [], "iteration": [], "gap": []})
    assert CLAIMS[name].judge(empty).outcome is Outcome.NOT_TESTED


def test_the_bound_on_a_step_of_policy_iteration_is_the_papers(scalar):
    """By hand for one state: Sigma_K = s / (1 - (a - bk)^2), so that the bound is (a - b k*)^2; every step keeps it."""
    settings, tables = scalar
    plant = settings.plants["scalar"].plant()
    best = tables["gains"]["optimum"].iloc[0]
    (rate,) = tables["systems"]["newton_rate"]
    assert math.isclose(rate, (plant.A[0, 0] - plant.B[0, 0] * best) ** 2, rel_tol=1e-9)
    own = tables["paths"][tables["paths"]["method"] == "policy_iteration"]
    for _, path in own.groupby("replicate"):
        gaps = path["gap"].to_numpy()
        assert (gaps[1:] <= rate * gaps[:-1] + 1e-15).all()


# -- scaling ----------------------------------------------------------------------------------------------------------


def test_estimates_of_a_value_come_to_the_value():
    rng = np.random.default_rng(5)
    loop = loop_of(4, rng)
    assert np.allclose(np.sort(np.linalg.eigvals(loop).real), [0.4, 0.4, 0.8, 0.8])
    exact, states = value_of(loop), trajectory(loop, 400_000, rng)
    assert np.allclose(exact, np.eye(4) + loop.T @ exact @ loop)
    assert np.allclose(plug_in(states), exact, atol=0.06)
    assert np.allclose(lstd(states, float(np.trace(exact))), exact, atol=0.15)


def test_the_error_of_the_plug_in_estimate_is_that_of_the_delta_method():
    """With one state L = 0.8: T var(L) is 1 - L^2, and dP/dL = 2L / (1 - L^2)^2 for P = 1 / (1 - L^2)."""
    expected = (1 - 0.64) * (2 * 0.8 / 0.36**2) ** 2
    errors = np.array([evaluation_errors(1, 5000, np.random.default_rng(seed))[0] for seed in range(400)])
    assert abs(errors.mean() - expected) < 4 * errors.std() / 20 + 0.05 * expected


def test_an_estimate_from_two_points_is_a_difference_of_costs():
    """The limit of a small radius, by central differences of the cost from a first state."""
    n, rng = 3, np.random.default_rng(2)
    loop = loop_of(n, np.random.default_rng(2))
    x, U = rng.standard_normal(n), rng.standard_normal((n, n))

    def cost(gain):
        closed = loop - gain
        return x @ solve_discrete_lyapunov(closed.T, np.eye(n) + gain.T @ gain) @ x

    slope = (cost(1e-5 * U) - cost(-1e-5 * U)) / 2e-5
    gradient = -2.0 * value_of(loop) @ loop @ solve_discrete_lyapunov(loop, np.outer(x, x))
    assert math.isclose(np.sum(gradient * U), slope, rel_tol=1e-6)


def test_the_moments_of_an_estimate_from_two_points_are_those_of_the_sphere(monkeypatch):
    """For L = gamma I, from the fourth moments of a direction on the sphere and of a normal first state."""
    from lqrpg.experiments import benchmark_scaling as study

    monkeypatch.setattr(study, "loop_of", lambda n, rng: 0.4 * np.eye(n))
    for n in (1, 4):
        D = n * n
        found = np.array([study.pair_estimates(n, 1000, np.random.default_rng(seed)) for seed in range(12)])
        expected = D * (n + 2) - 1, D / (D + 2) * (n + 4 + 4 / n) - 1
        for own, value in zip(found.T, expected, strict=True):
            assert abs(own.mean() - value) < 4 * own.std(ddof=1) / math.sqrt(len(own))


def test_figures_say_so_where_there_is_nothing_to_draw(scalar):
    _, tables = scalar
    without = {**tables, "methods": tables["methods"].iloc[:0], "targets": tables["targets"].iloc[:0]}
    own = [spec for spec in figures().values() if spec.experiment == "benchmark"]
    with house_style():
        for spec in own:
            assert spec.draw(tables).get_figwidth() > 0
        for spec in own:
            if spec.name in ("benchmark_map", "benchmark_probing"):
                assert spec.draw(without).get_figwidth() > 0


def test_the_sample_time_is_a_tenth_of_the_time_constant_of_a_single_state():
    one = np.eye(1)
    plant = Plant(A=-one, B=one, Q=one, R=one, Sigma=one, sample_time=0)
    assert natural_sample_time(plant) == float(f"{1 / (10 * math.sqrt(2)):.0e}")  # the loop decays at sqrt(2)
