"""Columns of the tables of `azopg` that say how a run ended, and by how much more workers are faster."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lqrpg.azopg.replay import Replay, Schedule


def outcome_columns(schedule: Schedule, result: Replay, workers: int) -> dict[str, Any]:
    """The columns that say how a replay ended."""
    updates = len(result.gaps) - 1
    used = schedule.first(updates)
    reached = result.reached >= 0
    return {
        "updates": updates,
        "time_to_tol_s": float(schedule.update_s[updates - 1]) if reached else np.nan,
        "max_delay": int(used.delays.max()),
        "delay_bound": used.delay_bound(workers),
        "censored": not reached,
        "fail_step": result.fail_step,
    }


def speedup_of(table: pd.DataFrame, group: list[str], time: str) -> pd.Series[float]:
    """Time of the normal single worker in the same group over the row's own."""
    single = table[table["workers"] == 1]
    if "case" in table:
        single = single[single["case"] == "normal"]
    reference = table[group].merge(single[[*group, time]], on=group, how="left")[time]
    return reference / table[time]
