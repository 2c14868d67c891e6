"""What the benchmark keeps of a method on a plant: its runs, samples to each target, its gains, how it was tuned."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lqrpg.experiments.benchmark_plant import OnPlant, Tuned
from lqrpg.experiments.gains import gain_rows
from lqrpg.experiments.shootout_tables import Run
from lqrpg.lqr.plant import Array
from lqrpg.methods.base import Marks
from lqrpg.methods.tuning import chosen
from lqrpg.results.machine import processor
from lqrpg.results.rows import Columns, Rows
from lqrpg.runner.experiment import repeated

NEVER = -1
"""Marks a target that is not reached."""


@dataclass(frozen=True)
class _Made:
    """What a method did on a plant.

    Attributes
    ----------
    comparison : the benchmark on the plant.
    system, method : their names.
    tried : pilot runs.
    runs : the runs; none if something prevented them.
    statuses : how each ended, or why it was not made.
    pace, spent : seconds of an iteration, NaN without runs, and of all that was done.
    """

    comparison: OnPlant
    system: str
    method: str
    tried: Sequence[Tuned]
    runs: Sequence[Run]
    statuses: Sequence[str]
    pace: float
    spent: float

    def rows(self, count: int, **columns: object) -> Columns:
        """Columns of a table, after the names of plant and method."""
        return repeated(count, system=np.array(self.system), method=np.array(self.method), **columns)

    @property
    def marks(self) -> Marks:
        """Recorded iterations."""
        return self.comparison.marks(self.method) if self.runs else np.zeros(1, dtype=np.int64)

    @property
    def samples(self) -> Marks:
        """Samples of the plant at these."""
        return self.comparison.samples(self.method, self.marks) if self.runs else np.zeros(1, dtype=np.int64)

    @property
    def gaps(self) -> Array:
        """Relative gaps of each run at the marks, NaN from where it is lost."""
        found = np.array([path for _, path, _ in self.runs]).reshape(-1, len(self.marks))
        return np.where(np.isinf(found), np.nan, found)

    def reached(self) -> tuple[Array, NDArray[np.bool_], NDArray[np.int64]]:
        """The targets, (count,); which of them each run reaches, and at which record, (replicates, count)."""
        targets = np.array(sorted(self.comparison.targets, reverse=True))
        hits = np.zeros((self.comparison.replicates, len(targets)), dtype=np.bool_)
        first = np.zeros(hits.shape, dtype=np.int64)
        for number, gap in enumerate(self.gaps):
            below = gap[:, None] <= targets
            hits[number], first[number] = below.any(axis=0), below.argmax(axis=0)
        return targets, hits, first


def method_on_plant(comparison: OnPlant, system: str, name: str) -> Rows:
    """The rows of a method on a plant: pilot runs, then the runs, unless something prevents them."""
    began = time.thread_time()
    obstacle = comparison.obstacle(name)
    tried: list[Tuned] = [] if obstacle else comparison.tuned(name)
    runs, pace = ([], np.nan) if obstacle else comparison.replicated(name, tried)
    statuses = [comparison.status(name, result.status) for result, _, _ in runs]
    statuses = statuses or [obstacle] * comparison.replicates
    made = _Made(comparison, system, name, tried, runs, statuses, pace, time.thread_time() - began)
    return {
        "paths": _path_rows(made),
        "targets": _target_rows(made),
        "final": _final_rows(made),
        "gains": _gain_rows(made),
        "tuning": _tuning_rows(made),
        "runtime": _runtime_rows(made),
    }


def _path_rows(made: _Made) -> Columns:
    """The relative gap of each run at the recorded iterations, until it is lost."""
    count, points = len(made.runs), len(made.marks)
    values = made.gaps.ravel()
    kept = ~np.isnan(values)
    return made.rows(
        int(kept.sum()),
        replicate=np.repeat(np.arange(count), points)[kept],
        iteration=np.tile(made.marks, count)[kept],
        samples=np.tile(made.samples, count)[kept],
        gap=values[kept],
    )


def _target_rows(made: _Made) -> Columns:
    """The first recorded iteration of each run at or below each target."""
    targets, hits, first = made.reached()
    return made.rows(
        hits.size,
        replicate=np.repeat(np.arange(len(hits)), len(targets)),
        target=np.tile(targets, len(hits)),
        iteration=np.where(hits, made.marks[first], NEVER).ravel(),
        samples=np.where(hits, made.samples[first], NEVER).ravel(),
        censored=~hits.ravel(),
    )


def _final_rows(made: _Made) -> Columns:
    """How each run ended, with its last gap; a row for each run that was not made as well."""
    count = made.comparison.replicates
    states = [result.state for result, _, _ in made.runs]
    return made.rows(
        count,
        replicate=np.arange(count),
        gap=made.gaps[:, -1] if made.runs else np.nan,
        iterations=np.array([state.iteration for state in states], dtype=np.int64) if states else 0,
        samples=np.array([state.samples for state in states], dtype=np.int64) if states else 0,
        status=made.statuses,
    )


def _gain_rows(made: _Made) -> Columns:
    """The last gain of every run, entry by entry, with the first one."""
    optimum, first = made.comparison.optimum, made.comparison.system.initial_gain()
    gains = np.array([result.gain for result, _, _ in made.runs]).reshape(-1, *optimum.shape)
    ended = [str(result.status) for result, _, _ in made.runs]
    rows = gain_rows(made.method, range(len(made.runs)), gains, optimum, ended)
    count = len(rows["value"])
    return {**made.rows(count), **rows, "first": np.tile(np.asarray(first, dtype=np.float64).ravel(), len(made.runs))}


def _tuning_rows(made: _Made) -> Columns:
    """The step sizes that were tried, largest first, with the samples that their pilot runs took."""
    found = [each.pilot for each in made.tried]
    best = chosen(found) if found else None
    return made.rows(
        len(found),
        step_size=np.array([pilot.step_size for pilot in found]),
        runs=made.comparison.pilots,
        lost=np.array([pilot.lost for pilot in found], dtype=np.int64),
        score=np.array([pilot.score if np.isfinite(pilot.score) else np.nan for pilot in found]),
        chosen=np.array([pilot is best for pilot in found], dtype=np.bool_),
        samples=np.array([each.samples for each in made.tried], dtype=np.int64),
        censored=np.array([pilot.lost > 0 for pilot in found], dtype=np.bool_),
    )


def _runtime_rows(made: _Made) -> Columns:
    """Processor time to each target, a median over the runs, with that of an iteration, measured and expected.

    The total includes pilot runs, evaluations of the gap and timing. The status is that of most runs.
    """
    targets, hits, first = made.reached()
    iterations = np.where(hits, made.marks[first], np.inf)
    middle = np.percentile(iterations, 50, axis=0, method="lower")
    censored = ~np.isfinite(middle)
    return made.rows(
        len(targets),
        target=targets,
        seconds=np.where(censored, np.nan, made.pace * np.where(censored, 0.0, middle)),
        censored=censored,
        seconds_per_iteration=made.pace,
        expected_per_iteration=1e-6 * made.comparison.microseconds(made.method),
        total=made.spent,
        device=processor(),
        status=Counter(made.statuses).most_common(1)[0][0],
    )
