"""Figures of P3: quasi Monte Carlo, policy evaluation and policy iteration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lqrpg.figures.registry import Tables, figure
from lqrpg.figures.style import (
    BAND,
    COLOURS,
    DASHES,
    MARKERS,
    canvas,
    heading,
    legend_outside,
    note,
    panel_letters,
    panels,
    signed,
    small,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EXPLORATIONS = {
    "qsa": "QSA: sinusoids",
    "sa_equal_variance": "SA: white noise, equal variance",
    "sa_equal_density": "SA: white noise, equal density",
}


@figure("qsa_fig1", "qsa_monte_carlo", "P3 Fig. 1: quasi Monte Carlo with several gains, and the running average")
def fig1(tables: Tables) -> Figure:
    """Estimates against time, and their distance from the mean that the recursion converges to."""
    paths = tables["paths"]
    integral, grid = _means(tables["variance"])
    drawn, (left, right) = panels(2, 7.8, 3.5)
    gains = sorted(set(paths.loc[paths["gain"] > 0, "gain"]))
    for index, gain in enumerate(gains):
        look: dict[str, Any] = {"color": COLOURS[(index + 1) % 7], "ls": DASHES[(index + 1) % 7]}
        rows = paths[(paths["method"] == "qsa") & (paths["gain"] == gain)]
        _estimate(left, right, rows, grid, label=f"g = {gain:g}", **look)
    _estimate(left, right, paths[paths["method"] == "average"], grid, label="running average (17)", color="black")
    left.axhline(integral, color="#666666", lw=0.9, label=f"integral, {signed(integral, 3)}")
    left.axhline(grid, color="#666666", lw=0.9, ls=(0, (2, 2)), label=f"mean of Euler's points, {signed(grid, 3)}")
    left.set(xlabel="time t (s)", ylabel="estimate Θ of the mean of y", xlim=(0, paths["t_s"].max()))
    left.set_title("one start, gains g/(1 + t)")
    right.set(xlabel="time t (s), in mid-period", ylabel="|Θ − mean of Euler's points|", title="error, once a period")
    handles, labels = left.get_legend_handles_labels()
    legend_outside(drawn, handles, labels, "lower", 5)
    panel_letters([left, right])
    return drawn


def _estimate(left: Axes, right: Axes, rows: pd.DataFrame, mean: float, **look: Any) -> None:
    """An estimate, and its error once a period: within one, the sawtooth swings it."""
    left.plot(rows["t_s"], rows["estimate"], lw=1.2, **look)
    once = rows[(rows["t_s"] % 1.0 - 0.5).abs() < 1e-6]
    right.loglog(once["t_s"], (once["estimate"] - mean).abs(), lw=1.2, **look)


def _means(variance: pd.DataFrame) -> tuple[float, float]:
    """The integral of y over [0, 1], and its mean over the points that the recursion visits."""
    return float(variance["integral"].iloc[0]), float(variance["points_mean"].iloc[0])


@figure("qsa_fig2", "qsa_monte_carlo", "P3 Fig. 2: histograms of plain and quasi Monte Carlo over many runs")
def fig2(tables: Tables) -> Figure:
    """Histograms on one axis; a histogram too narrow for it is magnified in an inset."""
    estimates, variance = tables["estimates"], tables["variance"].set_index(["method", "gain"])
    integral, grid = _means(tables["variance"])
    keys = sorted(variance.index, key=lambda key: (key[0] != "mc", key[1]))
    spread = float(np.sqrt(variance["variance"].max()))
    bins = np.linspace(integral - 4.0 * spread, integral + 4.0 * spread, 81)
    drawn, axes = panels(len(keys), 8.4, 2.9)
    for index, (axis, key) in enumerate(zip(axes, keys, strict=True)):
        sample = estimates.loc[(estimates["method"] == key[0]) & (estimates["gain"] == key[1]), "estimate"]
        _histogram(axis, sample, bins, COLOURS[index + 1])
        axis.axvline(integral, color="black", lw=1.0, ls=(0, (3, 2)))
        if key[0] == "qsa":
            axis.axvline(grid, color="black", lw=1.0, ls=(0, (1, 1.5)))
        row = variance.loc[key]
        axis.set_title("plain Monte Carlo" if key[0] == "mc" else f"QSA, g = {key[1]:g}")
        text = f"mean {signed(row['mean'], 3)}\nvariance {row['variance']:.2e}"
        axis.text(0.03, 0.97, text, transform=axis.transAxes, va="top", fontsize=small())
        axis.set(xlabel="estimate", xlim=(bins[0], bins[-1]))
        if sample.std() < 0.05 * spread:
            _magnified(axis, sample, COLOURS[index + 1])
    axes[0].set_ylabel(f"runs in a bin, of {int(variance['runs'].min())}")
    heading(drawn, _ratios(variance) + "; dashed: the integral; dotted: mean of Euler's points")
    panel_letters(axes)
    return drawn


def _histogram(axis: Axes, sample: pd.Series, bins: Any, colour: str) -> None:
    axis.hist(np.clip(sample, bins[0], bins[-1]), bins=bins, color=colour, alpha=0.75)
    axis.margins(y=0.35)
    axis.set_axisbelow(True)


def _magnified(axis: Axes, sample: pd.Series, colour: str) -> None:
    inset = axis.inset_axes((0.08, 0.3, 0.32, 0.3))
    inset.hist((sample - sample.mean()) * 1e3, bins=40, color=colour, alpha=0.75)
    inset.set_title("(Θ − its mean) × 10³", fontsize=6, loc="center")
    inset.tick_params(labelsize=6, left=False, labelleft=False)
    inset.grid(visible=False)


def _ratios(variance: pd.DataFrame) -> str:
    qsa = variance.loc["qsa", "variance"]
    pairs = zip(qsa.index[:-1], qsa.index[1:], strict=True)
    return "variance falls " + ", ".join(f"{qsa[a] / qsa[b]:,.0f} times from g = {a:g} to g = {b:g}" for a, b in pairs)


@figure("qsa_fig3", "qsa_policy_evaluation", "P3 Fig. 3: policy evaluation with sinusoids and with white noise")
def fig3(tables: Tables) -> Figure:
    """Relative error against time: median, quartiles and range over replicates."""
    table = tables["evaluation"]
    drawn = canvas(6.2, 4.0)
    axis = drawn.add_subplot()
    for index, (method, label) in enumerate(EXPLORATIONS.items()):
        runs = table[table["method"] == method].groupby("t_s")["relative_error"]
        median, colour = runs.median(), COLOURS[index + 1]
        look: dict[str, Any] = {"color": colour, "ls": DASHES[index], "marker": MARKERS[index], "markevery": 20}
        axis.plot(median.index, median, label=label, **look)
        axis.fill_between(median.index, runs.quantile(0.25), runs.quantile(0.75), color=colour, alpha=2 * BAND, lw=0)
        axis.fill_between(median.index, runs.min(), runs.max(), color=colour, alpha=0.5 * BAND, lw=0)
    axis.set_yscale("log")
    axis.set(xlabel="time t (s)", ylabel="relative error ‖Θ − θ*‖ / ‖θ*‖", xlim=(0, table["t_s"].max()))
    axis.set_title("policy evaluation by the matrix gain (34)")
    replicates = table["replicate"].nunique()
    title = f"{replicates} replicates each: median, quartiles (dark), range (light)"
    legend_outside(drawn, *axis.get_legend_handles_labels(), "upper", 3, title)
    note(
        drawn, "Equal variance at every step, or equal density in the band of ξ: the order of QSA and SA depends on it."
    )
    return drawn


@figure("qsa_fig4", "qsa_policy_iteration", "P3 Fig. 4: policy iteration, exact and without a model")
def fig4(tables: Tables) -> Figure:
    """Both errors of the gain against the iteration."""
    table = tables["iteration"]
    noise = table.attrs["settings"]["noise"].removeprefix("sa_").replace("_", " ")
    names = {"qsa": "QSA: sinusoids", "sa": f"SA: white noise, {noise}"}
    drawn, axes = panels(2, 7.6, 3.4)
    for axis, column in zip(axes, ("gain_error", "weighted_error"), strict=True):
        for index, (method, label) in enumerate(names.items()):
            _iterations(axis, table[table["method"] == method], column, index + 1, label)
        exact = table[table["method"] == "exact"]
        axis.plot(exact["iteration"], exact[column], color="black", marker="o", mfc="none", ls="-", label="exact")
        axis.set_yscale("log")
        axis.set(xlabel="iteration", xticks=range(0, int(table["iteration"].max()) + 1, 2))
    axes[0].set(ylabel="‖K − K*‖ / ‖K*‖", title="error of the gain")
    axes[1].set(ylabel="(tr $P_K$ − tr $P^*$) / tr $P^*$", title="error weighted by the cost")
    handles, labels = axes[0].get_legend_handles_labels()
    title = f"{table['replicate'].nunique()} replicates: median, range; a gap: the gain does not stabilise"
    title = title if not table["stabilising"].all() else title.split(";")[0]
    legend_outside(drawn, handles, labels, "upper", 3, title)
    panel_letters(axes)
    return drawn


def _iterations(axis: Axes, runs: pd.DataFrame, column: str, index: int, label: str) -> None:
    groups = runs.replace(np.inf, np.nan).groupby("iteration")[column]
    look: dict[str, Any] = {"color": COLOURS[index], "ls": DASHES[index], "marker": MARKERS[index]}
    axis.plot(groups.median().index, groups.median(), label=label, **look)
    axis.fill_between(groups.min().index, groups.min(), groups.max(), color=COLOURS[index], alpha=BAND, lw=0)
