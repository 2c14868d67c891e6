"""Descents side by side in vector lanes are those of one run at a time, and do not depend on each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import linalg

from lqrpg.compiler.jit import LANES, SMALL
from lqrpg.lqr.plant import Plant
from lqrpg.methods.base import Status
from lqrpg.methods.biased_gradient import BiasedGradient
from lqrpg.methods.descent import LARGEST_IN_LANES, descend, descend_together, in_lanes, log_spaced
from lqrpg.methods.indirect import IndirectGradient
from lqrpg.methods.schedules import PowerSchedule
from lqrpg.methods.tuning import reference_step


def seeds(*numbers):
    return [np.random.SeedSequence(number) for number in numbers]


def plant_of(n, m, seed, singular=False):
    """A random plant, with its first gain: the optimum for a heavier Q."""
    rng = np.random.default_rng([n, m, seed])
    A = rng.normal(size=(n, n))
    A *= 1.05 / np.max(np.abs(np.linalg.eigvals(A)))
    B, root = rng.normal(size=(n, m)), rng.normal(size=(n, n))
    Sigma = np.diag([1.0] * (n - 1) + [0.0]) if singular else root @ root.T + 0.1 * np.eye(n)
    P = linalg.solve_discrete_are(A, B, 10.0 * np.eye(n), np.eye(m))
    gain = np.linalg.solve(np.eye(m) + B.T @ P @ B, B.T @ P @ A)
    return Plant(A, B, np.eye(n), np.eye(m), Sigma, sample_time=1.0), gain


def same(run, other, rel):
    np.testing.assert_array_equal(run.samples, other.samples)
    np.testing.assert_allclose(run.gaps, other.gaps, rtol=rel, atol=1e-17)
    np.testing.assert_allclose([run.final_gap, run.min_gap], [other.final_gap, other.min_gap], rtol=rel, atol=1e-17)
    assert (run.fail_step, run.status, run.total_samples) == (other.fail_step, other.status, other.total_samples)
    np.testing.assert_allclose(run.gain, other.gain, rtol=rel, atol=rel * np.linalg.norm(other.gain))


CASES = [(2, 1, 0, False), (3, 2, 1, True), (4, 1, 2, False), pytest.param(5, 4, 3, True, marks=pytest.mark.slow)]


@pytest.mark.parametrize(("n", "m", "seed", "singular"), CASES)
def test_a_lane_does_what_one_run_does(n, m, seed, singular):
    plant, gain = plant_of(n, m, seed, singular)
    step, records = reference_step(plant, gain) / 64.0, log_spaced(600, 40)
    for deviation, bias, rel in ((0.0, None, 1e-6), (1e-2, PowerSchedule(0.1, 0.5), 1e-9), (1e-3, 0.2, 1e-9)):
        method = BiasedGradient(PowerSchedule(step, 0.1), deviation, bias)
        run, alone = (
            descend_together(method, plant, plant.Sigma, gain, 600, records, seeds(7))[0],
            descend(method, plant, plant.Sigma, gain, 600, records, 7),
        )
        assert run.status is Status.COMPLETED
        same(run, alone, rel)


def test_small_gaps_have_their_digits():
    plant, gain = plant_of(3, 2, 1)
    method = BiasedGradient(reference_step(plant, gain) / 4.0, 0.0)
    run = descend_together(method, plant, plant.Sigma, gain, 4000, log_spaced(4000), seeds(0))[0]
    assert run.final_gap < 1e-20  # a difference of costs would end at 1e-16


def test_runs_that_are_lost_do_not_disturb_the_others():
    plant, gain = plant_of(2, 1, 0)
    method = BiasedGradient(reference_step(plant, gain) / 2.0, 1.1)
    records = log_spaced(300, 30)
    runs = descend_together(method, plant, plant.Sigma, gain, 300, records, seeds(*range(LANES + 5)))
    alone = [descend(method, plant, plant.Sigma, gain, 300, records, seed) for seed in range(LANES + 5)]
    assert [run.fail_step for run in runs] == [run.fail_step for run in alone]
    lost = [run.status is Status.LOST for run in runs]
    assert 2 < sum(lost) < len(lost) - 2
    for run, other in zip(runs, alone, strict=True):
        assert np.isfinite(run.gain).all()
        np.testing.assert_array_equal(np.isnan(run.gaps), np.isnan(other.gaps))


def test_a_run_has_the_same_bits_in_any_company():
    plant, gain = plant_of(2, 1, 0)
    method = BiasedGradient(reference_step(plant, gain) / 2.0, 1.1, 0.1)
    records = log_spaced(300, 30)
    runs = descend_together(method, plant, plant.Sigma, gain, 300, records, seeds(*range(LANES + 5)))
    for order in (range(LANES + 4, -1, -1), [3], [11, 3, 18]):
        others = descend_together(method, plant, plant.Sigma, gain, 300, records, seeds(*order))
        for number, other in zip(order, others, strict=True):
            assert other.gaps.tobytes() == runs[number].gaps.tobytes()
            assert other.gain.tobytes() == runs[number].gain.tobytes()
            assert other.fail_step == runs[number].fail_step


@pytest.mark.parametrize(("n", "m"), [(LARGEST_IN_LANES + 1, 1), (2, SMALL + 1)])
def test_others_run_one_by_one(n, m):
    plant, gain = plant_of(n, m, 0)
    method = BiasedGradient(reference_step(plant, gain) / 16.0, 1e-3)
    assert not in_lanes(method, plant)
    assert not in_lanes(IndirectGradient(0.1), plant_of(2, 1, 0)[0])
    records = log_spaced(20, 5)
    [run] = descend_together(method, plant, plant.Sigma, gain, 20, records, seeds(3))
    assert run.gaps.tobytes() == descend(method, plant, plant.Sigma, gain, 20, records, 3).gaps.tobytes()
