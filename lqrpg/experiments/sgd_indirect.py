"""P4, Fig. 5: descent along the gradient of the identified model, excited off-policy or on-policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from lqrpg.algorithms.sgd import IndirectOracle, log_spaced, run_sgd
from lqrpg.checks import require
from lqrpg.experiments.base import Parts, Trial, collect, stream
from lqrpg.experiments.sgd_settings import (
    RUN_TABLES,
    SORT_KEYS,
    Steps,
    require_common,
    require_sizes,
    run_rows,
    start_of,
)
from lqrpg.results.rows import Rows


@dataclass(frozen=True)
class SgdIndirect:
    """Settings of `sgd_indirect`; `conf/experiment/sgd_indirect.yaml` says what each key is and where it is from."""

    name: str
    seed: int
    runs: int
    iterations: int
    points: int
    start: int
    dither: float
    steps: Steps
    system: Any

    TABLES: ClassVar[Mapping[str, Sequence[str]]] = RUN_TABLES
    exclusive: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_common(self)
        require_sizes(self, runs=100_000, iterations=100_000_000)
        require(2 <= self.points <= 100_000, "points", self.points, "a whole number from 2 to 100000")
        plant = self.system.plant()
        least = plant.n_states + plant.n_inputs
        require(least <= self.start <= 10**6, "start", self.start, f"a whole number from n + m = {least} to 1000000")
        require(0 < self.dither < np.inf, "dither", self.dither, "a positive number: without it nothing is identified")
        self.steps.check()

    def trials(self) -> list[Trial]:
        """Every run of every pair of an excitation and a step."""
        return [
            Trial(f"{policy}_policy-{step}_step-{number}", {"policy": policy, "step": step, "number": number})
            for policy, step in product(("off", "on"), ("constant", "decreasing"))
            for number in range(self.runs)
        ]

    def compile(self) -> None:
        """Compile the loop by two iterations."""
        self._descend("off", "constant", 0, iterations=2)

    def run(self, trial: Trial) -> Rows:
        """One run."""
        return self._descend(**trial.values, iterations=self.iterations)

    def _descend(self, policy: str, step: str, number: int, iterations: int) -> Rows:
        case = f"{policy}_policy-{step}_step"
        run = run_sgd(
            *start_of(self.system),
            IndirectOracle(self.start, self.dither, policy == "on"),
            getattr(self.steps, step).schedule(),
            iterations,
            log_spaced(iterations, self.points),
            stream(self.seed, self.name, case, number),
        )
        return run_rows(case, number, run)

    def tables(self, parts: Parts) -> dict[str, pd.DataFrame]:
        """Trajectories and outcomes."""
        return {name: collect(parts, name, columns, SORT_KEYS[name]) for name, columns in self.TABLES.items()}


EXPERIMENT = SgdIndirect
