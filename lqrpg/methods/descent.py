"""Runs of a compiled method whose gap is known at every iteration, as P4's experiments report them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lqrpg.checks import SettingError
from lqrpg.compiler.jit import LANES, SMALL
from lqrpg.kernels.discrete_small import reference
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.base import CompiledMethod, Seed, Status
from lqrpg.methods.oracles.exact_lanes import UNENDED, LaneReport, lane_report
from lqrpg.methods.recorder import make_recorder

LARGEST_IN_LANES = 5
"""States up to which lanes take less time, compilation included: their code grows like n^6."""


class Descent(NamedTuple):
    """One run.

    Attributes
    ----------
    iterations : (count,) recorded iterations: updates made so far.
    gaps : (count,) tr(P_K - P*)/tr(P*) there; nan after the run has ended.
    samples : (count,) plant samples used until then; -1 after the run has ended.
    final_gap : gap of the last gain; infinite if the run has diverged.
    min_gap : least gap of all iterations.
    fail_step : updates after which the run diverged; -1 if it did not.
    status : how it ended.
    total_samples : plant samples used in all.
    gain : (m, n) last gain.
    """

    iterations: NDArray[np.int64]
    gaps: Array
    samples: NDArray[np.int64]
    final_gap: float
    min_gap: float
    fail_step: int
    status: Status
    total_samples: int
    gain: Array


def log_spaced(iterations: int, count: int = 200) -> NDArray[np.int64]:
    """About `count` increasing iterations, log-spaced from 1 to `iterations`, after iteration 0."""
    if iterations < 1 or count < 2:
        raise ValueError(f"need at least 1 iteration and 2 records, got {iterations} and {count}")
    points = np.unique(np.round(np.geomspace(1, iterations, count)).astype(np.int64))
    return np.concatenate(([0], points))


def descend(
    method: CompiledMethod,
    plant: Plant,
    initial_covariance: Array,
    gain: Array,
    iterations: int,
    records: NDArray[np.int64],
    seed: Seed,
) -> Descent:
    """Run a method until its end, or until it diverges.

    Parameters
    ----------
    method : the method.
    plant : discrete-time plant without cross weight; its Sigma is the covariance of the process noise.
    initial_covariance : (n, n) covariance of the first state, of the run or of each rollout.
    gain : (m, n) stabilising initial gain.
    iterations : number of updates.
    records : increasing iterations at which to record the gap, 0 (the initial gain) to `iterations`.
    seed : the run's own seed; equal seeds give equal bits.

    Raises
    ------
    SettingError
        If the initial gain does not stabilise the plant, or a setting makes no sense.
    """
    steps = _checked_records(records, iterations)
    state = method.start(plant, gain, seed, initial_covariance=initial_covariance)
    recorder = make_recorder(steps, 0, iterations, gain.shape, reference(plant))
    ended = method.run_loop(state, recorder)
    completed = ended.status is Status.RUNNING
    reached = ~np.isnan(recorder.gaps)
    return Descent(
        steps,
        recorder.gaps,
        np.where(reached, method.samples_at(steps), -1),
        float(recorder.extremes[0]) if completed else math.inf,
        float(recorder.extremes[1]),
        -1 if completed else ended.iteration,
        Status.COMPLETED if completed else ended.status,
        ended.samples,
        ended.gain,
    )


@runtime_checkable
class LaneMethod(Protocol):
    """A method that has a loop for many runs at once."""

    def run_lanes(self, plant: Plant, seeds: Sequence[np.random.SeedSequence], report: LaneReport) -> None:
        """Run from the gains of a report, one for each seed, and fill it."""


def descend_together(
    method: CompiledMethod,
    plant: Plant,
    initial_covariance: Array,
    gain: Array,
    iterations: int,
    records: NDArray[np.int64],
    seeds: Sequence[np.random.SeedSequence],
) -> list[Descent]:
    """The runs of `descend` for several seeds, side by side where the method and the size of the plant allow it.

    A run has the same bits whatever the other seeds are.
    """
    if not in_lanes(method, plant):
        return [descend(method, plant, initial_covariance, gain, iterations, records, seed) for seed in seeds]
    assert isinstance(method, LaneMethod)
    steps = _checked_records(records, iterations)
    start = method.start(plant, gain, seeds[0], initial_covariance=initial_covariance)
    found: list[Descent] = []
    for first in range(0, len(seeds), LANES):
        own = seeds[first : first + LANES]
        report = lane_report(steps, iterations, start.gain, reference(plant))
        method.run_lanes(start.plant, own, report)
        found += [_of_lane(method, report, lane) for lane in range(len(own))]
    return found


def in_lanes(method: CompiledMethod, plant: Plant) -> bool:
    """Whether `descend_together` runs the method side by side on this plant."""
    fits = plant.n_states <= LARGEST_IN_LANES and plant.n_inputs <= SMALL
    return isinstance(method, LaneMethod) and fits


def _of_lane(method: CompiledMethod, report: LaneReport, lane: int) -> Descent:
    """The run of a lane."""
    gaps, lost = report.gaps[:, lane].copy(), int(report.lost[lane])
    completed = lost == UNENDED
    return Descent(
        report.marks,
        gaps,
        np.where(np.isnan(gaps), -1, method.samples_at(report.marks)),
        float(report.final[lane]) if completed else math.inf,
        float(report.least[lane]),
        -1 if completed else lost,
        Status.COMPLETED if completed else Status.LOST,
        method.samples(report.last if completed else lost),
        report.gains[lane].copy(),
    )


def _checked_records(records: NDArray[np.int64], iterations: int) -> NDArray[np.int64]:
    if iterations < 1:
        raise SettingError(f"iterations={iterations}: expected an integer from 1 on")
    steps = np.ascontiguousarray(records, dtype=np.int64)
    if len(steps) and (steps[0] < 0 or steps[-1] > iterations or np.any(np.diff(steps) <= 0)):
        raise SettingError(f"records: expected increasing iterations from 0 on, up to at most {iterations}")
    return steps
