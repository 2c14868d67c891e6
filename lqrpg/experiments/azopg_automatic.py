"""What `azopg` finds for a plant that is not the paper's: batch size, horizon, radius and step size, in this order."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lqrpg.lqr import continuous
from lqrpg.lqr.plant import Array
from lqrpg.lqr.stability import are_stable
from lqrpg.methods.tuning import chosen, pilots, steady
from lqrpg.runner import automatic

if TYPE_CHECKING:
    from lqrpg.experiments.azopg import Azopg

PILOTS, PILOT_UPDATES = 2, 300
"""Runs at each step size that is tried, and their updates."""
CHECKS = 6
"""Further runs at the one that is taken, as long as those of the experiment: rare estimates are large."""
SAFETY = 0.5
"""Part of the chosen step size that is taken: longer and more runs meet larger estimates than the pilots."""
LEAST_BATCH, LARGEST_BATCH, LONGEST_S = 8, 4096, 1e6


def _ends(settings: Azopg) -> tuple[Array, Array]:
    """The first gain and the optimal one."""
    return settings.objective.initial_gain, continuous.optimal_gain(settings.objective.plant)


def batch_size(settings: Azopg) -> int:
    """N = m n, as the theory asks up to logarithms, at least 8."""
    return min(LARGEST_BATCH, max(LEAST_BATCH, settings.objective.initial_gain.size))


def horizon_s(settings: Azopg) -> float:
    """Time constants of the slowest mode, at both ends."""
    plant = settings.objective.plant
    slowest = min(-continuous.spectral_abscissa(plant.closed_loop(gain)) for gain in _ends(settings))
    return min(LONGEST_S, automatic.horizon(slowest))


def radius(settings: Azopg) -> float:
    """A share of the largest one at which no perturbed gain is unstable, at both ends."""
    plant, ends = settings.objective.plant, _ends(settings)

    def stable(gains: Array) -> NDArray[np.bool_]:
        return are_stable(plant.A, plant.B, gains, "continuous")

    size = max(float(np.linalg.norm(gain)) for gain in ends) / np.sqrt(ends[0].size)
    return automatic.safe_radius(stable, ends, size)


def step_size(settings: Azopg) -> float:
    """By pilot runs down from the size whose first exact step would be as long as the way to the optimum.

    A part of it is taken, with which none of `CHECKS` further runs is lost, half of whose workers are slow.
    """
    whole = settings.max_updates, settings.tolerance
    first, best = _ends(settings)
    slope = np.linalg.norm(continuous.gradient(settings.objective.plant, first))

    def gaps(numbers: range, case: str, length: tuple[int, float], size: float) -> list[Array]:
        tried = replace(settings, step_size=size)
        return [tried.pilot(number, case, *length) for number in numbers]

    short = partial(gaps, range(PILOTS), "normal", (PILOT_UPDATES, 0.0))
    found = pilots(short, float(np.linalg.norm(first - best) / slope))
    further = partial(gaps, range(PILOTS, PILOTS + CHECKS), "slow", whole)
    return automatic.two_digits(steady(further, chosen(found), SAFETY))


FINDERS: automatic.Finders = {
    "batch_size": (LEAST_BATCH, batch_size),
    "horizon_s": (1.0, horizon_s),
    "radius": (1e-6, radius),
    "step_size": (1.0, step_size),
}
