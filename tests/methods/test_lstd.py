"""The trajectory of least-squares policy iteration and its sums, against the plant's recursion written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lqrpg.kernels.normals import normal_stream
from lqrpg.lqr.plant import Plant
from lqrpg.methods.lstd import no_samples, probe
from lqrpg.qsa.bellman import basis


def plant_of(n, m, seed):
    rng = np.random.default_rng(seed)
    A, B, root = 0.5 / n * rng.standard_normal((n, n)), rng.standard_normal((n, m)), rng.standard_normal((n, n))
    weights = (np.eye(n) + root @ root.T, np.eye(m))
    return Plant(A, B, *weights, np.eye(n), sample_time=1.0), 0.1 * rng.standard_normal((m, n)), rng


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 2), (12, 4)])
def test_a_probed_plant_obeys_its_recursion_and_its_noise(n, m):
    plant, gain, rng = plant_of(n, m, 1)
    count, noise_root = 4000, np.tril(rng.standard_normal((n, n)))
    signal, x = rng.standard_normal((count, m)), rng.standard_normal(n)
    first = x.copy()
    states, inputs, costs = probe(plant, gain, noise_root, signal, x, normal_stream(2))
    np.testing.assert_array_equal(states[0], first)
    np.testing.assert_array_equal(states[-1], x)
    before = states[:-1]
    np.testing.assert_allclose(inputs, signal - before @ gain.T, atol=1e-12)
    stage = [x @ plant.Q @ x + u @ plant.R @ u for x, u in zip(before, inputs, strict=True)]
    np.testing.assert_allclose(costs, stage, rtol=1e-12)
    noise = states[1:] - before @ plant.A.T - inputs @ plant.B.T
    white = np.linalg.solve(noise_root, noise.T)
    # entries of a sample covariance of normal numbers have standard deviations of sqrt(2 / count) at most
    np.testing.assert_allclose(white @ white.T / count, np.eye(n), atol=5.0 * np.sqrt(2.0 / count))


@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 90), st.integers(0, 90))
def test_sums_are_those_over_the_monomials_of_each_sample(n, m, count, split):
    rng = np.random.default_rng(n + 10 * m)
    states, inputs, costs = rng.standard_normal((count + 1, n)), rng.standard_normal((count, m)), rng.random(count)
    cut = min(split, count)
    sums = no_samples(n, m).with_samples(states[: cut + 1], inputs[:cut], costs[:cut])
    sums = sums.with_samples(states[cut:], inputs[cut:], costs[cut:])
    phi = np.hstack([basis(states[:-1], inputs), np.ones((count, 1))])
    following = basis(states[1:], np.empty((count, 0)))
    np.testing.assert_allclose(sums.now, phi.T @ phi, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(sums.following, phi.T @ following, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(sums.costs, phi.T @ costs, rtol=1e-10, atol=1e-10)
