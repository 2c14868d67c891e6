"""Policy gradient on the cart-pole family, its exact cost and optimum, and discount annealing."""

from __future__ import annotations

import numpy as np
import pytest

from lqrpg.compiler.jit import LANES
from lqrpg.domain_randomization.cubature import gauss, random_nodes
from lqrpg.domain_randomization.descent import descend
from lqrpg.domain_randomization.descent_lanes import NEVER
from lqrpg.domain_randomization.discount_annealing import HIGHEST_RISE, LOWEST_RISE, anneal
from lqrpg.domain_randomization.quadrature import (
    family_cost,
    newton_optimum,
    unstable_points,
)
from lqrpg.kernels.xoshiro import random_states, uniform_lanes
from lqrpg.lqr import discrete
from tests.cartpoles import START_GAIN, cartpole

FAMILY = cartpole().family()
STEPS = np.array([0, 3, 40])


def states(count: int):
    return random_states(np.random.SeedSequence(5).spawn(count))


def test_generator_follows_its_definition():
    """xoshiro256++ in Python's own integers."""
    mask, start = 2**64 - 1, states(LANES)
    lanes, out = np.ascontiguousarray(start.T), np.empty(LANES)

    def rotate(word: int, by: int) -> int:
        return (word << by | word >> (64 - by)) & mask

    words = [[int(word) for word in row] for row in start]
    for _ in range(5):
        uniform_lanes(lanes, out)
        for lane, s in enumerate(words):
            expected = ((rotate((s[0] + s[3]) & mask, 23) + s[0]) & mask) >> 11
            shifted = s[1] << 17 & mask
            s[2] ^= s[0]
            s[3] ^= s[1]
            s[1] ^= s[2]
            s[0] ^= s[3]
            s[2] ^= shifted
            s[3] = rotate(s[3], 45)
            assert out[lane] == expected / 2**53


def uniform_of(state) -> list[float]:
    lanes, out = np.repeat(state[:, None], LANES, axis=1), np.empty(LANES)
    numbers = []
    for _ in range(200):
        uniform_lanes(lanes, out)
        numbers.append(float(out[0]))
    return numbers


@pytest.mark.parametrize("method", ["dr", "sa"])
def test_compiled_descent_is_the_algorithm_written_plainly(method):
    state, batch, rate = states(1), 3, 5e-8
    found = descend(FAMILY, START_GAIN, state, np.arange(6), method=method, batch_size=batch, step_size=rate)
    lengths = iter(0.2 + 0.6 * np.array(uniform_of(state[0])))
    gain, sample = START_GAIN, [next(lengths) for _ in range(batch)]
    for step in range(6):
        np.testing.assert_allclose(found.gains[step, 0], gain, rtol=1e-9)
        gradients = [discrete.gradient(FAMILY.plant(length), gain) for length in sample]
        gain = gain - rate * np.mean(gradients, axis=0)
        if method == "dr":
            sample = [next(lengths) for _ in range(batch)]


@pytest.mark.parametrize("method", ["dr", "sa"])
def test_trials_do_not_depend_on_their_grouping(method):
    many = states(LANES + 5)
    whole = descend(FAMILY, START_GAIN, many, STEPS, method=method, batch_size=2)
    for part in (slice(0, 1), slice(3, 9), slice(LANES - 1, None)):
        chunk = descend(FAMILY, START_GAIN, many[part], STEPS, method=method, batch_size=2)
        assert chunk.gains.tobytes() == np.ascontiguousarray(whole.gains[:, part]).tobytes()
    thinned = descend(FAMILY, START_GAIN, many, STEPS[-1:], method=method, batch_size=2)
    assert thinned.gains[0].tobytes() == whole.gains[-1].tobytes()


def test_a_trial_that_loses_stability_is_frozen_where_it_did():
    steps = np.arange(30)
    found = descend(FAMILY, START_GAIN, states(LANES + 2), steps, batch_size=2, step_size=2e-5)
    assert (found.fail_step != NEVER).any()
    for trial, fail in enumerate(found.fail_step):
        if fail != NEVER:
            assert unstable_points(FAMILY, found.gains[fail, trial]).size > 0
            assert (found.gains[fail:, trial] == found.gains[fail, trial]).all()
            assert np.isfinite(found.gains[:, trial]).all()


def test_small_steps_never_lose_stability():
    found = descend(FAMILY, START_GAIN, states(LANES), np.array([200]), batch_size=1)
    assert (found.fail_step == NEVER).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"method": "adam"}, "choose from dr, sa"), ({"batch_size": 0}, "at least 1")],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        descend(FAMILY, START_GAIN, states(1), STEPS, **options)
    with pytest.raises(ValueError, match="increasing"):
        descend(FAMILY, START_GAIN, states(1), np.array([3, 3]))


def test_quadrature_has_converged():
    few, many = family_cost(FAMILY, START_GAIN), family_cost(FAMILY, START_GAIN, gauss(FAMILY, 60).nodes)
    assert few.cost[0] == pytest.approx(many.cost[0], rel=1e-11)
    np.testing.assert_allclose(few.gradient, many.gradient, rtol=1e-9)


def test_monte_carlo_agrees_within_its_error():
    nodes = random_nodes(FAMILY, 20_000, np.random.SeedSequence(1))
    costs = np.array([discrete.cost(FAMILY.plant(length), START_GAIN) for length in nodes.points[:500]])
    exact = family_cost(FAMILY, START_GAIN).cost[0]
    assert abs(family_cost(FAMILY, START_GAIN, nodes).cost[0] - exact) < 5.0 * costs.std() / np.sqrt(20_000)


def test_costs_of_many_gains_have_the_bits_of_one_at_a_time():
    gains = START_GAIN * np.linspace(1.0, 1.05, LANES + 3)[:, None, None]
    together = family_cost(FAMILY, gains)
    for i, gain in enumerate(gains):
        alone = family_cost(FAMILY, gain)
        assert together.cost[i] == alone.cost[0]
        assert together.gradient[i].tobytes() == alone.gradient[0].tobytes()


def test_newton_ends_where_the_gradient_vanishes():
    optimum = newton_optimum(FAMILY, START_GAIN)
    start = family_cost(FAMILY, START_GAIN)
    assert optimum.gradient_norm < 1e-11 * np.linalg.norm(start.gradient)
    rng = np.random.default_rng(0)
    nearby = optimum.gain + 0.01 * rng.normal(size=(20, 1, 4))
    assert (family_cost(FAMILY, nearby).cost > optimum.cost).all()


def test_newton_refuses_a_gain_that_does_not_stabilise():
    with pytest.raises(ValueError, match="does not stabilise"):
        newton_optimum(FAMILY, np.zeros((1, 4)))


@pytest.mark.parametrize("options", [{}, {"pole_mass": 0.1}, {"dt": 0.05}])
def test_annealing_stabilises_the_family_within_its_bound(options):
    family = cartpole(**options).family()
    found = anneal(family)
    assert found.stabilising
    assert found.rounds[-1].discount == 1.0
    assert len(found.rounds) <= found.bound
    assert unstable_points(family, found.rounds[-1].gain).size == 0
    for before, after in zip(found.rounds, found.rounds[1:], strict=False):
        assert before.discount < after.discount
        raised = family_cost(family.discounted(after.discount), before.gain).cost[0] / before.cost
        assert raised <= HIGHEST_RISE * (1 + 1e-9)
        assert raised >= LOWEST_RISE or after.discount == 1.0
