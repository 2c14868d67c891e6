"""P3, quasi Monte Carlo: the QSA ODE (19) with several gains, next to plain Monte Carlo."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from lqrpg.checks import require
from lqrpg.experiments.exploring import LARGEST, LEAST, require_steps
from lqrpg.qsa.ode import Gain
from lqrpg.qsa.plain_monte_carlo import plain_monte_carlo
from lqrpg.qsa.probing import Sawtooth
from lqrpg.qsa.quasi_monte_carlo import Integrand, affine_map, literal_estimates, running_mean
from lqrpg.results.rows import Rows, stacked
from lqrpg.runner.experiment import Parts, Trial, collect, generator, repeated, stream

RULES = {"left": 0.0, "midpoint": 0.5}
RECURSIONS = ("affine", "literal")
NO_GAIN = -1.0  # in the gain's column, for methods that have none
_MC_RUNS = 250  # runs of plain Monte Carlo in a trial


@dataclass(frozen=True)
class QsaMonteCarlo:
    """Settings of `qsa_monte_carlo`; `conf/experiment/qsa_monte_carlo.yaml` says what each key is."""

    name: str
    seed: int
    rate: float
    frequency_rad: float
    step_s: float
    horizon_s: float
    rule: str
    recursion: str
    path_gains: list[float]
    path_start: float
    path_step_s: float
    gains: list[float]
    start_variance: float
    runs: int
    mc_draws: int

    TABLES: ClassVar[Mapping[str, Sequence[str]]] = {
        "paths": ("method", "gain", "t_s", "estimate"),
        "estimates": ("method", "gain", "run", "estimate"),
        "variance": ("method", "gain", "mean", "variance", "runs"),
    }

    def __post_init__(self) -> None:
        require(0 <= self.seed < 2**63, "seed", self.seed, "a whole number not below 0")
        require(abs(self.rate) <= 100, "rate", self.rate, "a number from -100 to 100")
        require(abs(self.frequency_rad) <= 1e4, "frequency_rad", self.frequency_rad, "a number from -10000 to 10000")
        require_steps("step_s", self.step_s, horizon_s=self.horizon_s, path_step_s=self.path_step_s)
        periodic = self.step_s <= 1 and abs(round(1 / self.step_s) * self.step_s - 1) <= 1e-9
        require(periodic, "step_s", self.step_s, "a step that divides the sawtooth's period of 1 s")
        require(self.path_step_s <= self.horizon_s, "path_step_s", self.path_step_s, "seconds, up to horizon_s")
        require(self.rule in RULES, "rule", self.rule, "one of " + ", ".join(RULES))
        require(self.recursion in RECURSIONS, "recursion", self.recursion, "one of " + ", ".join(RECURSIONS))
        self._require_gains("path_gains", self.path_gains)
        self._require_gains("gains", self.gains)
        require(abs(self.path_start) <= LARGEST, "path_start", self.path_start, f"a number of size up to {LARGEST:g}")
        require(0 <= self.start_variance <= LARGEST, "start_variance", self.start_variance, f"from 0 to {LARGEST:g}")
        require(2 <= self.runs <= 1_000_000, "runs", self.runs, "a whole number from 2 to 1000000")
        require(1 <= self.mc_draws <= 10**9, "mc_draws", self.mc_draws, "a whole number from 1 to 1e9")

    def _require_gains(self, key: str, gains: Sequence[float]) -> None:
        right = bool(gains) and all(LEAST <= g <= LARGEST for g in gains) and len(set(gains)) == len(gains)
        require(right, key, list(gains), f"distinct gains g from {LEAST:g} to {LARGEST:g}")
        bound = 2.0 / max(gains)
        stable = self.step_s < bound
        require(stable, "step_s", self.step_s, f"a step below {bound:.3g}, or Euler's recursion is unstable for {key}")

    @property
    def exclusive(self) -> bool:
        """Nothing here measures real time."""
        return False

    @property
    def system(self) -> None:
        """There is no plant."""
        return None

    @property
    def _integrand(self) -> Integrand:
        return Integrand(self.rate, self.frequency_rad)

    @property
    def _sawtooth(self) -> Sawtooth:
        return Sawtooth(RULES[self.rule])

    def trials(self) -> list[Trial]:
        """The paths, the QSA runs of each gain, and plain Monte Carlo in parts of a fixed number of runs."""
        qsa = [Trial(f"qsa-{index}", {"gain": gain}, cost=1e6) for index, gain in enumerate(self.gains)]
        parts = [
            Trial(f"mc-{first}", {"first": first}, cost=float(_MC_RUNS * self.mc_draws))
            for first in range(0, self.runs, _MC_RUNS)
        ]
        return [Trial("paths", cost=1e6), *qsa, *parts]

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
        return runners[trial.key.split("-")[0]](**trial.values)

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
        """All tables; `variance` sums up `estimates`, with the unbiased variance."""
        keys = {"paths": ("method", "gain", "t_s"), "estimates": ("method", "gain", "run")}
        tables = {name: collect(parts, name, self.TABLES[name], by) for name, by in keys.items()}
        groups = tables["estimates"].groupby(["method", "gain"])["estimate"]
        summary = groups.agg(mean="mean", variance="var", runs="size").reset_index()
        return {**tables, "variance": summary[list(self.TABLES["variance"])]}


def _estimates(method: str, gain: float, runs: Any, estimates: Any) -> Rows:
    return {"estimates": repeated(len(runs), method=method, gain=gain, run=runs, estimate=estimates)}


EXPERIMENT = QsaMonteCarlo
