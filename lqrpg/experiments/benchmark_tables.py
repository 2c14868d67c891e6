"""What the benchmark keeps of a method on a plant: its runs, the price of each target, its gains, how it was tuned."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lqrpg.experiments.benchmark_plant import OnPlant, seconds_per_iteration
from lqrpg.experiments.gains import COMPLETED, gain_rows
from lqrpg.experiments.shootout_tables import Run
from lqrpg.lqr.plant import Array
from lqrpg.methods.base import Marks, Status
from lqrpg.methods.tuning import Pilot, chosen
from lqrpg.results.machine import processor
from lqrpg.results.rows import Columns, Rows
from lqrpg.runner.experiment import repeated

NEVER = -1
"""The iteration at which a target is reached that is not."""


def method_on_plant(comparison: OnPlant, system: str, name: str) -> Rows:
    """The rows of a method on a plant: pilot runs, then the runs, unless something hinders it."""
    hindrance = comparison.hindrance(name)
    began = time.thread_time()
    tried = [] if hindrance else comparison.tuned(name)
    runs = [] if hindrance else comparison.replicated(name, tried)
    spent = time.thread_time() - began
    marks = np.zeros(1, dtype=np.int64) if hindrance else comparison.marks(name)
    samples = np.zeros(1, dtype=np.int64) if hindrance else comparison.samples(name, marks)
    gaps = [np.where(np.isinf(path), np.nan, path) for _, path, _ in runs]
    return {
        "paths": _path_rows(system, name, marks, samples, gaps),
        "targets": _target_rows(comparison, system, name, marks, samples, gaps, runs),
        "final": _final_rows(comparison, system, name, hindrance, gaps, runs),
        "gains": _gain_rows(comparison, system, name, runs),
        "tuning": _tuning_rows(comparison, system, name, tried),
        "runtime": _runtime_rows(comparison, system, name, hindrance, marks, gaps, runs, spent),
    }


def _path_rows(system: str, name: str, marks: Marks, samples: Marks, gaps: Sequence[Array]) -> Columns:
    """The relative gap of each run at the recorded iterations, until it is lost."""
    count, points = len(gaps), len(marks)
    values = np.array(gaps).reshape(count * points)
    kept = ~np.isnan(values)
    return repeated(
        int(kept.sum()),
        system=_named(system),
        method=_named(name),
        replicate=np.repeat(np.arange(count), points)[kept],
        iteration=np.tile(marks, count)[kept],
        samples=np.tile(samples, count)[kept],
        gap=values[kept],
    )


def _target_rows(
    comparison: OnPlant,
    system: str,
    name: str,
    marks: Marks,
    samples: Marks,
    gaps: Sequence[Array],
    runs: Sequence[Run],
) -> Columns:
    """The first recorded iteration of each run at or below each target."""
    targets, reached, first = _reached(comparison, gaps, runs)
    count = comparison.replicates
    return repeated(
        count * len(targets),
        system=_named(system),
        method=_named(name),
        replicate=np.repeat(np.arange(count), len(targets)),
        target=np.tile(targets, count),
        iteration=np.where(reached, marks[first], NEVER).ravel(),
        samples=np.where(reached, samples[first], NEVER).ravel(),
        censored=~reached.ravel(),
    )


def _reached(
    comparison: OnPlant, gaps: Sequence[Array], runs: Sequence[Run]
) -> tuple[Array, NDArray[np.bool_], NDArray[np.int64]]:
    """The targets, (count,); which of them each run reaches, and at which record, (replicates, count).

    A run that was lost reaches none, and so does one that was not made.
    """
    targets = np.array(sorted(comparison.targets, reverse=True))
    reached = np.zeros((comparison.replicates, len(targets)), dtype=np.bool_)
    first = np.zeros(reached.shape, dtype=np.int64)
    for number, (gap, run) in enumerate(zip(gaps, runs, strict=True)):
        if run[0].status is Status.COMPLETED:
            below = gap[:, None] <= targets
            reached[number], first[number] = below.any(axis=0), below.argmax(axis=0)
    return targets, reached, first


def _final_rows(
    comparison: OnPlant, system: str, name: str, hindrance: str, gaps: Sequence[Array], runs: Sequence[Run]
) -> Columns:
    """How each run ended, with its last gap; a row for each run that was not made as well."""
    if hindrance:
        count = comparison.replicates
        last, iterations, samples, statuses = np.full(count, np.nan), [0] * count, [0] * count, [hindrance] * count
    else:
        last = np.array([gap[-1] for gap in gaps])
        iterations = [result.state.iteration for result, _, _ in runs]
        samples = [result.state.samples for result, _, _ in runs]
        statuses = [comparison.status(name, result.status) for result, _, _ in runs]
    return repeated(
        comparison.replicates,
        system=_named(system),
        method=_named(name),
        replicate=np.arange(comparison.replicates),
        gap=last,
        iterations=iterations,
        samples=samples,
        status=statuses,
    )


def _gain_rows(comparison: OnPlant, system: str, name: str, runs: Sequence[Run]) -> Columns:
    """The last gain of every run."""
    gains = np.array([result.gain for result, _, _ in runs]).reshape(-1, *comparison.optimum.shape)
    rows = gain_rows(name, range(len(runs)), gains, comparison.optimum, [str(result.status) for result, _, _ in runs])
    return {"system": np.broadcast_to(_named(system), rows["value"].shape).copy(), **rows}


def _tuning_rows(comparison: OnPlant, system: str, name: str, tried: Sequence[Pilot]) -> Columns:
    """The step sizes that were tried, largest first, with the samples that their pilot runs took."""
    best = chosen(list(tried)) if tried else None
    steps = comparison.marks(name)[-1:] if tried else np.zeros(1, dtype=np.int64)
    samples = int(comparison.samples(name, steps)[0]) if tried else 0
    return repeated(
        len(tried),
        system=_named(system),
        method=_named(name),
        step_size=np.array([pilot.step_size for pilot in tried]),
        runs=comparison.pilots,
        lost=np.array([pilot.lost for pilot in tried], dtype=np.int64),
        score=np.array([pilot.score if np.isfinite(pilot.score) else np.nan for pilot in tried]),
        chosen=np.array([pilot is best for pilot in tried], dtype=np.bool_),
        samples=comparison.pilots * samples,
        censored=np.array([pilot.lost > 0 for pilot in tried], dtype=np.bool_),
    )


def _runtime_rows(
    comparison: OnPlant,
    system: str,
    name: str,
    hindrance: str,
    marks: Marks,
    gaps: Sequence[Array],
    runs: Sequence[Run],
    spent: float,
) -> Columns:
    """Processor time to each target, a median over the runs, with that of an iteration, measured and expected.

    The total includes pilot runs and evaluations of the gap.
    """
    targets, reached, first = _reached(comparison, gaps, runs)
    iterations = np.where(reached, marks[first], np.inf)
    middle = np.percentile(iterations, 50, axis=0, method="higher")
    censored = ~np.isfinite(middle)
    pace = seconds_per_iteration(runs) if runs else np.nan
    return repeated(
        len(targets),
        system=_named(system),
        method=_named(name),
        target=targets,
        seconds=np.where(censored, np.nan, pace * np.where(censored, 0.0, middle)),
        censored=censored,
        seconds_per_iteration=pace,
        expected_per_iteration=1e-6 * comparison.microseconds(name),
        total=spent,
        device=processor(),
        status=_named(hindrance or COMPLETED),
    )


def _named(text: str) -> np.ndarray:
    """A text as an array whose type is as wide as it is, also where there are no rows."""
    return np.array(text)
