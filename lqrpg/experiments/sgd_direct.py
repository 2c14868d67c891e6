"""P4, Fig. 6: descent with the direct oracle, as printed, with its Gaussian surrogate, and in an adjusted setting."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Annotated, ClassVar, NamedTuple

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
from lqrpg.methods.descent import descend, log_spaced
from lqrpg.methods.one_point import OnePointZerothOrder
from lqrpg.methods.oracles.direct import unstable_fraction
from lqrpg.methods.oracles.short_rollouts import smoothed_optimum
from lqrpg.methods.schedules import Schedule
from lqrpg.methods.surrogate_gradient import SurrogateGradient
from lqrpg.ranges import OneOf, Range
from lqrpg.results.rows import Rows
from lqrpg.runner.automatic import Finders
from lqrpg.runner.experiment import Experiment, Parts, Trial, collect, repeated, stream
from lqrpg.systems.system import System

PARTS = {
    "default": ("printed", "surrogate"),
    "adjusted": ("adjusted",),
    "all": ("printed", "surrogate", "adjusted"),
}
"""What each value of the setting `part` runs."""


PILOT_ITERATIONS = 100
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
class SurrogatePart:
    """The surrogate with the printed parameters; `refresh`: see `SurrogateGradient`."""

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
    surrogate: SurrogatePart
    adjusted: RealPart
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
        for name, part in (("printed", self.printed), ("adjusted", self.adjusted)):
            for kind, parameters in (("constant", part.constant), ("varying", part.varying)):
                self._check(f"{name}.{kind}", parameters, part.iterations)
        require_descent(self.system)
        self._warn()

    def _check(self, key: str, parameters: Parameters, iterations: int) -> None:
        parameters.check(key, iterations)
        require(
            parameters.length.schedule()(1) > 1, f"{key}.length.value", parameters.length.value, "more than one step"
        )
        try:
            parameters.method(self.baseline)
        except ValueError as error:
            raise SettingError(f"{key}: {error}") from None

    def _warn(self) -> None:
        """Say when the radius is so large that most first rollouts are of unstable loops."""
        plant, _, gain = start_of(self.system)
        radii = {case.part: self._parameters(case).radius.schedule()(1) for case in self._cases()}
        for part, radius in radii.items():
            fraction = unstable_fraction(plant, gain, radius)
            if part != "surrogate" and fraction > 0.5:
                warnings.warn(
                    f"{part}: {fraction:.0%} of the perturbed gains K0 + U with radius {radius:g} do not stabilise "
                    "the plant, so most rollouts of the first iteration grow without bound; a smaller radius helps",
                    SettingWarning,
                    stacklevel=4,
                )

    @property
    def advice(self) -> str:
        """What to try where runs diverge."""
        smaller = (
            f"{case.part}.{case.kind}.{key}.value={sequence.value / 10:g}"
            for case in self._cases()
            if case.part != "surrogate"
            for key, sequence in (("radius", self._parameters(case).radius), ("step", self._parameters(case).step))
        )
        return f"try a smaller radius and smaller steps: {' '.join(smaller)}; or {nearer_start(self.system)}"

    def shortfall(self, tables: Mapping[str, pd.DataFrame]) -> list[str]:
        """What to say if no run diverged, but the gaps of real rollouts did not fall."""
        real = {
            name: table[table["case"].str.startswith("printed")] for name, table in tables.items() if "case" in table
        }
        if real["outcomes"].empty:
            return []
        return shortfall_lines(self, real, "printed.iterations", self.printed.iterations, MOST_ITERATIONS)

    def found_step(self) -> float:
        """A constant step size for the plant, by pilot runs with real rollouts."""
        parameters, iterations = self.printed.constant, min(PILOT_ITERATIONS, self.printed.iterations)
        return sgd_automatic.piloted(self, [partial(parameters.method, self.baseline)], iterations)

    def _cases(self) -> list[Case]:
        return [Case(part, kind) for part in PARTS[self.part] for kind in ("constant", "varying")]

    def _part(self, case: Case) -> RealPart | SurrogatePart:
        if case.part == "surrogate":
            return self.surrogate
        return self.adjusted if case.part == "adjusted" else self.printed

    def _parameters(self, case: Case) -> Parameters:
        part = self.adjusted if case.part == "adjusted" else self.printed
        return part.constant if case.kind == "constant" else part.varying

    # -- trials ---------------------------------------------------------------------------------------------------

    def trials(self) -> list[Trial]:
        """Every run of every case, and the bias of the short rollouts of each constant case."""
        runs = [
            Trial(f"{case.name}-{number}", {"case": case, "number": number}, self._cost(case), kind="descent")
            for case in self._cases()
            for number in range(self._part(case).runs)
        ]
        constant = [case for case in self._cases() if case.kind == "constant"]
        return runs + [Trial(f"bias-{case.name}", {"case": case}, cost=1e6, kind="bias") for case in constant]

    def _cost(self, case: Case) -> float:
        """Expected microseconds; half of the printed runs are lost within some thousand iterations."""
        iterations = self._part(case).iterations
        if case.part == "surrogate":
            return 8.0 * iterations
        if case.part == "printed":
            return 150.0 * min(iterations, 3000)
        points = [max(1, round(iterations * share)) for share in (0.1, 0.3, 0.5, 0.7, 0.9)]
        rollouts, length = (getattr(self._parameters(case), name).schedule() for name in ("rollouts", "length"))
        samples: float = sum(math.ceil(rollouts(i)) * math.ceil(length(i)) for i in points) * iterations / len(points)
        return 0.025 * samples

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
        return self._descend(**trial.values, iterations=self._part(trial.values["case"]).iterations)

    def _descend(self, case: Case, number: int, iterations: int) -> Rows:
        parameters = self._parameters(case)
        real = case.part != "surrogate"
        method = (
            parameters.method(self.baseline) if real else parameters.surrogate(self.baseline, self.surrogate.refresh)
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
