"""The continuous-time reference against finite differences, quadrature and the Riccati equation's own residual."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad_vec
from scipy.linalg import expm

from lqrpg.lqr import continuous
from tests.conftest import random_plant

sizes = st.tuples(st.integers(0, 2**32), st.integers(1, 6), st.integers(1, 3))


@settings(max_examples=25, deadline=None)
@given(sizes)
def test_cost_is_the_integral_that_defines_it(case):
    seed, n, m = case
    rng = np.random.default_rng(seed)
    plant = random_plant(rng, n, m)
    gain = 0.01 * rng.normal(size=(m, n))
    loop, weight = plant.closed_loop(gain), plant.stage_weight(gain)
    horizon = 40.0 / -continuous.spectral_abscissa(loop)

    def stage(t):
        return np.trace(expm(loop.T * t) @ weight @ expm(loop * t) @ plant.Sigma)

    integral, error = quad_vec(stage, 0.0, horizon, epsrel=1e-8)
    assert continuous.cost(plant, gain) == pytest.approx(integral, rel=1e-6, abs=10 * error)


@settings(max_examples=50, deadline=None)
@given(sizes)
def test_gradient_agrees_with_central_differences(case):
    seed, n, m = case
    rng = np.random.default_rng(seed)
    plant = random_plant(rng, n, m)
    gain = 0.01 * rng.normal(size=(m, n))
    direction = rng.normal(size=(m, n))
    h = 1e-5
    slope = (continuous.cost(plant, gain + h * direction) - continuous.cost(plant, gain - h * direction)) / (2 * h)
    gradient = continuous.gradient(plant, gain)
    scale = np.linalg.norm(gradient) * np.linalg.norm(direction)
    assert np.sum(gradient * direction) == pytest.approx(slope, abs=1e-5 * scale + 1e-8)


@settings(max_examples=50, deadline=None)
@given(sizes)
def test_optimal_gain_has_no_gradient_and_no_better_neighbour(case):
    seed, n, m = case
    rng = np.random.default_rng(seed)
    plant = random_plant(rng, n, m)
    best = continuous.optimal_gain(plant)
    least = continuous.cost(plant, best)
    assert np.linalg.norm(continuous.gradient(plant, best)) <= 1e-7 * (1.0 + least)
    assert continuous.cost(plant, best + 0.01 * rng.normal(size=best.shape)) >= least


def test_cost_of_a_gain_that_does_not_stabilise_is_infinite(chain):
    assert continuous.cost(chain, -10.0 * np.ones((4, 8))) == np.inf
