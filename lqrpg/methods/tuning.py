"""One rule for every step size: pilot runs over a geometric grid, the same for all methods.

Sizes go down by halves from far above any that is stable. A size at which a pilot run is lost is out. Each other size
has a score, the median over its pilot runs of the mean of log10 gap over the recorded iterations: the area under the
curve that is drawn, so that neither speed at the start nor the level at the end decides alone. The search ends when
`PATIENCE` sizes in a row are no better than the best one, which is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lqrpg.lqr.discrete import gradient, gradient_factor
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.minimise import Optimum

HIGHEST, LOWEST, PATIENCE = 3, -24, 2
"""Powers of two over the reference at the ends of the grid, and sizes without progress until the search ends."""
HALVINGS = 20
"""Of a chosen size with which further runs are lost."""
FLOOR = 1e-12
"""Relative gaps below it are rounding, and count as this."""


class Pilot(NamedTuple):
    """Pilot runs at one step size.

    Attributes
    ----------
    step_size : the size.
    lost : pilot runs that were lost.
    score : median over the runs of the mean of log10 gap; infinite if one was lost.
    """

    step_size: float
    lost: int
    score: float


def reference_step(plant: Plant, gain: Array, *, natural: bool = False) -> float:
    """The size whose first exact step would be as long as the way to the optimum: where the grid is anchored.

    Parameters
    ----------
    plant : discrete-time plant.
    gain : (m, n) gain that stabilises it and is not optimal.
    natural : for steps along the natural gradient.
    """
    direction = 2.0 * gradient_factor(plant, gain) if natural else gradient(plant, gain)
    return float(np.linalg.norm(gain - Optimum(plant).gain) / np.linalg.norm(direction))


def pilots(runs: Callable[[float], list[Array]], reference: float) -> list[Pilot]:
    """Pilot runs from the largest size down, as far as the rule says.

    Parameters
    ----------
    runs : step size to the relative gaps of each pilot run; a lost run's hold an infinite one.
    reference : step size at which the grid is anchored.
    """
    found: list[Pilot] = []
    for power in range(HIGHEST, LOWEST - 1, -1):
        found.append(_pilot(reference * 2.0**power, runs))
        best = chosen(found)
        if best.lost == 0 and len(found) - found.index(best) > PATIENCE:
            break
    return found


def chosen(found: list[Pilot]) -> Pilot:
    """The best pilot; the smallest size if all have lost a run."""
    return min(found, key=lambda pilot: (pilot.lost > 0, pilot.score, pilot.step_size))


def steady(runs: Callable[[float], list[Array]], best: Pilot, part: float) -> float:
    """A part of the best pilot's step size, halved as often as one of further runs with it is lost.

    Parameters
    ----------
    runs : step size to the relative gaps of each run; a lost run's hold an infinite one.
    best : where it lost a run itself, no size is steady, and there are no further runs.
    part : part of its step size.
    """
    step_size = part * best.step_size
    for _ in range(HALVINGS if best.lost == 0 else 0):
        if _pilot(step_size, runs).lost == 0:
            break
        step_size /= 2.0
    return step_size


def _pilot(step_size: float, runs: Callable[[float], list[Array]]) -> Pilot:
    gaps = runs(step_size)
    lost = sum(not np.all(np.isfinite(gap)) for gap in gaps)
    scores = [np.inf if lost else float(np.mean(np.log10(np.maximum(gap, FLOOR)))) for gap in gaps]
    return Pilot(step_size, lost, float(np.median(scores)))
