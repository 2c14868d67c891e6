"""All methods side by side on one plant: the relative gap against samples of the plant, and against computing time.

What counts as a sample: one interaction with the plant, that is an input applied, with the stage cost and the next
state that it gave. A rollout of l stage costs counts l, both rollouts of a pair count, and so do the samples with which
an identification starts. Methods that are given the model use none, which is no merit of theirs. Pilot runs that choose
step sizes and evaluations of the gap are the referee's, and count for nobody.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lqrpg.experiments.gains import GAINS, gain_rows
from lqrpg.experiments.sgd_settings import start_of
from lqrpg.experiments.shootout_methods import METHODS
from lqrpg.experiments.shootout_settings import ShootoutSettings
from lqrpg.experiments.shootout_tables import (
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
from lqrpg.lqr.plant import Array
from lqrpg.methods.base import Marks
from lqrpg.methods.descent import log_spaced
from lqrpg.methods.minimise import Result, minimise
from lqrpg.methods.tuning import chosen, pilots, reference_step
from lqrpg.results.rows import Columns, Rows
from lqrpg.runner.experiment import Parts, Trial, collect, stream

SINGLE = 5
"""Runs of one iteration, whose time is that of the checks and of the set-up."""
LEAST_SECONDS, SHORTEST_PACE = 0.02, 1e-7
"""Of the iterations of a run by which these are timed, so that the set-up hardly counts; and of one iteration."""


@dataclass(frozen=True)
class Shootout(ShootoutSettings):
    """The experiment `shootout`: a trial a method, and the tables of all of them."""

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
