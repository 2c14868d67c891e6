"""Costs, gradients and optima from Python: against finite differences, in both times, and what is refused."""

import numpy as np
import pytest

from lqrpg import Plant, SettingError, cost, cost_gradient, optimal_gain, simulate, solve
from tests.conftest import random_plant


def discrete_plant(rng, n=3, m=2):
    """A random plant, stable with some margin at K = 0 in discrete time."""
    plant = random_plant(rng, n, m)
    return plant._replace(A=plant.A * (0.8 / np.max(np.abs(np.linalg.eigvals(plant.A)))), sample_time=1.0)


def plants():
    rng = np.random.default_rng(4)
    return [("discrete", discrete_plant(rng)), ("continuous", random_plant(rng, 3, 2))]


@pytest.mark.parametrize(("time", "plant"), plants())
def test_gradient_is_the_derivative_of_the_cost(time, plant):
    rng = np.random.default_rng(5)
    gain = 0.02 * rng.normal(size=(2, 3))
    slope, step = cost_gradient(plant, gain, time=time), 1e-5
    for index in np.ndindex(gain.shape):
        nudge = np.zeros_like(gain)
        nudge[index] = step
        ahead, behind = (cost(plant, gain + sign * nudge, time=time) for sign in (1.0, -1.0))
        assert slope[index] == pytest.approx((ahead - behind) / (2.0 * step), rel=1e-5, abs=1e-6 * np.abs(slope).max())


@pytest.mark.parametrize(("time", "plant"), plants())
def test_the_optimum_has_no_gradient_and_neighbours_cost_more(time, plant):
    best = solve(plant, time=time)
    np.testing.assert_array_equal(best.gain, optimal_gain(plant, time=time))
    assert np.abs(cost_gradient(plant, best.gain, time=time)).max() < 1e-8 * best.cost
    assert best.cost == pytest.approx(cost(plant, best.gain, time=time), rel=1e-12)
    for direction in np.random.default_rng(6).normal(size=(5, 2, 3)):
        assert cost(plant, best.gain + 1e-3 * direction, time=time) > best.cost


def test_the_average_cost_of_a_long_simulation_is_the_cost():
    plant = discrete_plant(np.random.default_rng(7))
    run = simulate(plant, np.zeros((2, 3)), 40_000, seed=1)
    means = run.costs.reshape(40, 1000).mean(axis=1)
    error = means.std(ddof=1) / np.sqrt(len(means))
    assert abs(means.mean() - cost(plant, np.zeros((2, 3)))) < 5.0 * error
    assert error < 0.05 * means.mean()
    again = simulate(plant, np.zeros((2, 3)), 40_000, seed=1)
    np.testing.assert_array_equal(run.states, again.states)


def test_a_gain_that_does_not_stabilise_costs_infinitely_much_and_has_no_gradient():
    plant = discrete_plant(np.random.default_rng(8))._replace(A=2.0 * np.eye(3))
    assert cost(plant, np.zeros((2, 3))) == np.inf
    with pytest.raises(SettingError, match=r"does not stabilise the plant in discrete time: .* is 2$"):
        cost_gradient(plant, np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"A": np.ones((2, 3))}, r"plant\.A=\(2, 3\): expected a matrix of shape \(2, 2\)"),
        ({"B": np.ones((2, 1))}, r"plant\.B=\(2, 1\)"),
        ({"Q": np.ones(3)}, r"plant\.Q=\(3,\): expected a matrix"),
        ({"Q": np.triu(np.ones((3, 3)))}, "a symmetric matrix"),
        ({"Q": -np.eye(3)}, r"plant\.Q=-1\.0: expected least eigenvalue not below 0"),
        ({"R": np.zeros((2, 2))}, r"plant\.R=0\.0: expected least eigenvalue above 0"),
        ({"Sigma": np.full((3, 3), np.nan)}, "finite entries"),
        ({"A": "words"}, r"plant\.A: expected a matrix of numbers"),
        ({"A": 1j * np.eye(3)}, r"plant\.A='complex numbers': expected real ones"),
    ],
)
def test_a_plant_that_is_none_is_refused_in_one_line(change, message):
    plant = discrete_plant(np.random.default_rng(9))._replace(**change)
    with pytest.raises(SettingError, match=message) as refused:
        cost(plant, np.zeros((2, 3)))
    assert "\n" not in str(refused.value)


def test_other_mistakes_are_refused_in_one_line():
    plant = discrete_plant(np.random.default_rng(10))
    for call, message in (
        (lambda: cost(plant, np.zeros((3, 2))), r"gain=\(3, 2\)"),
        (lambda: cost(plant, np.zeros((2, 3)), time="sampled"), "one of discrete, continuous"),
        (lambda: optimal_gain(plant._replace(A=2.0 * np.eye(3), B=np.zeros((3, 2)))), "no stabilising optimum"),
        (lambda: simulate(plant, np.zeros((2, 3)), 0), "steps=0"),
        (lambda: simulate(plant, np.zeros((2, 3)), True), "steps=True"),
        (lambda: simulate(plant, np.zeros((2, 3)), 5, seed=-1), "seed=-1"),
        (lambda: simulate(plant, np.zeros((2, 3)), 5, dither="a"), "dither='a'"),
        (lambda: cost(None, np.zeros((2, 3))), "expected a Plant, not NoneType"),
        (lambda: simulate(plant, np.zeros((2, 3)), 5, initial_covariance=np.eye(2)), r"initial_covariance=\(2, 2\)"),
    ):
        with pytest.raises(SettingError, match=message):
            call()


def test_a_state_that_overflows_is_nan_from_there_without_a_warning():
    plant = Plant(3.0 * np.eye(1), np.eye(1), np.eye(1), np.eye(1), np.eye(1), sample_time=1)
    run = simulate(plant, np.zeros((1, 1)), 1500)
    assert np.isfinite(run.costs[:300]).all()
    assert not np.isfinite(run.costs[-1])


def test_what_a_caller_changes_later_changes_no_run():
    from lqrpg import ExactGradient

    A = 0.5 * np.eye(2)
    plant = Plant(A, np.eye(2), np.eye(2), np.eye(2), np.eye(2), sample_time=1)
    state = ExactGradient(step_size=0.1).start(plant, np.zeros((2, 2)))
    A[0, 0] = 3.0
    assert state.plant.A[0, 0] == 0.5
    with pytest.raises(ValueError, match="read-only"):
        state.gain[0, 0] = 1.0
