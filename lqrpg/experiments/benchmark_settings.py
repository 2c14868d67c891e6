"""What the benchmark and the study of dimension have in common: methods, their budgets and limits, and their table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import pandas as pd

from lqrpg.experiments.comparison import Comparison
from lqrpg.experiments.shootout import Shootout
from lqrpg.experiments.shootout_methods import known, method_spec
from lqrpg.ranges import Positive, Range

METHODS: Sequence[str] = ("place", "method", "label", "given", "budget", "compiled")
"""Columns of the table of methods."""


@dataclass(frozen=True)
class Budget:
    """How long a run is, for each kind of method.

    Attributes
    ----------
    gradient, newton : iterations of methods that are given the model, as in `shootout`.
    rollouts : iterations of rollouts, each a pair for each entry of the gain, that a run's samples pay.
    trajectory : samples of one trajectory, over those of rollouts.
    """

    gradient: Annotated[int, Range(1, 10**8)]
    newton: Annotated[int, Range(1, 1000)]
    rollouts: Annotated[int, Range(1, 10**6)]
    trajectory: Annotated[float, Range(1e-6, 1e6)]


@dataclass(frozen=True)
class Limits:
    """What a method may take on a plant.

    Attributes
    ----------
    seconds : of expected processor time, for all its runs, pilot runs included.
    gigabytes : of memory, for a run.
    """

    seconds: Positive
    gigabytes: Positive


@dataclass(frozen=True)
class Rules(Comparison):
    """Settings of a comparison of methods on several plants, by the same rules for all."""

    budget: Budget
    limits: Limits

    def method_table(self, final: pd.DataFrame, comparison: Shootout) -> pd.DataFrame:
        """The methods that have rows in the table of ends, by their places among all.

        Parameters
        ----------
        final : a table with a column `method`.
        comparison : the shootout on one of the plants, for the settings of the methods.
        """
        places = known()
        rows = []
        for name in sorted(set(final["method"]), key=places.index):
            spec = method_spec(name, comparison)
            method = spec.make(1.0)
            rows.append((places.index(name), name, spec.label, method.given, spec.budget, method.compiled))
        return pd.DataFrame(rows, columns=list(METHODS))
