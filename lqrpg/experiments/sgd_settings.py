"""What the four experiments on stochastic gradient descent share: schedules as settings, checks, rows of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from lqrpg.checks import SettingError, require
from lqrpg.experiments.gains import GAINS, gain_rows, user_optimum
from lqrpg.experiments.plants import require_optimum, require_start, require_time, working_gain, working_plant
from lqrpg.kernels.discrete_small import cost_to_go
from lqrpg.lqr.discrete import optimum, spectral_radius
from lqrpg.lqr.plant import Array, Plant
from lqrpg.lqr.stability import require_stabilising
from lqrpg.methods.descent import Descent
from lqrpg.methods.schedules import KINDS, Schedule, schedule
from lqrpg.ranges import OneOf, Positive, Range
from lqrpg.results.rows import Rows
from lqrpg.runner.experiment import repeated
from lqrpg.systems.system import System

Points = Annotated[int, Range(2, 100_000)]
"""Records of a run."""
LARGEST_ERROR = 1e-6
"""Of the optimum's cost: gaps below it would be rounding, some of them negative."""
LARGEST_GROWTH = 100.0
"""Factor within a sample that is the reason where digits are lost."""
BASELINES = ("none", "mean")
TRAJECTORIES = ("case", "replicate", "iteration", "gap", "samples")
OUTCOME_COLUMNS = ("case", "replicate", "final_gap", "min_gap", "fail_step", "samples", "status")
RUN_TABLES: Mapping[str, Sequence[str]] = {
    "trajectories": TRAJECTORIES,
    "outcomes": OUTCOME_COLUMNS,
    "gains": GAINS,
}
SORT_KEYS: Mapping[str, Sequence[str]] = {
    "trajectories": ("case", "replicate", "iteration"),
    "outcomes": ("case", "replicate"),
    "gains": GAINS[:4],
}


@dataclass(frozen=True)
class ScheduleSettings:
    """A sequence over the iterations i = 1, 2, ...; a parameter that the kind does not take is null.

    Attributes
    ----------
    kind : `constant` (value), `power` (value / i^exponent), `ceiling` (value / ceil(i^exponent / period)) or
        `staircase` (value * ceil(i / period)).
    value, exponent, period : its parameters, all positive.
    """

    kind: Annotated[str, OneOf(KINDS)]
    value: Positive
    exponent: Positive | None
    period: Positive | None

    def check(self, key: str) -> None:
        """Refuse, with the name of the key, parameters that do not fit the kind."""
        for name in ("exponent", "period"):
            given = getattr(self, name)
            if name in KINDS[self.kind]:
                require(given is not None, f"{key}.{name}", given, f"a number, for a schedule of kind {self.kind}")
            else:
                require(given is None, f"{key}.{name}", given, f"null: a schedule of kind {self.kind} has no {name}")

    def schedule(self) -> Schedule:
        """The schedule itself."""
        return schedule(self.kind, **{name: getattr(self, name) for name in KINDS[self.kind]})


@dataclass(frozen=True)
class Steps:
    """The two step sizes that are compared."""

    constant: ScheduleSettings
    decreasing: ScheduleSettings

    def check(self) -> None:
        """Refuse parameters that do not fit their kinds."""
        self.constant.check("steps.constant")
        self.decreasing.check("steps.decreasing")


def require_descent(system: System) -> None:
    """Refuse a plant on which discrete-time descent cannot start."""
    require_time(system, "discrete")
    expected = "noise that is not zero, or neither the cost nor its gradient depends on the gain"
    require(bool(working_plant(system).plant.Sigma.any()), "system.noise", 0, expected)
    require_optimum(system)
    plant, _, gain = start_of(system)
    _require_digits(plant)
    try:
        require_stabilising(plant, gain)
    except ValueError as error:
        raise SettingError(f"system.kind={system.kind!r}: {error}") from None
    if plant.Q.any():
        require_start(system)


def _require_digits(plant: Plant) -> None:
    """Refuse a plant near whose optimum the costs of gains, which the compiled solver evaluates, are rounding."""
    best = optimum(plant)
    found, exact = np.trace(cost_to_go(plant, best.gain)), np.trace(best.cost_to_go)
    error = abs(found / exact - 1.0) if plant.Q.any() else 0.0
    if not error <= LARGEST_ERROR:
        growth = spectral_radius(plant.A)
        cause = f"a mode grows by a factor of {growth:.3g} within a sample; sample more often"
        other = "entries of A and B are far apart; scale states and inputs so that they are nearer to one another"
        raise SettingError(
            f"system: the cost of the optimal gain has a relative error of {error:.1g} in working precision: "
            f"{cause if growth > LARGEST_GROWTH else other}"
        )


def start_of(system: System) -> tuple[Plant, Array, Array]:
    """The working plant, the covariance of a rollout's first state, the initial gain of the working plant."""
    return working_plant(system).plant, system.initial_covariance(), working_gain(system)


def run_rows(system: System, case: str, number: int, run: Descent) -> Rows:
    """The rows of one run: its gap at the recorded iterations until it is lost, how it ended, and its last gain."""
    reached = ~np.isnan(run.gaps)
    gain, status = working_plant(system).outward(run.gain), str(run.status)
    return {
        "gains": gain_rows(case, [number], gain[None], user_optimum(system), [status]),
        "trajectories": repeated(
            int(reached.sum()),
            case=case,
            replicate=number,
            iteration=run.iterations[reached],
            gap=run.gaps[reached],
            samples=run.samples[reached],
        ),
        "outcomes": repeated(
            1,
            case=case,
            replicate=number,
            final_gap=run.final_gap,
            min_gap=run.min_gap,
            fail_step=run.fail_step,
            samples=run.total_samples,
            status=status,
        ),
    }
