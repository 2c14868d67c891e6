"""P4, Fig. 6: descent with the direct oracle, as printed, with a baseline, and with its Gaussian surrogate."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import pandas as pd

from lqrpg.checks import SettingError, SettingWarning, require
from lqrpg.experiments import sgd_automatic
from lqrpg.experiments.plants import nearer_start
from lqrpg.experiments.sgd_settings import (
    BASELINES,
    RUN_TABLES,
    SORT_KEYS,
    Points,
    ScheduleSettings,
    require_descent,
    run_rows,
    start_of,
)
from lqrpg.experiments.sgd_shortfall import shortfall_lines
from lqrpg.lqr.stability import unstable_fraction
from lqrpg.methods.descent import descend, log_spaced
from lqrpg.methods.one_point import OnePointZerothOrder
from lqrpg.methods.oracles.short_rollouts import smoothed_optimum
from lqrpg.methods.schedules import Schedule, cumulated_products
from lqrpg.methods.surrogate_gradient import SurrogateGradient
from lqrpg.methods.tuning import Pilot, steady
from lqrpg.ranges import OneOf, Range
from lqrpg.results.rows import Rows
from lqrpg.runner import automatic
from lqrpg.runner.automatic import Finders
from lqrpg.runner.experiment import Experiment, Parts, Trial, collect, repeated, stream
from lqrpg.systems.system import System

PARTS = {
    "default": ("printed",),
    "baseline": ("baseline", "surrogate"),
    "all": ("printed", "baseline", "surrogate"),
}
"""What each value of the setting `part` runs."""


KINDS = ("constant", "varying")
PILOT_ITERATIONS = 100
LONG_CHECKS = 5
"""Runs of full length that are to be kept with the step size that is found."""
MOST_ITERATIONS = 10**9
MOST = 1e6
"""Rollouts of one iteration, and steps of one rollout."""


Runs = Annotated[int, Range(1, 100_000)]
Iterations = Annotated[int, Range(1, MOST_ITERATIONS)]


@dataclass(frozen=True)
class Parameters:
    """Rollouts n, length l, radius v and step over the iterations."""

    rollouts: ScheduleSettings
    length: ScheduleSettings
    radius: ScheduleSettings
    step: ScheduleSettings

    def check(self, key: str, iterations: int) -> None:
        """Refuse what is no schedule, and more rollouts or longer ones than anyone could wait for."""
        for item in fields(self):
            getattr(self, item.name).check(f"{key}.{item.name}")
        for name, sequence in (("rollouts", self.rollouts), ("length", self.length)):
            expected = f"a schedule that stays below {MOST:g} over the {iterations} iterations"
            reached = max(sequence.schedule()(1), sequence.schedule()(iterations))
            require(reached <= MOST, f"{key}.{name}.value", sequence.value, expected)

    def iterations_within(self, samples: float) -> int:
        """The most iterations whose rollouts take at most this number of plant samples; at least one."""
        least, most = 1, MOST_ITERATIONS
        while most - least > 1:
            middle = min((least + most) // 2, 2 * least)
            least, most = (middle, most) if self.samples(middle) <= samples else (least, middle)
        return least

    def samples(self, iterations: int) -> int:
        """Plant samples of the rollouts of so many iterations."""
        rollouts, length = self.rollouts.schedule().code, self.length.schedule().code
        return int(cumulated_products(rollouts, length, False, np.array([iterations]))[0])

    def method(self, baseline: str, step_size: Schedule | float | None = None) -> OnePointZerothOrder:
        """Algorithm 2 with these parameters, and another step size where one is given."""
        step = self.step.schedule() if step_size is None else step_size
        return OnePointZerothOrder(step, *self._rollouts(), baseline)

    def surrogate(self, baseline: str, refresh: int) -> SurrogateGradient:
        """The Gaussian surrogate of Algorithm 2 with these parameters."""
        return SurrogateGradient(self.step.schedule(), *self._rollouts(), baseline, refresh)

    def _rollouts(self) -> tuple[Schedule, Schedule, Schedule]:
        return self.radius.schedule(), self.rollouts.schedule(), self.length.schedule()


@dataclass(frozen=True)
class RealPart:
    """Constant and varying parameters with real rollouts."""

    runs: Runs
    iterations: Iterations
    constant: Parameters
    varying: Parameters


@dataclass(frozen=True)
class BaselinePart:
    """The printed parameters and real rollouts, with the mean of the other rollouts as the baseline of each cost.

    Attributes
    ----------
    runs : runs of each case.
    iterations : of the runs with constant parameters.
    samples : plant samples that a run with varying parameters may use; they grow like the cube of the iterations.
    """

    runs: Runs
    iterations: Iterations
    samples: Annotated[float, Range(1.0, 1e15)]


@dataclass(frozen=True)
class SurrogatePart:
    """The surrogate with the printed parameters and the baseline; `refresh`: see `SurrogateGradient`."""

    runs: Runs
    iterations: Iterations
    refresh: Annotated[int, Range(1, 10**6)]


class Case(NamedTuple):
    """A part with one of its kinds of parameters."""

    part: str
    kind: str

    @property
    def name(self) -> str:
        """As tables have it."""
        return f"{self.part}-{self.kind}"


@dataclass(frozen=True)
class SgdDirect(Experiment):
    """Settings of `sgd_direct`; `conf/experiment/sgd_direct.yaml` says what each key is and where it is from."""

    part: Annotated[str, OneOf(PARTS)]
    points: Points
    baseline: Annotated[str, OneOf(BASELINES)]
    turns: Annotated[int, Range(1, 1000)]
    printed: RealPart
    leave_one_out: BaselinePart
    surrogate: SurrogatePart
    system: System

    TABLES: ClassVar[Mapping[str, Sequence[str]]] = {
        **RUN_TABLES,
        "rollout_bias": ("case", "length", "radius", "gap", "gap_spread"),
    }
    FINDERS: ClassVar[Finders] = {
        "printed.constant.length.value": (20.0, sgd_automatic.length),
        "printed.varying.length.value": (20.0, sgd_automatic.same_as("printed", "constant", "length", "value")),
        "printed.constant.radius.value": (1e-6, sgd_automatic.radius),
        "printed.varying.radius.value": (1e-6, sgd_automatic.same_as("printed", "constant", "radius", "value")),
        "printed.constant.step.value": (1.0, lambda settings: settings.found_step()),
        "printed.varying.step.value": (1.0, sgd_automatic.same_as("printed", "constant", "step", "value")),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        for kind, parameters in (("constant", self.printed.constant), ("varying", self.printed.varying)):
            self._check(f"printed.{kind}", parameters)
        require_descent(self.system)
        self._warn()

    def _check(self, key: str, parameters: Parameters) -> None:
        parameters.check(key, self.printed.iterations)
        require(
            parameters.length.schedule()(1) > 1, f"{key}.length.value", parameters.length.value, "more than one step"
        )
        try:
            for part in PARTS[self.part]:
                parameters.method(self._baseline(part))
        except ValueError as error:
            raise SettingError(f"{key}: {error}") from None

    def _warn(self) -> None:
        """Say when the radius is so large that most first rollouts are of unstable loops."""
        plant, _, gain = start_of(self.system)
        radius = max(getattr(self.printed, kind).radius.schedule()(1) for kind in KINDS)
        fraction = unstable_fraction(plant, gain, radius)
        if fraction > 0.5:
            warnings.warn(
                f"printed: {fraction:.0%} of the perturbed gains K0 + U with radius {radius:g} do not stabilise "
                "the plant, so most rollouts of the first iteration grow without bound; a smaller radius helps",
                SettingWarning,
                stacklevel=4,
            )

    @property
    def advice(self) -> str:
        """What to try where runs diverge: smaller steps; the variance of estimates grows as the radius falls."""
        smaller = (f"printed.{kind}.step.value={getattr(self.printed, kind).step.value / 4:.2g}" for kind in KINDS)
        return f"try smaller steps: {' '.join(smaller)}; or {nearer_start(self.system)}"

    def shortfall(self, tables: Mapping[str, pd.DataFrame]) -> list[str]:
        """What to say if no run diverged, but the gaps of real rollouts did not fall."""
        real = {
            name: table[table["case"].str.startswith("printed")] for name, table in tables.items() if "case" in table
        }
        if real["outcomes"].empty:
            return []
        return shortfall_lines(self, real, "printed.iterations", self.printed.iterations, MOST_ITERATIONS)

    def found_step(self) -> float:
        """A constant step size for the plant, by pilot runs with real rollouts.

        It is halved until none of some further runs, as long as those of the experiment, is lost: rare estimates are
        large.
        """
        make, iterations = partial(self.printed.constant.method, self.baseline), self.printed.iterations
        found = sgd_automatic.piloted(self, [make], min(PILOT_ITERATIONS, iterations))
        checks = sgd_automatic.gaps_of_runs(self, [make], iterations, "check", range(LONG_CHECKS))
        return automatic.two_digits(steady(checks, Pilot(found, 0, 0.0), 1.0))

    def _cases(self) -> list[Case]:
        return [Case(part, kind) for part in PARTS[self.part] for kind in KINDS]

    def _part(self, part: str) -> RealPart | BaselinePart | SurrogatePart:
        parts: dict[str, RealPart | BaselinePart | SurrogatePart] = {
            "printed": self.printed,
            "baseline": self.leave_one_out,
            "surrogate": self.surrogate,
        }
        return parts[part]

    def _parameters(self, case: Case) -> Parameters:
        return self.printed.constant if case.kind == "constant" else self.printed.varying

    def _baseline(self, part: str) -> str:
        return self.baseline if part == "printed" else "mean"

    def _iterations(self, case: Case) -> int:
        if case == Case("baseline", "varying"):
            return self._parameters(case).iterations_within(self.leave_one_out.samples)
        return self._part(case.part).iterations

    def trials(self) -> list[Trial]:
        """Every run of every case, and the bias of the short rollouts of each constant case."""
        runs = [
            Trial(f"{case.name}-{number}", {"case": case, "number": number}, self._cost(case), kind="descent")
            for case in self._cases()
            for number in range(self._part(case.part).runs)
        ]
        constant = [case for case in self._cases() if case.kind == "constant"]
        return runs + [Trial(f"bias-{case.name}", {"case": case}, cost=1e6, kind="bias") for case in constant]

    def _cost(self, case: Case) -> float:
        """Expected microseconds; half of the runs without a baseline diverge within some thousand iterations."""
        parameters, iterations = self._parameters(case), self._iterations(case)
        if case.part == "surrogate":
            longest = parameters.length.schedule()(max(1, iterations // 2))
            return (8.0 + 1.5 * longest / self.surrogate.refresh) * iterations
        if self._baseline(case.part) == "none":
            iterations = min(iterations, 3000)
        return 0.025 * parameters.samples(iterations)

    def compile(self) -> None:
        """Compile both loops by two iterations each, and the bias by a small design."""
        for case in self._cases():
            if case.kind == "constant":
                self._descend(case, 0, 2)
        plant, start, _ = start_of(self.system)
        smoothed_optimum(plant, start, 2, 1e-3, turns=1)

    def run(self, trial: Trial) -> Rows:
        """One run, or the bias of one case."""
        if trial.kind == "bias":
            return self._bias(**trial.values)
        return self._descend(**trial.values, iterations=self._iterations(trial.values["case"]))

    def _descend(self, case: Case, number: int, iterations: int) -> Rows:
        parameters, baseline = self._parameters(case), self._baseline(case.part)
        method = (
            parameters.surrogate(baseline, self.surrogate.refresh)
            if case.part == "surrogate"
            else parameters.method(baseline)
        )
        run = descend(
            method,
            *start_of(self.system),
            iterations,
            log_spaced(iterations, self.points),
            stream(self.seed, self.name, case.name, number),
        )
        return run_rows(self.system, case.name, number, run)

    def _bias(self, case: Case) -> Rows:
        """The gap of the gain that the oracle's mean vanishes at; the surrogate's mean is not smoothed."""
        plant, start, _ = start_of(self.system)
        parameters = self._parameters(case)
        length = math.ceil(parameters.length.schedule()(1))
        radius = 0.0 if case.part == "surrogate" else parameters.radius.schedule()(1)
        found = smoothed_optimum(plant, start, length, radius, turns=self.turns)
        columns = {"length": length, "radius": radius, "gap": found.gap, "gap_spread": found.gap_spread}
        return {"rollout_bias": repeated(1, case=case.name, **columns)}

    def tables(self, parts: Parts) -> dict[str, pd.DataFrame]:
        """Trajectories, outcomes, and the bias of the short rollouts."""
        keys = {**SORT_KEYS, "rollout_bias": ("case",)}
        return {name: collect(parts, name, columns, keys[name]) for name, columns in self.TABLES.items()}


EXPERIMENT = SgdDirect
