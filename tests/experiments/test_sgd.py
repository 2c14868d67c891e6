"""The SGD experiments: options a reader would try, bad input, companions of a run, claims on made-up tables."""

import warnings

import numpy as np
import pandas as pd
import pytest

from lqrpg.checks import SettingError, SettingWarning
from lqrpg.claims.registry import claims
from lqrpg.cli.compose import requests
from lqrpg.results.lookup import FinishedRun, MissingRunError, find_companion
from lqrpg.results.parts import part_table
from lqrpg.runner.experiment import Trial


def experiment(name, *overrides):
    (request,) = requests([f"experiment={name}", "scale=smoke", *overrides], None, multirun=False)
    return request.job.experiment


def first_rows(settings, key):
    (trial,) = [trial for trial in settings.trials() if trial.key == key]
    return settings.run(trial)


@pytest.mark.parametrize(
    ("name", "override", "message"),
    [
        ("sgd_biased", "steps.constant.value=-0.05", "steps.constant.value=-0.05: expected a positive number"),
        ("sgd_biased", "steps.constant.value=nan", "steps.constant.value=nan: expected a positive number"),
        ("sgd_biased", "biases.vanishing.kind=cubic", "one of constant, power, ceiling, staircase"),
        ("sgd_biased", "steps.constant.kind=power", "steps.constant.exponent=None: expected a number, for a schedule"),
        ("sgd_biased", "steps.constant.period=7", "null: a schedule of kind constant has no period"),
        ("sgd_biased", "system=mass_spring", "a plant in discrete time"),
        ("sgd_biased", "system.noise=0", "system.noise=0.0: expected a positive number"),
        ("sgd_indirect", "start=8", r"n \+ m = 9"),
        ("sgd_indirect", "dither=0", "dither=0.0: expected a positive number"),
        (
            "sgd_oracles",
            "direct.least_radius=1e-302",
            "direct.least_radius=1e-302: expected a number of at least 1e-100",
        ),
        ("sgd_oracles", "noises=[]", "distinct positive numbers"),
        ("sgd_oracles", "direct.baseline=mean", "one rollout only"),
        ("sgd_oracles", "direct.largest_radius=0.001", "above direct.least_radius"),
        ("sgd_direct", "part=most", "part='most': expected one of default, baseline, all"),
        ("sgd_direct", "printed.varying.radius.period=0", "printed.varying.radius.period=0.0"),
        ("sgd_direct", "printed.constant.length.value=1", "more than one step"),
        ("sgd_direct", "printed.varying.rollouts.value=3e11", "printed.varying.rollouts.value=.*below 1e\\+06"),
    ],
)
def test_bad_settings_are_refused_in_one_line(name, override, message):
    with pytest.raises(SettingError, match=message) as refused:
        experiment(name, override)
    assert "\n" not in str(refused.value)


SGD = pytest.mark.parametrize("name", ["sgd_oracles", "sgd_biased", "sgd_indirect", "sgd_direct"])


@SGD
def test_a_plant_whose_optimum_is_lost_in_rounding_is_refused(name):
    """Its gaps would be far below zero; so would be those of a plant whose costs alone are lost."""
    loop, reason = np.random.default_rng(73).normal(size=(4, 6)), r"grows by a factor of 2e\+03 within a sample"
    A, B = (1e3 * loop[:, :4]).tolist(), loop[:, 4:].tolist()
    with pytest.raises(SettingError, match=reason):
        experiment(name, "system=custom", "system.sample_time=1", f"system.A={A}", f"system.B={B}")


@SGD
def test_a_plant_without_noise_is_refused(name):
    words = ("system=custom", "system.sample_time=1", "system.A=0.5", "system.B=1", "system.noise=0")
    with pytest.warns(SettingWarning, match="K0 is not given"), pytest.raises(SettingError, match=r"^system.noise=0: "):
        experiment(name, *words)


@SGD
def test_an_initial_gain_that_does_not_stabilise_is_refused(name, monkeypatch):
    from lqrpg.systems.boeing747 import Boeing747

    monkeypatch.setattr(Boeing747, "initial_gain", lambda self: np.zeros((4, 5)))
    with pytest.raises(SettingError, match="the initial gain does not stabilise the plant: spectral radius"):
        experiment(name, "system=boeing747")


def test_a_radius_for_which_most_perturbed_gains_are_unstable_is_warned_of_with_the_fraction(lqrpg):
    huge = [f"printed.{kind}.radius.value=1.0" for kind in ("constant", "varying")]
    with pytest.warns(SettingWarning, match=r"printed: \d\d+% of the perturbed gains K0 \+ U with radius 1"):
        experiment("sgd_direct", *huge)
    ended = lqrpg("run", "--cfg", "job", "experiment=sgd_direct", *huge)
    assert ended.code == 0
    assert ended.err.count("lqrpg: warning: ") == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        experiment("sgd_direct")


def test_any_discrete_plant_schedule_and_baseline_runs():
    settings = experiment("sgd_direct", "system=three_state", "baseline=mean", "printed.iterations=3")
    assert settings.baseline == "mean"
    assert len(first_rows(settings, "printed-varying-1")["trajectories"]["gap"]) >= 2
    powers = experiment("sgd_biased", "steps.constant={kind: power, value: 0.01, exponent: 0.6, period: null}")
    assert powers.steps.constant.schedule()(4) == pytest.approx(0.01 * 4**-0.6)
    assert first_rows(experiment("sgd_indirect", "system=three_state"), "off_policy-constant_step-0")


def test_lost_runs_stay_in_both_tables_with_their_steps():
    rows = first_rows(experiment("sgd_biased"), "constant_bias-constant_step-0")
    steps = rows["outcomes"]["fail_step"]
    assert list(rows["outcomes"]["replicate"]) == [0, 1]
    assert np.all((steps > 40) & (steps < 70))
    assert np.all(rows["outcomes"]["final_gap"] == np.inf)
    assert set(rows["outcomes"]["status"]) == {"gain left the stabilising set"}
    assert np.all(np.isfinite(rows["trajectories"]["gap"]))
    for number, step in enumerate(steps):
        own = rows["trajectories"]["replicate"] == number
        assert rows["trajectories"]["iteration"][own].max() < step


def test_cases_are_those_of_the_paper():
    def cases(settings):
        return {trial.values["case"].name for trial in settings.trials()}

    assert cases(experiment("sgd_direct", "part=all")) == {
        f"{part}-{kind}" for part in ("printed", "baseline", "surrogate") for kind in ("constant", "varying")
    }
    assert cases(experiment("sgd_direct")) == {"printed-constant", "printed-varying"}


def test_varying_parameters_use_their_budget_of_plant_samples():
    """300 rollouts of 20 steps up to iteration 40000, then twice as many of twice the length."""
    varying = experiment("sgd_direct").printed.varying
    assert varying.samples(40_000) == 6000 * 40_000
    assert varying.samples(40_010) == 6000 * 40_000 + 24_000 * 10
    for budget in (6000.0, 6000 * 40_000 - 1.0, 6000 * 40_000.0, 6000 * 40_000 + 23_999.0, 5e9):
        within = varying.iterations_within(budget)
        assert varying.samples(within) <= budget < varying.samples(within + 1)
    assert varying.iterations_within(1.0) == 1


def test_the_other_reading_of_the_covariance_is_another_gradient():
    tables = [
        first_rows(experiment("sgd_oracles", f"reading={reading}"), "indirect-0") for reading in ("noise", "initial")
    ]
    errors = [table["indirect_oracle"]["mean_error"][-1] for table in tables]
    assert 50.0 < errors[1] / errors[0] < 1000.0  # Sigma_0 / Sigma_w = 1000, halved, in a smaller norm


def test_direct_samples_that_are_not_finite_are_counted():
    settings = experiment("sgd_oracles", "direct.largest_radius=1e80", "direct.least_radius=1e79", "direct.radii=2")
    rows = settings.run(Trial("direct-0-0", kind="direct", values={"noise": 1e-4, "radius": 1e3, "index": 0}))[
        "direct_oracle"
    ]
    assert rows["nonfinite"][0] > 0


class Companions(dict):
    """Tables without a companion."""

    def __missing__(self, key):
        raise MissingRunError(f"no run for {key}")


def made_up(part, gaps, lost=-1):
    iterations = np.arange(1, 301)
    cases = {f"{kept}-{kind}": gaps[kind](iterations) for kept in part for kind in ("constant", "varying")}
    rows = [
        pd.DataFrame({"case": case, "replicate": 0, "iteration": iterations, "gap": gap}) for case, gap in cases.items()
    ]
    outcomes = pd.DataFrame({"case": list(cases), "replicate": 0, "fail_step": lost, "final_gap": 1.0})
    tables = Companions(trajectories=pd.concat(rows), outcomes=outcomes)
    for table in tables.values():
        table.attrs["settings"] = {"part": "default" if "printed" in part else "baseline"}
    return tables


def measured(name, tables):
    (found,) = [claim for claim in claims() if claim.name == name]
    return found.outcome(found.measure(tables)).name


def test_claims_on_figure_6_can_fail():
    good = {"constant": lambda i: 0.1 + 0.0 * i, "varying": lambda i: 1.0 / i}
    bad = {"constant": lambda i: i**-2.0, "varying": lambda i: 1.0 + 0.0 * i}
    assert measured("sgd_direct_printed_stable", made_up(["printed"], good)) == "REPRODUCED"
    assert measured("sgd_direct_printed_stable", made_up(["printed"], good, 7)) == "NOT_REPRODUCED"
    parts = ["baseline", "surrogate"]
    fine, other, diverged = made_up(parts, good), made_up(parts, bad), made_up(parts, good, 7)
    names = ("sgd_direct_baseline_stalls", "sgd_direct_surrogate_stalls", "sgd_direct_surrogate_varying_lower")
    assert [measured(name, fine) for name in names] == ["CHANGED"] * 3
    assert [measured(name, other) for name in names] == ["NOT_REPRODUCED"] * 3
    assert [measured(name, diverged) for name in names] == ["NOT_TESTED"] * 3  # such a run has no mean gap
    assert measured("sgd_direct_baseline_stable", fine) == "CHANGED"
    assert measured("sgd_direct_baseline_stable", diverged) == "NOT_REPRODUCED"
    with pytest.raises(MissingRunError):
        measured("sgd_direct_baseline_stalls", made_up(["printed"], good))


def test_a_part_comes_from_the_run_that_holds_it(tmp_path):
    tables = made_up(["baseline"], {"constant": lambda i: 1.0 / i, "varying": lambda i: 1.0 / i})
    assert set(part_table(tables, "baseline", "outcomes")["case"]) == {"baseline-constant", "baseline-varying"}
    with pytest.raises(MissingRunError):
        part_table(tables, "printed", "outcomes")
    run = FinishedRun(tmp_path / "sgd_direct" / "mine", {"experiment": "sgd_direct", "scale": "small", "settings": {}})
    with pytest.raises(MissingRunError, match="lqrpg run experiment=sgd_direct scale=small part=baseline"):
        find_companion(run, "sgd_direct?part=baseline")
