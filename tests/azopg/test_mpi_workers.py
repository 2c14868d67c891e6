"""A fleet of MPI ranks: what it records replays to the same bits, and however it ends it ends."""

import time
from functools import partial

import numpy as np
import pytest

from lqrpg.azopg import mpi_workers
from lqrpg.azopg.master import Master
from lqrpg.azopg.mpi_workers import run_ranks
from lqrpg.azopg.replay import Objective, replay
from lqrpg.azopg.two_point import TicketEstimator, TicketSamples
from lqrpg.backends.base import WorkerLostError
from lqrpg.backends.mpi.launch import direct
from lqrpg.kernels.rollout import finite_horizon_costs
from lqrpg.runner.experiment import stream


def master(chain, **limits):
    return Master(Objective.of(chain, np.zeros((4, 8))), batch_size=4, step_size=2e-3, **limits)


def estimator(chain):
    costs = partial(finite_horizon_costs, chain, horizon=100.0)
    return TicketEstimator(TicketSamples(chain, stream(3)), costs, 1e-4)


def test_the_replay_of_a_recorded_fleet_gives_the_same_bits(chain):
    recorded = run_ranks(master(chain, tolerance=0.8, limit_s=60.0), estimator(chain), [0.004, 0.004, 0.008])
    schedule = recorded.schedule()
    limits = {"step_size": 2e-3, "radius": 1e-4, "tolerance": 0.8}
    costs = estimator(chain).rollout_costs
    result = replay(recorded.objective, schedule, TicketSamples(chain, stream(3)), costs, **limits)
    assert np.array_equal(result.gains, np.array(recorded.gains))
    assert result.reached == schedule.updates == len(recorded.gains) - 1
    assert sorted(schedule.ticket) == sorted(set(schedule.ticket))
    assert set(schedule.worker) == {0, 1, 2}
    assert np.all(np.diff(schedule.pushed_s) >= 0)
    assert schedule.delays.max() > 0
    assert np.all(schedule.pushed_s - schedule.pulled_s >= np.array([0.004, 0.004, 0.008])[schedule.worker])
    assert 0 < np.median(recorded.exchanges_s) < 0.1


@pytest.mark.slow
def test_estimates_that_arrive_after_the_stop_are_counted_and_not_used(chain):
    recorded = run_ranks(master(chain, tolerance=0.9, limit_s=60.0), estimator(chain), [0.002, 0.002, 0.5])
    assert recorded.late >= 1
    assert len(recorded.schedule().ticket) == 4 * (len(recorded.gains) - 1)


def test_a_fleet_stops_at_its_time_limit(chain):
    recorded = run_ranks(master(chain, tolerance=0.0, limit_s=0.2), estimator(chain), [0.01, 0.01])
    assert recorded.stopped
    assert recorded.schedule().pushed_s.max() < 5.0


def impatient(comm, **how):
    """On rank 0: a fleet whose master waits for nobody longer than it must."""
    mpi_workers._SILENCE_S, mpi_workers._STRAGGLER_S = 0.05, 1.0
    yield from mpi_workers._direct_fleet(comm, **how)


def run_impatiently(chain, seconds):
    whole = master(chain, tolerance=0.0, limit_s=1.5)
    slow = partial(slow_on_rank_2, seconds=seconds)
    return list(direct(partial(impatient, master=whole, estimator=slow, estimate_s=(0.001, 0.001)), 2))


def slow_on_rank_2(ticket, gain, seconds):
    from lqrpg.backends.mpi.world import MPI

    time.sleep(seconds * (MPI.COMM_WORLD.rank == 2))
    return np.zeros_like(gain)


@pytest.mark.slow
def test_a_worker_with_long_numerics_is_not_taken_for_dead(chain):
    (recorded,) = run_impatiently(chain, seconds=0.3)
    assert set(recorded.schedule().worker) == {0, 1}


@pytest.mark.slow
def test_a_fleet_whose_worker_does_not_say_hello_after_the_others_is_given_up_soon(chain):
    begin = time.monotonic()
    with pytest.raises(WorkerLostError, match=r"MPI rank\(s\) \[2\] not ready after 1 s"):
        run_impatiently(chain, seconds=60.0)
    assert time.monotonic() - begin < 30


def broken_at_five(ticket, gain):
    if ticket == 5:
        raise RuntimeError("a broken plant")
    return np.zeros_like(gain)


def broken_at_once(ticket, gain):
    raise RuntimeError("a broken plant")


@pytest.mark.parametrize("broken", [broken_at_five, broken_at_once])
def test_a_worker_that_raises_stops_the_fleet_and_is_heard(chain, broken):
    begin = time.monotonic()
    with pytest.raises(RuntimeError, match="a broken plant"):
        run_ranks(master(chain, tolerance=0.0, limit_s=60.0), broken, [0.001, 0.001])
    assert time.monotonic() - begin < 30
