"""AZOPG, the asynchronous parallel zeroth-order policy gradient (Sha et al., eq. (7) and Algorithm 1).

Who pulls and pushes when does not depend on the gain. A run is therefore split in two: a `Schedule` (from a virtual
clock here, or recorded from a real one) and its `replay`, which does the numerics in the order of the schedule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lqrpg.azopg.two_point import RolloutCosts, Tickets, TicketSamples, two_point_estimates
from lqrpg.compiler.jit import LANES
from lqrpg.kernels.rollout import excess_costs
from lqrpg.lqr import continuous
from lqrpg.lqr.plant import Array, Plant


@dataclass(frozen=True)
class Schedule:
    """Estimates in the order in which they reach the master; every array has shape (events,).

    Attributes
    ----------
    batch_size : N, estimates averaged by one update.
    pulled_s, pushed_s : when the worker pulled its gain and pushed its estimate, in seconds.
    worker : which worker.
    ticket : which samples the estimate uses.
    version : number of updates behind the gain that was pulled.
    """

    batch_size: int
    pulled_s: Array
    pushed_s: Array
    worker: NDArray[np.int64]
    ticket: Tickets
    version: NDArray[np.int64]

    @property
    def updates(self) -> int:
        """Number of whole batches."""
        return len(self.pushed_s) // self.batch_size

    @property
    def update_s(self) -> Array:
        """Time of each update, shape (updates,), in seconds: when the last estimate of its batch arrives."""
        return self.pushed_s[self.batch_size - 1 :: self.batch_size]

    @property
    def delays(self) -> NDArray[np.int64]:
        """Version at the update that uses an estimate minus the version pulled, shape (events,)."""
        return np.asarray(np.arange(len(self.version)) // self.batch_size - self.version)

    def first(self, updates: int) -> Schedule:
        """The part of the schedule that the first updates use."""
        end = updates * self.batch_size
        return Schedule(
            self.batch_size,
            self.pulled_s[:end],
            self.pushed_s[:end],
            self.worker[:end],
            self.ticket[:end],
            self.version[:end],
        )

    def delay_bound(self, workers: int) -> int:
        """Largest delay by the paper's count (Sha et al., Lemma 2): floor(t_max (M-1) / (t_min N)) + 1."""
        longest, shortest = self._extreme_times()
        return int(np.floor(longest * (workers - 1) / (shortest * self.batch_size))) + 1

    def counted_delay_bound(self, workers: int) -> int:
        """Largest delay that the realised times allow, whatever the phases of the workers.

        Pushes of one worker are t_min or more apart, so at most floor(t_max / t_min) + 1 of them fall into an
        estimate: one more than the ratio of times, which is all that Lemma 2 counts. Large fleets that start together
        push in bursts and do reach that one more.
        """
        longest, shortest = self._extreme_times()
        pushes = (workers - 1) * (int(np.floor(longest / shortest)) + 1)
        return pushes // self.batch_size + 1

    def _extreme_times(self) -> tuple[float, float]:
        durations = self.pushed_s - self.pulled_s
        return float(durations.max()), float(durations.min())


@dataclass(frozen=True)
class ServiceTimes:
    """How long a worker takes for an estimate, on the virtual clock.

    Attributes
    ----------
    rollout_s : mean time of a rollout, in seconds.
    variation : its coefficient of variation (lognormal; 0 for constant times).
    slow_wait_s : what a slowed worker waits after each rollout, in seconds.
    """

    rollout_s: float
    variation: float
    slow_wait_s: float

    def estimates(self, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
        """Times of estimates without waits, of the given shape, in seconds: two rollouts each."""
        spread = np.sqrt(np.log1p(self.variation**2))
        normal = generator.standard_normal((*shape, 2))
        return np.asarray(self.rollout_s * np.exp(spread * normal - 0.5 * spread**2).sum(axis=-1))

    def waits(self, slowed: NDArray[np.bool_]) -> Array:
        """What each worker waits in an estimate, shape (workers,), in seconds: once after each of two rollouts."""
        return np.asarray(2.0 * self.slow_wait_s * slowed)

    def ideal_speedup(self, slowed: NDArray[np.bool_]) -> float:
        """Throughput of a fleet over that of one worker that never waits."""
        estimate = 2.0 * self.rollout_s
        return float(np.sum(estimate / (estimate + self.waits(slowed))))


def slowed_workers(workers: int, case: str) -> NDArray[np.bool_]:
    """Which workers wait after each rollout, shape (workers,): none (`normal`), or the second half (`slow`)."""
    return np.arange(workers) >= (workers - workers // 2 if case == "slow" else workers)


def virtual_schedule(
    slowed: NDArray[np.bool_],
    batch_size: int,
    updates: int,
    service: ServiceTimes,
    generator: np.random.Generator,
) -> Schedule:
    """The schedule of a fleet on the virtual clock: an exact discrete-event simulation, by one sort.

    A worker pulls at the instant of its last push and never waits, so its push times are running sums of its own
    service times, and the fleet's events are those of all workers in the order of time (ties: by worker).

    Parameters
    ----------
    slowed : (workers,) which workers wait after each rollout.
    batch_size : N, estimates an update.
    updates : length of the schedule.
    service : how long an estimate takes.
    generator : source of the service times.
    """
    workers, events = len(slowed), updates * batch_size
    count = 2 * events // workers + 16
    times = service.estimates((workers, count), generator) + service.waits(slowed)[:, None]
    pushed = np.cumsum(times, axis=1)
    order = np.lexsort((np.repeat(np.arange(workers), count), pushed.ravel()))[:events]
    worker, turn = np.divmod(order, count)
    if len(order) < events or pushed[:, -1].min() < pushed.ravel()[order[-1]]:
        raise AssertionError("the drawn service times end before the schedule does")
    pulled = np.where(turn == 0, 0.0, pushed[worker, turn - 1])
    arrival = np.empty((workers, count), dtype=np.int64)
    arrival[worker, turn] = np.arange(events)
    previous = np.where(turn == 0, -1, arrival[worker, turn - 1])
    return Schedule(
        batch_size=batch_size,
        pulled_s=pulled,
        pushed_s=pushed[worker, turn],
        worker=worker,
        ticket=np.where(turn == 0, worker, workers + previous),
        version=(previous + 1) // batch_size,
    )


@dataclass(frozen=True)
class Objective:
    """The relative gap (f(K) - f*) / (f(K0) - f*) of a plant from an initial gain K0, without differences of costs.

    Attributes
    ----------
    plant : the plant.
    initial_gain, optimal_gain : (m, n) gains K0 and K*.
    initial_excess : f(K0) - f*.
    """

    plant: Plant
    initial_gain: Array
    optimal_gain: Array
    initial_excess: float

    @classmethod
    def of(cls, plant: Plant, initial_gain: Array) -> Objective:
        """Solve the Riccati equation for K* and evaluate f(K0) - f*."""
        best = continuous.optimal_gain(plant)
        return cls(plant, initial_gain, best, float(excess_costs(plant, best, initial_gain[None])[0]))

    def gaps(self, gains: Array) -> Array:
        """Relative gaps, shape (count,), of gains of shape (count, m, n); infinite where not stabilising."""
        return excess_costs(self.plant, self.optimal_gain, gains) / self.initial_excess


@dataclass(frozen=True)
class Replay:
    """What a replay gives.

    Attributes
    ----------
    gains : (updates + 1, m, n) the gains, the initial one first.
    gaps : (updates + 1,) their relative gaps.
    reached : number of updates after which the gap is first within the tolerance; -1 if never.
    fail_step : number of updates after which the gain no longer stabilises, or cannot be computed; -1 if never.
    """

    gains: Array
    gaps: Array
    reached: int
    fail_step: int


def replay(
    objective: Objective,
    schedule: Schedule,
    samples: TicketSamples,
    rollout_costs: RolloutCosts,
    *,
    step_size: float,
    radius: float,
    tolerance: float,
) -> Replay:
    """Do the numerics of a schedule until the tolerance is met, the gain is lost, or the schedule ends.

    Parameters
    ----------
    objective : the plant, the initial gain and its gap.
    schedule : who pushed what when.
    samples : perturbations and initial states of the tickets.
    rollout_costs : costs of rollouts.
    step_size : eta of eq. (7).
    radius : smoothing radius r.
    tolerance : relative gap at which to stop; 0 to go to the end.
    """
    N = schedule.batch_size
    gains = np.empty((schedule.updates + 1, *objective.initial_gain.shape))
    gains[0] = objective.initial_gain
    gaps = [np.ones(1)]
    judged = 0
    for update in range(schedule.updates):
        batch = slice(update * N, (update + 1) * N)
        directions, starts = samples(schedule.ticket[batch])
        estimates = two_point_estimates(rollout_costs, gains[schedule.version[batch]], directions, starts, radius)
        gains[update + 1] = next_gain(gains[update], estimates, step_size)
        lost = not np.all(np.isfinite(gains[update + 1]))
        if update + 1 - judged == LANES or update + 1 == schedule.updates or lost:
            gaps.append(objective.gaps(gains[judged + 1 : update + 2]))
            judged = update + 1
            if lost or not np.all(np.isfinite(gaps[-1])) or np.min(gaps[-1]) <= tolerance:
                break
    return _judge(gains[: judged + 1], np.concatenate(gaps), tolerance)


def next_gain(gain: Array, estimates: Array, step_size: float) -> Array:
    """K - eta mean(F) (Sha et al., eq. (7)); the sum runs in the order of arrival, on any clock."""
    return np.asarray(gain - (step_size / len(estimates)) * estimates.sum(axis=0))


def _judge(gains: Array, gaps: Array, tolerance: float) -> Replay:
    """Cut a replay at the first gain that meets the tolerance or fails."""
    failed = np.flatnonzero(~np.isfinite(gaps))
    met = np.flatnonzero(gaps <= tolerance)
    fail_step = int(failed[0]) if len(failed) else -1
    reached = int(met[0]) if len(met) and (fail_step < 0 or met[0] < fail_step) else -1
    if reached >= 0:
        fail_step = -1
    end = max(reached, fail_step) if max(reached, fail_step) >= 0 else len(gaps) - 1
    return Replay(gains[: end + 1], gaps[: end + 1], reached, fail_step)
