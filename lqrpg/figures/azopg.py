"""Figures of P1: workers and their timeline, convergence, speedup, the limit of staleness, the price of barriers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lqrpg.figures.diagram import arrow, box
from lqrpg.figures.registry import Tables, figure
from lqrpg.figures.style import (
    BAND,
    COLOURS,
    DASHES,
    MARKERS,
    canvas,
    counted,
    is_narrow,
    label_first,
    legend_outside,
    panel_letters,
    panels,
    small,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

VERSION_SHADES = ("#FFFFFF", "#DCE9F5", "#A9CBE6", "#6FA8D3", "#3B83BD", "#1F5F94", "#103F68")
CASE_NAMES = {"normal": "homogeneous workers", "slow": "half of the workers slowed"}


@figure("azopg_fig1", "azopg", "P1 Fig. 1: the master and its asynchronous workers")
def fig1(tables: Tables) -> Figure:
    """The loop of Algorithm 1, drawn."""
    drawn = canvas(6.4, 2.9)
    narrow = is_narrow(drawn, 5.0)
    axis = drawn.add_subplot()
    axis.set(xlim=(0, 10), ylim=(0, 4.6))
    axis.axis("off")
    box(axis, 5.0, 3.95, 6.6, 1.0, "master\naverages N estimates:  K ← K − η · mean(F)", "#DDEAF6")
    for centre, label in ((1.55, "worker 1"), (4.9, "worker 2"), (8.45, "worker M")):
        box(
            axis,
            centre,
            0.75,
            2.95,
            1.3,
            f"{label}\ntwo rollouts,\nK ± rU, same x₀"
            if narrow
            else f"{label}\ntwo rollouts, K + rU and K − rU\nfrom the same x₀",
            "#F4EBDD",
        )
        top = float(np.clip(centre, 2.4, 7.6))
        arrow(axis, (top - 0.22, 3.42), (centre - 0.22, 1.45), shrink=0)
        arrow(axis, (centre + 0.22, 1.45), (top + 0.22, 3.42), dashes=(0, (4, 2)), shrink=0)
    axis.text(6.67, 0.75, "···", ha="center", va="center", fontsize=12)
    pull = "pull: K,\nsample index" if narrow else "pull: K and a sample index"
    axis.text(4.52, 2.45, pull, ha="right", va="center", fontsize=small())
    axis.text(5.3, 2.45, "push: F", ha="left", va="center", fontsize=small())
    return drawn


@figure("azopg_fig2", "azopg", "P1 Fig. 2: timeline of pulls, pushes and updates")
def fig2(tables: Tables) -> Figure:
    """Each bar is an estimate from its pull to its push, shaded by the version it pulled; lines are updates."""
    events = tables["events"]
    cases = [case for case in CASE_NAMES if case in set(events["case"])]
    drawn, axes = panels(len(cases), 7.0, 1.9 * len(cases) + 0.5, columns=1, sharex=True)
    for axis, case in zip(axes, cases, strict=True):
        _timeline(axis, events[events["case"] == case])
        axis.set_title(CASE_NAMES[case])
    axes[-1].set(xlabel="time (s)", xlim=(0, float(events["pushed_s"].max()) * 1.01))
    _timeline_legend(drawn)
    panel_letters(axes)
    return drawn


def _timeline(axis: Axes, events: pd.DataFrame) -> None:
    workers = int(events["workers"].iloc[0])
    for row in events.itertuples():
        late = row.update > row.version
        axis.barh(
            row.worker,
            row.pushed_s - row.pulled_s,
            left=row.pulled_s,
            height=0.62,
            color=VERSION_SHADES[min(row.version, len(VERSION_SHADES) - 1)],
            edgecolor=COLOURS[2] if late else "#444444",
            linewidth=1.5 if late else 0.7,
            hatch="////" if late else None,
            zorder=3 if late else 2,
        )
    ends = events.groupby("update")["pushed_s"].max()
    for update, time_s in ends.items():
        axis.axvline(time_s, color="black", lw=1.0, zorder=4)
        axis.text(time_s, -0.55, f"K{int(update) + 1} ", ha="right", va="center", fontsize=small())
    axis.set_yticks(range(workers), [f"worker {worker + 1}" for worker in range(workers)])
    axis.set_ylim(workers - 0.5, -0.9)
    axis.grid(visible=False)


def _timeline_legend(drawn: Figure) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    bars = [
        Patch(fc=VERSION_SHADES[0], ec="#444444", label="estimate made with K0"),
        Patch(fc=VERSION_SHADES[2], ec="#444444", label="with a later gain (darker: later)"),
        Patch(fc="white", ec=COLOURS[2], hatch="////", label="used after a further update"),
        Line2D([], [], color="black", lw=1.0, label="update"),
    ]
    legend_outside(drawn, bars, [str(bar.get_label()) for bar in bars], "upper", 4)


@figure("azopg_fig3", "azopg", "P1 Fig. 3: convergence (a, b) and speedup (c) against the number of workers")
def fig3(tables: Tables) -> Figure:
    """Relative gap against time for both cases; speedup with ideal lines and both kinds of streams."""
    drawn, (left, middle, right) = panels(3, 9.6, 3.1)
    curves = tables["curves"]
    for axis, case in ((left, "normal"), (middle, "slow")):
        _convergence(axis, curves, case)
    _speedups(right, tables["speedup"])
    panel_letters([left, middle, right])
    return drawn


def _convergence(axis: Axes, curves: pd.DataFrame, case: str) -> None:
    shown = curves[curves["case"] == case]
    if case == "slow":  # the single worker, which nothing slows, is the reference of this panel too
        reference = (curves["case"] == "normal") & (curves["workers"] == 1)
        shown = curves[reference | (curves["case"] == case)]
    settings = curves.attrs["settings"]
    tolerance = (settings if settings["clock"] == "virtual" else settings["real_clock"])["tolerance"]
    for index, (workers, runs) in enumerate(shown.groupby("workers")):
        _band(axis, runs, index, f"M = {workers}", tolerance)
    axis.axhline(tolerance, color="#888888", lw=0.9)
    axis.annotate(
        "tolerance",
        (0.8, tolerance),
        (0, -2),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=small(),
    )
    axis.set_yscale("log")
    axis.set(xlabel="time (s)", ylabel="relative gap (f(K) − f*) / (f(K₀) − f*)", title=CASE_NAMES[case])
    axis.set_xlim(left=0)
    axis.set_ylim(bottom=tolerance / 2)
    axis.legend(title=f"{counted(shown['replicate'].nunique(), 'run')} each: median, range", title_fontsize=small())


def _band(axis: Axes, runs: pd.DataFrame, index: int, label: str, tolerance: float) -> None:
    """Median and range over runs of the time at which each gap was reached, down to one that all reach; a marker there.

    Runs end at different times. Medians of gaps at a time would end with the shortest one, above the tolerance.
    """
    gaps = runs.groupby("replicate")["gap"]
    levels = np.geomspace(gaps.first().min(), max(tolerance, gaps.min().max()), 200)
    times = np.array([_times(run, levels) for _, run in runs.groupby("replicate")])
    look: dict[str, Any] = {
        "color": COLOURS[index % 7],
        "linestyle": DASHES[index % 7],
        "marker": MARKERS[index % 7],
        "markevery": [199],
    }
    axis.plot(np.median(times, axis=0), levels, label=label, **look)
    axis.fill_betweenx(levels, times.min(axis=0), times.max(axis=0), color=look["color"], alpha=BAND, lw=0)


def _times(run: pd.DataFrame, levels: Array) -> Array:
    """When a run first was at each gap."""
    lowest = np.minimum.accumulate(run["gap"].to_numpy())
    falls = np.append(True, lowest[1:] < lowest[:-1])
    times: Array = np.interp(-np.log(levels), -np.log(lowest[falls]), run["time_s"].to_numpy()[falls])
    return times


def _speedups(axis: Axes, table: pd.DataFrame) -> None:
    tickets = table[table["streams"] == "tickets"]
    independent = table[table["streams"] == "independent"]
    single = tickets[(tickets["workers"] == 1) & (tickets["case"] == "normal")]
    top = int(table["workers"].max())
    axis.plot([1, top], [1, top], color="#888888", lw=0.9)
    slowed_line(axis, table)
    axis.annotate("M ", (top * 0.62, top * 0.62), ha="right", va="bottom", fontsize=small())
    for case, colour, marker in (("normal", COLOURS[1], "o"), ("slow", COLOURS[2], "s")):
        rows = tickets[tickets["case"] == case]
        median = rows.groupby("workers")["speedup"].median()
        axis.plot(median.index, median, marker=marker, color=colour, ls="", label=CASE_NAMES[case])
        spread = independent[independent["case"] == case].groupby("workers")["speedup"]
        if len(spread):
            axis.fill_between(spread.min().index, spread.min(), spread.max(), color=colour, alpha=BAND, lw=0)
    axis.plot([], [], color="#888888", lw=0.9, label="ideal lines")
    if len(set(independent["replicate"])) > 1:
        axis.fill_between([], [], color="#444444", alpha=BAND, lw=0, label="range, independent samples")
    axis.set(xlabel="number of workers M", ylabel="speedup $T_1 / T_M$")
    axis.set_title("speedup")
    axis.set(xlim=(0, top + 0.4), ylim=(0, 1.15 * table["speedup"].max() + 1.0))
    title = f"medians of {counted(single['replicate'].nunique(), 'run')}, same samples"
    axis.legend(loc="upper left", fontsize=small(), title=title, title_fontsize=small(), alignment="left")


def slowed_line(axis: Axes, table: pd.DataFrame) -> None:
    """The ideal speedup with half of the workers slowed, a multiple of their number."""
    top, slow = int(table["workers"].max()), table[table["case"] == "slow"]
    if len(slow):
        share = float((slow["ideal_speedup"] / slow["workers"]).iloc[0])
        axis.plot([0, top], [0, share * top], color="#888888", lw=0.9, ls=(0, (2, 2)))
        axis.annotate(f" {share:.2f} M", (top * 0.62, share * top * 0.62), ha="left", va="top", fontsize=small())


@figure("azopg_scaling", "azopg", "beyond P1: where staleness breaks the linear speedup")
def scaling(tables: Tables) -> Figure:
    """Efficiency against the number of workers, and the mean delay that goes with it."""
    from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

    table = tables["scaling"]
    drawn, (left, right) = panels(2, 7.2, 3.1)
    for index, (batch_size, rows) in enumerate(table.groupby("batch_size")):
        style: dict[str, Any] = {"color": COLOURS[index + 1], "marker": MARKERS[index], "ls": DASHES[index]}
        label = f"N = {batch_size}"
        done = rows[~rows["censored"]]
        groups = done.groupby("workers")["efficiency"]
        left.plot(groups.median().index, groups.median(), label=label, **style)
        left.fill_between(groups.min().index, groups.min(), groups.max(), color=COLOURS[index + 1], alpha=BAND, lw=0)
        lost = sorted(set(rows.loc[rows["censored"], "workers"]))
        left.plot(lost, [0.02 + 0.05 * index] * len(lost), ls="", marker="x", color=COLOURS[index + 1], ms=6)
        delays = rows.groupby("workers")["mean_delay"].median()
        right.plot(delays.index[delays > 0], delays[delays > 0], label=label, **style)
    left.plot([], [], ls="", marker="x", color="#444444", label="tolerance not met")
    left.axhline(1.0, color="#888888", lw=0.9)
    left.set(ylabel="efficiency $T_1 / (M\\, T_M)$", ylim=(0, 1.15), title="speedup per worker")
    right.set_yscale("log")
    right.set(ylabel="mean delay (updates)", title="staleness")
    right.axhline(1.0, color="#888888", lw=0.9)
    for axis in (left, right):
        axis.set_xscale("log", base=4)
        axis.xaxis.set_major_locator(FixedLocator(sorted(set(table["workers"]))))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.tick_params(axis="x", rotation=45)
        axis.set_xlabel(f"workers M (median, range of {counted(table['replicate'].nunique(), 'run')})")
    left.legend(loc="lower left", bbox_to_anchor=(0.0, 0.12))
    right.legend(loc="upper left")
    panel_letters([left, right])
    return drawn


@figure("azopg_barrier", "azopg", "beyond P1: asynchronous against synchronous updates")
def barrier(tables: Tables) -> Figure:
    """Updates a second over those of a single worker, without a barrier and with two kinds of it."""
    table = tables["barrier"]
    names = {
        "async": "asynchronous",
        "dynamic_barrier": "barrier, estimates handed out one by one",
        "static_barrier": "barrier, batch split beforehand",
    }
    drawn, axes = panels(2, 7.2, 3.1, sharey=True)
    top = int(table["workers"].max())
    for axis, case in zip(axes, CASE_NAMES, strict=True):
        axis.plot([1, top], [1, top], color="#888888", lw=0.9, label="M")
        for index, (scheme, label) in enumerate(names.items()):
            alone_or_case = (table["workers"] == 1) | (table["case"] == case)
            rows = table[(table["scheme"] == scheme) & alone_or_case].sort_values("workers")
            axis.plot(
                rows["workers"],
                rows["speedup"],
                marker=MARKERS[index],
                color=COLOURS[index + 1],
                ls=DASHES[index],
                label=label,
            )
        axis.set(xlabel="number of workers M", title=CASE_NAMES[case], xlim=(0, top + 0.4), ylim=(0, top + 0.6))
        axis.set_ylabel("updates/s, relative to one worker")
    axes[0].legend(loc="upper left", fontsize=small())
    label_first(axes)
    panel_letters(axes)
    return drawn
