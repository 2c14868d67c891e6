"""Means over several parameters against closed forms, and the choice of a rule by its error."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lqrpg.domain_randomization import cubature
from lqrpg.domain_randomization.expectation import rule_and_optimum
from lqrpg.domain_randomization.mean_cost import mean_cost
from lqrpg.domain_randomization.quadrature import family_cost, newton_optimum, unstable_points
from lqrpg.systems.families.distributions import distribution
from lqrpg.systems.families.family import Family
from tests.cartpoles import START_GAIN, cartpole
from tests.families import CART_POLE, TWO, family_of

UNIFORM = distribution({"distribution": "uniform", "low": 1.0, "high": 2.0}, "u")
TRIANGLE = distribution({"distribution": "triangular", "low": 0.0, "mode": 0.0, "high": 2.0}, "t")
LOG = distribution({"distribution": "log_uniform", "low": 1.0, "high": math.e}, "l")
EXACT = {
    id(UNIFORM): math.exp(-1.0) - math.exp(-2.0),
    id(TRIANGLE): (1.0 + math.exp(-2.0)) / 2.0,
}
"""E exp(-x) of both."""


def box(*distributions):
    """A family that has parameters and no plants."""
    names = tuple("abcdefgh"[: len(distributions)])
    nothing = np.zeros((0, 0))
    return Family(names, distributions, None, nothing, nothing, nothing)


def decay(points):
    return np.exp(-points.sum(axis=1))


@pytest.mark.parametrize("distributions", [(UNIFORM,), (UNIFORM, TRIANGLE), (UNIFORM, TRIANGLE, UNIFORM)])
def test_every_kind_of_rule_approaches_the_closed_form(distributions):
    family = box(*distributions)
    exact = math.prod(EXACT[id(each)] for each in distributions)
    kinds = []
    for ladder in cubature.refinements(family):
        errors = []
        for rule in ladder:
            assert rule.weights.sum() == pytest.approx(1.0, abs=1e-12)
            assert len(rule.weights) <= cubature.MAX_NODES
            errors.append(abs(rule.weights @ decay(rule.points) / exact - 1.0))
        kinds.append(rule.name)
        assert errors[-1] < (1e-4 if rule.name == "sobol" else 1e-12)
        assert errors[-1] < errors[0]
    assert kinds == ["gauss" if len(distributions) < 3 else "sparse_grid", "sobol"]


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_a_sparse_grid_is_exact_up_to_its_total_degree(level):
    """All monomials of total degree 2 level + 1; the moments of a uniform number on [1, 2] and of ln(l) on [0, 1]."""
    family = box(UNIFORM, UNIFORM, UNIFORM)
    rule = cubature.combined("sparse_grid", family, cubature.sparse_products(3, level))
    for a in range(2 * level + 2):
        for b in range(2 * level + 2 - a):
            for c in range(2 * level + 2 - a - b):
                powers = np.array([a, b, c])
                exact = math.prod((2.0 ** (k + 1) - 1.0) / (k + 1) for k in powers)
                found = rule.weights @ np.prod(rule.points**powers, axis=1)
                assert found == pytest.approx(exact, rel=1e-10)


def test_a_sparse_grid_has_fewer_points_than_the_product():
    family = box(*[UNIFORM] * 4)
    rule = cubature.combined("sparse_grid", family, cubature.sparse_products(4, 4))
    assert len(rule.weights) < 9**4 / 4
    assert len(np.unique(rule.points.round(12), axis=0)) == len(rule.points)


@pytest.mark.parametrize("distributions", [(LOG,), (UNIFORM, TRIANGLE), (UNIFORM, LOG, TRIANGLE)])
def test_samples_are_weights_on_few_nodes(distributions):
    family = box(*distributions)
    samples = np.array(family.sample(np.random.default_rng(4).random((len(distributions), 1000)))).T
    products = cubature.sparse_products(3, 5)
    rule = cubature.gauss(family, 14) if len(distributions) < 3 else cubature.combined("sparse_grid", family, products)
    weights = cubature.sampled_weights(family, rule, samples)
    values = decay(samples)
    error = values.std() / np.sqrt(len(values))
    assert abs(weights @ decay(rule.points) - values.mean()) < 1e-5 * error
    assert weights.sum() == pytest.approx(1.0, abs=1e-10)


def test_sobol_points_do_not_interpolate():
    with pytest.raises(ValueError, match="evaluate at the samples"):
        cubature.sampled_weights(box(UNIFORM), cubature.sobol(box(UNIFORM), 256), np.ones((2, 1)))


@pytest.mark.slow
def test_the_chosen_rule_keeps_its_word(tmp_path):
    settings = family_of(TWO, tmp_path)
    family, gain = settings.family(), settings.initial_gain()
    fine = cubature.gauss(family, 48)
    exact = family_cost(family, gain, fine.nodes)
    sizes = []
    for tolerance in (1e-3, 1e-6, 1e-10):
        chosen, _ = rule_and_optimum(family, gain, tolerance)
        assert chosen.error <= tolerance
        assert chosen.rule.name == "gauss"
        found = family_cost(family, gain, chosen.nodes)
        assert abs(found.cost[0] / exact.cost[0] - 1.0) <= tolerance
        assert np.linalg.norm(found.gradient - exact.gradient) <= tolerance * np.linalg.norm(exact.gradient)
        sizes.append(len(chosen.rule.weights))
    assert sizes[0] < sizes[-1]


KINKED = TWO.replace("c: 0.1", "c: 0.1\n  e: {distribution: uniform, low: -1.0, high: 1.0}").replace(
    "0.8]]", "0.5 + 0.3*abs(e)]]"
)


@pytest.mark.slow
def test_where_no_rule_agrees_the_error_says_so(tmp_path):
    settings = family_of(KINKED, tmp_path)
    chosen, _ = rule_and_optimum(settings.family(), settings.initial_gain(), 1e-12)
    assert chosen.error > 1e-12
    assert len(chosen.rule.weights) <= cubature.MAX_NODES


@pytest.mark.slow
def test_an_optimum_that_fails_at_a_corner_has_an_infinite_error(tmp_path):
    """The best gain by any rule gives up a corner of vanishing probability: that is said, and the finest rule taken."""
    settings = family_of(TWO.replace("high: 0.95", "high: 1.2"), tmp_path)
    chosen, best = rule_and_optimum(settings.family(), settings.initial_gain(), 1e-8)
    assert np.isinf(chosen.error)
    assert len(chosen.rule.weights) == cubature.MAX_NODES
    assert len(unstable_points(settings.family(), best.gain)) > 0


def test_the_cart_pole_in_a_file_has_the_optimum_of_the_packages_own(tmp_path):
    family = family_of(CART_POLE, tmp_path).family()
    chosen, best = rule_and_optimum(family, START_GAIN, 1e-11)
    own = newton_optimum(cartpole().family(), START_GAIN)
    assert best.cost == pytest.approx(own.cost, rel=1e-9)
    np.testing.assert_allclose(best.gain, own.gain, rtol=1e-9)
    assert chosen.error <= 1e-11


@pytest.mark.slow
def test_the_mean_gradient_is_the_derivative_of_the_mean_cost(tmp_path):
    settings = family_of(TWO, tmp_path)
    family, gain, step = settings.family(), settings.initial_gain(), 1e-5
    nodes = rule_and_optimum(family, gain, 1e-8)[0].nodes
    slope = family_cost(family, gain, nodes).gradient[0]
    for place in np.ndindex(gain.shape):
        move = np.zeros(gain.shape)
        move[place] = step
        up, down = (family_cost(family, at, nodes).cost[0] for at in (gain + move, gain - move))
        assert slope[place] == pytest.approx((up - down) / (2.0 * step), rel=1e-6, abs=1e-8)


def test_the_optimum_has_no_slope_and_the_largest_curvature(tmp_path):
    settings = family_of(TWO, tmp_path)
    family, gain = settings.family(), settings.initial_gain()
    mean = mean_cost(family, gain, 1e-8)
    start = family_cost(family, gain, mean.nodes)
    assert mean.optimum.gradient_norm < 1e-9 * np.linalg.norm(start.gradient)
    assert mean.optimum.cost < start.cost[0]
    rng, step = np.random.default_rng(2), 1e-4
    bends = []
    for _ in range(40):
        move = rng.normal(size=gain.shape)
        move *= step / np.linalg.norm(move)
        up, down = (family_cost(family, mean.optimum.gain + s * move, mean.nodes).cost[0] for s in (1.0, -1.0))
        bends.append((up - 2.0 * mean.optimum.cost + down) / step**2)
    assert 0.3 * mean.largest_curvature < max(bends) < 1.001 * mean.largest_curvature


def test_a_family_of_several_parameters_has_no_default_nodes(tmp_path):
    with pytest.raises(ValueError, match="rule_and_optimum"):
        cubature.default_nodes(family_of(TWO, tmp_path).family())
