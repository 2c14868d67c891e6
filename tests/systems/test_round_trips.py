"""A plant that is saved and loaded, through any format and from any source, is the same to the bit."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import control
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import io, signal

from lqrpg import Plant, optimal_gain
from lqrpg.checks import SettingError
from lqrpg.systems.custom import Custom
from lqrpg.systems.from_python import load_system, save_plant
from lqrpg.systems.plant_names import PLANT

ENDINGS = ("yaml", "mat", "npz", "yml")


def random_plant(seed: int, n: int, m: int, time: str, sampled: bool) -> dict[str, Any]:
    """All keys of a plant with ugly numbers, in units that differ by orders of magnitude; K0 aside."""
    rng = np.random.default_rng(seed)
    units, inputs = 10.0 ** rng.integers(-4, 5, n), 10.0 ** rng.integers(-4, 5, m)
    A = rng.normal(size=(n, n)) / (1.0 if time == "continuous" else np.sqrt(n))
    root = rng.normal(size=(n + m, n + m)) / np.concatenate([units, inputs])[:, None]
    W = root @ root.T
    noise, first = (rng.normal(size=(n, n)) * units[:, None] for _ in range(2))
    step = 0.1 * float(rng.uniform(0.3, 1.0))
    found = {
        "A": A * units[:, None] / units,
        "B": rng.normal(size=(n, m)) * units[:, None] / inputs,
        "Q": W[:n, :n],
        "R": W[n:, n:],
        "S": W[:n, n:],
        "noise": noise @ noise.T,
        "first_state": first @ first.T,
        "sample_time": 0.0 if time == "continuous" else step,
        "convert_to": step if time == "continuous" and sampled else None,
    }
    symmetric = {name: 0.5 * (found[name] + found[name].T) for name in ("Q", "R", "noise", "first_state")}
    return {**found, **symmetric}


def bits(system: Custom) -> dict[str, bytes | None]:
    values = {name: getattr(system, name) for name in PLANT.keys}
    return {name: None if value is None else np.array(value, float).tobytes() for name, value in values.items()}


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(1, 4),
    m=st.integers(1, 3),
    time=st.sampled_from(["continuous", "discrete"]),
    sampled=st.booleans(),
    endings=st.permutations(ENDINGS),
)
def test_saved_and_loaded_through_every_format_a_plant_is_the_same(
    seed, n, m, time, sampled, endings, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("plants")
    content = random_plant(seed, n, m, time, sampled)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            start = load_system(content)
        except SettingError:
            return
    content["K0"] = optimal_gain(start.plant())  # seventeen digits, for the plant after conversion
    system = load_system(content)
    best, path = optimal_gain(system.plant()), system
    for number, ending in enumerate(endings):
        path = save_plant(folder / f"{number}.{ending}", path)
        copy = load_system(path)
        assert bits(copy) == bits(system)
        assert optimal_gain(copy.plant()).tobytes() == best.tobytes()
        assert bits(Custom(**Custom.expand({"kind": "custom", "file": str(path)}))) == bits(system)


def sources(content: dict[str, Any], folder: Any) -> dict[str, tuple[Any, dict[str, Any]]]:
    """The same plant as every kind of source, with the arguments for what that kind cannot hold."""
    given = {name: value for name, value in content.items() if value is not None}
    A, B, dt = given["A"], given["B"], given["sample_time"]
    n, m = B.shape
    rest = {name: value for name, value in given.items() if name not in ("A", "B", "sample_time")}
    drives = "noise" if dt else "first_state"
    plant = Plant(A, B, given["Q"], given["R"], given[drives], given["S"], dt)
    beside_plant = {name: rest[name] for name in rest if name not in ("Q", "R", "S", drives)}
    C, D = np.eye(n), np.zeros((n, m))
    matlab = {"Ts": dt, "N": given["S"], "K": given["K0"]}
    np.savez(folder / "own.npz", **given)
    io.savemat(folder / "own.mat", _renamed(given, matlab))
    return {
        "pair": ((A, B), {"sample_time": dt, **rest}),
        "dictionary": (given, {}),
        "lists": ({name: np.asarray(value).tolist() for name, value in given.items()}, {}),
        "namespace": (SimpleNamespace(**given), {}),
        "matlab's names": (_renamed(given, matlab), {}),
        "plant": (plant, beside_plant),
        "system": (load_system(given), {}),
        "control": (control.ss(A, B, C, D, dt), rest),
        "scipy": (signal.StateSpace(A, B, C, D, **({"dt": dt} if dt else {})), rest),
        "npz": (folder / "own.npz", {}),
        "what numpy read": (dict(np.load(folder / "own.npz")), {}),
        "mat": (str(folder / "own.mat"), {}),
        "what scipy read": (io.loadmat(folder / "own.mat"), {}),
    }


def _renamed(given: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    own = {PLANT.aliases[name] for name in others}
    return {**{name: value for name, value in given.items() if name not in own}, **others}


@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(1, 3),
    m=st.integers(1, 2),
    time=st.sampled_from(["continuous", "discrete"]),
    sampled=st.booleans(),
    ending=st.sampled_from(ENDINGS),
)
def test_every_source_is_saved_with_all_that_it_holds(seed, n, m, time, sampled, ending, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plants")
    content = random_plant(seed, n, m, time, sampled)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            content["K0"] = optimal_gain(load_system(content).plant())
        except SettingError:
            return
    expected = bits(load_system(content))
    for name, (source, arguments) in sources(content, folder).items():
        saved = save_plant(folder / f"{name.replace(' ', '_')}_saved.{ending}", source, **arguments)
        assert bits(load_system(saved)) == expected, name
