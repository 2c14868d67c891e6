"""One decision on stability: the same in every module and in any units, with a margin for rounding."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from lqrpg import cost, solve
from lqrpg.checks import SettingWarning
from lqrpg.kernels import discrete_small as small
from lqrpg.kernels.evaluation import evaluate
from lqrpg.kernels.rollout import infinite_horizon_costs
from lqrpg.lqr import continuous, discrete
from lqrpg.lqr.plant import Plant
from lqrpg.lqr.sampling import LinearModel, sampled
from lqrpg.lqr.stability import REAL, are_stable, is_hurwitz, is_schur, is_stable
from lqrpg.systems.custom import Custom
from tests.lqr.extended import exact

SEEDS = st.integers(0, 10**6)


def loops(seed: int, n: int, time: str):
    """Random loops (n, n), normal or not, with margins from 1e-3 to 1e-16 of the limit."""
    rng = np.random.default_rng(seed)
    for digits in np.arange(3.0, 16.5, 0.25):
        margin = 10.0**-digits
        modes = np.diag(rng.uniform(0.2, 0.7, n))
        modes[:2, :2] = 0.0
        angle = rng.uniform(0.0, np.pi)
        modes[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        modes[:2, :2] *= 1.0 - margin
        if time == "continuous":
            modes = modes - np.eye(n)
            modes[:2, :2] = [[-margin, 1.0], [-1.0, -margin]]
        T = np.linalg.qr(rng.normal(size=(n, n)))[0] @ np.diag(10.0 ** rng.uniform(-0.5, 0.5, n))
        yield margin, T @ modes @ np.linalg.inv(T)


FEW_AND_MORE = pytest.mark.parametrize("seeds", [range(1), pytest.param(range(1, 6), marks=pytest.mark.slow)])


@FEW_AND_MORE
@pytest.mark.parametrize("noise", ["full", "of rank one"])
def test_all_modules_of_discrete_time_agree(noise, seeds):
    Sigma = np.eye(4) if noise == "full" else np.ones((4, 4))
    stable, unstable, none = 0, 0, np.zeros((1, 4))
    for seed in seeds:
        for margin, F in loops(seed, 4, "discrete"):
            plant = Plant(F, np.ones((4, 1)), np.eye(4), np.eye(1), Sigma)
            decided = discrete.is_stabilising(plant, none)
            assert small.is_stabilising(plant, none) == decided, margin
            found = evaluate(F, plant.B, none[None], plant.Q, plant.R, Sigma)
            assert bool(found.stable[0]) == np.isfinite(found.cost[0]) == decided, margin
            assert np.isfinite(discrete.cost(plant, none)) == np.isfinite(small.cost(plant, none)) == decided, margin
            assert are_stable(F[None], plant.B[None], none, "discrete")[0] == decided, margin
            assert decided or margin < 1e-10
            assert not decided or margin > 1e-15
            stable, unstable = stable + decided, unstable + (not decided)
    assert min(stable, unstable) > 4 * len(seeds)


@FEW_AND_MORE
def test_all_modules_of_continuous_time_agree(seeds):
    none = np.zeros((1, 4))
    for seed in seeds:
        for margin, F in loops(seed, 4, "continuous"):
            plant = Plant(F, np.ones((4, 1)), np.eye(4), np.eye(1), np.eye(4))
            decided = continuous.is_stabilising(plant, none)
            assert np.isfinite(infinite_horizon_costs(plant, none[None])[0]) == decided, margin
            assert np.isfinite(continuous.cost(plant, none)) == decided
            assert are_stable(F[None], plant.B[None], none, "continuous")[0] == is_hurwitz(F) == decided, margin
            assert decided or margin < 1e-10
            assert not decided or margin > 1e-15


@FEW_AND_MORE
@pytest.mark.parametrize(("module", "time"), [(discrete, "discrete"), (continuous, "continuous")])
@pytest.mark.parametrize("n", [4, 10])
def test_many_at_once_are_decided_as_one_by_one(module, time, n, seeds):
    """Within 1e-12 of the limit too; a family that is looked at point by point is such a number of plants."""
    for seed in seeds:
        near = np.array([F for _, F in loops(seed, n, time)])
        B, none = np.ones((n, 1)), np.zeros((1, n))
        plants = [Plant(F, B, np.eye(n), np.eye(1), np.eye(n)) for F in near]
        alone = [module.is_stabilising(plant, none) for plant in plants]
        assert are_stable(near, np.array([B] * len(near)), none, time).tolist() == alone
        assert 0 < sum(alone) < len(alone)
    unbounded = np.where(np.eye(n) > 0.0, np.inf, near[:2])
    assert not are_stable(unbounded, np.array([B, B]), none, time).any()


@pytest.mark.slow
@pytest.mark.parametrize(("module", "time"), [(discrete, "discrete"), (continuous, "continuous")])
def test_a_finite_cost_has_six_digits_up_to_the_limit(module, time):
    none = np.zeros((1, 3))
    for margin, F in loops(1, 3, time):
        plant = Plant(F, np.ones((3, 1)), np.eye(3), np.eye(1), np.eye(3))
        if module.is_stabilising(plant, none):
            assert module.cost(plant, none) == pytest.approx(exact(plant, none, time).cost, rel=1e-6), margin


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_the_decision_does_not_depend_on_units(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    F, units = rng.normal(size=(n, n)), 2.0 ** rng.integers(-20, 21, n)
    scaled = units[:, None] / units
    F *= (1.0 - 10.0 ** rng.uniform(-16, 0)) / discrete.spectral_radius(F)
    assert is_schur(F * scaled) == is_schur(F)
    F -= (continuous.spectral_abscissa(F) + rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(-16, 0)) * np.eye(n)
    assert is_hurwitz(F * scaled) == is_hurwitz(F) == is_hurwitz(2.0**-30 * F) == is_hurwitz(2.0**20 * F)


def marginal(kind: str, rng: np.random.Generator):
    """A of a plant with modes exactly at the limit of stability, before rounding: n is 2 or 4."""
    n = int(rng.choice([2, 4]))
    A = rng.normal(size=(n, n))
    if kind == "oscillators":
        rates = rng.uniform(1.0, 31.4, n // 2)
        A = linalg.block_diag(*([[0.0, 1.0], [-rate * rate, 0.0]] for rate in rates))
    elif kind == "rotations":
        A = A - A.T
    elif kind == "consensus":
        A = np.abs(A)
        A = A - np.diag(A.sum(axis=1))
    elif kind == "conserved quantity":
        A = np.abs(A) - np.diag(np.abs(A).sum(axis=0))
    else:
        A = np.diag(np.ones(n - 1), 1)
    T = np.linalg.qr(rng.normal(size=(n, n)))[0]
    return A if rng.random() < 0.3 else T @ A @ T.T


KINDS = ("oscillators", "rotations", "consensus", "conserved quantity", "integrators")


@settings(max_examples=50, deadline=None)
@given(SEEDS, st.sampled_from(KINDS))
def test_what_neither_grows_nor_decays_is_not_stable(seed, kind):
    """In both times: before and after sampling."""
    rng = np.random.default_rng(seed)
    A = marginal(kind, rng)
    n, eye = len(A), np.eye(len(A))
    model = LinearModel(A, np.ones((n, 1)), eye, np.zeros((n, 1)), np.eye(1), eye)
    Ad = sampled(model, 10.0 ** rng.uniform(-2.0, -0.3)).A
    none = np.zeros((1, n))
    for matrix, time, module in ((A, "continuous", continuous), (Ad, "discrete", discrete)):
        plant = Plant(matrix, np.ones((n, 1)), eye, np.eye(1), eye)
        assert not is_stable(plant, none, time, REAL)
        assert module.cost(plant, none) == np.inf


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from(KINDS), st.booleans())
def test_zero_is_no_first_gain_of_a_marginal_plant(seed, kind, is_sampled):
    rng = np.random.default_rng(seed)
    A = marginal(kind, rng)
    content = {"kind": "custom", "A": A.tolist(), "B": rng.normal(size=(len(A), 2)).tolist(), "sample_time": 0}
    if is_sampled:
        content["convert_to"] = 10.0 ** rng.uniform(-2.0, -0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SettingWarning)
        system = Custom(**Custom.expand(content))
    plant, gain = system.plant(), system.initial_gain()
    assert np.any(np.array(system.K0))
    assert cost(plant, gain) < 1e6 * solve(plant).cost
