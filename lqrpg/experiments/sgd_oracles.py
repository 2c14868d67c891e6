"""P4, Figs. 2 and 3: error, bias and variance of the two gradient oracles at a fixed gain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd

from lqrpg.checks import require
from lqrpg.experiments import sgd_automatic
from lqrpg.experiments.sgd_settings import BASELINES, require_descent, start_of
from lqrpg.kernels.discrete_small import gradient, lyapunov_workspace
from lqrpg.kernels.finite_horizon import rollout_moments
from lqrpg.lqr.plant import Array, Plant
from lqrpg.lqr.stability import unstable_fraction
from lqrpg.methods.descent import log_spaced
from lqrpg.methods.oracles.direct import direct_estimates
from lqrpg.methods.oracles.indirect import indirect_estimates, oracle_moments
from lqrpg.methods.oracles.short_rollouts import ball_design, smoothed_gradient
from lqrpg.ranges import Entries, OneOf, Positive, Range
from lqrpg.results.rows import Rows
from lqrpg.runner.automatic import Finders
from lqrpg.runner.experiment import Experiment, Parts, Trial, collect, repeated, stream
from lqrpg.systems.system import System

READINGS = ("noise", "initial")
BEYOND, RANGE = 2.0, 24.0
"""Largest radius over the largest stable one, so that the cliff is in view, and over the least radius."""
LARGEST = 1e150  # an estimate of a larger norm counts as not finite: its square would be


@dataclass(frozen=True)
class Indirect:
    """The indirect oracle: samples of the first estimate, dither, iterations, rows of the table a noise."""

    start: Annotated[int, Range(1, 10**6)]
    dither: Positive
    iterations: Annotated[int, Range(1, 10**8)]
    points: Annotated[int, Range(2, 10_000)]


@dataclass(frozen=True)
class Direct:
    """The direct oracle: rollouts and their length, radii (log-spaced), baseline, size of the exact predictions."""

    rollouts: Annotated[int, Range(1, 10**6)]
    length: Annotated[int, Range(1, 10**6)]
    least_radius: Annotated[float, Range(1e-100)]  # the variance goes with its inverse square
    largest_radius: Positive
    radii: Annotated[int, Range(2, 1000)]
    baseline: Annotated[str, OneOf(BASELINES)]
    turns: Annotated[int, Range(1, 1000)]


@dataclass(frozen=True)
class SgdOracles(Experiment):
    """Settings of `sgd_oracles`; `conf/experiment/sgd_oracles.yaml` says what each key is and where it is from."""

    noises: Annotated[list[Positive], Entries(distinct=True)]
    samples: Annotated[int, Range(2, 1_000_000)]
    reading: Annotated[str, OneOf(READINGS)]
    indirect: Indirect
    direct: Direct
    system: System

    TABLES: ClassVar[Mapping[str, Sequence[str]]] = {
        "indirect_oracle": (
            *("noise", "iteration", "mean_error", "bias_norm", "variance"),
            *("mean_error_se", "known_samples", "lost", "censored"),
        ),
        "direct_oracle": (
            *("noise", "radius", "bias_norm", "variance", "nonfinite", "samples"),
            *("expected_bias", "expected_variance", "unstable_fraction", "censored"),
        ),
    }
    FINDERS: ClassVar[Finders] = {
        "indirect.dither": (1.0, sgd_automatic.dither),
        "indirect.start": (50, lambda settings: settings.found_samples()),
        "direct.largest_radius": (1.0, lambda settings: BEYOND * sgd_automatic.radius(settings)),
        "direct.least_radius": (0.1, lambda settings: settings.direct.largest_radius / RANGE),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        require_descent(self.system)
        indirect, direct, plant = self.indirect, self.direct, self.system.plant()
        least = plant.n_states + plant.n_inputs
        require(indirect.start >= least, "indirect.start", indirect.start, f"an integer from n + m = {least} on")
        larger = direct.least_radius < direct.largest_radius
        require(larger, "direct.largest_radius", direct.largest_radius, "a number above direct.least_radius")
        enough = direct.baseline == "none" or direct.rollouts > 1
        require(enough, "direct.baseline", direct.baseline, "none, as there is one rollout only (direct.rollouts=1)")

    def found_samples(self) -> int:
        """Samples of the first estimate for the plant, at the largest noise."""
        plant, covariance, gain = self._start(max(self.noises))
        return sgd_automatic.first_samples(plant, covariance, [gain], self.indirect.dither, self.seed, self.name)

    def trials(self) -> list[Trial]:
        """The indirect oracle at each noise; the direct one at each noise and radius."""
        cost = self.samples * float(self.indirect.iterations)
        identified = [
            Trial(f"indirect-{level}", {"noise": noise}, cost, kind="indirect")
            for level, noise in enumerate(self.noises)
        ]
        radii = np.geomspace(self.direct.least_radius, self.direct.largest_radius, self.direct.radii)
        return identified + [
            Trial(
                f"direct-{level}-{index}",
                {"noise": noise, "radius": float(radius), "index": index},
                cost / 20.0,
                kind="direct",
            )
            for level, noise in enumerate(self.noises)
            for index, radius in enumerate(radii)
        ]

    def _start(self, noise: float) -> tuple[Plant, Array, Array]:
        plant, start, gain = start_of(self.system)
        return plant._replace(Sigma=noise * np.eye(plant.n_states)), start, gain

    def compile(self) -> None:
        """Compile both oracles and the predictions."""
        plant, start, gain = self._start(self.noises[0])
        indirect_estimates(plant, start, gain, np.array([1, 2]), 0, start=self.indirect.start)
        self._expected(plant, start, gain, 1e-3)
        direct_estimates(plant, start, gain, radius=1e-3, rollouts=self.direct.rollouts, length=2, samples=2, seed=0)

    def run(self, trial: Trial) -> Rows:
        """The rows of one noise, or of one noise and radius."""
        return self._run_direct(**trial.values) if trial.kind == "direct" else self._run_indirect(**trial.values)

    def _run_indirect(self, noise: float) -> Rows:
        plant, start, gain = self._start(noise)
        own, initial = self.indirect, self.reading == "initial"
        records = log_spaced(own.iterations, own.points)[1:]
        seeds = stream(self.seed, self.name, "indirect", repr(noise)).spawn(self.samples)
        options = {"start": own.start, "dither": own.dither, "gradient_covariance": start if initial else None}
        estimates = np.array(
            [indirect_estimates(plant, start, gain, records, seed, **options) for seed in seeds]  # type: ignore[arg-type]
        )
        exact = gradient(plant._replace(Sigma=start) if initial else plant, gain)
        if initial:  # the reading under which the paper's fitted line is met: no factor 2 either
            estimates, exact = 0.5 * estimates, 0.5 * exact
        moments = [_moments(estimates[:, i], exact, 2 if initial else "fro") for i in range(len(records))]
        columns = {name: np.array([row[name] for row in moments]) for name in moments[0]}
        known = own.start + records - 1
        return {
            "indirect_oracle": repeated(len(records), noise=noise, iteration=records, known_samples=known, **columns)
        }

    def _run_direct(self, noise: float, radius: float, index: int) -> Rows:
        plant, start, gain = self._start(noise)
        own = self.direct
        estimates = direct_estimates(
            plant,
            start,
            gain,
            radius=radius,
            rollouts=own.rollouts,
            length=own.length,
            samples=self.samples,
            seed=stream(self.seed, self.name, "direct", repr(noise), index),
            baseline=own.baseline,
        )
        moments = _moments(estimates, gradient(plant, gain), "fro")
        with np.errstate(over="ignore", invalid="ignore"):
            expected = self._expected(plant, start, gain, radius)
        return {
            "direct_oracle": repeated(
                1,
                noise=noise,
                radius=radius,
                nonfinite=moments["lost"],
                samples=self.samples,
                bias_norm=moments["bias_norm"],
                variance=moments["variance"],
                censored=moments["censored"] or not np.isfinite(expected["expected_bias"]),
                unstable_fraction=unstable_fraction(plant, gain, radius, seed=stream(self.seed, self.name, index)),
                **expected,
            )
        }

    def _expected(self, plant: Plant, start: Array, gain: Array, radius: float) -> dict[str, float]:
        """The bias of smoothed, finite rollouts, and the variance to leading order in the radius."""
        own = self.direct
        design = ball_design(gain.shape, radius, own.turns, 0)
        _, smoothed = smoothed_gradient(plant, start, gain, own.length, design)
        loop = lyapunov_workspace(plant.n_states, plant.n_inputs)
        mean, variance, _ = rollout_moments(plant, start, gain, own.length, loop)
        second = variance + (0.0 if own.baseline == "mean" else mean**2)
        return {
            "expected_bias": float(np.sqrt(np.sum((smoothed - gradient(plant, gain)) ** 2))),
            "expected_variance": (gain.size / radius) ** 2 * second / own.rollouts,
        }

    def tables(self, parts: Parts) -> dict[str, pd.DataFrame]:
        """Both tables."""
        keys = {"indirect_oracle": ("noise", "iteration"), "direct_oracle": ("noise", "radius")}
        return {name: collect(parts, name, columns, keys[name]) for name, columns in self.TABLES.items()}


def _moments(estimates: Array, exact: Array, order: Literal["fro"] | int) -> dict[str, Any]:
    """Moments over the estimates that exist and are finite; `lost` counts the others, censored: fewer than two."""
    kept = estimates[np.nan_to_num(np.abs(estimates), nan=np.inf).max(axis=(1, 2)) < LARGEST]
    if len(kept) < 2:
        gone = dict.fromkeys(("mean_error", "bias_norm", "variance", "mean_error_se"), np.nan)
        return {**gone, "lost": len(estimates) - len(kept), "censored": True}
    error, bias, variance = oracle_moments(kept, exact, order)
    spread = np.array([np.linalg.norm(error, ord=order) for error in kept - exact]).std(ddof=1)
    return {
        "mean_error": float(error),
        "bias_norm": float(bias),
        "variance": float(variance),
        "mean_error_se": float(spread / np.sqrt(len(kept))),
        "lost": len(estimates) - len(kept),
        "censored": False,
    }


EXPERIMENT = SgdOracles
