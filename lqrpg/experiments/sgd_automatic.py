"""What the experiments on P4's descents find for a plant that is not the paper's.

Biases and noise of the synthetic oracle stay the same part of a gradient near the optimum as on the paper's plant;
dither is a multiple of the noise; radius and length are those of `shootout`; step sizes are found by pilot runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from lqrpg.algorithms.indirect_oracle import indirect_estimates
from lqrpg.algorithms.sgd import Oracle, log_spaced, run_sgd
from lqrpg.experiments import automatic
from lqrpg.experiments.base import stream
from lqrpg.experiments.sgd_settings import start_of
from lqrpg.lqr.discrete import gradient, is_stabilising, optimal_gain
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.tuning import chosen, pilots, reference_step, steady
from lqrpg.systems.boeing747 import Boeing747

PILOTS, CHECKS = 3, 10
PILOT_RECORDS = 40
SAFETY = 0.5
"""Part of the chosen step size that is taken: longer and more runs meet larger estimates than the pilots."""
FIRST_ESTIMATES, MOST_SAMPLES = 20, 102_400
"""Trajectories from which models are estimated, and samples beyond which no more are tried."""
LATER = np.array([1, 10, 100])
"""Iterations at which the models are asked for: each has one sample more."""
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


def first_samples(plant: Plant, covariance: Array, gains: Sequence[Array], dither: float, *names: Any) -> int:
    """Samples of the first estimate, after which the models of some trajectories serve: the 50 of the paper or more.

    Each gain stabilises all of them, and at the first gain their gradients err by less than the gradient itself. At
    least four samples for each unknown in a row of the model, doubled as often as it takes: a slow mode needs many,
    since its estimate has to be nearer to the mode than that is to the limit of stability.

    Parameters
    ----------
    plant, covariance : the plant, and the covariance of the first state.
    gains : gains that excite the plant and are to stabilise the model.
    dither : standard deviation of the exciting inputs.
    names : of the stream of the trajectories.
    """
    count = max(50, 4 * sum(plant.B.shape))
    seeds = [stream(*names, "pilot", number) for number in range(FIRST_ESTIMATES)]
    exact = gradient(plant, gains[0])

    def estimates(gain: Array, count: int) -> Array:
        found = [indirect_estimates(plant, covariance, gain, LATER, seed, start=count, dither=dither) for seed in seeds]
        return np.array(found)

    def serve(count: int) -> bool:
        errors = np.linalg.norm(estimates(gains[0], count) - exact, axis=(-2, -1))
        return bool(np.all(errors < np.linalg.norm(exact))) and all(
            np.isfinite(estimates(gain, count)).all() for gain in gains[1:]
        )

    while count < MOST_SAMPLES and not serve(count):
        count = min(2 * count, MOST_SAMPLES)
    return count


def length(settings: Any) -> float:
    """Steps until the slowest optimal mode has decayed, at most a thousand."""
    plant = start_of(settings.system)[0]
    return float(min(automatic.LONGEST, automatic.rollout_length(plant, optimal_gain(plant))))


def radius(settings: Any) -> float:
    """The largest one at which no perturbed gain is unstable."""
    plant, _, gain = start_of(settings.system)
    return automatic.two_digits(automatic.point_radius(plant, (gain, optimal_gain(plant))))


def piloted(settings: Any, oracles: Sequence[Oracle], schedule: Callable[[float], Any], iterations: int) -> float:
    """The step size that pilot runs with each of some oracles choose, by the rule of `lqrpg.methods.tuning`.

    A part of it is taken, with which none of `CHECKS` further runs with each oracle is lost.
    """
    start = start_of(settings.system)
    records = log_spaced(iterations, PILOT_RECORDS)

    def gaps(numbers: range, size: float) -> list[Array]:
        seeds = [stream(settings.seed, settings.name, "pilot", number) for number in numbers]
        tried = ((oracle, seed) for oracle in oracles for seed in seeds)
        runs = [run_sgd(*start, oracle, schedule(size), iterations, records, seed) for oracle, seed in tried]
        return [np.where(np.isnan(run.gaps), np.inf, run.gaps) for run in runs]

    best = chosen(pilots(partial(gaps, range(PILOTS)), reference_step(start[0], start[2]))).step_size
    return automatic.two_digits(steady(partial(gaps, range(PILOTS, PILOTS + CHECKS)), SAFETY * best))


def same_as(*path: str) -> Callable[[Any], Any]:
    """The value of another setting."""

    def find(settings: Any) -> Any:
        for name in path:
            settings = getattr(settings, name)
        return settings

    return find
