"""Zero-order hold in lanes against SciPy's matrix exponential, and its lanes against each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import linalg

from lqrpg.compiler.jit import LANES
from lqrpg.kernels.hold import hold


def plants(n, m, groups=3):
    """Matrices of very different sizes beside each other; some singular, some nilpotent."""
    rng = np.random.default_rng(10 * n + m)
    sizes = 10.0 ** rng.uniform(-3.0, 1.5, (groups, 1, 1, LANES))
    A = sizes * rng.normal(size=(groups, n, n, LANES))
    A[0, :, 0, :4] = 0.0
    A[1, :, :, :3] = np.triu(np.ones((n, n)), 1)[:, :, None]
    A[2, :, :, 0] = 0.0
    return A, rng.normal(size=(groups, n, m, LANES))


@pytest.mark.parametrize(("n", "m"), [(2, 1), (4, 2)])
def test_it_is_the_exponential_of_the_whole_matrix(n, m):
    A, B = plants(n, m)
    held, pushed = A.copy(), B.copy()
    hold(held, pushed, 0.3)
    for group in range(len(A)):
        for lane in range(LANES):
            whole = np.zeros((n + m, n + m))
            whole[:n, :n], whole[:n, n:] = A[group, ..., lane], B[group, ..., lane]
            expected = linalg.expm(0.3 * whole)[:n]
            found = np.hstack([held[group, ..., lane], pushed[group, ..., lane]])
            growth = np.exp(0.3 * np.abs(A[group, ..., lane]).sum(axis=1).max())
            assert np.abs(found - expected).max() <= 1e-14 * growth * max(1.0, np.abs(expected).max())


def test_two_samples_make_one_of_twice_the_length():
    A, B = plants(2, 1)
    once, twice = (A.copy(), B.copy()), (A.copy(), B.copy())
    hold(*once, 0.1)
    hold(*twice, 0.2)
    a, b = (np.moveaxis(each, 3, 1) for each in once)
    np.testing.assert_allclose(np.moveaxis(twice[0], 3, 1), a @ a, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(np.moveaxis(twice[1], 3, 1), a @ b + b, rtol=1e-11, atol=1e-13)


def test_a_lane_does_not_see_its_neighbours():
    A, B = plants(2, 1)
    order = np.random.default_rng(1).permutation(LANES)
    one, other = (A.copy(), B.copy()), (A[..., order].copy(), B[..., order].copy())
    hold(*one, 0.3)
    hold(*other, 0.3)
    assert other[0].tobytes() == np.ascontiguousarray(one[0][..., order]).tobytes()
    assert other[1].tobytes() == np.ascontiguousarray(one[1][..., order]).tobytes()
