"""Descents on families of several parameters: the algorithm written plainly, streams, grouping, the cart-pole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lqrpg.compiler.jit import LANES
from lqrpg.domain_randomization import descent
from lqrpg.domain_randomization.cubature import coarse_nodes
from lqrpg.domain_randomization.descent import descend
from lqrpg.domain_randomization.descent_lanes import NEVER
from lqrpg.domain_randomization.discount_annealing import anneal
from lqrpg.domain_randomization.quadrature import unstable_points
from lqrpg.kernels.xoshiro import random_states, uniform_lanes
from lqrpg.lqr import discrete
from tests.cartpoles import START_GAIN, cartpole
from tests.families import CART_POLE, TWO, family_of

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
STEPS = np.array([0, 3, 40])


def states(count: int):
    return random_states(np.random.SeedSequence(5).spawn(count))


def uniform_of(state, count: int):
    lanes, out = np.repeat(state[:, None], LANES, axis=1), np.empty(LANES)
    numbers = np.empty(count)
    for index in range(count):
        uniform_lanes(lanes, out)
        numbers[index] = out[0]
    return numbers


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dr", "sa"])
def test_the_compiled_descent_is_the_algorithm_written_plainly(method, tmp_path):
    settings = family_of(TWO, tmp_path)
    family, gain, state, rate = settings.family(), settings.initial_gain(), states(1), 0.05
    found = descend(family, gain, state, np.arange(6), method=method, batch_size=3, step_size=rate)
    numbers = iter(uniform_of(state[0], 2 * 3 * 7).reshape(-1, 2))

    def draw():
        return family.plant(np.array(family.sample(next(numbers))))

    sample = [draw() for _ in range(3)]
    for step in range(6):
        np.testing.assert_allclose(found.gains[step, 0], gain, rtol=1e-10)
        gain = gain - rate * np.mean([discrete.gradient(plant, gain) for plant in sample], axis=0)
        if method == "dr":
            sample = [draw() for _ in range(3)]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dr", "sa"])
def test_trials_depend_on_neither_their_grouping_nor_on_steps_made_together(method, tmp_path, monkeypatch):
    settings = family_of(TWO, tmp_path)
    family, gain, many = settings.family(), settings.initial_gain(), states(LANES + 5)
    whole = descend(family, gain, many, STEPS, method=method, batch_size=2, step_size=0.05)
    for part in (slice(0, 1), slice(3, 9), slice(LANES - 1, None)):
        chunk = descend(family, gain, many[part], STEPS, method=method, batch_size=2, step_size=0.05)
        assert chunk.gains.tobytes() == np.ascontiguousarray(whole.gains[:, part]).tobytes()
    for together in (1, 6, 1000):
        monkeypatch.setattr(descent, "TOGETHER", together)
        again = descend(family, gain, many, STEPS[-1:], method=method, batch_size=2, step_size=0.05)
        assert again.gains[0].tobytes() == whole.gains[-1].tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dr", "sa"])
def test_the_cart_pole_in_a_file_descends_like_the_packages_own(method, tmp_path):
    """The same streams give the same lengths, so gains agree far below what randomness would allow."""
    own, other = cartpole().family(), family_of(CART_POLE, tmp_path).family()
    found = [
        descend(family, START_GAIN, states(LANES), STEPS, method=method, batch_size=2).gains for family in (own, other)
    ]
    np.testing.assert_allclose(found[1], found[0], rtol=1e-10)
    assert np.abs(found[0][-1] - found[0][0]).max() > 1e-3


@pytest.mark.slow
def test_a_trial_that_loses_stability_is_frozen_where_it_did(tmp_path):
    settings = family_of(TWO, tmp_path)
    family, steps = settings.family(), np.arange(30)
    found = descend(family, settings.initial_gain(), states(LANES + 2), steps, batch_size=2, step_size=20.0)
    assert (found.fail_step != NEVER).any()
    for trial, fail in enumerate(found.fail_step):
        if fail != NEVER:
            assert len(unstable_points(family, found.gains[fail, trial])) > 0
            assert (found.gains[fail:, trial] == found.gains[fail, trial]).all()
            assert np.isfinite(found.gains[:, trial]).all()


CRANE = (EXAMPLES / "two_parameter_plant" / "family.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", [CRANE, TWO.replace("0.8]]", "1.3]]")])
def test_annealing_stabilises_a_family_of_several_parameters(text, tmp_path):
    family = family_of(text, tmp_path).family()
    nothing = np.zeros((len(family.R), len(family.Q)))
    assert len(unstable_points(family, nothing)) == len(family.grid())
    found = anneal(family, nodes=coarse_nodes(family))
    assert found.stabilising
    assert len(found.rounds) <= found.bound
    assert len(unstable_points(family, found.rounds[-1].gain)) == 0


def test_annealing_says_where_no_gain_serves_all(tmp_path):
    """An input whose sign is not known: the sampled plants with b and with -b have no common gain."""
    text = TWO.replace("normal, mean: 1.0, sd: 0.2, low: 0.6, high: 1.4", "uniform, low: -1.0, high: 1.1")
    text = text.replace("[[a, c], [-d, 0.8]]", "[[1.5, 0*d], [0, 1.5]]").replace(
        "[[0.1*b, 0.02], [b, 0.5]]", "[[b, 0], [0, 1]]"
    )
    family = family_of(text, tmp_path).family()
    found = anneal(family, nodes=coarse_nodes(family), max_rounds=40)
    assert not found.stabilising
    assert found.rounds[-1].discount < 1.0
