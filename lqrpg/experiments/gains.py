"""The table `gains` of an experiment: the last gain of every run, entry by entry, beside the optimal one.

Both are K of u = -K x for the system's `plant()`, cross weight included: what a user applies.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lqrpg.experiments.plants import working_plant
from lqrpg.lqr import continuous, discrete
from lqrpg.lqr.plant import Array
from lqrpg.methods.base import Status
from lqrpg.results.rows import Columns
from lqrpg.runner.experiment import Parts, collect, repeated
from lqrpg.systems.system import System

TABLE = "gains"
GAINS = ("method", "replicate", "row", "column", "value", "optimum", "status")
"""Columns. `row` and `column` count from 1; `value` is missing where `status` is not `completed`."""
COMPLETED = str(Status.COMPLETED)


def entry_names(count: int) -> list[str]:
    """Columns of the entries of a gain, row by row: k1, k2, ..."""
    return [f"k{index}" for index in range(1, count + 1)]


def user_optimum(system: System) -> Array:
    """The optimal gain K* of a system's plant, (m, n)."""
    model = working_plant(system)
    module = continuous if system.time == "continuous" else discrete
    return model.outward(module.optimal_gain(model.plant))


def gain_rows(method: str, replicates: Sequence[int], gains: Array, optimum: Array, statuses: Sequence[str]) -> Columns:
    """Rows of the table.

    Parameters
    ----------
    method : name of the method, or of the case.
    replicates : (count,) numbers of the runs.
    gains : (count, m, n) their last gains K.
    optimum : (m, n) K*.
    statuses : (count,) how they ended.
    """
    count, m, n = gains.shape
    usable = np.array([status == COMPLETED for status in statuses])
    row, column = np.divmod(np.arange(m * n), n)
    return repeated(
        count * m * n,
        method=method,
        replicate=np.repeat(np.asarray(replicates, dtype=np.int64), m * n),
        row=np.tile(row + 1, count),
        column=np.tile(column + 1, count),
        value=np.where(usable[:, None, None], gains, np.nan).ravel(),
        optimum=np.tile(optimum.ravel(), count),
        status=np.repeat(np.array(statuses, dtype=np.str_), m * n),
    )


def collect_gains(parts: Parts) -> pd.DataFrame:
    """The table, from the parts that are there."""
    return collect(parts, TABLE, GAINS, GAINS[:4])
