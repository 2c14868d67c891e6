"""All methods side by side: the relative gap against samples of the plant and against computing time, and its price."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lqrpg.figures.registry import Tables, figure
from lqrpg.figures.style import (
    BAND,
    canvas,
    counted,
    heading,
    is_narrow,
    label_first,
    legend_outside,
    look_of,
    panel_letters,
    panels,
    small,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GAP = "(f(K) − f*) / (f(K0) − f*)"
LEAST = 1e-9
"""Gaps below it are not drawn: methods that reach it go on to rounding."""


@figure("shootout_curves", "shootout", "all methods on one plant: gap against samples, and against computing time")
def curves(tables: Tables) -> Figure:
    """Left: what each method learns from samples of the plant; right: what its computing buys, on one core.

    Methods that are given the model use no samples, so they are on the right only. Methods that are not compiled, as
    those of other packages may be, are not on the right: their times would compare implementations. The level of the
    zeroth-order methods is the noise of their constant step, and the bias of their finite rollouts; for one point also
    that of smoothing. From the costs of one point the mean of the other rollouts is subtracted, unless `baseline=none`.
    """
    table, times = tables["curves"], tables["runtime"].set_index("method")
    lost = tables["summary"].set_index("method")["diverged"]
    drawn, (left, right) = panels(2, 9.4, 4.9, sharey=True)
    handles = {}
    for method in tables["methods"].itertuples():
        rows, look = table[table["method"] == method.method], _look(method, int(lost[method.method]))
        if method.samples:
            _curve(left, rows, rows["samples"].to_numpy(float), look)
            handles[look["label"]] = left.lines[-1]
        if times["compiled"][method.method]:
            seconds = float(times["seconds_per_iteration"][method.method])
            _curve(right, rows, rows["iteration"].to_numpy(float) * seconds, look)
            handles[look["label"]] = right.lines[-1]
    left.set(xlabel="plant samples", ylabel=GAP, title=f"plant samples ({_plant(table)})")
    right.set(xlabel="CPU time (s), one thread", ylabel=GAP, title="CPU time of compiled methods, incl. simulation")
    for axis in (left, right):
        axis.set(xscale="log", yscale="log")
        axis.set_ylim(LEAST, 3.0)
        if not any(np.size(line.get_xdata()) for line in axis.lines):
            axis.set_xlim(1.0, 10.0)  # a log axis without data has no limits of its own
    panel_letters([left, right])
    methods = list(tables["methods"].itertuples())
    _note(
        left,
        "left",
        "given the model, so no\nsamples; see (b):",
        [method.label for method in methods if not method.samples],
    )
    _note(
        right,
        "right",
        "not compiled, so not\ntimed:",
        [each.label for each in methods if not times["compiled"][each.method]],
    )
    runs = counted(int(tables["summary"]["runs"].max()), "run")
    title = f"medians and quartiles of {runs} each; below {LEAST:g} not drawn"
    legend_outside(drawn, [*handles.values()], [*handles], "lower", 3, title)
    label_first([left, right])
    return drawn


def _plant(table: pd.DataFrame) -> str:
    """A plant's kind, and the size of one whose matrices are settings."""
    system = table.attrs["settings"]["system"]
    size = f", n = {len(system['B'])}, m = {len(system['B'][0])}" if "B" in system else ""
    return str(system["kind"]).replace("_", " ") + size


def _look(method: Any, lost: int) -> dict[str, Any]:
    """The look of a method's place, whoever else takes part, and its label."""
    return {**look_of(method.place), "label": method.label + (f", {lost} diverged" if lost else "")}


def _curve(axis: Axes, rows: pd.DataFrame, x: np.ndarray, look: dict[str, Any]) -> None:
    """Median and quartiles; what is infinite, or at zero of the log axis, is left out."""
    low, middle, high = (rows[key].to_numpy(float) for key in ("p25", "median", "p75"))
    seen = (x > 0.0) & np.isfinite(middle)
    axis.plot(x[seen], middle[seen], markevery=max(1, int(seen.sum()) // 9), **look)
    whole = seen & np.isfinite(high)
    axis.fill_between(x[whole], low[whole], high[whole], color=look["color"], alpha=BAND, lw=0)


def _note(axis: Axes, side: str, head: str, labels: list[str]) -> None:
    if labels:
        x = 0.02 if side == "left" else 0.98
        text = "\n".join([head, *labels])
        axis.text(x, 0.03, text, transform=axis.transAxes, ha=side, va="bottom", fontsize=small())


@figure("shootout_summary", "shootout", "methods on one plant: samples and seconds to a gap, final gaps, diverged runs")
def summary(tables: Tables) -> Figure:
    """What each method is given, which step size the pilot runs chose, and what each gap costs (medians)."""
    targets = sorted(tables["targets"]["target"].unique(), reverse=True)
    rows = [_row(tables, method, targets) for method in tables["methods"].itertuples()]
    prices = [[f"{kind}\nto {target:g}" for target in targets] for kind in ("samples", "seconds")]
    head = ["method", "is given", "step\nsize", *prices[0], *prices[1], "final gap:\nmedian (quartiles)", "diverged"]
    groups = [list(range(len(head)))]
    drawn = canvas(7.8 + 1.6 * len(targets), 1.3 + 0.32 * len(rows))
    if is_narrow(drawn, 8.0):
        last, many = len(head) - 1, len(targets)
        groups = [[0, 1], [0, 2, last - 1, last], [0, *range(3, 3 + many)], [0, *range(3 + many, 3 + 2 * many)]]
        drawn.set_figheight(0.8 + len(groups) * (0.55 + 0.22 * len(rows)))
    axes = list(drawn.subplots(len(groups), 1, squeeze=False)[:, 0])
    size = 6 / 7 if len(groups) > 1 else 1.0
    for axis, group in zip(axes, groups, strict=True):
        _grid(axis, [[row[k] for k in group] for row in rows], [head[k] for k in group], size)
    device = tables["runtime"]["device"].iloc[0]
    heading(drawn, f"gap {GAP} on {_plant(tables['targets'])}; seconds of CPU time, {device}{_rollouts(tables)}")
    return drawn


def _grid(axis: Axes, rows: list[list[str]], head: list[str], size: float) -> None:
    """A table with columns as wide as their texts; `size` of the type relative to small type."""
    axis.axis("off")
    cells = [[head[k].split("\n"), *([row[k]] for row in rows)] for k in range(len(head))]
    widths = [max(len(line) for cell in column for line in cell) + 2.5 for column in cells]
    drawn = axis.table(
        rows, colLabels=head, loc="center", cellLoc="center", colWidths=[width / sum(widths) for width in widths]
    )
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(size * small())
    drawn.scale(1.0, 1.5)
    for (row, _), cell in drawn.get_celld().items():
        cell.set_height(cell.get_height() * (1.6 if row == 0 else 1.0))
        cell.set_edgecolor("#BBBBBB")
        cell.set_facecolor("#EFEFEF" if row == 0 else "white")


def _rollouts(tables: Tables) -> str:
    """What the rollouts of zeroth-order methods were like."""
    rolling = [method for method in tables["methods"].itertuples() if method.length]
    parts = [f"{method.label.partition(' (')[0]} {_plain(method.radius)}" for method in rolling]
    return f"\nrollouts of {rolling[0].length} steps; smoothing radius: {', '.join(parts)}" if rolling else ""


def _row(tables: Tables, method: Any, targets: list[float]) -> list[str]:
    name = method.method
    own = tables["targets"][tables["targets"]["method"] == name].set_index("target")
    pace = float(tables["runtime"].set_index("method").loc[name, "seconds_per_iteration"])
    samples = [_price(own.loc[target], own.loc[target, "samples"]) for target in targets]
    compiled = bool(tables["runtime"].set_index("method").loc[name, "compiled"])
    seconds = [_price(own.loc[at], pace * own.loc[at, "iteration"]) if compiled else "not timed" for at in targets]
    ends = tables["summary"].set_index("method").loc[name]
    spread = f"{_short(ends['median'])} ({_short(ends['p25'])} to {_short(ends['p75'])})"
    lost = f"{int(ends['diverged'])} of {int(ends['runs'])}"
    label = method.label.partition(" (")[0]
    return [label, method.given, _step_size(tables, name), *samples, *seconds, spread, lost]


def _price(row: pd.Series[Any], value: float) -> str:
    """A price; where half the runs never get there, how many do."""
    return f"({counted(int(row['reached']), 'run')})" if row["censored"] else _plain(value)


def _plain(value: float) -> str:
    """Two digits, powers of ten without their zeros."""
    return f"{value:.2g}".replace("e+0", "e").replace("e-0", "e-")


def _step_size(tables: Tables, name: str) -> str:
    tried = tables["pilots"]
    taken = tried[(tried["method"] == name) & tried["chosen"]]
    return _plain(taken["step_size"].iloc[0]) if len(taken) else "none"


def _short(gap: float) -> str:
    if not np.isfinite(gap):
        return "diverged"
    return _plain(gap) if gap >= LEAST else f"< {_plain(LEAST)}"
