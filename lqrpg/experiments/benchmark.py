"""The benchmark of the field: methods on plants, with budgets, step sizes and limits by one rule for all.

A trial is a method on a plant: its pilot runs, then its replicates. `lqrpg.experiments.benchmark_plant` has the rules
by which settings follow from a plant. What counts as a sample is said in `lqrpg.experiments.shootout`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd

from lqrpg.checks import SettingError, SettingWarning, warn
from lqrpg.experiments.benchmark_plant import OnPlant, on_plant
from lqrpg.experiments.benchmark_scaling import evaluation_errors, pair_estimates
from lqrpg.experiments.benchmark_settings import METHODS, Rules
from lqrpg.experiments.benchmark_tables import method_on_plant
from lqrpg.experiments.gains import GAINS
from lqrpg.plugins import COLLECTION, choices
from lqrpg.ranges import Entries, Range
from lqrpg.results.rows import Columns, Rows
from lqrpg.runner.experiment import Parts, Trial, collect, generator, repeated
from lqrpg.runner.registry import system_class
from lqrpg.systems.system import System

_EVALUATION = 25.0
"""Expected microseconds of a trajectory over n^4: as many samples as n^2, each with some n^2 numbers."""
_RUN = ("system", "method", "replicate")


@dataclass(frozen=True)
class Scaling:
    """The study of how the value of a policy and estimates of the gradient grow with the number of states.

    Attributes
    ----------
    states : numbers of states.
    samples : of a trajectory, in units of n^2.
    pairs : estimates of the gradient, for each trajectory.
    replicates : trajectories for each.
    """

    states: Annotated[list[Annotated[int, Range(1, 40)]], Entries(distinct=True)]
    samples: Annotated[int, Range(10, 10**6)]
    pairs: Annotated[int, Range(1, 10**6)]
    replicates: Annotated[int, Range(1, 10_000)]


@dataclass(frozen=True)
class Benchmark(Rules):
    """Settings of the experiment `benchmark`; `conf/experiment/benchmark.yaml` says what each key is."""

    systems: Mapping[str, Any]
    scaling: Scaling

    TABLES: ClassVar[Mapping[str, Sequence[str]]] = {
        "systems": (
            "place",
            "system",
            "states",
            "inputs",
            "spectral_radius",
            "optimal_cost",
            "first_gap",
            "newton_rate",
            "wanted_length",
            "length",
            "rollouts",
            "point_radius",
            "pair_radius",
            "start_samples",
            "samples_per_policy",
            "excitation",
            "rollout_samples",
            "trajectory_samples",
        ),
        "methods": METHODS,
        "paths": (*_RUN, "iteration", "samples", "gap"),
        "targets": (*_RUN, "target", "iteration", "samples", "censored"),
        "final": (*_RUN, "gap", "iterations", "samples", "status"),
        "gains": ("system", *GAINS, "first"),
        "tuning": ("system", "method", "step_size", "runs", "lost", "score", "chosen", "samples", "censored"),
        "runtime": (
            "system",
            "method",
            "target",
            "seconds",
            "censored",
            "seconds_per_iteration",
            "expected_per_iteration",
            "total",
            "device",
            "status",
        ),
        "scaling": ("states", "replicate", "samples", "plug_in", "lstd", "pairs", "pair_error", "pair_along"),
    }

    @cached_property
    def plants(self) -> dict[str, System]:
        """The plants by name, checked; the first use takes a while for large ones."""
        found = {}
        for name, content in self.systems.items():
            with _of(name):
                plant = system_class(str(content["kind"]))
                found[name] = plant(**plant.expand(content))
        return found

    @cached_property
    def comparisons(self) -> dict[str, OnPlant]:
        """What follows from each plant."""
        found = {}
        for name, system in self.plants.items():
            with _of(name):
                found[name] = on_plant(self, name, system)
        return found

    def trials(self) -> list[Trial]:
        """A trial for each method on each plant, and one for each number of states of the study."""
        methods = [
            Trial(
                f"{place:03d}-{re.sub(r'[^0-9A-Za-z_-]', '_', system)}-{method}",
                {"system": system, "method": method},
                cost=self._cost(comparison, method),
            )
            for place, (system, comparison) in enumerate(self.comparisons.items())
            for method in self.methods
        ]
        studies = [
            Trial(f"scaling-{n}", {"states": n}, cost=_EVALUATION * self.scaling.replicates * n**4, kind="scaling")
            for n in self.scaling.states
        ]
        return [*methods, *studies]

    def _cost(self, comparison: OnPlant, method: str) -> float:
        """Expected microseconds of all runs."""
        if comparison.obstacle(method):
            return 1.0
        return float(comparison.runs(method) * comparison.marks(method)[-1] * comparison.microseconds(method))

    def compile(self) -> None:
        """Compile every loop for every size of a plant."""
        done: set[tuple[Any, ...]] = set()
        for comparison in self.comparisons.values():
            able = [name for name in self.methods if not comparison.obstacle(name)]
            new = [name for name in able if (name, *comparison.sizes) not in done]
            done |= {(name, *comparison.sizes) for name in new}
            comparison.compile(new)

    def run(self, trial: Trial) -> Rows:
        """The method's runs on the plant, or trajectories of the study."""
        if trial.kind == "scaling":
            return {"scaling": self._scaling_rows(trial.values["states"])}
        system, method = trial.values["system"], trial.values["method"]
        rows = method_on_plant(self.comparisons[system], system, method)
        if method == self.methods[0]:
            rows["systems"] = repeated(
                1, place=list(self.systems).index(system), system=system, **self.comparisons[system].described()
            )
        return rows

    def _scaling_rows(self, n: int) -> Columns:
        """Rows of a number of states."""
        count, samples = self.scaling.replicates, self.scaling.samples * n**2
        streams = [generator(self.seed, self.name, "scaling", n, number) for number in range(count)]
        errors = np.array([evaluation_errors(n, samples, rng) for rng in streams])
        pairs = np.array([pair_estimates(n, self.scaling.pairs, rng) for rng in streams])
        return repeated(
            count,
            states=n,
            replicate=np.arange(count),
            samples=samples,
            plug_in=errors[:, 0],
            lstd=errors[:, 1],
            pairs=self.scaling.pairs,
            pair_error=pairs[:, 0],
            pair_along=pairs[:, 1],
        )

    def tables(self, parts: Parts) -> dict[str, pd.DataFrame]:
        """All tables."""
        keys = {"systems": ("place",), "paths": (*_RUN, "iteration"), "targets": _RUN, "final": _RUN}
        keys |= {"gains": ("system", *GAINS[:4]), "tuning": _RUN[:2], "runtime": _RUN[:2]}
        keys |= {"scaling": ("states", "replicate")}
        tables = {name: collect(parts, name, self.TABLES[name], key) for name, key in keys.items()}
        tables["methods"] = self.method_table(tables["final"], next(iter(self.comparisons.values())))
        return {name: tables[name] for name in self.TABLES}


@contextmanager
def _of(name: str) -> Iterator[None]:
    """Say of which plant a refusal or a note is; a first gain that is found for one of the collection is no news."""
    try:
        with warnings.catch_warnings(record=True) as notes:
            warnings.simplefilter("always")
            yield
        for note in notes:
            if not (issubclass(note.category, SettingWarning) and name in choices(f"system/{COLLECTION}")):
                warn(f"systems: {name}: {note.message}")
    except SettingError as error:
        raise SettingError(f"systems: {name}: {error}") from None
    except (ArithmeticError, AttributeError, TypeError, ValueError) as error:  # a plant of another package
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SettingError(f"systems: {name}: cannot be computed with: {reason}") from None


EXPERIMENT = Benchmark
