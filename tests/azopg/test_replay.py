"""Schedules against a literal event simulation; replays against a literal loop; both against their bounds."""

import heapq
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lqrpg.azopg.replay import Objective, ServiceTimes, replay, slowed_workers, virtual_schedule
from lqrpg.azopg.two_point import TicketSamples
from lqrpg.kernels.rollout import finite_horizon_costs
from lqrpg.lqr import continuous
from lqrpg.runner.experiment import generator, stream

fleets = st.tuples(
    st.integers(1, 12),
    st.integers(1, 9),
    st.integers(1, 12),
    st.sampled_from(["normal", "slow"]),
    st.integers(0, 2**32),
)


def literal_events(times: np.ndarray, batch_size: int, updates: int) -> list[tuple[float, float, int, int, int]]:
    """Pull, push, worker, ticket and version of each estimate, by a master that is simulated event by event."""
    workers = len(times)
    turns, version, ticket, events = [0] * workers, 0, 0, []
    queue: list[tuple[float, int, float, int, int]] = []
    for worker in range(workers):
        heapq.heappush(queue, (times[worker, 0], worker, 0.0, ticket, version))
        ticket += 1
    while len(events) < updates * batch_size:
        pushed, worker, pulled, used, seen = heapq.heappop(queue)
        events.append((pulled, pushed, worker, used, seen))
        version = len(events) // batch_size
        turns[worker] += 1
        heapq.heappush(queue, (pushed + times[worker, turns[worker]], worker, pushed, ticket, version))
        ticket += 1
    return events


@settings(max_examples=100, deadline=None)
@given(fleets, st.floats(0.0, 1.5))
def test_a_schedule_is_the_literal_event_simulation(fleet, variation):
    workers, batch_size, updates, case, seed = fleet
    slowed, service = slowed_workers(workers, case), ServiceTimes(0.05, variation, 0.1)
    schedule = virtual_schedule(slowed, batch_size, updates, service, generator(seed))
    count = 2 * updates * batch_size // workers + 16
    times = service.estimates((workers, count), generator(seed)) + service.waits(slowed)[:, None]
    events = np.array(literal_events(times, batch_size, updates))
    np.testing.assert_allclose(schedule.pulled_s, events[:, 0], rtol=1e-12)
    np.testing.assert_allclose(schedule.pushed_s, events[:, 1], rtol=1e-12)
    assert schedule.worker.tolist() == events[:, 2].tolist()
    assert schedule.ticket.tolist() == events[:, 3].tolist()
    assert schedule.version.tolist() == events[:, 4].tolist()


@settings(max_examples=100, deadline=None)
@given(fleets, st.floats(0.0, 1.5))
def test_delays_are_never_negative_and_within_the_counted_bound(fleet, variation):
    workers, batch_size, updates, case, seed = fleet
    service = ServiceTimes(0.05, variation, 0.1)
    schedule = virtual_schedule(slowed_workers(workers, case), batch_size, updates, service, generator(seed))
    assert schedule.delays.min() >= 0
    assert schedule.delays.max() <= schedule.counted_delay_bound(workers)
    assert schedule.counted_delay_bound(workers) >= schedule.delay_bound(workers)
    if workers == 1:
        assert schedule.delays.max() == 0


def test_service_times_have_the_stated_mean_and_variation():
    service, count = ServiceTimes(0.05, 0.2, 0.1), 200_000
    times = service.estimates((count,), generator(1))
    deviation = 0.05 * 0.2 * np.sqrt(2.0)
    assert abs(times.mean() - 0.1) < 5 * deviation / np.sqrt(count)
    assert times.std() == pytest.approx(deviation, rel=0.02)
    assert service.waits(slowed_workers(4, "slow")).tolist() == [0.0, 0.0, 0.2, 0.2]
    assert service.ideal_speedup(slowed_workers(4, "slow")) == pytest.approx(4 * (2 * 0.1 + 0.2) / (2 * (0.1 + 0.2)))


def test_a_replay_is_the_literal_algorithm(chain):
    """Algorithm 1 one estimate at a time, in the order of arrival, with SciPy's gaps."""
    N, updates, step, radius = 4, 40, 2e-3, 1e-4
    schedule = virtual_schedule(slowed_workers(3, "normal"), N, updates, ServiceTimes(0.05, 0.3, 0.1), generator(2))
    objective = Objective.of(chain, np.zeros((4, 8)))
    costs = partial(finite_horizon_costs, chain, horizon=100.0)
    result = replay(
        objective, schedule, TicketSamples(chain, stream(7)), costs, step_size=step, radius=radius, tolerance=0.0
    )
    samples = TicketSamples(chain, stream(7))
    gains, batch = [np.zeros((4, 8))], []
    for ticket, version in zip(schedule.ticket, schedule.version, strict=True):
        directions, starts = samples(np.array([ticket]))
        ahead = costs(gains[version][None] + radius * directions, starts)[0]
        behind = costs(gains[version][None] - radius * directions, starts)[0]
        batch.append((ahead - behind) / (2 * radius) * directions[0])
        if len(batch) == N:
            gains.append(gains[-1] - step * np.mean(batch, axis=0))
            batch = []
    np.testing.assert_allclose(result.gains, gains, rtol=1e-9, atol=1e-12)
    best, first = continuous.cost(chain, continuous.optimal_gain(chain)), continuous.cost(chain, gains[0])
    gaps = [(continuous.cost(chain, gain) - best) / (first - best) for gain in gains]
    np.testing.assert_allclose(result.gaps, gaps, rtol=1e-8)


def _replay(chain, *, step_size: float, tolerance: float, updates: int = 100):
    schedule = virtual_schedule(slowed_workers(2, "normal"), 8, updates, ServiceTimes(0.05, 0.05, 0.1), generator(2))
    costs = partial(finite_horizon_costs, chain, horizon=100.0)
    samples = TicketSamples(chain, stream(7))
    objective = Objective.of(chain, np.zeros((4, 8)))
    return replay(objective, schedule, samples, costs, step_size=step_size, radius=1e-4, tolerance=tolerance)


def test_a_replay_stops_at_the_first_gap_within_the_tolerance(chain):
    whole = _replay(chain, step_size=2e-3, tolerance=0.0)
    assert whole.reached == -1
    assert len(whole.gaps) == 101
    part = _replay(chain, step_size=2e-3, tolerance=0.5)
    assert part.reached == np.flatnonzero(whole.gaps <= 0.5)[0] == len(part.gaps) - 1
    assert np.array_equal(part.gains, whole.gains[: len(part.gains)])


def test_a_lost_gain_is_a_result_with_its_step(chain):
    result = _replay(chain, step_size=5.0, tolerance=1e-3)
    assert result.reached == -1
    assert result.fail_step == len(result.gaps) - 1 > 0
    assert np.all(np.isfinite(result.gaps[:-1]))
    assert not np.isfinite(result.gaps[-1])
