"""Settings that the experiments on policies share: what is explored and how, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lqrpg.checks import require
from lqrpg.lqr.continuous import is_stabilising, spectral_abscissa
from lqrpg.lqr.plant import Array, Plant


@dataclass(frozen=True)
class ExploringPolicy:
    """The exploring policy u = -K0 x + xi; see `lqrpg.algorithms.exploration.Exploration` for xi."""

    gain: list[float]
    sinusoids: int
    highest_rad_s: float
    start: list[float]

    def __post_init__(self) -> None:
        require(1 <= self.sinusoids <= 10_000, "exploration.sinusoids", self.sinusoids, "a whole number, 1 to 10000")
        require(
            0 < self.highest_rad_s < np.inf,
            "exploration.highest_rad_s",
            self.highest_rad_s,
            "a positive number of rad/s",
        )
        require(
            len(self.start) == 2 and bool(np.all(np.isfinite(self.start))),
            "exploration.start",
            self.start,
            "two finite numbers",
        )

    def require_runs(self, plant: Plant, step: float) -> None:
        """Refuse a gain that does not stabilise, and a step with which Euler's method amplifies the closed loop."""
        gain = stabilising(plant, "exploration.gain", self.gain)
        eigenvalues = np.linalg.eigvals(plant.closed_loop(gain))
        longest = float(np.min(-2.0 * eigenvalues.real / np.abs(eigenvalues) ** 2))
        require(step < longest, "step_s", step, f"a step below {longest:.3g} s: Euler's recursion is unstable above it")


def stabilising(plant: Plant, key: str, gain: Sequence[float]) -> Array:
    """The (1, n) gain that a setting names; refused unless u = -K x stabilises the plant."""
    right = len(gain) == plant.n_states and bool(np.all(np.isfinite(gain)))
    require(right, key, list(gain), f"{plant.n_states} finite numbers, the gain K of u = -K x")
    matrix = np.array([gain], dtype=np.float64)
    reason = f"A - B K has an eigenvalue with real part {spectral_abscissa(plant.closed_loop(matrix)):.3g}"
    require(is_stabilising(plant, matrix), key, list(gain), f"a gain K of u = -K x that stabilises the plant; {reason}")
    return matrix


def require_small_plant(system: object, plant: Plant) -> None:
    """Refuse all but plants in continuous time with two states and one input, whose tables these are."""
    kind, time = getattr(system, "kind", system), getattr(system, "time", None)
    right = time == "continuous" and (plant.n_states, plant.n_inputs) == (2, 1)
    require(right, "system.kind", kind, "a plant in continuous time with two states and one input")


def require_steps(step: float, **horizons: float) -> None:
    """Refuse a step that is not positive or does not divide the horizons; both in seconds, by their keys."""
    require(0 < step < np.inf, "step_s", step, "a positive number of seconds")
    for key, horizon in horizons.items():
        require(0 < horizon <= 1e7 * step, key, horizon, f"seconds, up to {1e7 * step:g} (1e7 steps)")
        count = round(horizon / step)
        divides = count >= 1 and abs(count * step - horizon) <= 1e-9 * horizon
        require(divides, key, horizon, f"a whole multiple of step_s={step:g}")
