"""What the experiments on P4's descents find for a plant that is not the paper's.

A bias of the synthetic oracle lets descent level off near the optimum; dither is a multiple of the noise; radius and
length are those of `shootout`; step sizes are found by pilot runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lqrpg.experiments.plants import user_plant
from lqrpg.experiments.sgd_settings import start_of
from lqrpg.lqr.discrete import cost_to_go, gradient, is_stabilising, optimal_gain, optimum, state_covariance
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.base import CompiledMethod, Status
from lqrpg.methods.descent import descend_together, log_spaced
from lqrpg.methods.minimise import Optimum, minimise
from lqrpg.methods.oracles.exact import bias_direction
from lqrpg.methods.oracles.indirect import indirect_estimates
from lqrpg.methods.qsa_policy_iteration import LeastSquaresPolicyIteration
from lqrpg.methods.tuning import chosen, pilots, reference_step, steady
from lqrpg.qsa.bellman import features
from lqrpg.runner import automatic
from lqrpg.runner.experiment import stream

PILOTS, CHECKS = 3, 10
PILOT_RECORDS = 40
SAFETY = 0.5
"""Part of the chosen step size that is taken: longer and more runs meet larger estimates than the pilots."""
FIRST_ESTIMATES, MOST_SAMPLES = 20, 102_400
"""Trajectories from which models are estimated, and samples beyond which no more are tried."""
IMPROVEMENTS = 3
"""Of pilot runs of policy iteration."""
PILOTED_STATES, PILOTED_UNKNOWNS = 32, 200
"""States, and unknowns of a policy's value, up to which samples are found by pilots; they would take long beyond."""
LATER = np.array([1, 10, 100])
"""Iterations at which the models are asked for: each has one sample more."""
LEVEL, NOISE_OF_BIAS = 0.1, 0.001 / 0.05
"""Part of the first gap at which a constant bias lets descent level off, and noise over bias in the paper."""
OVER = 1.5
"""What the excess with a bias may be, over what the Hessian says."""
FIXED_POINT_STEPS, SETTLED = 200, 1e-9
"""Steps in which a biased optimum is found, and the relative change of the gain at their end."""
DITHER = 100.0
"""What the dither of a sample moves the state by, over what the noise does."""


def bias(settings: Any) -> float:
    """The size of a constant bias with which descent levels off near the optimum.

    To second order that is where the excess cost b^2 d'H^-1 d / 2, for the direction d of the bias and the cost's
    Hessian H = 2 (R + B'P*B) x Sigma_K*, is a tenth of the first one, or of the optimal cost if that is less. The size
    is halved until it is so for the true cost, too, which may hold gains back by far less than its Hessian says.
    """
    plant = start_of(settings.system)[0]
    best, start = optimum(plant), Optimum(user_plant(settings.system))
    direction = bias_direction(*best.gain.shape)
    curvature = plant.R + plant.B.T @ best.cost_to_go @ plant.B
    away = np.linalg.solve(curvature, direction) @ np.linalg.pinv(state_covariance(plant, best.gain), hermitian=True)
    level = LEVEL * min(start.cost, float(start.excess(settings.system.initial_gain()[None])[0]))
    size = float(np.sqrt(4.0 * level / np.sum(direction * away)))
    for _ in range(automatic.HALVINGS):
        gain = biased_optimum(plant, best.gain, size * direction)
        if gain is not None and Optimum(plant).excess(gain[None])[0] <= OVER * level:
            break
        size /= 2.0
    return automatic.two_digits(size)


def biased_optimum(plant: Plant, gain: Array, bias: Array) -> Array | None:
    """The gain at which the gradient 2 [(R + B'PB) K - B'PA] Sigma_K is -bias, of the shape (m, n); None if not found.

    Found from a gain that is near by fixed-point steps, Hewer's for no bias: K <- (R + B'PB)^-1 (B'PA - bias Sigma^-1
    / 2).
    """
    for _ in range(FIXED_POINT_STEPS):
        if not is_stabilising(plant, gain):
            return None
        P, before = cost_to_go(plant, gain), gain
        away = bias @ np.linalg.pinv(state_covariance(plant, gain), hermitian=True) / 2.0
        gain = np.asarray(np.linalg.solve(plant.R + plant.B.T @ P @ plant.B, plant.B.T @ P @ plant.A - away))
        if np.linalg.norm(gain - before) <= SETTLED * np.linalg.norm(gain):
            return gain if is_stabilising(plant, gain) else None
    return None


def deviation(settings: Any) -> float:
    """A standard deviation of the noise that is the same part of the bias as in the paper."""
    return automatic.two_digits(NOISE_OF_BIAS * settings.biases.constant.value)


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

    while plant.n_states <= PILOTED_STATES and count < MOST_SAMPLES and not serve(count):
        count = min(2 * count, MOST_SAMPLES)
    return count


def policy_samples(settings: Any) -> int:
    """Samples between two improvements of least-squares policy iteration, the 250 of the three states or more.

    At least ten for each unknown, doubled until some pilot runs all go on, each with a gap that is halved; two for each
    unknown of a large plant, whose pilot runs would take long.
    """
    plant, covariance, gain = start_of(settings.system)
    unknowns = features(*plant.B.shape) + 1
    if unknowns > PILOTED_UNKNOWNS:
        return max(250, 2 * unknowns)
    optimum, count = Optimum(plant), max(250, 10 * unknowns)
    seeds = [stream(settings.seed, settings.name, "policies", number) for number in range(FIRST_ESTIMATES)]

    def serves(count: int, seed: np.random.SeedSequence) -> bool:
        method = replace(LeastSquaresPolicyIteration.for_comparison(1.0, settings), samples_per_step=count)
        run = minimise(method, plant, gain, steps=IMPROVEMENTS, seed=seed, initial_covariance=covariance)
        gaps = optimum.excess(run.gains)
        return run.status is Status.COMPLETED and bool(gaps[-1] < 0.5 * gaps[0])

    while count < MOST_SAMPLES and not all(serves(count, seed) for seed in seeds):
        count = min(2 * count, MOST_SAMPLES)
    return count


def length(settings: Any) -> float:
    """Steps until the slowest mode of the first and of the optimal loop has decayed, at most a thousand."""
    plant, _, gain = start_of(settings.system)
    return float(min(automatic.LONGEST, automatic.rollout_length(plant, (gain, optimal_gain(plant)))))


def radius(settings: Any) -> float:
    """The largest one at which no perturbed gain is unstable."""
    plant, _, gain = start_of(settings.system)
    return automatic.two_digits(automatic.point_radius(plant, (gain, optimal_gain(plant))))


def piloted(settings: Any, makes: Sequence[Callable[[float], CompiledMethod]], iterations: int) -> float:
    """The constant step size that pilot runs of some methods choose, by the rule of `lqrpg.methods.tuning`.

    A part of it is taken, with which none of `CHECKS` further runs of each method diverges.
    """
    plant, _, gain = start_of(settings.system)
    tried, further = (
        gaps_of_runs(settings, makes, iterations, "pilot", numbers)
        for numbers in (range(PILOTS), range(PILOTS, PILOTS + CHECKS))
    )
    return automatic.two_digits(steady(further, chosen(pilots(tried, reference_step(plant, gain))), SAFETY))


def gaps_of_runs(
    settings: Any, makes: Sequence[Callable[[float], CompiledMethod]], iterations: int, purpose: str, numbers: range
) -> Callable[[float], list[Array]]:
    """A function of the step size: the relative gaps of runs of some methods, infinite from where a run is lost.

    Parameters
    ----------
    settings : those of the experiment.
    makes : the methods, by their step sizes.
    iterations : length of a run.
    purpose, numbers : of the streams of the runs.
    """
    start, records = start_of(settings.system), log_spaced(iterations, PILOT_RECORDS)
    seeds = [stream(settings.seed, settings.name, purpose, number) for number in numbers]

    def gaps(size: float) -> list[Array]:
        runs = [run for make in makes for run in descend_together(make(size), *start, iterations, records, seeds)]
        return [np.where(np.isnan(run.gaps), np.inf, run.gaps) for run in runs]

    return gaps


def same_as(*path: str) -> Callable[[Any], Any]:
    """The value of another setting."""

    def find(settings: Any) -> Any:
        for name in path:
            settings = getattr(settings, name)
        return settings

    return find
