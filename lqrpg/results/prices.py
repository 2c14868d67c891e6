"""Samples to a target, from the tables of the benchmark: medians over the runs of a method on a plant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

Tables = Mapping[str, "pd.DataFrame"]
KEYS = ["system", "method"]


def sampling_methods(tables: Tables) -> list[str]:
    """The methods that use samples of the plant, by their places."""
    methods = tables["methods"]
    return list(methods.loc[methods["budget"].str.endswith("_samples"), "method"])


def short_labels(tables: Tables) -> dict[str, str]:
    """What the methods are called in figures, without what is in brackets, by their names."""
    methods = tables["methods"]
    return {name: label.partition(" (")[0] for name, label in zip(methods["method"], methods["label"], strict=True)}


def entries(tables: Tables) -> pd.Series[int]:
    """n m of each plant, the number of entries of its gain."""
    systems = tables["systems"].set_index("system")
    return systems["states"] * systems["inputs"]


def prices(tables: Tables, column: str = "samples") -> pd.Series[float]:
    """Median of what runs need for a target, by system, method and target; infinite unless half of them reach it.

    Parameters
    ----------
    tables : `targets` among them.
    column : `samples` or `iteration`.
    """
    rows = tables["targets"]
    paid = rows[column].astype(np.float64).where(~rows["censored"], np.inf)
    grouped = paid.groupby([rows[key] for key in (*KEYS, "target")], sort=False)
    return grouped.quantile(0.5, interpolation="lower")


def reached(tables: Tables, method: str) -> pd.Series[float]:
    """Samples of a method to each target that half of its runs reach, by system and target."""
    rows = tables["targets"]
    found = prices({"targets": rows[rows["method"] == method]})
    return found[np.isfinite(found) & (found > 0.0)].droplevel("method")


def ratios(tables: Tables, slower: str, faster: str) -> pd.Series[float]:
    """Samples of one method over those of another, by system and target, where both reach the target.

    Parameters
    ----------
    tables : `targets` among them.
    slower, faster : names of the methods.
    """
    above, below = reached(tables, slower), reached(tables, faster)
    shared = above.index.intersection(below.index)
    return above[shared] / below[shared]


def geometric_mean(values: pd.Series[float], draws: int = 2000) -> tuple[float, float, float]:
    """Geometric mean of ratios by system and target, and a 95 % interval by bootstrap over plants.

    Parameters
    ----------
    values : ratios, by system and target.
    draws : resamples of the plants.

    Returns
    -------
    Low end, mean, high end; all NaN where there are no ratios.
    """
    logs = np.log(values).groupby(level="system").mean().to_numpy()
    if logs.size == 0:
        return np.nan, np.nan, np.nan
    picked = np.random.default_rng(0).integers(0, logs.size, (draws, logs.size))
    low, high = np.quantile(logs[picked].mean(axis=1), [0.025, 0.975])
    return float(np.exp(low)), float(np.exp(logs.mean())), float(np.exp(high))
