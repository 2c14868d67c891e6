"""Figures of P2: convergence for every batch size, resampled systems vs. fixed sample, and what both cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lqrpg.figures.registry import Tables, figure
from lqrpg.figures.style import (
    BAND,
    COLOURS,
    DASHES,
    columns_inside,
    counted,
    is_narrow,
    legend_outside,
    note,
    panel_letters,
    panels,
    small,
)
from lqrpg.results.intervals import median_ranks

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAPER_SECONDS = {"dr": 40.5, "sa": 33.1}
"""The paper's seconds for a controller on an NVIDIA A100."""
METHOD_NAMES = {"dr": "resampled systems (DR)", "sa": "fixed sample (SA)"}
METHOD_COLOURS = {"dr": COLOURS[1], "sa": COLOURS[2]}
METHOD_DASHES = {"dr": "-", "sa": DASHES[1]}
_INTERVAL: dict[str, Any] = {"color": "black", "alpha": BAND, "lw": 0}


@figure("dr_lqr_fig1", "dr_lqr", "P2 Fig. 1: convergence for every M (left), DR against SA (center), ||K|| (right)")
def fig1(tables: Tables) -> Figure:
    """Cost against steps for every batch size, both methods at one, and the spread of their final gains."""
    curves, settings = tables["curves"], tables["curves"].attrs["settings"]
    shown = _cost_scale(tables, settings["axis"])
    drawn, (left, center, right) = panels(3, 10.6, 3.5)
    _all_batches(left, curves, settings, shown)
    _two_methods(center, tables, settings, shown)
    _gain_norms(right, tables, settings)
    for axis in (left, center, right):
        axis.set_axisbelow(True)
    panel_letters([left, center, right])
    return drawn


Scale = tuple[Callable[[Any], Any], str]
"""From an excess to what is drawn, and its name."""


def _cost_scale(tables: Tables, axis: str) -> Scale:
    if axis == "excess":
        return lambda excess: excess, "excess cost  J / J* − 1"
    best = float(tables["optimum"]["cost"].iloc[0])
    return lambda excess: best * (1.0 + excess), "cost  J"


def _all_batches(axis: Axes, curves: pd.DataFrame, settings: dict[str, Any], shown: Scale) -> None:
    runs = settings["replicates"]
    for index, (batch_size, rows) in enumerate(curves[curves["method"] == "dr"].groupby("batch_size")):
        lost = runs - int(rows["n_stable"].iloc[-1])
        label = f"M = {batch_size}" + (f" ({lost} diverged)" if lost else "")
        style = {"color": COLOURS[index % len(COLOURS)], "ls": DASHES[index % len(DASHES)]}
        _median_and_band(axis, rows, shown, label, style)
    axis.set(xlabel="steps", ylabel=shown[1], title=f"DR, every M, {counted(runs, 'run')} each")
    axis.set_xlim(0, settings["steps"])
    if settings["axis"] == "excess":
        axis.set_yscale("log")
    axis.legend(loc="upper right", ncols=2, title=_lost_stability(curves, "dr"), title_fontsize=small())


def _lost_stability(table: pd.DataFrame, method: str) -> str:
    """The legend's title: what the bands are, and whether any run was lost."""
    last = table[table["method"] == method].groupby("batch_size")[["n_stable"]].last()
    lost = (table.attrs["settings"]["replicates"] - last["n_stable"]).sum()
    return "median, 25–75 %; " + ("no run diverged" if lost == 0 else "diverged runs count as infinite")


def _median_and_band(axis: Axes, rows: pd.DataFrame, shown: Scale, label: str, style: dict[str, Any]) -> None:
    cost = shown[0]
    finite = rows[np.isfinite(rows["median"])]
    axis.plot(finite["step"], cost(finite["median"]), label=label, **style)
    whole = rows[np.isfinite(rows["p75"])]
    axis.fill_between(whole["step"], cost(whole["p25"]), cost(whole["p75"]), color=style["color"], alpha=BAND, lw=0)


def _two_methods(axis: Axes, tables: Tables, settings: dict[str, Any], shown: Scale) -> None:
    """From a fifth of the steps on, where the methods part; Monte Carlo estimates of the same gains beside them."""
    compared = settings["compared"]
    if settings["axis"] == "excess":
        shown = lambda excess: 1e3 * excess, "excess cost  1000 (J / J* − 1)"
    cost = shown[0]
    curves = tables["curves"][tables["curves"]["batch_size"] == compared]
    wiggles = tables["wiggles"]
    for method, rows in curves.groupby("method"):
        lost = settings["replicates"] - int(rows["n_stable"].iloc[-1])
        style = {"color": METHOD_COLOURS[method], "ls": METHOD_DASHES[method]}
        label = METHOD_NAMES[method] + (f", {lost} diverged" if lost else "")
        _median_and_band(axis, rows, shown, label, style)
        sampled = wiggles[(wiggles["method"] == method) & np.isfinite(wiggles["monte_carlo"])]
        axis.plot(sampled["step"], cost(sampled["monte_carlo"]), color=METHOD_COLOURS[method], lw=0.6, zorder=1)
    axis.plot([], [], color="#444444", lw=0.6, label=f"same gains, by {settings['samples']:,} samples")
    axis.set(xlabel="steps", ylabel=shown[1], title=f"DR and SA, M = {compared}, zoomed")
    late = curves[curves["step"] >= 0.2 * settings["steps"]].replace([np.inf, -np.inf], np.nan)
    axis.set_xlim(0.2 * settings["steps"], settings["steps"])
    low, high = float(late["p25"].min()), float(late["p75"].max())
    if np.isfinite(low) and np.isfinite(high):
        low = min(low, 0.0)
        axis.set_ylim(cost(low - 0.12 * (high - low)), cost(high + 0.1 * (high - low)))
    axis.axhline(cost(0.0), color="black", lw=0.8, ls=DASHES[2])
    title = f"median, 25–75 % of {counted(settings['replicates'], 'run')}"
    axis.legend(loc="upper right", title=title, title_fontsize=small(), alignment="left")


def _gain_norms(axis: Axes, tables: Tables, settings: dict[str, Any]) -> None:
    from matplotlib.ticker import LogFormatterSciNotation

    final = tables["final"][tables["final"]["batch_size"] == settings["compared"]]
    kept = final[final["fail_step"] < 0]
    edges = np.histogram_bin_edges(kept["gain_norm"], bins=80).tolist()
    for method, filled in (("sa", False), ("dr", True)):
        norms = kept.loc[kept["method"] == method, "gain_norm"]
        lost = int((final["method"] == method).sum()) - len(norms)
        label = f"{METHOD_NAMES[method]}, σ = {norms.std():.2g}" + (f", {lost} diverged" if lost else "")
        fill: dict[str, Any] = (
            {"histtype": "stepfilled", "alpha": 0.75, "lw": 0} if filled else {"histtype": "step", "lw": 1.4}
        )
        if len(norms) == 0:
            axis.plot([], [], color=METHOD_COLOURS[method], label=f"{METHOD_NAMES[method]}, all {lost} diverged")
            continue
        axis.hist(norms, bins=edges, color=METHOD_COLOURS[method], label=label, **fill)
    best = float(tables["optimum"]["gain_norm"].iloc[0])
    axis.axvline(best, ymax=0.72, color="black", lw=1.0, ls=DASHES[2], label=f"optimum, {best:.2f}")
    if len(kept):
        axis.set_yscale("log")
        axis.set_ylim(bottom=0.7)
        axis.set_ylim(top=axis.get_ylim()[1] * 12.0)
        axis.yaxis.set_major_formatter(LogFormatterSciNotation())
    axis.set(xlabel="‖K‖₂ after the last step", ylabel="runs", title=f"final gains, M = {settings['compared']}")
    axis.legend(
        loc="upper left",
        title=f"{counted(settings['replicates'], 'run')} each",
        title_fontsize=small(),
        alignment="left",
    )


@figure("dr_lqr_runtime", "dr_lqr", "P2, table: seconds for a controller, DR and SA")
def runtime(tables: Tables) -> Figure:
    """Left: processor seconds for a controller, next to the paper's; right: DR over SA for each pair of timed runs."""
    table = tables["runtime"]
    settings = table.attrs["settings"]
    counts = sorted(set(table["controllers"]))
    drawn, (left, right) = panels(2, 10.6, 1.9 + 0.5 * len(counts), ratios=[3, 2])
    narrow = is_narrow(drawn, 6.0)
    if narrow:
        drawn.set_figheight(1.25 * drawn.get_figheight())
    _seconds_table(left, table, counts)
    left.set_title(f"CPU time (s) per controller: {settings['steps']:,} steps, M = {settings['compared']}")
    _ratios(right, table, counts)
    if narrow:
        legend_outside(drawn, *right.get_legend_handles_labels(), "upper", 2)
    else:
        right.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=small())
    panel_letters([left, right])
    note(drawn, f"{settings['runtime']['repeats']} pairs each, on one core of {_device(table)}")
    return drawn


def _device(table: pd.DataFrame) -> str:
    return str(table["device"].iloc[0])


def _seconds_table(axis: Axes, table: pd.DataFrame, counts: list[int]) -> None:
    """Medians over the pairs."""
    ratio = PAPER_SECONDS["dr"] / PAPER_SECONDS["sa"]
    rows = [_runtime_row(table[table["controllers"] == count], count) for count in counts]
    rows.append(["the paper, on an A100", f"{PAPER_SECONDS['dr']} s", f"{PAPER_SECONDS['sa']} s", f"{ratio:.2f}"])
    head = ["medians", "resampled\nsystems (DR)", "fixed sample\n(SA)", "DR / SA"]
    axis.axis("off")
    drawn = axis.table(rows, colLabels=head, loc="center", cellLoc="center", colWidths=[0.4, 0.22, 0.22, 0.16])
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(small() * (6 / 7 if columns_inside(axis, 2) == 1 else 1.0))
    drawn.scale(1.0, 1.5)
    for (row, _), cell in drawn.get_celld().items():
        cell.set_height(cell.get_height() * (1.5 if row == 0 else 1.0))
        cell.set_edgecolor("#BBBBBB")
        cell.set_facecolor("#EFEFEF" if row == 0 else "white")


def _runtime_row(rows: pd.DataFrame, count: int) -> list[str]:
    name = "controller alone" if count == 1 else "controllers together"
    seconds = [f"{rows[column].median():.3g} s" for column in ("dr_seconds", "sa_seconds")]
    return [f"{count} {name}", *seconds, f"{(rows['dr_seconds'] / rows['sa_seconds']).median():.2f}"]


def _ratios(axis: Axes, table: pd.DataFrame, counts: list[int]) -> None:
    """A dot for each pair, and the median with its 99 % interval, by ranks; the paper's ratio as a line."""
    for place, count in enumerate(counts):
        rows = table[table["controllers"] == count].sort_values("pair")
        ratios = (rows["dr_seconds"] / rows["sa_seconds"]).to_numpy()
        spread = np.linspace(-0.3, 0.3, len(ratios)) if len(ratios) > 1 else np.zeros(1)  # in the order of the pairs
        axis.plot(ratios, place + spread, ls="", marker=".", ms=3.5, mew=0, color=COLOURS[1], alpha=0.6)
        axis.plot([np.median(ratios)] * 2, [place - 0.38, place + 0.38], color="black", lw=1.6)
        ranks = median_ranks(len(ratios), 0.99)
        if ranks:
            axis.fill_betweenx([place - 0.38, place + 0.38], *np.sort(ratios)[list(ranks)], **_INTERVAL)
    paper = PAPER_SECONDS["dr"] / PAPER_SECONDS["sa"]
    axis.axvline(paper, color=COLOURS[2], lw=1.0, ls=DASHES[1])
    axis.plot([], [], ls="", marker=".", color=COLOURS[1], label="one pair")
    axis.plot([], [], color="black", lw=1.6, label="median")
    axis.fill_between([], [], [], label="its 99 % interval", **_INTERVAL)
    axis.plot([], [], color=COLOURS[2], lw=1.0, ls=DASHES[1], label=f"the paper's {paper:.2f}")
    axis.set_yticks(range(len(counts)), [str(count) for count in counts])
    axis.set_ylim(len(counts) - 0.5, -0.5)
    axis.set(xlabel="DR / SA", ylabel="controllers", title="ratio of each pair")
