"""Random plants: an accepted one has the right optimum, a refused one is refused for a reason that is true.

Both are judged in extended precision and in natural units, which the package does not know.
"""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

from lqrpg import cost, optimal_gain
from lqrpg.checks import SettingError, SettingWarning
from lqrpg.lqr import extended
from lqrpg.lqr.cross_weight import without_cross_weight
from lqrpg.lqr.plant import Plant
from lqrpg.systems.custom import Custom
from tests import soak
from tests.lqr.extended import EPS, exact
from tests.lqr.random_plants import Case, exact_optimum, random_case, reach

RIGHT = 1e-6
"""Relative error that a gain and a cost may have."""
LOST = 1e-3
"""Relative error that a cost may have in double precision where it is said to be lost in rounding: a bound on it."""


def taken(case: Case) -> Custom | str:
    """The system, or the words of its refusal."""
    A, B, Q, S, R, noise = (part.tolist() for part in case.given())
    content = {"kind": "custom", "A": A, "B": B, "Q": Q, "S": S, "R": R, "noise": noise, "first_state": noise}
    content["sample_time"] = 0.0 if case.time == "continuous" else 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SettingWarning)
        try:
            return Custom(**Custom.expand(content))
        except SettingError as refusal:
            return str(refusal)


def assert_right(case: Case, system: Custom) -> None:
    """Gain and cost of the optimum, and the first gain."""
    model, plant = case.given(), system.plant()
    gain = optimal_gain(plant)
    best, least, P = exact_optimum(model, gain, case.time)
    root = np.sqrt(np.maximum(np.diag(P), 1e-300))
    size, error = np.abs(best) / root, np.abs(gain - best) / root
    assert np.all(error <= RIGHT * np.max(size, axis=1, keepdims=True) + 1e-300)
    assert abs(cost(plant, gain) - least) <= RIGHT * least
    assert np.isfinite(cost(plant, system.initial_gain()))


def lost_digits(case: Case) -> float:
    """A bound on the relative error of the cost of the optimal gain in double precision, in natural units."""
    plain, shift = without_cross_weight(case.natural)
    try:
        gain = extended.optimum(Plant(plain.A, plain.B, plain.Q, plain.R, plain.noise), case.time).gain
    except np.linalg.LinAlgError:
        return np.inf
    model = case.natural
    plant = Plant(model.A, model.B, model.Q, model.R, model.noise)
    return float(8.0 * plant.n_states**2 * EPS * exact(plant, gain + shift, case.time).condition)


def assert_true(case: Case, words: str) -> None:
    """The reason of a refusal: the mode's distance, and that digits are lost."""
    number = r"([-+]?[\d.]+(?:e[-+]\d+)?)"
    found = re.search(rf"eigenvalue {number}(?:{number}i)?", words)
    assert found, words
    value = complex(float(found[1]), float(found[2] or 0.0))
    rate = case.clock if case.time == "continuous" else 1.0
    values = np.linalg.eigvals(case.natural.A)
    value = complex(values[np.argmin(np.abs(values - value / rate))])  # six digits are given
    plain, _ = without_cross_weight(case.natural)
    distances = {
        "system.B": min(reach(plain.A, plain.B, near) for near in (value, 0.0, 1.0)),
        "system.Q": min(reach(plain.A.T, plain.Q, near) for near in (value, 0.0, 1.0)),
    }
    key = words.partition(":")[0]
    if "to working precision" in words or "costs nothing" in words:
        assert distances[key] <= 1e-7, words
    elif "hardly reach" in words or "next to nothing" in words:
        assert distances[key] <= 0.1, words
        assert lost_digits(case) >= LOST, words
    elif "rates are too far apart" in words:
        assert lost_digits(case) >= LOST, words
    else:
        assert re.match("system.A: .* grows by a factor", words), words
        assert np.max(np.abs(values)) > 100.0
        assert lost_digits(case) >= LOST, words


def judged(seeds: range) -> tuple[int, int]:
    """How many plants are accepted and refused, each for a good reason."""
    accepted = refused = 0
    for seed in seeds:
        case = random_case(np.random.default_rng([seed, 31]))
        found = taken(case)
        if isinstance(found, str):
            refused += 1
            assert_true(case, found)
        else:
            accepted += 1
            assert_right(case, found)
    return accepted, refused


@pytest.mark.slow
def test_random_plants_are_solved_or_refused_for_a_true_reason():
    accepted, refused = judged(range(60))
    assert accepted > 30
    assert refused > 3


@pytest.mark.soak
@pytest.mark.skipif(not soak.SOAKING, reason="takes long")
@pytest.mark.parametrize("part", range(20))
@pytest.mark.timeout(3600)
def test_two_thousand_random_plants(part):
    accepted, refused = judged(range(1000 + 100 * part, 1100 + 100 * part))
    print(f"accepted {accepted}, refused {refused}")
    assert accepted + refused == 100
