"""Settings that the experiments on policies share: what is explored and how, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from lqrpg.checks import SettingError, require, require_memory
from lqrpg.experiments.plants import policy_gain, require_optimum, require_time, working_plant
from lqrpg.lqr.cross_weight import WorkingPlant
from lqrpg.lqr.plant import Array, Plant
from lqrpg.qsa.bellman import features
from lqrpg.ranges import Entries, OneOf, Range
from lqrpg.systems.system import System

LEAST, LARGEST = 1e-6, 1e6
Size = Annotated[float, Range(LEAST, LARGEST)]
"""A positive number of which neither powers nor products overflow, or vanish beside 1."""
Signed = Annotated[float, Range(-LARGEST, LARGEST)]
Sizes = Annotated[list[Size], Entries(distinct=True)]
Ridge = Annotated[float, Range(above=0, high=1e3)]
MAX_OBSERVED = 40_000_000
"""Most numbers in the regression vectors of one trajectory: 320 MB."""
HELD = 4
"""Matrices of the order of the unknowns that are held at a time."""

Regularisation = Annotated[str, OneOf(("absolute", "relative"))]


@dataclass(frozen=True)
class ExploringPolicy:
    """The exploring policy u = -K0 x + xi; see `lqrpg.qsa.exploration.Exploration` for xi.

    A gain of None is the plant's own first gain, a start of None the state at rest.
    """

    gain: list[Any] | None
    sinusoids: Annotated[int, Range(1, 10_000)]
    highest_rad_s: Size
    start: list[float] | None

    def gain_of(self, system: System) -> Array:
        """K0, shape (m, n), for the working plant."""
        return stabilising_gain(system, "exploration.gain", self.gain)

    def start_of(self, plant: Plant) -> Array:
        """The first state, shape (n,)."""
        return np.zeros(plant.n_states) if self.start is None else np.array(self.start, dtype=np.float64)

    def require_runs(self, system: System, step: float, horizon: float) -> None:
        """Refuse what does not fit the plant, a step with which Euler's method grows, and more data than fit."""
        plant = working_plant(system).plant
        start = self.start
        right = start is None or (len(start) == plant.n_states and bool(np.all(np.isfinite(start))))
        require(right, "exploration.start", start, f"{plant.n_states} finite numbers, or null for the state at rest")
        eigenvalues = np.linalg.eigvals(plant.closed_loop(self.gain_of(system)))
        longest = float(np.min(-2.0 * eigenvalues.real / np.abs(eigenvalues) ** 2))
        require(
            step < longest,
            "step_s",
            step,
            f"a step below {longest:.3g} s: with exploration.gain Euler's recursion is unstable above it",
        )
        total, unknowns = sum(plant.B.shape), features(*plant.B.shape)
        purpose = f"a quadratic function of {total} states and inputs has {unknowns} unknowns, and its evaluation"
        require_memory("system", 8.0 * unknowns * (HELD * unknowns + horizon / step), purpose)
        most = MAX_OBSERVED / unknowns * step
        require(
            horizon <= most,
            "horizon_s",
            horizon,
            f"at most {most:.3g} s: more would not fit into memory with step_s={step:g}",
        )


def stabilising_gain(system: System, key: str, gain: list[Any] | None) -> Array:
    """`policy_gain`, whose refusal also names what the plant is made of."""
    try:
        return policy_gain(system, key, gain)
    except SettingError as error:
        raise SettingError(f"{error} (the plant is that of system)") from None


def small_plant(system: System) -> WorkingPlant:
    """The working plant of a system, refused unless it is in continuous time with two states and one input."""
    require_time(system, "continuous")
    require_optimum(system)
    model = working_plant(system)
    right = (model.plant.n_states, model.plant.n_inputs) == (2, 1)
    require(right, "system.kind", system.kind, "a plant with two states and one input")
    return model


def require_steps(key: str, step: float, /, **horizons: float) -> None:
    """Refuse a step that does not divide the horizons, all positive, in seconds, by their keys."""
    for name, horizon in horizons.items():
        require(horizon <= 1e7 * step, name, horizon, f"seconds, up to {1e7 * step:g}: 1e7 times {key}={step:g}")
        count = round(horizon / step)
        divides = count >= 1 and abs(count * step - horizon) <= 1e-9 * horizon
        require(divides, name, horizon, f"a whole multiple of {key}={step:g}")
