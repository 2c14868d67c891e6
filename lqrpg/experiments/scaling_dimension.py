"""What grows with the number of states: samples and processor time of methods, on chains of more and more masses.

A trial is a chain with all methods, by the rules of the benchmark (`lqrpg.experiments.benchmark_plant`), which say what
a run may take. A method that does not finish within these limits is shown with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Annotated, ClassVar

import numpy as np
import pandas as pd

from lqrpg.checks import require
from lqrpg.compiler.jit import SMALL
from lqrpg.experiments.benchmark_plant import OnPlant, on_plant
from lqrpg.experiments.benchmark_settings import METHODS, Rules
from lqrpg.experiments.benchmark_tables import method_on_plant
from lqrpg.experiments.scaling_chain import SampledChain
from lqrpg.experiments.scaling_slopes import SLOPES, slope_table, summary_table, time_slope_table
from lqrpg.ranges import Entries, Positive, Range
from lqrpg.results.rows import Rows, stacked
from lqrpg.runner.experiment import Parts, Trial, collect, repeated

WITHOUT_RADIUS = ("gradient", "newton", "trajectory_samples")
"""Budgets of methods that do not use the smoothing radius."""
FEWEST = 20
"""Iterations below which a run on rollouts does not start: those that get to 10 % need twice as many."""
ROLLING = 0.4
"""Measured over expected times of methods on rollouts, on chains."""
GROWING = {"qsa_policy_iteration": 16.0, "indirect": 64.0}
"""States from which expected times of an iteration grow by two orders more than those of the benchmark."""
FIRST = 4
"""Samples of the first model over n + m: without the floor of a rollout's length, so that they grow like n."""
_RUN = ("states", "method", "replicate")


@dataclass(frozen=True)
class OnChain(OnPlant):
    """The benchmark on a chain, with expected times that fit long chains; what cannot get anywhere does not start."""

    @cached_property
    def point_radius(self) -> float:
        """The radius of the benchmark's rule; 1 where nothing runs with it, since the search takes long."""
        users = [name for name in self.methods if self._spec(name).cls.budget not in WITHOUT_RADIUS]
        return super().point_radius if any(map(self._may_run, users)) else 1.0

    def _may_run(self, name: str) -> bool:
        """Whether there is time for as many iterations as a method on rollouts needs at least."""
        is_rolling = self._spec(name).cls.budget == "rollout_samples"
        return not is_rolling or FEWEST * self.runs(name) * self.microseconds(name) <= 1e6 * self.seconds

    @cached_property
    def _allowed(self) -> dict[str, int]:
        return {name: count if self._may_run(name) else 0 for name, count in super()._allowed.items()}

    def budgeted(self, name: str) -> int:
        """Iterations that the budget allows; on one trajectory no more than with the model."""
        count, is_rolling = super().budgeted(name), self._spec(name).budget == "rollout_samples"
        return count if is_rolling else min(count, self.iterations.gradient)

    def microseconds(self, name: str) -> float:
        """Expected of an iteration."""
        expected = super().microseconds(name)
        if self._spec(name).cls.budget == "rollout_samples":
            return ROLLING * expected
        return expected * max(1.0, self.sizes[0] / GROWING.get(name, np.inf)) ** 2


@dataclass(frozen=True)
class ScalingDimension(Rules):
    """Settings of the experiment; `conf/experiment/scaling_dimension.yaml` says what each key is."""

    states: Annotated[list[Annotated[int, Range(2, 1000)]], Entries(distinct=True)]
    sample_time: Positive
    noise: Positive
    initial_factor: Positive

    TABLES: ClassVar[Mapping[str, Sequence[str]]] = {
        "chains": (
            "states",
            "inputs",
            "spectral_radius",
            "optimal_cost",
            "first_gap",
            "newton_rate",
            "length",
            "rollouts",
            "start_samples",
            "samples_per_policy",
            "excitation",
            "rollout_samples",
            "trajectory_samples",
        ),
        "methods": METHODS,
        "targets": (*_RUN, "target", "iteration", "samples", "censored"),
        "final": (*_RUN, "gap", "iterations", "samples", "status"),
        "tuning": ("states", "method", "step_size", "runs", "lost", "score", "chosen", "samples", "censored"),
        "summary": ("states", "method", "target", "runs", "reached", "iteration", "samples", "censored", "status"),
        "slopes": SLOPES,
        "runtime": (
            "states",
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
        "runtime_slopes": SLOPES,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        odd = [n for n in self.states if n % 2]
        require(not odd, "states", self.states, "even numbers: a position and a velocity for each mass")

    @cached_property
    def _found(self) -> dict[int, OnChain]:
        return {}

    def comparison(self, n: int) -> OnChain:
        """The benchmark on the chain of n states; the first use takes a while for a long one."""
        if n not in self._found:
            chain = SampledChain("mass_spring", n, self.sample_time, self.noise, self.initial_factor)
            rules = on_plant(replace(self, methods=["exact_gradient"]), f"chain {n}", chain)
            values = {item.name: getattr(rules, item.name) for item in fields(rules)}
            values |= {"methods": list(self.methods), "start_samples": FIRST * sum(rules.sizes)}
            self._found[n] = OnChain(**values)
        return self._found[n]

    def trials(self) -> list[Trial]:
        """A trial for each chain: to make one ready takes as long as some of the runs."""
        return [Trial(f"{n:04d}", {"states": n}, cost=float(min(n, 100) + 20)) for n in self.states]

    def compile(self) -> None:
        """Compile every loop for every size that has kernels of its own, and for one of the others."""
        large = sorted(n for n in self.states if n > SMALL)
        for n in [*(n for n in self.states if n <= SMALL), *large[:1]]:
            comparison = self.comparison(n)
            comparison.compile([name for name in self.methods if not comparison.obstacle(name)])

    def run(self, trial: Trial) -> Rows:
        """The pilot runs and runs of all methods on the chain."""
        n = trial.values["states"]
        comparison = self.comparison(n)
        made = [method_on_plant(comparison, str(n), method) for method in self.methods]
        rows = {name: stacked([each[name] for each in made]) for name in ("targets", "final", "tuning", "runtime")}
        for columns in rows.values():
            columns["states"] = np.full(len(columns["method"]), n)
        return {"chains": repeated(1, **comparison.described()), **rows}

    def tables(self, parts: Parts) -> dict[str, pd.DataFrame]:
        """All tables."""
        keys = {"chains": ("states",), "targets": _RUN, "final": _RUN, "tuning": _RUN[:2], "runtime": _RUN[:2]}
        tables = {name: collect(parts, name, self.TABLES[name], key) for name, key in keys.items()}
        tables["methods"] = self.method_table(tables["final"], self.comparison(min(self.states)))
        tables["summary"] = summary_table(tables)
        tables["slopes"] = slope_table(tables)
        tables["runtime_slopes"] = time_slope_table(tables)
        return {name: tables[name] for name in self.TABLES}


EXPERIMENT = ScalingDimension
