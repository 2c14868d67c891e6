"""Which column explains a number that is not finite: every rule of every table, in one place.

A number that no rule names must be finite. A rule takes all tables of a run and says, row by row of its own table,
whether the numbers of its columns may be NaN or infinite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

Tables = Mapping[str, pd.DataFrame]
Rule = Callable[[Tables], "pd.Series[bool]"]
ANY = "any number"


def censored(table: str) -> Rule:
    return lambda tables: tables[table]["censored"]


def failed(table: str) -> Rule:
    return lambda tables: tables[table]["fail_step"] >= 0


def _completed(tables: Tables) -> pd.Series[bool]:
    return (tables["outcomes"]["status"] != "completed") & (tables["outcomes"]["fail_step"] >= 0)


def _lost_at_once(tables: Tables) -> pd.Series[bool]:
    return tables["outcomes"]["fail_step"] == 0


def without_reference(table: str, *group: str) -> Rule:
    """Rows of a group without a single normal worker, or with one that never got there."""

    def rule(tables: Tables) -> pd.Series[bool]:
        rows = tables[table]
        single = rows["workers"] == 1
        if "case" in rows:
            single &= rows["case"] == "normal"
        if "censored" in rows:
            single &= ~rows["censored"]
        if "scheme" in rows:
            single &= rows["scheme"] == "async"
        if not group:
            return pd.Series(not single.any(), index=rows.index)
        served = set(rows.loc[single, list(group)].itertuples(index=False, name=None))
        return pd.Series([key not in served for key in rows[list(group)].itertuples(index=False)], index=rows.index)

    return rule


def _azopg_end(tables: Tables) -> pd.Series[bool]:
    """The last point of a curve: the update at which, says `speedup`, the run failed."""
    key = ["case", "workers", "replicate"]
    runs = tables["speedup"][tables["speedup"]["streams"] == "tickets"].set_index(key)["fail_step"]
    rows = tables["curves"].join(runs, on=key)
    return rows["fail_step"] == rows["update"]


def _too_few_stable(tables: Tables) -> pd.Series[bool]:
    """Rows in which some of the runs of a method and batch size are lost."""
    runs = tables["final"].groupby(["method", "batch_size"])["replicate"].size().rename("runs")
    rows = tables["curves"].join(runs, on=["method", "batch_size"])
    return rows["n_stable"] < rows["runs"]


def _wiggles(tables: Tables) -> pd.Series[bool]:
    """The same, for the points of `curves` with the same method, batch size and step."""
    key = ["method", "batch_size", "step"]
    lost = tables["curves"][key].assign(lost=_too_few_stable(tables)).set_index(key)["lost"]
    return tables["wiggles"].join(lost, on=key)["lost"].astype(bool)


def _unusable(tables: Tables) -> pd.Series[bool]:
    """Gains of runs that ended before their time: there is none to use."""
    return tables["gains"]["status"] != "completed"


GAINS: Mapping[tuple[str, str], list[Rule]] = {("gains", "value"): [_unusable]}
OUTCOMES: Mapping[tuple[str, str], list[Rule]] = {
    ("outcomes", "final_gap"): [_completed],
    ("outcomes", "min_gap"): [_lost_at_once],
    **GAINS,
}
RULES: Mapping[str, Mapping[tuple[str, str], list[Rule]]] = {
    "azopg": {
        ("curves", "gap"): [_azopg_end],
        ("speedup", "time_to_tol_s"): [censored("speedup")],
        ("speedup", "speedup"): [censored("speedup"), without_reference("speedup", "streams", "replicate")],
        ("scaling", "time_to_tol_s"): [censored("scaling")],
        ("scaling", "speedup"): [censored("scaling"), without_reference("scaling", "batch_size", "replicate")],
        ("scaling", "efficiency"): [censored("scaling"), without_reference("scaling", "batch_size", "replicate")],
        ("barrier", "speedup"): [without_reference("barrier")],
        ("wall_clock", "throughput_speedup"): [without_reference("wall_clock", "replicate", "repeat")],
        **GAINS,
    },
    "benchmark": {
        ("final", "gap"): [lambda tables: tables["final"]["status"] != "completed"],
        ("tuning", "score"): [censored("tuning")],
        ("runtime", ANY): [censored("runtime"), lambda tables: tables["runtime"]["status"] != "completed"],
        **GAINS,
    },
    "dr_lqr": {
        ("final", ANY): [failed("final")],
        ("curves", ANY): [_too_few_stable],
        ("wiggles", ANY): [_wiggles],
        **GAINS,
    },
    "qsa_policy_iteration": {
        ("iteration", "weighted_error"): [lambda tables: ~tables["iteration"]["stabilising"]],
        **GAINS,
    },
    "sgd_biased": OUTCOMES,
    "sgd_direct": OUTCOMES,
    "sgd_indirect": OUTCOMES,
    "sgd_oracles": {(table, ANY): [censored(table)] for table in ("indirect_oracle", "direct_oracle")},
    "scaling_dimension": {
        ("final", "gap"): [lambda tables: tables["final"]["status"] != "completed"],
        ("tuning", "score"): [censored("tuning")],
        ("runtime", ANY): [censored("runtime"), lambda tables: tables["runtime"]["status"] != "completed"],
        **{(table, ANY): [censored(table)] for table in ("slopes", "runtime_slopes")},
    },
    "shootout": {
        ("final", "gap"): [failed("final")],
        **GAINS,
        **{(table, ANY): [censored(table)] for table in ("curves", "pilots", "summary", "targets")},
    },
}


def unexplained(experiment: str, tables: Tables) -> list[str]:
    """Every number that is neither finite nor explained: its table, row and column."""
    found = []
    rules = RULES.get(experiment, {})
    for name, table in tables.items():
        for column in table.select_dtypes("float"):
            broken = ~np.isfinite(table[column])
            for rule in [*rules.get((name, column), []), *rules.get((name, ANY), [])]:
                broken &= ~rule(tables)
            found += [f"{name}, row {row}: {column}={table[column][row]}" for row in table.index[broken]]
    return found
