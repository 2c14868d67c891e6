"""Two-point estimates: their samples, and their mean against the analytic gradient."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lqrpg.azopg.two_point import TicketSamples, two_point_estimates
from lqrpg.kernels.rollout import finite_horizon_costs
from lqrpg.lqr import continuous
from lqrpg.runner.experiment import stream


def test_samples_are_a_function_of_the_ticket_alone(chain):
    tickets = np.arange(2000)
    directions, starts = TicketSamples(chain, stream(0, "test"))(tickets)
    backwards = TicketSamples(chain, stream(0, "test"))
    for ticket in (1999, 512, 255, 256, 0):
        one_direction, one_start = backwards(np.array([ticket]))
        assert np.array_equal(one_direction[0], directions[ticket])
        assert np.array_equal(one_start[0], starts[ticket])
    other, _ = TicketSamples(chain, stream(1, "test"))(tickets)
    assert not np.any(other == directions)


def test_threads_that_ask_at_once_get_the_same_samples(chain):
    """Workers of a real fleet share one object; a race while it grows once gave them each other's samples."""
    expected, _ = TicketSamples(chain, stream(0, "threads"))(np.arange(4000))
    for _ in range(10):
        shared, together = TicketSamples(chain, stream(0, "threads")), Barrier(8)

        def ask(ticket, shared=shared, together=together):
            together.wait()  # all find the ticket missing at the same moment
            return shared(np.array([ticket]))[0][0]

        with ThreadPoolExecutor(8) as pool:
            first = list(pool.map(ask, range(600, 608)))
        assert np.array_equal(first, expected[600:608])
        assert np.array_equal(shared(np.arange(4000))[0], expected)


def test_directions_lie_on_the_sphere_and_are_uniform(chain):
    directions, starts = TicketSamples(chain, stream(0, "sphere"))(np.arange(20_000))
    flat = directions.reshape(len(directions), -1)
    np.testing.assert_allclose(np.linalg.norm(flat, axis=1), np.sqrt(32.0), rtol=1e-12)
    # E vec(U) vec(U)' = I; each entry is a mean of 20000 terms with variance at most 2, each start's likewise.
    error = 5.0 * np.sqrt(2.0 / 20_000)
    assert np.max(np.abs(flat.T @ flat / len(flat) - np.eye(32))) < error
    assert np.max(np.abs(starts.T @ starts / len(starts) - chain.Sigma)) < error


def test_starts_have_the_plants_covariance(chain):
    factor = np.tril(np.ones((8, 8)))
    shaped = chain._replace(Sigma=factor @ factor.T)
    _, starts = TicketSamples(shaped, stream(0, "starts"))(np.arange(20_000))
    _, white = TicketSamples(chain, stream(0, "starts"))(np.arange(20_000))
    np.testing.assert_allclose(starts, white @ factor.T, rtol=1e-12, atol=1e-12)


def test_starts_may_lie_in_a_subspace(chain):
    direction = np.arange(8.0)
    _, starts = TicketSamples(chain._replace(Sigma=np.outer(direction, direction)), stream(0, "starts"))(np.arange(999))
    sizes = starts @ direction / (direction @ direction)
    np.testing.assert_allclose(starts, sizes[:, None] * direction, atol=1e-6 * np.abs(starts).max())
    assert abs(np.mean(sizes**2) - 1.0) < 5.0 * np.sqrt(2.0 / 999)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32))
def test_the_mean_estimate_is_the_gradient(chain_seed):
    """The estimate is unbiased up to O(r^2): its mean lies within five standard errors of the gradient."""
    from tests.conftest import random_plant

    rng = np.random.default_rng(chain_seed)
    plant = random_plant(rng, 4, 2)
    gain = 0.01 * rng.normal(size=(2, 4))
    count = 20_000
    directions, starts = TicketSamples(plant, stream(chain_seed, "mean"))(np.arange(count))
    slowest = continuous.spectral_abscissa(plant.A - plant.B @ gain)
    assume(slowest < -0.05)  # next to instability the term in r^2 is not small
    costs = partial(finite_horizon_costs, plant, horizon=60.0 / -slowest)
    estimates = two_point_estimates(costs, np.broadcast_to(gain, directions.shape), directions, starts, 1e-4)
    error = estimates.std(axis=0) / np.sqrt(count)
    assert np.all(np.abs(estimates.mean(axis=0) - continuous.gradient(plant, gain)) < 5.0 * error)
