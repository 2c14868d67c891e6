"""All methods side by side on one plant: the relative gap against samples of the plant, and against computing time.

What counts as a sample: one interaction with the plant, that is an input applied, with the stage cost and the next
state that it gave. A rollout of l stage costs counts l, both rollouts of a pair count, and so do the samples with which
an identification starts. Methods that are given the model use none, which is no merit of theirs. Pilot runs that choose
step sizes and evaluations of the gap are the referee's, and count for nobody.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd

from lqrpg.checks import SettingError, free_memory, warn
from lqrpg.experiments import sgd_automatic
from lqrpg.experiments.comparison import MOST_PILOTS, Comparison
from lqrpg.experiments.gains import GAINS, gain_rows
from lqrpg.experiments.plants import nearer_start, user_plant, working_gain, working_plant
from lqrpg.experiments.sgd_settings import require_descent, start_of
from lqrpg.experiments.shootout_methods import METHODS, MethodSpec, method_spec, require_price
from lqrpg.experiments.shootout_tables import (
    QUARTILES,
    Run,
    curve_rows,
    final_rows,
    method_rows,
    pilot_rows,
    runtime_rows,
    seconds_per_iteration,
    summary_rows,
    target_rows,
)
from lqrpg.lqr.discrete import optimal_gain
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.base import Marks, Method
from lqrpg.methods.descent import log_spaced
from lqrpg.methods.minimise import Optimum, Result, minimise
from lqrpg.methods.tuning import chosen, pilots, reference_step
from lqrpg.ranges import Positive, Range
from lqrpg.results.rows import Columns, Rows
from lqrpg.runner import automatic
from lqrpg.runner.experiment import Parts, Trial, collect, stream
from lqrpg.systems.custom import Custom
from lqrpg.systems.system import System

MOST_SAMPLES = 10**6
"""Of the first model."""
SINGLE = 5
"""Runs of one iteration, whose time is that of the checks and of the set-up."""
LEAST_SECONDS, SHORTEST_PACE = 0.02, 1e-7
"""Of the iterations of a run by which these are timed, so that the set-up hardly counts; and of one iteration."""
LEAST_TRAJECTORY, LEAST_POLICIES = 10, 8
"""Times the samples of the first model, and iterations, that a run on one trajectory has, whatever its budget."""
MORE_PILOTS = 4
"""How many times as many pilot runs are advised where runs diverge."""
LEAST_STEPS = 20
"""Iterations of a run of rollouts on a plant of one's own, whose rollouts may be long."""
_ON_TRAJECTORIES = ("indirect", "qsa_policy_iteration")
"""Methods whose samples and excitation are found for plants of one's own."""
PAIR_SHARE = 2.0**-7
"""Of one-point's radius: its square, and the rounding unit over it, are far below the noise of a step."""


@dataclass(frozen=True)
class Iterations:
    """Iterations of the methods that are given the model, and samples of those that are not."""

    gradient: Annotated[int, Range(1, 10**8)]
    newton: Annotated[int, Range(1, 1000)]
    rollout_samples: Annotated[int, Range(1, 10**11)]
    trajectory_samples: Annotated[int, Range(1, 10**10)]


BUDGETS = tuple(item.name for item in fields(Iterations))
"""How a run may be paid for: by iterations of two kinds, or by samples of two kinds."""


@dataclass(frozen=True)
class Shootout(Comparison):
    """Settings of the experiment `shootout`; `conf/experiment/shootout.yaml` says what each key is."""

    iterations: Iterations
    rollouts: Annotated[int, Range(1, 10**6)]
    length: Annotated[int, Range(1, 10**6)] | None
    radius: Positive | None
    start_samples: Annotated[int, Range(1, MOST_SAMPLES)]
    samples_per_policy: Annotated[int, Range(1, 10**8)]
    excitation: Positive
    system: System

    TABLES: ClassVar[Mapping[str, Sequence[str]]] = {
        "methods": ("place", "method", "label", "given", "samples", "radius", "length"),
        "curves": ("method", "iteration", "samples", *QUARTILES, "censored"),
        "final": ("method", "replicate", "gap", "iterations", "samples", "fail_step", "status"),
        "pilots": ("method", "step_size", "lost", "score", "chosen", "censored"),
        "summary": ("method", "runs", "diverged", *QUARTILES, "censored"),
        "targets": ("method", "target", "reached", "iteration", "samples", "censored"),
        "runtime": ("method", "iterations", "seconds", "seconds_per_iteration", "runs", "compiled", "device"),
        "gains": GAINS,
    }
    FINDERS: ClassVar[automatic.Finders] = {
        "excitation": (1.0, lambda settings: settings.found_for(_ON_TRAJECTORIES, sgd_automatic.dither)),
        "start_samples": (
            MOST_SAMPLES,
            lambda settings: settings.found_for(_ON_TRAJECTORIES[:1], Shootout.found_samples),
        ),
        "samples_per_policy": (10**8, lambda own: own.found_for(_ON_TRAJECTORIES[1:], sgd_automatic.policy_samples)),
    }

    def __post_init__(self) -> None:
        self._forget_placeholders()
        super().__post_init__()
        require_descent(self.system)
        self._require_methods()

    def _forget_placeholders(self) -> None:
        """Large numbers stand in for samples that are to be found; those of methods that take no part stay small."""
        for name, key, small in zip(_ON_TRAJECTORIES, ("start_samples", "samples_per_policy"), (50, 250), strict=True):
            if name not in self.methods and getattr(self, key) == self.FINDERS[key][0]:
                object.__setattr__(self, key, small)

    @cached_property
    def present(self) -> list[str]:
        """The methods for which there is memory; those that are left out are announced."""
        plant, free = start_of(self.system)[0], free_memory()
        large = {name: self._method(name, 1.0).memory(plant) for name in self.methods}
        absent = {name: needed for name, needed in large.items() if needed > free}
        for name, needed in absent.items():
            warn(
                f"methods: {name} is left out: for {plant.n_states} states and {plant.n_inputs} inputs it takes about "
                f"{needed / 1e9:.2g} GB of memory; {free / 1e9:.2g} GB are free"
            )
        return [name for name in self.methods if name not in absent]

    def _require_methods(self) -> None:
        """Refuse a plant without a cost, and settings that a method refuses."""
        plant, _, _ = start_of(self.system)  # without cross weight: the costs are the same
        if not (plant.Q.any() and plant.Sigma.any()):
            raise SettingError("system: the optimal cost is 0, and every gap is relative to it: expected Q, noise > 0")
        for name in self.methods:
            with self._naming(name):
                self._method(name, 1.0)
            require_price(self._spec(name), BUDGETS)
        for name in self.present:
            with self._naming(name):
                self._method(name, 1.0).require_fit(plant)
        self._note_short_rollouts()

    @contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        """Say which method refuses its settings, and by which keys they are set."""
        try:
            yield
        except SettingError as error:
            used = self._spec(name).settings_used
            raise SettingError(f"{error}, for the method {name}; it is set by {used}") from None

    def _note_short_rollouts(self) -> None:
        """Say so if rollouts end before the slowest mode has decayed."""
        rolling = [name for name in self.methods if self._spec(name).budget == "rollout_samples"]
        if rolling and self.length is None and self._wanted_length > automatic.LONGEST:
            warn(
                f"length: the slowest mode asks for rollouts of {self._wanted_length} steps; "
                f"{automatic.LONGEST} are taken, so that {' and '.join(rolling)} may level off early; "
                "length=STEPS sets it"
            )

    @property
    def advice(self) -> str:
        """What to try where runs of any method diverge."""
        return self.advice_for(self.methods)

    def advice_for(self, methods: Sequence[str]) -> str:
        """What to try where runs of these methods diverge: step sizes are found by pilot runs."""
        budgets = {self._spec(name).budget for name in methods}
        more = f"start_samples={min(MOST_SAMPLES, 10 * self.start_samples)} excitation={10 * self.excitation:g}"
        pilots = min(MOST_PILOTS, MORE_PILOTS * self.pilots)
        words = [f"more samples and excitation ({more})"] if "trajectory_samples" in budgets else []
        if "rollout_samples" in budgets and pilots > self.pilots:
            words.append(f"more pilot runs, in which a step size that may lose runs shows it (pilots={pilots})")
        words.append(nearer_start(self.system))
        return f"step sizes were found by pilot runs; try {', or '.join(words)}"

    @cached_property
    def _start(self) -> tuple[Plant, Array, Array]:
        """The plant, the first gain, and the covariance of a rollout's first state."""
        return user_plant(self.system), self.system.initial_gain(), self.system.initial_covariance()

    @cached_property
    def _optimum(self) -> Optimum:
        return Optimum(self._start[0])

    @cached_property
    def _wanted_length(self) -> int:
        """The steps until the slowest mode of the first and of the optimal loop has decayed."""
        return automatic.rollout_length(user_plant(self.system), (self.system.initial_gain(), self._optimum.gain))

    @property
    def rollout_length(self) -> int:
        """The given steps of a rollout, or as many as the plant asks for, at most a thousand."""
        return min(self._wanted_length, automatic.LONGEST) if self.length is None else self.length

    def found_for(self, names: Sequence[str], find: Callable[[Shootout], Any]) -> Any:
        """What is found for some methods; None if none of them takes part."""
        return find(self) if set(names) & set(self.methods) else None

    def found_samples(self) -> int:
        """Samples of the first model for the plant."""
        plant, covariance, gain = start_of(self.system)
        ends = (gain, optimal_gain(plant))
        return sgd_automatic.first_samples(plant, covariance, ends, self.excitation, self.seed, self.name)

    @cached_property
    def point_radius(self) -> float:
        """The given smoothing radius, or the largest part 2^-j of max(||K0||, ||K*||) at which no gain is unstable.

        Asked at the initial gain and at the optimum, for 2000 random perturbations each.
        """
        if self.radius is not None:
            return self.radius
        model = working_plant(self.system)
        return automatic.point_radius(model.plant, (working_gain(self.system), model.inward(self._optimum.gain)))

    @property
    def pair_radius(self) -> float:
        """The given smoothing radius, or a share of `point_radius` with which the bias is lost in the sampling noise.

        Over a length L on which the cost changes by its own size, the central difference at radius v has a relative
        bias of order (v / L)^2 and a relative rounding error of order eps L / v. L is `point_radius`, within which no
        perturbed gain is unstable: at L / 128 they are 6e-5 and 3e-14, where a step's noise is of order one.
        """
        return self.point_radius * PAIR_SHARE if self.radius is None else self.radius

    @cached_property
    def _specs(self) -> dict[str, MethodSpec]:
        return {name: method_spec(name, self) for name in self.methods}

    def _spec(self, name: str) -> MethodSpec:
        return self._specs[name]

    def _method(self, name: str, step_size: float) -> Method:
        """A method at a step size, which policy iteration does not have."""
        return self._spec(name).make(step_size)

    def _steps(self, name: str) -> int:
        """Iterations of a run: those of its kind, or as many as its samples allow, and enough to learn from."""
        key, method = self._spec(name).budget, self._method(name, 1.0)
        budget: int = getattr(self.iterations, key)
        first, each = method.samples(0), method.samples_each
        if key == "trajectory_samples":
            budget = max(budget, LEAST_TRAJECTORY * first, LEAST_POLICIES * each)
        elif isinstance(self.system, Custom):
            budget = max(budget, LEAST_STEPS * each)
        return max(1, (budget - first) // each) if each else budget

    # -- trials ---------------------------------------------------------------------------------------------------

    def trials(self) -> list[Trial]:
        """A trial a method: its pilot runs, then its runs."""
        return [Trial(name, {"method": name}, cost=self._cost(name)) for name in self.present]

    def _cost(self, name: str) -> float:
        """Expected microseconds of a run."""
        return self._steps(name) * self._spec(name).microseconds

    def compile(self) -> None:
        """Compile every loop by one iteration."""
        for name in self.present:
            self._runs(name, 1e-12 * self._reference(name), 1, 1, "compile")

    def run(self, trial: Trial) -> Rows:
        """Choose the step size, if the method has one, by pilot runs; then run the replicates."""
        name, tried = trial.values["method"], []
        if self._has_step(name):
            tried = pilots(lambda size: self._pilot_gaps(name, size), self._reference(name))
        step_size = chosen(tried).step_size if tried else 1.0
        single = self._single(name, step_size)
        runs = self._runs(name, step_size, self._steps(name), self.replicates, "run")
        pace = seconds_per_iteration(self._timed(name, step_size, runs, single, SINGLE), single)
        return {
            "paths": {"iteration": self._marks(self._steps(name)), "gaps": np.array([path for _, path, _ in runs])},
            "final": final_rows(name, runs),
            "pilots": pilot_rows(name, tried),
            "runtime": runtime_rows(name, self._method(name, 1.0), runs, pace),
            "gains": self._gain_rows(name, runs),
        }

    def _single(self, name: str, step_size: float) -> list[Run]:
        """Runs of one iteration, whose time is mostly that of the set-up; a single one where that takes long."""
        self._runs(name, step_size, 1, 1, "warm up")  # the first call loads compiled code: it is not timed
        found = self._runs(name, step_size, 1, 1, "warm up")
        return found if found[0][2] >= LEAST_SECONDS else self._runs(name, step_size, 1, SINGLE, "warm up")

    def _timed(self, name: str, step_size: float, runs: list[Run], single: list[Run], count: int) -> list[Run]:
        """Runs that are long enough to time an iteration: those at hand, or else `count` that go on for longer."""
        if np.median([spent for _, _, spent in runs]) >= LEAST_SECONDS:
            return runs
        steps = math.ceil(LEAST_SECONDS / max(seconds_per_iteration(runs, single), SHORTEST_PACE))
        return self._runs(name, step_size, steps, count, "warm up")

    def _gain_rows(self, name: str, runs: list[Run]) -> Columns:
        """The last gain of every run."""
        gains = np.array([result.gain for result, _, _ in runs])
        statuses = [str(result.status) for result, _, _ in runs]
        return gain_rows(name, range(len(runs)), gains, self._optimum.gain, statuses)

    def _has_step(self, name: str) -> bool:
        return self._spec(name).has_step

    def _reference(self, name: str) -> float:
        plant, _, gain = start_of(self.system)
        return reference_step(plant, gain, natural=name == "natural_gradient")

    def _pilot_gaps(self, name: str, step_size: float) -> list[Array]:
        return [path for _, path, _ in self._runs(name, step_size, self._steps(name), self.pilots, "pilot")]

    def _marks(self, steps: int) -> Marks:
        return log_spaced(steps, self.points)

    def _runs(self, name: str, step_size: float, steps: int, count: int, purpose: str) -> list[Run]:
        """Runs of a method: each with its relative gaps at all marks, infinite from where it was lost, and its time."""
        plant, gain, covariance = self._start
        method, marks = self._method(name, step_size), self._marks(steps)
        found = []
        for number in range(count):
            seed = stream(self.seed, self.name, name, purpose, number)
            began = time.thread_time()
            result = minimise(
                method, plant, gain, steps=steps, seed=seed, initial_covariance=covariance, marks=marks[1:]
            )
            seconds = time.thread_time() - began
            found.append((result, self._path(result, marks), seconds))
        return found

    def _path(self, result: Result, marks: Marks) -> Array:
        excess = self._optimum.excess(result.gains)
        path = np.full(len(marks), np.inf)
        reached = np.searchsorted(result.iterations, marks)
        kept = reached < len(excess)
        kept[kept] = result.iterations[reached[kept]] == marks[kept]
        path[kept] = excess[reached[kept]] / excess[0]
        return path

    # -- tables ---------------------------------------------------------------------------------------------------

    def tables(self, parts: Parts) -> dict[str, pd.DataFrame]:
        """All tables; a lost run counts as infinite in every quantile, and as never in every target."""
        keys = {"final": ("method", "replicate"), "pilots": ("method", "step_size"), "runtime": ("method",)}
        keys |= {"gains": GAINS[:4]}
        tables = {name: collect(parts, name, self.TABLES[name], key) for name, key in keys.items()}
        paths = {trial.values["method"]: rows["paths"] for trial, rows in parts}
        made: dict[str, list[Columns]] = {"methods": [], "curves": [], "summary": [], "targets": []}
        places = list(dict.fromkeys([*METHODS, *self.methods]))
        for name in sorted(paths):
            samples = np.array([self._method(name, 1.0).samples(int(i)) for i in paths[name]["iteration"]])
            made["methods"].append(
                method_rows(places.index(name), name, self._spec(name).label, self._method(name, 1.0))
            )
            made["curves"].append(curve_rows(name, samples, paths[name]))
            made["summary"].append(summary_rows(name, paths[name]["gaps"][:, -1]))
            made["targets"].append(target_rows(name, samples, paths[name], self.targets))
        for table, pieces in made.items():
            parts_of = [(Trial(table), {table: piece}) for piece in pieces]
            tables[table] = collect(parts_of, table, self.TABLES[table], self.TABLES[table][:1])
        return {name: tables[name] for name in self.TABLES}


EXPERIMENT = Shootout
