"""P3, quasi Monte Carlo: the QSA ODE (19) with several gains, next to plain Monte Carlo."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd

from lqrpg.checks import require
from lqrpg.experiments.exploring import LARGEST, Signed, Sizes, require_steps
from lqrpg.qsa.ode import Gain
from lqrpg.qsa.plain_monte_carlo import plain_monte_carlo
from lqrpg.qsa.probing import Sawtooth
from lqrpg.qsa.quasi_monte_carlo import Integrand, affine_map, literal_estimates, running_mean
from lqrpg.ranges import OneOf, Positive, Range
from lqrpg.results.rows import Rows, stacked
from lqrpg.runner.experiment import Experiment, Parts, Trial, collect, generator, repeated, stream

RULES = {"left": 0.0, "midpoint": 0.5}
RECURSIONS = ("affine", "literal")
NO_GAIN = -1.0  # in the gain's column, for methods that have none
_MC_RUNS = 250  # runs of plain Monte Carlo in a trial


@dataclass(frozen=True)
class QsaMonteCarlo(Experiment):
    """Settings of `qsa_monte_carlo`; `conf/experiment/qsa_monte_carlo.yaml` says what each key is."""

    rate: Annotated[float, Range(-100, 100)]
    frequency_rad: Annotated[float, Range(-1e4, 1e4)]
    step_s: Positive
    horizon_s: Positive
    rule: Annotated[str, OneOf(RULES)]
    recursion: Annotated[str, OneOf(RECURSIONS)]
    path_gains: Sizes
    path_start: Signed
    path_step_s: Positive
    gains: Sizes
    start_variance: Annotated[float, Range(0, LARGEST)]
    runs: Annotated[int, Range(2, 1_000_000)]
    mc_draws: Annotated[int, Range(1, 10**9)]

    TABLES: ClassVar[Mapping[str, Sequence[str]]] = {
        "paths": ("method", "gain", "t_s", "estimate"),
        "estimates": ("method", "gain", "replicate", "estimate"),
        "variance": ("method", "gain", "mean", "variance", "runs", "integral", "points_mean"),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        require_steps("step_s", self.step_s, horizon_s=self.horizon_s, path_step_s=self.path_step_s)
        periodic = self.step_s <= 1 and abs(round(1 / self.step_s) * self.step_s - 1) <= 1e-9
        require(periodic, "step_s", self.step_s, "a step that divides the sawtooth's period of 1 s")
        require(self.path_step_s <= self.horizon_s, "path_step_s", self.path_step_s, "seconds, up to horizon_s")
        for key, gains in (("path_gains", self.path_gains), ("gains", self.gains)):
            bound = 2.0 / max(gains)
            expected = f"a step below {bound:.3g}, or Euler's recursion is unstable for {key}"
            require(self.step_s < bound, "step_s", self.step_s, expected)

    @property
    def _integrand(self) -> Integrand:
        return Integrand(self.rate, self.frequency_rad)

    @property
    def _sawtooth(self) -> Sawtooth:
        return Sawtooth(RULES[self.rule])

    def trials(self) -> list[Trial]:
        """The paths, the QSA runs of each gain, and plain Monte Carlo in parts of a fixed number of runs."""
        qsa = [Trial(f"qsa-{index}", {"gain": gain}, cost=1e6, kind="qsa") for index, gain in enumerate(self.gains)]
        parts = [
            Trial(f"mc-{first}", {"first": first}, cost=float(_MC_RUNS * self.mc_draws), kind="mc")
            for first in range(0, self.runs, _MC_RUNS)
        ]
        return [Trial("paths", cost=1e6, kind="paths"), *qsa, *parts]

    def compile(self) -> None:
        """Compile the recursions and the evaluation of y."""
        affine_map(Gain(1.0), self._integrand, 0.5, 1.0)
        literal_estimates(Gain(1.0), np.zeros(1), self._integrand, 0.5, 1.0)
        plain_monte_carlo([0], 1, integrand=self._integrand)

    def run(self, trial: Trial) -> Rows:
        """The rows of a trial; see `trials`."""
        runners: dict[str, Callable[..., Rows]] = {
            "paths": self._run_paths,
            "qsa": self._run_qsa,
            "mc": self._run_plain,
        }
        return runners[trial.kind](**trial.values)

    def _run_paths(self) -> Rows:
        """QSA paths of all gains, and the running average (17)."""
        every = round(self.path_step_s / self.step_s)
        grid = (self._integrand, self.step_s, self.horizon_s, self._sawtooth, every)
        times, average = running_mean(*grid)
        pieces = [("average", NO_GAIN, times, average)]
        for gain in self.path_gains:
            recursion = affine_map(Gain(gain), *grid)
            pieces.append(("qsa", gain, recursion.times, recursion.paths(np.array([self.path_start]))[0]))
        columns = [repeated(len(t), method=method, gain=g, t_s=t, estimate=path) for method, g, t, path in pieces]
        return {"paths": stacked(columns)}

    def _run_qsa(self, gain: float) -> Rows:
        """The last estimates of all runs; every gain has the same starts."""
        rng = generator(self.seed, self.name, "starts")
        starts = rng.normal(0.0, math.sqrt(self.start_variance), self.runs)
        grid = (self._integrand, self.step_s, self.horizon_s, self._sawtooth)
        if self.recursion == "literal":
            estimates = literal_estimates(Gain(gain), starts, *grid)
        else:
            estimates = affine_map(Gain(gain), *grid).estimates(starts)
        return _estimates("qsa", gain, np.arange(self.runs), estimates)

    def _run_plain(self, first: int) -> Rows:
        runs = np.arange(first, min(first + _MC_RUNS, self.runs))
        key = stream(self.seed, self.name, "mc").spawn_key
        estimates = plain_monte_carlo(runs.tolist(), self.mc_draws, self.seed, key, self._integrand)
        return _estimates("mc", NO_GAIN, runs, estimates)

    def tables(self, parts: Parts) -> dict[str, pd.DataFrame]:
        """All tables; `variance` sums up `estimates`, with the unbiased variance and what they are after."""
        keys = {"paths": ("method", "gain", "t_s"), "estimates": ("method", "gain", "replicate")}
        tables = {name: collect(parts, name, self.TABLES[name], by) for name, by in keys.items()}
        groups = tables["estimates"].groupby(["method", "gain"])["estimate"]
        summary = groups.agg(mean="mean", variance="var", runs="size").reset_index()
        summary["integral"] = self._integrand.mean
        summary["points_mean"] = self._integrand.grid_mean(self.step_s, self._sawtooth)
        return {**tables, "variance": summary[list(self.TABLES["variance"])]}


def _estimates(method: str, gain: float, runs: Any, estimates: Any) -> Rows:
    return {"estimates": repeated(len(runs), method=method, gain=gain, replicate=runs, estimate=estimates)}


EXPERIMENT = QsaMonteCarlo
