"""The tables of `dr_lqr`: quartiles of the excess along the runs, by both estimates of J_DR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lqrpg.experiments.gains import collect_gains, entry_names
from lqrpg.lqr.plant import Array
from lqrpg.results.rows import Columns
from lqrpg.runner.experiment import Parts, collect, repeated

OBJECTIVES = ("quadrature", "monte_carlo")


class Shown(NamedTuple):
    """What tables show: the optimal J_DR, the steps of their points, the estimate, and M of the comparison of both."""

    optimum: float
    steps: NDArray[np.int64]
    objective: str
    compared: int


def tables_of(parts: Parts, columns: Mapping[str, Sequence[str]], shown: Shown) -> dict[str, pd.DataFrame]:
    """All tables, with these columns; the excess of a cost is relative to the exact optimum, whatever the estimate."""
    keys = {
        "optimum": ("cost",),
        "expectation": ("rule",),
        "runtime": ("controllers", "pair"),
        "annealing": ("round",),
    }
    tables = {name: collect(parts, name, columns[name], key) for name, key in keys.items()}
    final = ("cost", *(name for name in columns["final"] if name != "excess"))
    tables["final"] = collect(parts, "final", final, ("method", "batch_size", "replicate"))
    tables["final"]["excess"] = tables["final"]["cost"] / shown.optimum - 1.0
    cases = _cases(parts, shown)
    tables["gains"] = collect_gains(parts)
    tables["curves"] = _stacked([_curve(case, paths, shown) for case, paths in cases.items()])
    tables["wiggles"] = _stacked([_wiggles(case, paths, shown) for case, paths in cases.items()])
    return {name: tables[name].reindex(columns=list(wanted)) for name, wanted in columns.items()}


def columns_for(tables: Mapping[str, Sequence[str]], size: int) -> dict[str, list[str]]:
    """The columns of each table, with as many entries of a gain as the plant's have, `size`."""
    entries = entry_names(size)
    columns = {}
    for table, names in tables.items():
        place = names.index("k1") if "k1" in names else len(names)
        others = [name for name in names if name not in ("k1", "k2", "k3", "k4")]
        columns[table] = [*others[:place], *(entries if "k1" in names else []), *others[place:]]
    return columns


def _cases(parts: Parts, shown: Shown) -> dict[tuple[str, int], dict[str, Array]]:
    """Excess (records, runs) of all runs of each method and batch size, by estimate."""
    pieces: dict[tuple[str, int], list[Columns]] = {}
    for trial, rows in parts:
        if "paths" in rows:
            pieces.setdefault((trial.values["method"], trial.values["batch_size"]), []).append(rows["paths"])
    return {
        case: {
            name: np.concatenate([piece[name] for piece in pieces[case]], axis=1) / shown.optimum - 1.0
            for name in pieces[case][0]
        }
        for case in sorted(pieces)
    }


def _curve(case: tuple[str, int], paths: dict[str, Array], shown: Shown) -> Columns:
    low, middle, high = _quartiles(paths[shown.objective])
    return repeated(
        len(shown.steps),
        method=case[0],
        batch_size=case[1],
        step=shown.steps,
        p25=low,
        median=middle,
        p75=high,
        n_stable=np.isfinite(paths["quadrature"]).sum(axis=1),
    )


def _wiggles(case: tuple[str, int], paths: dict[str, Array], shown: Shown) -> Columns:
    """Medians over the runs of both estimates along the same gains."""
    if "monte_carlo" not in paths or case[1] != shown.compared:
        return {}
    medians = {name: _quartiles(paths[name])[1] for name in OBJECTIVES}
    return repeated(len(shown.steps), method=case[0], batch_size=case[1], step=shown.steps, **medians)


def _quartiles(sample: Array) -> Array:
    """Quartiles over the last axis, (3, records); a run that lost stability counts as infinite."""
    upper = np.percentile(sample, [25, 50, 75], axis=-1, method="higher")
    with np.errstate(invalid="ignore"):
        between = np.percentile(sample, [25, 50, 75], axis=-1)
    return np.where(np.isfinite(upper), between, np.inf)


def _stacked(pieces: Sequence[Columns]) -> pd.DataFrame:
    """The pieces that are there, one below the other; an empty table if there are none."""
    found = [pd.DataFrame(piece) for piece in pieces if piece]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()
