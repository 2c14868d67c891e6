"""P4, Fig. 4: descent along the true gradient plus a synthetic bias and noise, constant or vanishing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from lqrpg.algorithms.sgd import BiasedOracle, log_spaced, run_sgd
from lqrpg.checks import require
from lqrpg.experiments.base import Parts, Trial, collect, stream
from lqrpg.experiments.sgd_settings import (
    RUN_TABLES,
    SORT_KEYS,
    ScheduleSettings,
    Steps,
    require_common,
    require_sizes,
    run_rows,
    start_of,
)
from lqrpg.results.rows import Rows


@dataclass(frozen=True)
class Biases:
    """The two biases that are compared: norms of the mean of Delta_i."""

    constant: ScheduleSettings
    vanishing: ScheduleSettings

    def check(self) -> None:
        """Refuse what is no positive schedule."""
        self.constant.check("biases.constant")
        self.vanishing.check("biases.vanishing")


@dataclass(frozen=True)
class SgdBiased:
    """Settings of `sgd_biased`; `conf/experiment/sgd_biased.yaml` says what each key is and where it is from."""

    name: str
    seed: int
    runs: int
    iterations: int
    points: int
    deviation: float
    biases: Biases
    steps: Steps
    system: Any

    TABLES: ClassVar[Mapping[str, Sequence[str]]] = RUN_TABLES
    exclusive: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_common(self)
        require_sizes(self, runs=100_000, iterations=100_000_000)
        require(2 <= self.points <= 100_000, "points", self.points, "a whole number from 2 to 100000")
        require(0 <= self.deviation < np.inf, "deviation", self.deviation, "a number not below 0")
        self.biases.check()
        self.steps.check()

    def trials(self) -> list[Trial]:
        """Every run of every pair of a bias and a step."""
        return [
            Trial(f"{bias}_bias-{step}_step-{number}", {"bias": bias, "step": step, "number": number})
            for bias, step in product(("constant", "vanishing"), ("constant", "decreasing"))
            for number in range(self.runs)
        ]

    def compile(self) -> None:
        """Compile the loop by two iterations."""
        self._descend("constant", "constant", 0, iterations=2)

    def run(self, trial: Trial) -> Rows:
        """One run."""
        return self._descend(**trial.values, iterations=self.iterations)

    def _descend(self, bias: str, step: str, number: int, iterations: int) -> Rows:
        case = f"{bias}_bias-{step}_step"
        oracle = BiasedOracle(self.deviation, getattr(self.biases, bias).schedule())
        run = run_sgd(
            *start_of(self.system),
            oracle,
            getattr(self.steps, step).schedule(),
            iterations,
            log_spaced(iterations, self.points),
            stream(self.seed, self.name, case, number),
        )
        return run_rows(case, number, run)

    def tables(self, parts: Parts) -> dict[str, pd.DataFrame]:
        """Trajectories and outcomes."""
        return {name: collect(parts, name, columns, SORT_KEYS[name]) for name, columns in self.TABLES.items()}


EXPERIMENT = SgdBiased
