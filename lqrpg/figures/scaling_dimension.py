"""What grows with the number of states: samples to 10 % and 1 %, and processor time, with lines of whole slopes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lqrpg.figures.registry import Tables, figure
from lqrpg.figures.style import label_first, legend_outside, look_of, panel_letters, panels, small
from lqrpg.results.prices import short_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STATES = "states n"
GUIDES = {"samples": (1, 2, 3), "seconds": (2, 3, 4)}
"""Exponents of the guide lines."""
TIMED = 0.01
"""The target of the panel of times, unless the run has none such."""


@figure("scaling_dimension", "scaling_dimension", "samples and processor time to 10 % and 1 %, against the states")
def scaling(tables: Tables) -> Figure:
    """Medians over the runs, where at least half of them reach the target; a method without a point reaches none.

    Inputs are half as many as states. Dotted lines have whole slopes: their height says nothing.
    """
    targets = sorted(tables["summary"]["target"].unique(), reverse=True)[:2]
    drawn, axes = panels(len(targets) + 1, 9.4, 4.4)
    handles: dict[str, Any] = {}
    for axis, target in zip(axes, targets, strict=False):
        rows = tables["summary"].query("target == @target and not censored and samples > 0")
        _draw(axis, tables, rows, "samples", handles)
        axis.set(ylabel="plant samples", title=f"samples to {target:.0%}")
    last = axes[-1]
    timed = TIMED if TIMED in targets else targets[-1]
    rows = tables["runtime"].query("target == @timed and not censored")
    _draw(last, tables, rows, "seconds", handles)
    last.set(ylabel="CPU time (s)", title=f"CPU time to {timed:.0%}")
    if len(targets) == 2 and axes[1].get_subplotspec().rowspan == axes[0].get_subplotspec().rowspan:  # type: ignore[union-attr]
        low, high = np.transpose([axis.get_ylim() for axis in axes[:2]])
        for axis in axes[:2]:
            axis.set_ylim(low.min(), high.max())
    panel_letters(axes)
    order = [name for name in short_labels(tables).values() if name in handles]
    missing = [name for name in short_labels(tables).values() if name not in handles]
    title = f"not reached on any chain: {', '.join(missing)}" if missing else ""
    legend_outside(drawn, [handles[name] for name in order], order, "lower", 4, title)
    label_first(axes[1:2])
    return drawn


def _draw(axis: Axes, tables: Tables, rows: Any, column: str, handles: dict[str, Any]) -> None:
    """Medians of each method against the number of states, and the guide lines."""
    from matplotlib.ticker import NullFormatter, NullLocator

    labels, states = short_labels(tables), sorted(tables["chains"]["states"])
    for place, name in zip(tables["methods"]["place"], tables["methods"]["method"], strict=True):
        own = rows[rows["method"] == name].sort_values("states")
        if len(own):
            (handles[labels[name]],) = axis.plot(own["states"], own[column], ms=4, lw=1.1, **look_of(int(place)))
    axis.set(xscale="log", yscale="log", xlabel=STATES)
    ticks = [n for n in (4, 8, 16, 32, 64, 128) if states[0] <= n <= states[-1]] or states
    axis.set_xticks(ticks, [str(n) for n in ticks])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlim(states[0] / 1.2, states[-1] * 1.35)
    _guides(axis, np.array([states[0], states[-1]], dtype=float), GUIDES[column])


def _guides(axis: Axes, x: np.ndarray, exponents: tuple[int, ...]) -> None:
    """Dotted lines of whole slopes from the panel's lower left, as far as they stay inside."""
    bottom, top = axis.get_ylim()
    start = bottom * 1.3
    for exponent in exponents:
        end = min(x[1], x[0] * (0.8 * top / start) ** (1.0 / exponent))
        y = start * (end / x[0]) ** exponent
        axis.plot([x[0], end], [start, y], color="#777777", ls=":", lw=0.8)
        axis.annotate(f"n$^{exponent}$", (end, y), fontsize=small(), color="#555555", ha="left", va="center")
    axis.set_ylim(bottom, top)
