"""Runs of descent with two oracles and two step sizes: what `sgd_biased` and `sgd_indirect` have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from typing import Annotated, ClassVar

import pandas as pd

from lqrpg.compiler.jit import LANES
from lqrpg.experiments.sgd_automatic import piloted, same_as
from lqrpg.experiments.sgd_settings import (
    RUN_TABLES,
    SORT_KEYS,
    Points,
    Steps,
    require_descent,
    run_rows,
    start_of,
)
from lqrpg.experiments.sgd_shortfall import shortfall_lines
from lqrpg.methods.base import CompiledMethod
from lqrpg.methods.descent import descend_together, in_lanes, log_spaced
from lqrpg.methods.schedules import Schedule
from lqrpg.ranges import Range
from lqrpg.results.rows import Rows, stacked
from lqrpg.runner.automatic import Finders
from lqrpg.runner.experiment import Experiment, Parts, Trial, collect, stream
from lqrpg.systems.system import System

MOST_ITERATIONS = 100_000_000


@dataclass(frozen=True)
class Comparison(Experiment):
    """Every run of every pair of an oracle and a step, for settings that say what the two oracles are.

    Attributes
    ----------
    ORACLES : names of the two oracles, as they stand in `case` before `WORD`.
    WORD : what they are.
    """

    ORACLES: ClassVar[tuple[str, str]]
    WORD: ClassVar[str]
    TABLES: ClassVar[Mapping[str, Sequence[str]]] = RUN_TABLES
    PILOT_ITERATIONS: ClassVar[int] = 2000

    runs: Annotated[int, Range(1, 100_000)]
    iterations: Annotated[int, Range(1, MOST_ITERATIONS)]
    points: Points
    steps: Steps
    system: System

    @property
    def advice(self) -> str:
        """What to try where runs diverge."""
        smaller = (f"steps.{key}.value={getattr(self.steps, key).value / 10:g}" for key in ("constant", "decreasing"))
        return f"try smaller steps: {' '.join(smaller)}{self.more_advice}"

    @property
    def more_advice(self) -> str:
        """What else to try."""
        return ""

    def shortfall(self, tables: Mapping[str, pd.DataFrame]) -> list[str]:
        """What to say if no run diverged, but gaps did not fall."""
        return shortfall_lines(self, tables, "iterations", self.iterations, MOST_ITERATIONS)

    def found_step(self) -> float:
        """A constant step size for the plant, by pilot runs with both oracles."""
        iterations = min(self.PILOT_ITERATIONS, self.iterations)
        return piloted(self, [partial(self.method, name) for name in self.ORACLES], iterations)

    @abstractmethod
    def method(self, oracle: str, step_size: Schedule | float) -> CompiledMethod:
        """Descent with the oracle of that name."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.steps.check()
        require_descent(self.system)

    def trials(self) -> list[Trial]:
        """The runs of every pair of an oracle and a step, as many in one trial as are computed side by side."""
        together = self._together
        return [
            Trial(f"{self._case(oracle, step)}-{first}", {"oracle": oracle, "step": step, "first": first})
            for oracle, step in product(self.ORACLES, ("constant", "decreasing"))
            for first in range(0, self.runs, together)
        ]

    @cached_property
    def _together(self) -> int:
        """Runs of a trial."""
        plant, _, _ = start_of(self.system)
        return LANES if in_lanes(self.method(self.ORACLES[0], self.steps.constant.schedule()), plant) else 1

    def _case(self, oracle: str, step: str) -> str:
        return f"{oracle}_{self.WORD}-{step}_step"

    def compile(self) -> None:
        """Compile the loop by two iterations."""
        self._descend(self.ORACLES[0], "constant", [0], iterations=2)

    def run(self, trial: Trial) -> Rows:
        """The runs of a trial."""
        first = trial.values["first"]
        numbers = range(first, min(first + self._together, self.runs))
        return self._descend(trial.values["oracle"], trial.values["step"], numbers, iterations=self.iterations)

    def _descend(self, oracle: str, step: str, numbers: Sequence[int], iterations: int) -> Rows:
        case = self._case(oracle, step)
        runs = descend_together(
            self.method(oracle, getattr(self.steps, step).schedule()),
            *start_of(self.system),
            iterations,
            log_spaced(iterations, self.points),
            [stream(self.seed, self.name, case, number) for number in numbers],
        )
        rows = [run_rows(self.system, case, number, run) for number, run in zip(numbers, runs, strict=True)]
        return {name: stacked([each[name] for each in rows]) for name in rows[0]}

    def tables(self, parts: Parts) -> dict[str, pd.DataFrame]:
        """Trajectories and outcomes."""
        return {name: collect(parts, name, columns, SORT_KEYS[name]) for name, columns in self.TABLES.items()}


STEP_FINDERS: Finders = {
    "steps.constant.value": (1.0, lambda settings: settings.found_step()),
    "steps.decreasing.value": (1.0, same_as("steps", "constant", "value")),
}
"""How the experiments find their step sizes."""
