"""The real clock: what a fleet of threads records replays to the same bits."""

from functools import partial

import numpy as np
import pytest

from lqrpg.azopg.master import Master
from lqrpg.azopg.replay import Objective, replay
from lqrpg.azopg.thread_workers import run_fleet
from lqrpg.azopg.two_point import TicketSamples, two_point_estimates
from lqrpg.kernels.rollout import finite_horizon_costs
from lqrpg.runner.experiment import stream


def fleet(chain, estimate_s, **limits):
    master = Master(Objective.of(chain, np.zeros((4, 8))), batch_size=4, step_size=2e-3, **limits)
    samples = TicketSamples(chain, stream(3))
    costs = partial(finite_horizon_costs, chain, horizon=100.0)

    def estimate(ticket, gain):
        directions, starts = samples(np.array([ticket]))
        return two_point_estimates(costs, gain[None], directions, starts, 1e-4)[0]

    run_fleet(master, estimate, estimate_s)
    return master, costs


def test_the_replay_of_a_recorded_fleet_gives_the_same_bits(chain):
    master, costs = fleet(chain, [0.002, 0.002, 0.004], tolerance=0.8, limit_s=60.0)
    schedule = master.schedule()
    result = replay(
        master.objective,
        schedule,
        TicketSamples(chain, stream(3)),
        costs,
        step_size=2e-3,
        radius=1e-4,
        tolerance=0.8,
    )
    assert np.array_equal(result.gains, np.array(master.gains))
    assert result.reached == schedule.updates == len(master.gains) - 1
    assert sorted(schedule.ticket) == sorted(set(schedule.ticket))
    assert np.all(np.diff(schedule.pushed_s) >= 0)
    assert schedule.delays.max() > 0  # three workers and batches of four: some estimates are stale


def test_estimates_that_arrive_after_the_stop_are_counted_and_not_used(chain):
    master, _ = fleet(chain, [0.002, 0.002, 1.0], tolerance=0.9, limit_s=60.0)
    assert master.late >= 1
    assert len(master.schedule().ticket) == 4 * (len(master.gains) - 1)


def test_a_fleet_stops_at_its_time_limit(chain):
    master, _ = fleet(chain, [0.01, 0.01], tolerance=0.0, limit_s=0.1)
    assert master.stopped
    assert master.schedule().pushed_s.max() < 5.0


def test_a_worker_that_raises_stops_the_fleet_and_is_heard(chain):
    master = Master(Objective.of(chain, np.zeros((4, 8))), 4, 2e-3, tolerance=0.0, limit_s=30.0)

    def broken(ticket, gain):
        if ticket == 5:
            raise RuntimeError("a broken plant")
        return np.zeros_like(gain)

    with pytest.raises(RuntimeError, match="a broken plant"):
        run_fleet(master, broken, [0.001, 0.001])
