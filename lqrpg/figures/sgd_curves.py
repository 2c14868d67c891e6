"""Curves that the figures on stochastic gradient descent share: medians with ranges, lost runs, their legends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lqrpg.figures.style import BAND, COLOURS, DASHES, MARKERS, counted

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

GAP = "gap tr(P − P*) / tr(P*)"


def look(index: int) -> dict[str, Any]:
    """Colour and dashes of the curve of an index: told apart in colour and in grey."""
    return {"color": COLOURS[index + 1], "ls": DASHES[index]}


def gap_curve(
    axis: Axes, rows: pd.DataFrame, outcomes: pd.DataFrame, index: int, label: str, x: str = "iteration"
) -> None:
    """Median and range over the runs still alive, and an open mark in the curve's colour where each run is lost.

    Below three runs alive at a point there is no median: from there each run is drawn, thinner.
    """
    kept = rows[rows["iteration"] > 0]
    style = look(index)
    axis.plot([], [], label=label, **style)  # the legend says what became of the runs, even where none has a curve
    is_crowded = kept.groupby("iteration")["replicate"].transform("size") >= 3
    groups = kept[is_crowded].groupby("iteration")
    if len(groups):
        at = groups[x].median()
        axis.plot(at, groups["gap"].median(), **style)
        axis.fill_between(at, groups["gap"].min(), groups["gap"].max(), color=style["color"], alpha=BAND, lw=0)
    for _, run in kept[~is_crowded].groupby("replicate"):
        axis.plot(run[x], run["gap"], lw=0.8, **style)
    lost = outcomes[outcomes["fail_step"] >= 0]
    last = kept.sort_values("iteration").groupby("replicate").tail(1).set_index("replicate")["gap"]
    steps = lost["fail_step"] if x == "iteration" else lost[x]
    axis.plot(
        steps,
        last.reindex(lost["replicate"]).to_numpy(),
        ls="",
        marker=MARKERS[index + 3],
        mfc="white",
        mec=style["color"],
        ms=4,
        zorder=5,
    )


def fate(outcomes: pd.DataFrame) -> str:
    """How many runs, how many of them lost, and when."""
    lost = outcomes.loc[outcomes["fail_step"] >= 0, "fail_step"]
    if lost.empty:
        return f"{counted(len(outcomes), 'run')}, none diverged"
    first, last = int(lost.min()), int(lost.max())
    when = f"at i = {first}" if first == last else f"at i = {first} to {last}"
    return f"{len(lost)} of {counted(len(outcomes), 'run')} diverged, {when}"


def iterations_axis(axis: Axes, rows: pd.DataFrame) -> None:
    """Both axes logarithmic, named."""
    axis.set(xscale="log", yscale="log", xlabel="iteration i", ylabel=GAP)
    axis.set_xlim(1, max(10, int(rows["iteration"].max())) if len(rows) else 10)


def guide(axis: Axes, x: np.ndarray, y: np.ndarray, label: str) -> None:
    """A thin grey line of a law."""
    axis.plot(x, y, color="#777777", lw=1.0, ls=(0, (1, 1.5)), label=label, zorder=1)
