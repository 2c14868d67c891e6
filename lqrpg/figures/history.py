"""Histories of runs that a user has made: the gap against iterations, and against samples of the plant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lqrpg.figures.style import COLOURS, DASHES, MARKERS, panels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROUNDING = 1e-16
"""Gaps below it are those of the computed optimum, and are not drawn."""
_FEW = 20
"""Shorter histories get markers."""


def draw_histories(runs: Sequence[tuple[str, pd.DataFrame]]) -> Figure:
    """A curve for each run.

    Parameters
    ----------
    runs : names and histories, with the columns iteration, samples, gap and status.
    """
    from matplotlib.lines import Line2D

    drawn, (left, right) = panels(2, 8.4, 3.6, sharey=True)
    handles = []
    for index, (name, history) in enumerate(runs):
        few = MARKERS[index % len(MARKERS)] if len(history) < _FEW else ""
        look: dict[str, Any] = {"color": COLOURS[index % len(COLOURS)], "ls": DASHES[index % len(DASHES)]}
        for axis, column in ((left, "iteration"), (right, "samples")):
            _curve(axis, history, column, marker=few, **look)
        handles.append(Line2D([], [], label=name + _fate(history), marker=few, **look))
    for axis, label in ((left, "iteration"), (right, "samples of the plant")):
        axis.set(xscale="log", yscale="log", xlabel=label)
    left.set_ylabel("gap (f(K) − f*) / f*")
    if left.lines:
        left.set_ylim(bottom=max(ROUNDING, left.get_ylim()[0]))
    left.legend(handles=handles, loc="best")  # the legend names what was lost before it had a gap to show
    if all(history["samples"].max() == 0 for _, history in runs):
        right.text(0.5, 0.5, "no method here uses samples", transform=right.transAxes, ha="center")
    return drawn


def _curve(axis: Axes, history: pd.DataFrame, column: str, **look: Any) -> None:
    """The gap over a column, its zeros left out: a log axis has none. A cross marks where a run was lost."""
    shown = history[(history[column] > 0) & np.isfinite(history["gap"]) & (history["gap"] > 0.0)]
    if shown.empty:
        return
    axis.plot(shown[column], shown["gap"], **look)
    if _fate(history):
        axis.plot(shown[column].iloc[-1:], shown["gap"].iloc[-1:], marker="x", ms=8, color=look["color"])


def _fate(history: pd.DataFrame) -> str:
    """What became of a run that did not go on."""
    is_lost = history["status"].iloc[-1] != "completed"
    return f", diverged at i = {history['iteration'].iloc[-1]}" if is_lost else ""
