"""P2, domain-randomised LQR: fresh systems at every step against a fixed sample, on a family of cart-poles or other."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Annotated, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lqrpg.checks import require
from lqrpg.compiler.jit import LANES
from lqrpg.domain_randomization.cubature import Nodes
from lqrpg.domain_randomization.descent import METHODS, descend
from lqrpg.domain_randomization.descent_lanes import NEVER, Descent
from lqrpg.domain_randomization.discount_annealing import anneal
from lqrpg.domain_randomization.mean_cost import MeanCost, mean_cost
from lqrpg.domain_randomization.quadrature import Optimum, family_cost
from lqrpg.experiments.dr_lqr_settings import Runtime, require_family, with_start_gain
from lqrpg.experiments.dr_lqr_tables import OBJECTIVES, Shown, columns_for, tables_of
from lqrpg.experiments.gains import COMPLETED, GAINS, entry_names, gain_rows
from lqrpg.kernels.xoshiro import Streams, random_states
from lqrpg.lqr.plant import Array
from lqrpg.ranges import Entries, OneOf, Positive, Range
from lqrpg.results.machine import processor
from lqrpg.results.rows import Columns, Rows, stacked
from lqrpg.runner.experiment import Experiment, Parts, Trial, repeated, stream
from lqrpg.systems.families.family import Family
from lqrpg.systems.system import UncertainSystem

AXES = ("excess", "absolute")
BLOCK = 4 * LANES
"""Runs side by side in one trial; it changes no number."""


@dataclass(frozen=True)
class DrLqr(Experiment):
    """Settings of the experiment `dr_lqr`; `conf/experiment/dr_lqr.yaml` says what each key is and where it is from."""

    replicates: Annotated[int, Range(1, 1_000_000)]
    steps: Annotated[int, Range(1, 10_000_000)]
    step_size: Positive
    batch_sizes: Annotated[list[Annotated[int, Range(1, 4096)]], Entries(distinct=True)]
    compared: int
    objective: Annotated[str, OneOf(OBJECTIVES)]
    samples: Annotated[int, Range(1, 10_000_000)]
    axis: Annotated[str, OneOf(AXES)]
    curve_points: Annotated[int, Range(2, 10_000)]
    runtime: Runtime
    system: UncertainSystem

    TABLES: ClassVar[Mapping[str, Sequence[str]]] = {
        "curves": ("method", "batch_size", "step", "p25", "median", "p75", "n_stable"),
        "final": (
            *("method", "batch_size", "replicate", "excess", "gain_norm"),
            *("k1", "k2", "k3", "k4", "fail_step"),
        ),
        "optimum": ("cost", "k1", "k2", "k3", "k4", "quadrature_nodes", "initial_excess", "gain_norm"),
        "runtime": ("batch_size", "controllers", "pair", "first", "dr_seconds", "sa_seconds", "device"),
        "annealing": ("round", "gamma", "cost", "spectral_radius_max", "k1", "k2", "k3", "k4", "bound"),
        "wiggles": ("method", "batch_size", "step", "quadrature", "monte_carlo"),
        "expectation": ("rule", "nodes", "error_estimate", "parameters", "largest_curvature"),
        "gains": GAINS,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.compared in self.batch_sizes, "compared", self.compared, f"one of batch_sizes, {self.batch_sizes}")
        object.__setattr__(self, "system", with_start_gain(self.system))
        require_family(self.system)

    alone: ClassVar[tuple[str, ...]] = ("runtime",)
    """Trials that run last and with nothing beside them: neighbours slow one method down more than the other."""

    @cached_property
    def _family(self) -> Family:
        family: Family = self.system.family()
        return family

    @cached_property
    def _mean(self) -> MeanCost:
        return mean_cost(self._family, self.system.initial_gain(), self.system.tolerance)

    @property
    def _optimum(self) -> Optimum:
        return self._mean.optimum

    @cached_property
    def _steps(self) -> NDArray[np.int64]:
        """Steps after which gains are judged: even spacing, and closer at the start."""
        even = np.linspace(0, self.steps, self.curve_points)
        early = np.geomspace(1, self.steps, max(2, self.curve_points // 4))
        return np.unique(np.concatenate([even, early]).round().astype(np.int64))

    def trials(self) -> list[Trial]:
        """Blocks of runs for each method and batch size, the optimum, the annealing, the timing."""
        cases = [("dr", batch_size) for batch_size in self.batch_sizes] + [("sa", self.compared)]
        blocks = [
            self._block(method, batch_size, first)
            for method, batch_size in cases
            for first in range(0, self.replicates, BLOCK)
        ]
        lanes = sum(-(-count // LANES) * LANES for count in self.runtime.controllers)
        timing = 2.0 * self.compared * (self.runtime.repeats + 1) * lanes * self.runtime.steps
        return [
            *blocks,
            Trial("optimum", kind="optimum"),
            Trial("annealing", kind="annealing"),
            Trial("runtime", cost=timing, kind="runtime"),
        ]

    def _block(self, method: str, batch_size: int, first: int) -> Trial:
        count = min(BLOCK, self.replicates - first)
        values = {"method": method, "batch_size": batch_size, "first": first, "count": count}
        cost = float(batch_size * count * self.steps)
        return Trial(f"block-{method}-{batch_size}-{first}", values, cost, kind="block")

    def compile(self) -> None:
        """Compile the kernels by one step of one run and its cost."""
        found = self._descend("dr", 1, random_states(stream(0).spawn(LANES)), np.array([1]))
        self._costs(found.gains[0])
        _ = self._optimum

    def run(self, trial: Trial) -> Rows:
        """The rows of a trial; see `trials`."""
        runners: dict[str, Callable[..., Rows]] = {
            "block": self._run_block,
            "optimum": self._run_optimum,
            "annealing": self._run_annealing,
            "runtime": self._run_runtime,
        }
        return runners[trial.kind](**trial.values)

    def _run_block(self, method: str, batch_size: int, first: int, count: int) -> Rows:
        runs = np.arange(first, first + count)
        seeds = [stream(self.seed, self.name, method, batch_size, int(run)) for run in runs]
        found = self._descend(method, batch_size, random_states(seeds), self._steps)
        estimates = {"quadrature": np.array(self._costs(found.gains)).reshape(found.gains.shape[:2])}
        if self.objective == "monte_carlo" or batch_size == self.compared:
            estimates["monte_carlo"] = self._sampled_costs(found.gains)
        fail_step = self._judge(found, estimates)
        lost = (fail_step != NEVER) & (self._steps[:, None] >= fail_step)
        rows: Rows = {"paths": {name: np.where(lost, np.inf, costs) for name, costs in estimates.items()}}
        rows["final"] = repeated(
            count,
            method=method,
            batch_size=batch_size,
            replicate=runs,
            cost=rows["paths"][self.objective][-1],
            gain_norm=np.linalg.norm(found.gains[-1], ord=2, axis=(1, 2)),
            **_entries(found.gains[-1]),
            fail_step=fail_step,
        )
        statuses = np.where(fail_step == NEVER, COMPLETED, "diverged").tolist()
        rows["gains"] = gain_rows(
            f"{method}-{batch_size}", runs.tolist(), found.gains[-1], self._optimum.gain, statuses
        )
        return rows

    def _descend(self, method: str, batch_size: int, states: Streams, steps: NDArray[np.int64]) -> Descent:
        return descend(
            self._family,
            self.system.initial_gain(),
            states,
            steps,
            method=method,
            batch_size=batch_size,
            step_size=self.step_size,
        )

    def _judge(self, found: Descent, estimates: Mapping[str, Array]) -> NDArray[np.int64]:
        """The step at which each run lost stability, (runs,), or NEVER.

        A run is lost if a sample held a system that its gain did not stabilise, or if a gain that is looked at fails
        at a node or at an end of the family, or on one of the random systems of a Monte Carlo estimate.
        """
        never = np.iinfo(np.int64).max
        stable = np.all([np.isfinite(costs) for costs in estimates.values()], axis=0)
        seen = np.where(stable, never, self._steps[:, None]).min(axis=0)
        first = np.minimum(np.where(found.fail_step == NEVER, never, found.fail_step), seen)
        return np.where(self._steps[-1] >= first, first, NEVER)

    def _costs(self, gains: Array) -> Array:
        """J_DR by quadrature, infinite where a node or an end of the family is unstable."""
        nodes, ends = self._mean.nodes, self._family.ends()
        points, weights = np.concatenate([nodes.points, ends]), np.append(nodes.weights, np.zeros(len(ends)))
        found = family_cost(self._family, gains, Nodes(points, weights))
        return np.where(found.stable, found.cost, np.inf)

    def _sampled_costs(self, gains: Array) -> Array:
        """J_DR by Monte Carlo, (records, runs): new samples at every record, the same for all runs, as in a test."""
        rules = _sampled_rules(self)
        return np.array([family_cost(self._family, at, nodes).cost for at, nodes in zip(gains, rules, strict=True)])

    def _run_optimum(self) -> Rows:
        best, start = self._optimum, self._costs(self.system.initial_gain()[None])[0]
        mean, nodes = self._mean, len(self._mean.nodes.weights)
        row = {"cost": best.cost, "quadrature_nodes": nodes, "initial_excess": start / best.cost - 1.0}
        row["gain_norm"] = float(np.linalg.norm(best.gain, ord=2))
        expectation = {"rule": mean.rule, "nodes": nodes, "error_estimate": mean.error}
        return {
            "optimum": repeated(1, **row, **_entries(best.gain[None])),
            "expectation": repeated(
                1,
                **expectation,
                parameters=len(self._family.names),
                largest_curvature=mean.largest_curvature,
            ),
        }

    def _run_annealing(self) -> Rows:
        found = anneal(self._family, nodes=self._mean.coarse)
        rounds = found.rounds
        return {
            "annealing": repeated(
                len(rounds),
                round=np.arange(1, len(rounds) + 1),
                gamma=[each.discount for each in rounds],
                cost=[each.cost for each in rounds],
                spectral_radius_max=[each.spectral_radius_max for each in rounds],
                **_entries(np.array([each.gain for each in rounds])),
                bound=found.bound,
            )
        }

    def _run_runtime(self) -> Rows:
        """Processor seconds a controller for all steps, in pairs of short runs of both methods.

        The methods take turns, and so does which of them is first: what else the machine does meets both alike.
        """
        shape = self.runtime
        return {"runtime": stacked([self._timed_pairs(controllers) for controllers in shape.controllers])}

    def _timed_pairs(self, controllers: int) -> Columns:
        """Timed pairs of that many controllers, after one that is not timed."""
        states = random_states(stream(self.seed, self.name, "runtime").spawn(controllers))
        pairs = np.arange(-1, self.runtime.repeats)
        seconds = np.array([self._time_pair(states, METHODS[int(pair) % 2]) for pair in pairs])[1:]
        seconds *= self.steps / self.runtime.steps / controllers
        return repeated(
            self.runtime.repeats,
            batch_size=self.compared,
            controllers=controllers,
            pair=pairs[1:],
            first=[METHODS[int(pair) % 2] for pair in pairs[1:]],
            dr_seconds=seconds[:, METHODS.index("dr")],
            sa_seconds=seconds[:, METHODS.index("sa")],
            device=processor(),
        )

    def _time_pair(self, states: Streams, first: str) -> list[float]:
        """Seconds of this thread for each method, in the order of `METHODS`."""
        seconds = {}
        for method in (first, *(other for other in METHODS if other != first)):
            start = time.thread_time()
            self._descend(method, self.compared, states, np.array([self.runtime.steps]))
            seconds[method] = time.thread_time() - start
        return [seconds[method] for method in METHODS]

    def tables(self, parts: Parts) -> dict[str, pd.DataFrame]:
        """All tables; the excess of a cost is relative to the exact optimum, whatever the estimate."""
        columns = columns_for(self.TABLES, self.system.initial_gain().size)
        return tables_of(parts, columns, Shown(self._optimum.cost, self._steps, self.objective, self.compared))


_rules: dict[tuple[object, ...], list[Nodes]] = {}


def _sampled_rules(settings: DrLqr) -> list[Nodes]:
    """The Monte Carlo rules of all records; worked out once in each process."""
    steps, system = settings._steps, json.dumps(asdict(settings)["system"], sort_keys=True)
    key = (settings.seed, settings.name, settings.samples, tuple(steps), system)
    if key not in _rules:
        seeds = [stream(settings.seed, settings.name, "objective", int(step)) for step in steps]
        _rules[key] = [settings._mean.sampled(settings.samples, seed) for seed in seeds]
    return _rules[key]


def _entries(gains: Array) -> Columns:
    """Columns k1, k2, ... of gains (count, m, n)."""
    entries = gains.reshape(len(gains), -1).T
    return dict(zip(entry_names(len(entries)), entries, strict=True))


EXPERIMENT = DrLqr
