"""What a run of the shootout leaves: rows of pilots and times, curves, final gaps, and the price of each target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lqrpg.lqr.plant import Array
from lqrpg.methods.base import Marks, Method, Status
from lqrpg.methods.minimise import Result
from lqrpg.methods.tuning import Pilot, chosen
from lqrpg.results.machine import processor
from lqrpg.results.rows import Columns
from lqrpg.runner.experiment import repeated

QUARTILES = ("p25", "median", "p75")

Run = tuple[Result, Array, float]
"""A result, its relative gaps at the marks, and its seconds of processor time."""


def method_rows(place: int, name: str, label: str, method: Method) -> Columns:
    """A method in words, the samples of an iteration, and what its rollouts are like; zeros for want of them."""
    return repeated(
        1,
        place=place,
        method=name,
        label=label,
        given=method.given,
        samples=method.samples_each,
        radius=float(getattr(method, "radius", 0.0)),
        length=int(getattr(method, "length", 0)),
    )


def final_rows(name: str, runs: Sequence[Run]) -> Columns:
    """How each run ended; `fail_step` is -1 for one that was not lost."""
    lost = [result.status is not Status.COMPLETED for result, _, _ in runs]
    iterations = np.array([result.state.iteration for result, _, _ in runs])
    return repeated(
        len(runs),
        method=name,
        replicate=np.arange(len(runs)),
        gap=[path[-1] for _, path, _ in runs],
        iterations=iterations,
        samples=[result.state.samples for result, _, _ in runs],
        fail_step=np.where(lost, iterations, -1),
        status=[str(result.status) for result, _, _ in runs],
    )


def pilot_rows(name: str, tried: Sequence[Pilot]) -> Columns:
    """The step sizes that were tried, largest first; none for a method without one."""
    best = chosen(list(tried)) if tried else None
    return repeated(
        len(tried),
        method=np.array([name] * len(tried), dtype=f"<U{len(name)}"),
        step_size=np.array([pilot.step_size for pilot in tried]),
        lost=np.array([pilot.lost for pilot in tried], dtype=np.int64),
        score=np.array([pilot.score for pilot in tried]),
        chosen=np.array([pilot is best for pilot in tried], dtype=np.bool_),
        censored=np.array([pilot.lost > 0 for pilot in tried], dtype=np.bool_),
    )


def seconds_per_iteration(timed: Sequence[Run], single: Sequence[Run]) -> float:
    """Median processor time of an iteration, without the evaluation of the gaps.

    That is the time of all iterations but the first of each of the `timed` runs, over their number: runs of a `single`
    iteration have the time of checks and set-up, which says nothing of a method. Where a run took no longer than that,
    as where every run is lost at once, the set-up counts.
    """
    many, spent = _work(timed)
    beyond = spent - float(np.median(_work(single)[1]))
    return float(np.median(np.where((many > 1) & (beyond > 0.0), beyond / np.maximum(many - 1, 1), spent / many)))


def runtime_rows(name: str, method: Method, runs: Sequence[Run], pace: float) -> Columns:
    """Median processor times of the runs, from start to end, and of an iteration.

    Times of methods of which one is compiled and the other is not compare implementations: `compiled` says which is.
    """
    iterations, seconds = _work(runs)
    return repeated(
        1,
        method=name,
        iterations=int(np.median(iterations)),
        seconds=float(np.median(seconds)),
        seconds_per_iteration=pace,
        runs=len(runs),
        compiled=method.compiled,
        device=processor(),
    )


def _work(runs: Sequence[Run]) -> tuple[Marks, Array]:
    """Iterations, at least one, and seconds of runs."""
    iterations = [max(1, result.state.iteration) for result, _, _ in runs]
    return np.array(iterations), np.array([spent for _, _, spent in runs])


def _quartiles(gaps: Array) -> Columns:
    """Quartiles over the first axis by whole runs, so that a lost one does not spoil the others."""
    found = np.percentile(gaps, [25, 50, 75], axis=0, method="higher")
    return {**dict(zip(QUARTILES, found, strict=True)), "censored": ~np.all(np.isfinite(found), axis=0)}


def curve_rows(name: str, samples: Marks, path: Columns) -> Columns:
    """Quartiles of the gap at every recorded iteration."""
    found = _quartiles(path["gaps"])
    return repeated(len(samples), method=name, iteration=path["iteration"], samples=samples, **found)


def summary_rows(name: str, last: Array) -> Columns:
    """Quartiles of the last gap, and how many runs were lost."""
    diverged = int(np.sum(~np.isfinite(last)))
    return repeated(1, method=name, runs=len(last), diverged=diverged, **_quartiles(last))


def target_rows(name: str, samples: Marks, path: Columns, targets: Sequence[float]) -> Columns:
    """The first recorded iteration at or below each target: the median over the runs, censored where half never are."""
    below = path["gaps"][:, :, None] <= np.array(sorted(targets, reverse=True))
    reached, first = below.any(axis=1), below.argmax(axis=1)
    iterations = np.where(reached, path["iteration"][first].astype(np.float64), np.inf)
    middle = np.percentile(iterations, 50, axis=0, method="higher")
    known = np.isfinite(middle)
    at = np.searchsorted(path["iteration"], np.where(known, middle, 0.0))
    return repeated(
        len(targets),
        method=name,
        target=sorted(targets, reverse=True),
        reached=reached.sum(axis=0),
        iteration=np.where(known, middle, np.nan),
        samples=np.where(known, samples[at].astype(np.float64), np.nan),
        censored=~known,
    )
