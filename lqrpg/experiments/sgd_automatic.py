"""What the experiments on P4's descents find for a plant that is not the paper's.

Biases and noise of the synthetic oracle stay the same part of a gradient near the optimum as on the paper's plant;
dither is a multiple of the noise; radius and length are those of `shootout`; step sizes are found by pilot runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lqrpg.experiments.sgd_settings import start_of
from lqrpg.lqr.discrete import gradient, is_stabilising, optimal_gain
from lqrpg.lqr.plant import Array
from lqrpg.methods.base import CompiledMethod
from lqrpg.methods.descent import descend, log_spaced
from lqrpg.methods.tuning import chosen, pilots, reference_step
from lqrpg.runner import automatic
from lqrpg.runner.experiment import stream
from lqrpg.systems.boeing747 import Boeing747

PILOTS = 3
PILOT_RECORDS = 40
SAFETY = 0.5
"""Part of the chosen step size that is taken: longer and more runs meet larger estimates than the pilots."""
NEAR = 0.1
DITHER = 100.0
"""What the dither of a sample moves the state by, over what the noise does."""


def part_of_gradient(value: float) -> Callable[[Any], float]:
    """A size that is the same part of the gradient near the optimum as the paper's value on its plant."""

    def find(settings: Any) -> float:
        return automatic.two_digits(value * _gradient_near(settings.system) / _gradient_near(Boeing747()))

    return find


def _gradient_near(system: Any) -> float:
    """Norm of the gradient a tenth of the way from K* to K0; at K0 if the gain there does not stabilise the plant."""
    plant, _, gain = start_of(system)
    best = optimal_gain(plant)
    near = best + NEAR * (gain - best)
    return float(np.linalg.norm(gradient(plant, near if is_stabilising(plant, near) else gain)))


def dither(settings: Any) -> float:
    """A standard deviation with which the inputs move the state a hundred times as far as the noise, in one step."""
    plant = start_of(settings.system)[0]
    return automatic.two_digits(DITHER * float(np.sqrt(np.trace(plant.Sigma) / np.trace(plant.B @ plant.B.T))))


def first_samples(settings: Any) -> int:
    """Four samples for each unknown in a row of the model, at least the paper's 50."""
    return max(50, 4 * sum(start_of(settings.system)[0].B.shape))


def length(settings: Any) -> float:
    """Steps until the slowest optimal mode has decayed, at most a thousand."""
    plant = start_of(settings.system)[0]
    return float(min(automatic.LONGEST, automatic.rollout_length(plant, optimal_gain(plant))))


def radius(settings: Any) -> float:
    """The largest one at which no perturbed gain is unstable."""
    plant, _, gain = start_of(settings.system)
    return automatic.two_digits(automatic.point_radius(plant, (gain, optimal_gain(plant))))


def piloted(settings: Any, make: Callable[[float], CompiledMethod], iterations: int) -> float:
    """The constant step size that pilot runs of a method choose, by the rule of `lqrpg.methods.tuning`."""
    start = start_of(settings.system)
    records = log_spaced(iterations, PILOT_RECORDS)

    def gaps(size: float) -> list[Array]:
        seeds = [stream(settings.seed, settings.name, "pilot", number) for number in range(PILOTS)]
        runs = [descend(make(size), *start, iterations, records, seed) for seed in seeds]
        return [np.where(np.isnan(run.gaps), np.inf, run.gaps) for run in runs]

    return automatic.two_digits(SAFETY * chosen(pilots(gaps, reference_step(start[0], start[2]))).step_size)


def same_as(*path: str) -> Callable[[Any], Any]:
    """The value of another setting."""

    def find(settings: Any) -> Any:
        for name in path:
            settings = getattr(settings, name)
        return settings

    return find
