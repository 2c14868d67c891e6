"""Why plants are refused: the same in any units, named by the key that was typed, with a mend that works."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import lqrpg
from lqrpg.checks import SettingError, SettingWarning
from lqrpg.experiments.plants import require_start
from lqrpg.lqr import discrete
from lqrpg.lqr.cross_weight import without_cross_weight
from lqrpg.systems.custom import Custom

SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "days": 86400.0}


def system(**content) -> Custom:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SettingWarning)
        plain = {name: np.asarray(value).tolist() for name, value in content.items()}
        return Custom(**Custom.expand({"kind": "custom", **plain}))


def refusal(**content) -> str:
    with pytest.raises(SettingError) as error:
        system(**content)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def optimal_gain(found: Custom) -> np.ndarray:
    """K of u = -K x for the plant after conversion."""
    return lqrpg.optimal_gain(found.plant())


def natural_plant(rng: np.random.Generator) -> dict:
    """A plant in natural units, which may have a mode that no input reaches, or that costs nothing."""
    n, m = int(rng.integers(1, 5)), int(rng.integers(1, 3))
    A, B, Q = rng.normal(size=(n, n)), rng.normal(size=(n, m)), np.eye(n)
    A += rng.choice([0.0, 1.0]) * np.eye(n)
    kind = rng.integers(0, 4)
    if kind == 1:
        A[-1, :-1], B[-1] = 0.0, 0.0
    if kind == 2:
        A[:-1, -1], Q[-1, -1] = 0.0, 0.0
    return {"A": A, "B": B, "Q": Q, "R": np.diag(10.0 ** rng.uniform(-2, 2, m)), "sample_time": 0.0}


def in_units(plant: dict, states, inputs, second: float) -> dict:
    """The same with states and inputs in other units, and time in units of so many seconds."""
    x, u = np.asarray(states), np.asarray(inputs)
    scaled = {
        "A": second * plant["A"] / x[:, None] * x,
        "B": second * plant["B"] / x[:, None] * u,
        "Q": second * plant["Q"] * np.outer(x, x),
        "R": second * plant["R"] * np.outer(u, u),
        "noise": second * 1e-3 * np.eye(len(x)) / np.outer(x, x),
        "first_state": np.eye(len(x)) / np.outer(x, x),
        "sample_time": 0.0,
    }
    return scaled | ({"convert_to": plant["convert_to"] / second} if "convert_to" in plant else {})


def outcome(plant: dict) -> tuple[str, np.ndarray | None, bool]:
    """The key of a refusal, the optimal gain, and whether the plant starts from zero."""
    try:
        found = system(**plant)
    except SettingError as error:
        return str(error).partition(":")[0].partition("=")[0], None, False
    return "accepted", optimal_gain(found), not np.any(found.K0)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(sorted(SECONDS)), st.booleans())
def test_units_change_neither_verdict_nor_gain(seed, unit, is_sampled):
    rng = np.random.default_rng(seed)
    plant = natural_plant(rng)
    if is_sampled:
        plant["convert_to"] = 10.0 ** rng.uniform(-2, -0.5)
    n, m = plant["B"].shape
    states, inputs = 10.0 ** rng.uniform(-6, 6, n), 10.0 ** rng.uniform(-6, 6, m)
    verdict, gain, zero = outcome(in_units(plant, np.ones(n), np.ones(m), 1.0))
    other, scaled, other_zero = outcome(in_units(plant, states, inputs, SECONDS[unit]))
    assert (other, other_zero) == (verdict, zero)
    if gain is not None:
        physical = scaled * inputs[:, None] / states
        assert np.all(np.abs(physical - gain) <= 1e-6 * np.max(np.abs(gain), axis=1, keepdims=True) + 1e-12)


STAGE = {
    "A": [[0, 1, 0], [-8.88e9, -1885, 0], [1, 0, 0]],
    "B": [0, 8.88e9, 0],
    "Q": [1, 1e-9, 1e6],
    "sample_time": 0,
}
STAGE_US = {
    "A": [[0, 1, 0], [-8.88e-3, -1.885e-3, 0], [1, 0, 0]],
    "B": [0, 8.88e-3, 0],
    "Q": [1, 1e3, 1e-6],
    "sample_time": 0,
}
FLYER = {
    "A": [[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]],
    "B": [[0, 0], [0.002, 0], [0, 0], [0, 0.0125]],
    "Q": [1e-4, 0.25, 1e6, 2.5e7],
    "R": [0.0025, 100],
    "sample_time": 0,
}


@pytest.mark.parametrize("convert_to", [None, 3.0])
def test_a_fast_resonance_in_seconds_and_in_microseconds(convert_to):
    in_us = {"convert_to": convert_to} if convert_to else {}
    in_s = {"convert_to": convert_to * 1e-6} if convert_to else {}
    gain, other = optimal_gain(system(**STAGE, **in_s)), optimal_gain(system(**STAGE_US, **in_us))
    assert gain * [[1.0, 1e6, 1e-6]] == pytest.approx(other, rel=1e-9)


def test_weights_by_brysons_rule():
    gain = optimal_gain(system(**FLYER))
    closed_form = [[0.2, np.sqrt(0.25 / 0.0025 + 2 * 0.2 / 0.002)], [1e2, np.sqrt(2.5e7 / 100 + 2 * 1e2 / 0.0125)]]
    assert [[gain[0, 0], gain[0, 1]], [gain[1, 2], gain[1, 3]]] == pytest.approx(np.array(closed_form), rel=1e-9)
    assert np.max(np.abs(gain[0, 2:])) < 1e-9
    system(**FLYER, convert_to=1.0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["continuous", "discrete"]))
def test_an_input_that_is_added_reaches_the_mode(seed, time):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 5))
    A, B = rng.normal(size=(n, n)), rng.normal(size=(n, 1))
    A[-1, :-1], A[-1, -1], B[-1] = 0.0, 1.0 + rng.uniform(0.1, 1.0), 0.0
    T = np.linalg.qr(rng.normal(size=(n, n)))[0]
    plant = {"A": T @ A @ T.T, "sample_time": 0 if time == "continuous" else 1}
    words = refusal(B=T @ B, **plant)
    assert words.startswith("system.B: to working precision no input reaches the mode with eigenvalue ")
    assert float(re.search(r"eigenvalue ([\d.]+)", words)[1]) == pytest.approx(A[-1, -1], rel=1e-3)
    left = T[:, -1:]
    system(B=np.hstack([T @ B, left]), **plant)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["continuous", "discrete"]), st.booleans())
def test_some_weight_mends_a_mode_that_costs_nothing(seed, time, grows):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 5))
    A, B, Q = rng.normal(size=(n, n)), rng.normal(size=(n, n)), np.eye(n)
    A[:-1, -1], Q[-1, -1] = 0.0, 0.0
    A[-1, -1] = (1.0 if time == "discrete" else 0.0) + (rng.uniform(0.1, 1.0) if grows else 0.0)
    T = np.linalg.qr(rng.normal(size=(n, n)))[0]
    plant = {"A": T @ A @ T.T, "B": T @ B, "sample_time": 0 if time == "continuous" else 1}
    assert refusal(Q=T @ Q @ T.T, **plant).startswith("system.Q: the mode with eigenvalue ")
    system(Q=T @ (Q + 1e-3 * np.diag(np.eye(n)[-1])) @ T.T, **plant)


@pytest.mark.parametrize("distance", [1e-3, 1e-6])
@pytest.mark.parametrize("decades", [0.0, 4.0])
def test_a_mode_out_of_reach_or_without_cost_is_found_beside_one_of_nearly_the_same_eigenvalue(distance, decades):
    for seed in range(100):
        rng = np.random.default_rng(seed)
        A = np.diag([0.5, 1.5, 1.5 + distance])
        A[2, :2] = rng.normal(size=2)
        T, other = np.linalg.qr(rng.normal(size=(3, 3)))[0], rng.normal(size=(3, 3))
        units = 10.0 ** rng.uniform(-decades, decades, size=3)
        seen, side = T @ np.diag([1.0, 1.0, 0.0]) @ T.T, T @ A @ T.T
        costless = refusal(
            A=side * units[:, None] / units,
            B=T @ other * units[:, None],
            Q=seen / units / units[:, None],
            sample_time=1,
        )
        assert re.match(r"system.Q: the mode with eigenvalue 1\.5\d* ", costless)
        unreached = refusal(A=side.T * units[:, None] / units, B=seen[:, :2] * units[:, None], sample_time=1)
        assert re.search("no input reaches the mode with eigenvalue 1\\.5|hardly reach", unreached)


def test_the_mode_that_is_out_of_reach_is_named_in_any_units():
    for seed in range(60):
        rng = np.random.default_rng(seed)
        units = 10.0 ** rng.uniform(-4.0, 4.0, size=3)
        A = np.array([[0.2, -0.1, 0.8], [0.6, 1.3, 0.4], [0.0, 0.0, 0.55]]) + np.pad(
            0.1 * rng.normal(size=(2, 3)), ((0, 1), (0, 0))
        )
        B = np.array([[-0.6], [0.2], [0.0]])
        words = refusal(A=A * units[:, None] / units, B=B * units[:, None], sample_time=0)
        assert "no input reaches the mode with eigenvalue 0.55," in words


@pytest.mark.parametrize("distance", [1e-3, 1e-4, 1e-6, 1e-9])
def test_a_pair_of_equal_modes_on_one_input_is_solved_or_its_distance_is_said(distance):
    plant = {"A": np.diag([2.0, 2.0 + distance]), "sample_time": 0}
    verdict, _, _ = outcome({"B": [1.0, 1.0], **plant})
    if verdict == "accepted":
        assert distance > 1e-4
        found = system(B=[1.0, 1.0], **plant)
        poles = np.linalg.eigvals(found.plant().closed_loop(optimal_gain(found)))
        assert np.all(poles.real < -1.0)
    else:
        words = refusal(B=[1.0, 1.0], **plant)
        said = float(re.search(r"relative change of the plant by (\S+) puts it out of reach", words)[1])
        assert distance / 10 < said < distance
        assert "scale" not in words
        system(B=[[1.0, 0.0], [1.0, 1.0]], **plant)


@pytest.mark.parametrize(
    "plant",
    [
        {"A": [[50.0, 0.0], [0.0, -1.0]], "B": [1.0, 1.0], "convert_to": 1.0},  # growth by e^50
        {"A": [[20.0, 1.0], [0.0, 18.0]], "B": [0.0, 1.0], "convert_to": 1.0},
        {"A": [[0.0, 1.0], [-1.0, 0.0]], "B": [0.0, 1.0], "convert_to": 2.0 * np.pi},  # a period a sample
    ],
)
def test_a_sample_time_that_is_too_long_is_refused_with_one_that_works(plant):
    words = refusal(sample_time=0, **plant)
    assert words.startswith("system.convert_to=")
    offered = float(re.search(r"as with system\.convert_to=(\S+)$", words)[1])
    found = system(sample_time=0, **(plant | {"convert_to": offered}))
    assert discrete.is_stabilising(found.plant(), found.initial_gain())


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["continuous", "discrete"]), st.integers(8, 17))
def test_an_optimal_first_gain_is_refused_with_one_to_start_from(seed, time, digits):
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    plant = {
        "A": rng.normal(size=(n, n)),
        "B": rng.normal(size=(n, m)),
        "sample_time": 0 if time == "continuous" else 1,
    }
    best = optimal_gain(system(**plant))
    K0 = [[float(f"{entry:.{digits}g}") for entry in row] for row in best]
    assert_start_is_refused_and_mended(system(K0=K0, **plant), plant)
    require_start(system(K0=[[float(f"{entry:.2g}") for entry in row] for row in 1.05 * best], **plant))


def test_a_plant_for_which_zero_is_optimal_offers_another_start():
    plant = {"A": [[0.0, 0.7], [0.0, 0.0]], "B": [0.0, 1.3], "sample_time": 1}
    assert_start_is_refused_and_mended(system(**plant), plant)


def assert_start_is_refused_and_mended(found: Custom, plant: dict) -> None:
    with pytest.raises(SettingError, match=r"^system\.K0: .* is the optimum to working precision") as error:
        require_start(found)
    offered = yaml.safe_load(re.search(r"system\.K0=(\S+)$", str(error.value))[1])
    require_start(system(K0=offered, **plant))


def test_a_cross_weight_is_removed_in_any_units_of_the_inputs():
    model = system(A=[[1.0]], B=[[1.0, 1e-8]], R=[1.0, 1e-20], sample_time=1)._seen
    _, shift = without_cross_weight(model._replace(S=np.array([[0.1, 1e-11]])))
    assert shift == pytest.approx(np.array([[0.1], [1e9]]))
