"""The tables of `azopg`: how a run ended, and by how much more workers are faster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lqrpg.azopg.replay import Replay, Schedule
from lqrpg.experiments.azopg_real import WALL_CLOCK
from lqrpg.experiments.gains import GAINS
from lqrpg.runner.experiment import Parts, collect


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


def tables_of(parts: Parts, columns: Mapping[str, Sequence[str]]) -> dict[str, pd.DataFrame]:
    """All tables, with these columns; speedups refer to the normal single worker of the same streams and seed."""
    keys = {
        "curves": ("case", "workers", "replicate", "update"),
        "speedup": ("streams", "case", "workers", "replicate"),
        "events": ("case", "pushed_s", "worker"),
        "scaling": ("batch_size", "workers", "replicate"),
        "barrier": ("scheme", "case", "workers"),
        "wall_clock": WALL_CLOCK[:4],
        "gains": GAINS[:4],
    }
    tables = {name: collect(parts, name, wanted, keys[name]) for name, wanted in columns.items()}
    tables["speedup"]["speedup"] = speedup_of(tables["speedup"], ["streams", "replicate"], "time_to_tol_s")
    tables["scaling"]["speedup"] = speedup_of(tables["scaling"], ["batch_size", "replicate"], "time_to_tol_s")
    tables["scaling"]["efficiency"] = tables["scaling"]["speedup"] / tables["scaling"]["workers"]
    single = tables["barrier"].query("scheme == 'async' and case == 'normal' and workers == 1")
    reference = single["time_per_update_s"].iloc[0] if len(single) else np.nan
    tables["barrier"]["speedup"] = reference / tables["barrier"]["time_per_update_s"]
    timed = tables["wall_clock"]
    timed["update_s"] = timed["time_s"] / timed["updates"]
    timed["throughput_speedup"] = speedup_of(timed, ["replicate", "repeat"], "update_s")
    return {name: tables[name][list(wanted)] for name, wanted in columns.items()}
