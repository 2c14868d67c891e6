"""Sampling of a continuous plant, against quadrature and closed forms, and the way back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, linalg, signal

from lqrpg.lqr import continuous, discrete
from lqrpg.lqr.cross_weight import without_cross_weight
from lqrpg.lqr.plant import Plant
from lqrpg.lqr.sampling import LinearModel, sampled, unsampled

SEEDS = st.integers(0, 10_000)


def random_model(seed, n=3, m=2):
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(n + m, n + m))
    weight = factor @ factor.T + 0.1 * np.eye(n + m)
    noise = rng.normal(size=(n, n))
    return LinearModel(
        rng.normal(size=(n, n)),
        rng.normal(size=(n, m)),
        weight[:n, :n],
        weight[:n, n:],
        weight[n:, n:],
        noise @ noise.T,
    )


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, dt=st.floats(1e-3, 3.0))
def test_matrices_are_those_of_scipy_and_integrals_those_of_quadrature(seed, dt):
    model = random_model(seed)
    found = sampled(model, dt)
    A, B, *_ = signal.cont2discrete((model.A, model.B, np.eye(3), np.zeros((3, 2))), dt)
    np.testing.assert_allclose(found.A, A, rtol=1e-9, atol=1e-9 * np.linalg.norm(A))
    np.testing.assert_allclose(found.B, B, rtol=1e-9, atol=1e-9 * np.linalg.norm(B))
    F = np.block([[model.A, model.B], [np.zeros((2, 5))]])
    weight = np.block([[model.Q, model.S], [model.S.T, model.R]])
    cost = integrate.quad_vec(lambda s: linalg.expm(F * s).T @ weight @ linalg.expm(F * s), 0.0, dt)[0]
    noise = integrate.quad_vec(lambda s: linalg.expm(model.A * s) @ model.noise @ linalg.expm(model.A * s).T, 0.0, dt)[
        0
    ]
    whole = np.block([[found.Q, found.S], [found.S.T, found.R]])
    np.testing.assert_allclose(whole, cost, atol=1e-8 * np.linalg.norm(cost))
    np.testing.assert_allclose(found.noise, noise, atol=1e-8 * np.linalg.norm(noise))


def test_a_stiff_plant_is_sampled_to_its_equilibrium():
    """dx/dt = -a x + u with a dt = 500: x+ = u/a, and the noise settles at W / 2a."""
    a, dt = 1e3, 0.5
    one = np.eye(1)
    found = sampled(LinearModel(-a * one, one, one, 0 * one, one, one), dt)
    assert found.A[0, 0] == pytest.approx(0.0, abs=1e-100)
    assert found.B[0, 0] == pytest.approx(1.0 / a)
    assert found.noise[0, 0] == pytest.approx(0.5 / a)
    assert found.Q[0, 0] == pytest.approx(0.5 / a)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_the_way_back_gives_the_plant_again(seed):
    model = random_model(seed)
    dt = 0.5 / np.linalg.norm(model.A, 2)  # below the time at which the logarithm has another branch
    back = unsampled(sampled(model, dt), dt)
    np.testing.assert_allclose(back.A, model.A, atol=1e-9 * np.linalg.norm(model.A))
    np.testing.assert_allclose(back.B, model.B, atol=1e-9 * np.linalg.norm(model.B))


@pytest.mark.parametrize("value", [-0.5, 0.0])
def test_samples_that_no_continuous_plant_has_are_refused(value):
    model = random_model(0, n=1, m=1)._replace(A=np.array([[value]]))
    with pytest.raises(ValueError, match="eigenvalue"):
        unsampled(model, 0.1)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_without_the_cross_weight_the_optimum_is_the_same(seed):
    """The Riccati equation with the cross weight, by SciPy, against ours without it and the shift."""
    model = random_model(seed)
    plain, shift = without_cross_weight(model)
    gain = continuous.optimal_gain(Plant(plain.A, plain.B, plain.Q, plain.R, np.eye(3))) + shift
    value = linalg.solve_continuous_are(model.A, model.B, model.Q, model.R, s=model.S)
    np.testing.assert_allclose(gain, np.linalg.solve(model.R, model.B.T @ value + model.S.T), rtol=1e-6, atol=1e-8)


def test_the_sampled_optimum_tends_to_the_continuous_one():
    """The gain of samples every h seconds differs from the continuous gain by a term of order h."""
    model = random_model(5)._replace(S=np.zeros((3, 2)))
    best = continuous.optimal_gain(Plant(model.A, model.B, model.Q, model.R, np.eye(3)))
    errors = []
    for dt in (0.002, 0.001):
        plain, shift = without_cross_weight(sampled(model, dt))
        gain = discrete.optimal_gain(Plant(plain.A, plain.B, plain.Q, plain.R, np.eye(3))) + shift
        errors.append(np.linalg.norm(gain - best))
    assert errors[0] / errors[1] == pytest.approx(2.0, rel=0.1)
