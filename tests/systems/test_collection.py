"""The collection of plants: each loads, can be solved, is sampled by the rule, and says where its numbers are from."""

import re
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml
from hydra import compose
from omegaconf import OmegaConf
from scipy import linalg

from lqrpg.cli.compose import composer
from lqrpg.cli.plants import plants
from lqrpg.lqr import discrete, extended
from lqrpg.lqr.cross_weight import working
from lqrpg.lqr.stability import is_stable
from lqrpg.plugins import COLLECTION, choices, config_content, config_text
from lqrpg.runner.registry import system_class
from tests.cartpoles import cartpole
from tests.lqr.extended import exact
from tests.lqr.test_carex import cases

ROOT = Path(__file__).resolve().parents[2]
GROUP = f"system/{COLLECTION}"
NAMES = choices(GROUP, own=True)
SMALL = 4
"""States of plants whose optimum is tested by mpmath."""
FROM_SCIPY = {
    "ammonia_reactor": ("continuous", 4),
    "distillation_column": ("continuous", 3),
    "vehicle_string": ("continuous", 14),
    "spring_chain": ("continuous", 18),
    "satellite": ("discrete", 9),
    "slow_and_fast": ("discrete", 10),
    "chemical_plant": ("discrete", 12),
}
"""Number of the case in SciPy's tests."""
PER_FASTEST, PER_SLOWEST = 10, 300
"""Samples of the sampling rule: at least so few in the fastest time constant, or so many in the slowest."""


@cache
def loaded(name):
    """The system as the command line has it, and the warnings on the way."""
    with composer(None):
        config = OmegaConf.to_container(
            compose("config", ["experiment=shootout", f"system={COLLECTION}/{name}"])["system"]
        )
    kind = system_class(config["kind"])
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        system = kind(**kind.expand(config))
        system.plant()
    return system, [str(warning.message) for warning in raised]


def parts(name):
    """The plant without cross weight, its optimal gain, and the first gain, for the same problem."""
    system, _ = loaded(name)
    model = working(system.plant())
    return model.plant, discrete.optimal_gain(model.plant), model.inward(system.initial_gain())


def continuous(name):
    """A, B, Q, R of a plant that is given in continuous time."""
    system, _ = loaded(name)
    return [np.array(getattr(system, key)) for key in "ABQR"]


def sampled_names():
    return [name for name in NAMES if "convert_to" in config_content(GROUP, name)]


def test_it_has_plants_of_many_kinds():
    listed = {plant.name: plant for plant in plants()}
    assert set(listed) == set(NAMES)
    assert len(listed) >= 20
    assert min(plant.states for plant in listed.values()) == 1
    assert 32 <= max(plant.states for plant in listed.values()) <= 64
    assert {plant.inputs for plant in listed.values()} >= {1, 2, 3, 4, 20}
    assert max(plant.inputs for plant in listed.values()) == 20
    assert 10 <= sum(plant.is_stable for plant in listed.values()) <= len(listed) - 10


@pytest.mark.parametrize("name", NAMES)
def test_a_plant_loads_with_no_other_note_than_that_on_its_first_gain(name):
    system, notes = loaded(name)
    assert system.time == "discrete"
    assert all(note.startswith("system.K0 is not given: starting from ") for note in notes)


@pytest.mark.parametrize("name", NAMES)
def test_a_plant_is_stabilizable_and_detectable(name):
    """Popov, Belevitch and Hautus, for states of unit cost and inputs of unit weight."""
    plant, gain, _ = parts(name)
    root = np.sqrt(np.diag(discrete.cost_to_go(plant, gain)))
    A, Q = root[:, None] * plant.A / root, plant.Q / root / root[:, None]
    B = linalg.solve_triangular(np.linalg.cholesky(plant.R), (root[:, None] * plant.B).T, lower=True).T
    for mode in np.linalg.eigvals(A):
        if abs(mode) >= 1.0 - 1e-6:
            shifted = A - mode * np.eye(len(A))
            for seen in (np.hstack([shifted, B]), np.hstack([shifted.T, Q])):
                assert np.linalg.svd(seen, compute_uv=False).min() > 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_the_first_gain_stabilises_the_plant_and_is_not_the_optimum(name):
    plant, best, first = parts(name)
    assert discrete.spectral_radius(plant.A - plant.B @ first) < 1.0
    assert discrete.cost(plant, first) > 1.001 * discrete.cost(plant, best)


@pytest.mark.parametrize("name", NAMES)
def test_the_optimal_gain_is_that_of_extended_precision(name):
    """Policy iteration by mpmath does not change it; for larger plants, doubling by FLINT ends there."""
    plant, gain, _ = parts(name)
    if plant.n_states <= SMALL:
        P = exact(plant, gain, "discrete").value
        right = np.linalg.solve(plant.R + plant.B.T @ P @ plant.B, plant.B.T @ P @ plant.A)
    else:
        right = extended.optimum(plant, "discrete").gain
    assert np.abs(gain - right).max() <= 1e-8 * np.abs(right).max()


@pytest.mark.parametrize("name", sampled_names())
def test_the_sample_time_follows_the_rule(name):
    A, B, Q, R = continuous(name)
    P = linalg.solve_continuous_are(A, B, Q, R)
    modes = np.linalg.eigvals(A - B @ np.linalg.solve(R, B.T @ P))
    fastest, slowest = 1.0 / np.abs(modes).max(), 1.0 / -modes.real.max()
    assert loaded(name)[0].convert_to == float(f"{max(fastest / PER_FASTEST, slowest / PER_SLOWEST):.0e}")


def test_plants_of_continuous_time_are_sampled():
    assert [name for name in NAMES if config_content(GROUP, name).get("sample_time") == 0] == sampled_names()


@pytest.mark.parametrize("name", NAMES)
def test_every_number_carries_a_tag_with_its_reason(name):
    text = config_text(GROUP, name)
    content = config_content(GROUP, name)
    tagged = dict(re.findall(r"^(\w+):[^#\n]*# \[((?:stated|inferred)\]|chosen\] .{10,})", text, re.MULTILINE))
    assert set(tagged) == set(content) - {"defaults", "kind"}
    assert set(content) - {"defaults"} == {"kind"} or {"sample_time", "A", "B", "Q", "R"} <= set(tagged)


@pytest.mark.parametrize("name", NAMES)
def test_every_file_opens_with_the_plant_its_source_and_its_units(name):
    lines = config_text(GROUP, name).splitlines()
    assert re.fullmatch(r"# \S.*", lines[0])
    assert any(re.match(r"# Source: [^:]{2,16}: \S", line) for line in lines)
    assert any(re.match(r"# State and input: \S", line) for line in lines)
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("name", ["boeing747", "three_state"])
def test_a_papers_plant_in_discrete_time_is_that_of_its_own_kind(name):
    kind = system_class(name)
    assert loaded(name)[0] == kind(**config_content("system", name))


@pytest.mark.parametrize("name", ["mass_spring", "double_integrator"])
def test_a_papers_plant_in_continuous_time_has_the_numbers_of_its_own_kind(name):
    own = system_class(name)(**config_content("system", name)).plant()
    for found, right in zip(continuous(name), own.matrices[:4], strict=True):
        np.testing.assert_array_equal(found, right)


def test_the_cartpole_is_that_of_the_middle_length():
    system = cartpole()
    A, B = system.linearised(0.5 * (system.shortest + system.longest))
    found = continuous("cartpole")
    np.testing.assert_allclose(found[0], A, rtol=1e-14)
    np.testing.assert_allclose(found[1], B, rtol=1e-14)


@pytest.mark.parametrize("name", FROM_SCIPY)
def test_a_case_of_carex_or_darex_has_scipys_numbers(name):
    time, number = FROM_SCIPY[name]
    system, _ = loaded(name)
    for key, right in zip("ABQR", cases()[time][number], strict=True):
        if (name, key) != ("distillation_column", "Q"):  # it is indefinite
            np.testing.assert_allclose(np.array(getattr(system, key)), np.atleast_2d(right), rtol=1e-15, atol=0)


def test_numbers_of_the_tutorials_are_those_of_their_parameters():
    M, m, b, inertia, g, length = 0.5, 0.2, 0.1, 0.006, 9.8, 0.3
    p = inertia * (M + m) + M * m * length**2
    A, B, _, _ = continuous("inverted_pendulum")
    np.testing.assert_allclose(A[1, 1:3], [-(inertia + m * length**2) * b / p, m**2 * g * length**2 / p])
    np.testing.assert_allclose(A[3, 1:3], [-m * length * b / p, m * g * length * (M + m) / p])
    np.testing.assert_allclose(B[1::2, 0], [(inertia + m * length**2) / p, m * length / p])
    J, b, K, R, L = 3.2284e-6, 3.5077e-6, 0.0274, 4.0, 2.75e-6
    A, B, _, _ = continuous("servo_motor")
    np.testing.assert_allclose(A, [[0, 1, 0], [0, -b / J, K / J], [0, -K / L, -R / L]])
    np.testing.assert_allclose(B[:, 0], [0, 0, 1 / L])


def test_what_is_listed_is_what_is_loaded():
    for listed in plants():
        system, _ = loaded(listed.name)
        plant = system.plant()
        assert (listed.states, listed.inputs, listed.sample_time) == (plant.n_states, plant.n_inputs, plant.sample_time)
        assert listed.spectral_radius == pytest.approx(discrete.spectral_radius(plant.A), rel=1e-6)
        at_rest = np.zeros((plant.n_inputs, plant.n_states))
        assert listed.is_stable == is_stable(plant._replace(S=None), at_rest, "discrete")


def test_the_page_has_a_row_for_each_plant():
    page = (ROOT / "docs" / "collection.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines()]
    found = {cells[0].strip("`"): cells[2:6] for cells in rows if len(cells) == 7}
    found = {name: cells for name, cells in found.items() if name in NAMES}
    assert found == {
        plant.name: [str(plant.states), str(plant.inputs), f"{plant.sample_time:g}", "yes" if plant.is_stable else "no"]
        for plant in plants()
    }


def test_the_files_are_packaged():
    patterns = re.findall(r'"(conf/[^"]+)"', (ROOT / "pyproject.toml").read_text())
    packaged = {file for pattern in patterns for file in (ROOT / "lqrpg").glob(pattern)}
    assert {ROOT / "lqrpg" / "conf" / GROUP / f"{name}.yaml" for name in NAMES} <= packaged
    assert all(yaml.safe_load(config_text(GROUP, name)) for name in NAMES)
