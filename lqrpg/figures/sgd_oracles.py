"""Figures 2 and 3 of P4: error, bias and variance of the gradient oracles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lqrpg.figures.registry import Tables, figure
from lqrpg.figures.sgd_curves import guide, look
from lqrpg.figures.style import MARKERS, columns_inside, heading, panel_letters, panels, small

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAPERS_LINE = 8.2e-4
READINGS = {
    "noise": r"gradient driven by $\Sigma_w$, factor 2, Frobenius norm",
    "initial": "gradient driven by Σ₀, no factor 2, spectral norm",
}


@figure("sgd_fig2", "sgd_oracles", "P4 Fig. 2: mean error, norm of the mean error and variance, indirect oracle")
def fig2(tables: Tables) -> Figure:
    """Mean error with a fitted i^-1/2, norm of the mean error with its Monte Carlo floor, variance."""
    table = tables["indirect_oracle"]
    settings = table.attrs["settings"]
    drawn, axes = panels(3, 9.8, 3.7)
    for index, (noise, rows) in enumerate(table.groupby("noise")):
        _errors(axes[0], rows, index, noise)
        axes[1].plot(rows["iteration"], rows["bias_norm"], label=rf"$\Sigma_w$ = {noise:g} I", **look(index))
        axes[2].plot(rows["iteration"], rows["variance"], label=rf"$\Sigma_w$ = {noise:g} I", **look(index))
        floor = np.sqrt(rows["variance"] / settings["samples"])
        guide(axes[1], rows["iteration"], floor, "Monte Carlo noise √(variance / samples)" if not index else "")
    i = np.array([1.0, float(table["iteration"].max())])
    axes[0].plot(
        i, PAPERS_LINE * i**-0.5, color="black", lw=0.9, ls=(0, (8, 2, 1, 2)), label="the paper's 8.2e−4 i^(−1/2)"
    )
    titles = ("mean error  E‖g − ∇C‖", "mean error's norm  ‖E g − ∇C‖", "variance  E‖g − E g‖²")
    for axis, title in zip(axes, titles, strict=True):
        axis.set(xscale="log", yscale="log", xlabel="iteration i", title=title)
        _room_for_legend(axis)
    heading(drawn, f"indirect oracle, {settings['samples']} samples; {READINGS[settings['reading']]}")
    panel_letters(axes)
    return drawn


def _errors(axis: Axes, rows: pd.DataFrame, index: int, noise: float) -> None:
    axis.plot(rows["iteration"], rows["mean_error"], label=rf"$\Sigma_w$ = {noise:g} I", **look(index))
    late = rows[rows["iteration"] >= 0.1 * rows["iteration"].max()]
    fitted = float(np.exp(np.mean(np.log(late["mean_error"] * np.sqrt(late["iteration"])))))
    at = rows["iteration"].to_numpy(dtype=float)
    guide(axis, at, fitted * at**-0.5, f"fitted to the last decade: {fitted:.1e} i^(−1/2)")


def _room_for_legend(axis: Axes) -> None:
    low, high = axis.get_ylim()
    axis.set_ylim(low, high * (high / low) ** (0.45 if columns_inside(axis, 2) == 2 else 0.65))
    axis.legend(loc="upper left", fontsize=small())


@figure("sgd_fig3", "sgd_oracles", "P4 Fig. 3: bias and variance of the direct oracle against the smoothing radius")
def fig3(tables: Tables) -> Figure:
    """Both against v on log axes, with what is predicted; values beyond the axis and lost samples are marked."""
    table = tables["direct_oracle"]
    settings = table.attrs["settings"]
    drawn, axes = panels(2, 8.6, 3.9)
    for index, (noise, rows) in enumerate(table.groupby("noise")):
        label = rf"$\Sigma_w$ = {noise:g} I"
        style = look(index)
        _capped(axes[0], rows, "bias_norm", index, label)
        first = index == 0
        noise_only = np.sqrt(rows["variance"] / rows["samples"])
        kept = noise_only <= _top(rows["bias_norm"])
        guide(axes[0], rows["radius"][kept], noise_only[kept], "Monte Carlo noise √(variance / samples)" * first)
        stable = rows[rows["unstable_fraction"] == 0.0]
        bias = "bias of finite, smoothed rollouts, computed" * first
        axes[0].plot(stable["radius"], stable["expected_bias"], lw=0.8, color=style["color"], label=bias, ls="-")
        _capped(axes[1], rows, "variance", index, label)
        guide(axes[1], rows["radius"], rows["expected_variance"], "(nₓnᵤ/v)² E[C²] / n, to leading order" * first)
    direct = settings["direct"]
    for axis, title in zip(axes, ("mean error's norm  ‖E g − ∇C‖", "variance  E‖g − E g‖²"), strict=True):
        _shade_unstable(axis, table)
        axis.set(xscale="log", yscale="log", xlabel="smoothing radius v", title=title)
        _radius_ticks(axis, table)
        _room_for_legend(axis)
    head = f"direct oracle, n = {direct['rollouts']}, l = {direct['length']}, {settings['samples']} samples"
    heading(drawn, f"{head}; not finite: {int(table['nonfinite'].sum())}")
    panel_letters(axes)
    return drawn


def _top(values: pd.Series) -> float:
    """Where a value is off the chart: far above the first and the typical ones."""
    return 30.0 * float(values.median()) + 3.0 * float(values.iloc[0])


def _capped(axis: Axes, rows: pd.DataFrame, column: str, index: int, label: str) -> None:
    """The curve; a value that is off the chart is an arrow with its number."""
    top = _top(rows[column])
    inside = rows[rows[column] <= top]
    axis.plot(inside["radius"], inside[column], marker=MARKERS[index], ms=3, label=label, **look(index))
    outside = rows[~(rows[column] <= top)]
    for place, (radius, value) in enumerate(zip(outside["radius"], outside[column], strict=True)):
        text = f"v = {radius:.2g}: {value:.0e} ↑" if np.isfinite(value) else f"v = {radius:.2g}: not finite ↑"
        top_line = 0.97 if columns_inside(axis, 2) == 2 else 0.62  # below the legend of a narrow panel
        at = (0.93, top_line - 0.05 * (index + 2 * place))
        axis.text(
            *at, text, transform=axis.transAxes, ha="right", va="top", fontsize=small(), color=look(index)["color"]
        )


def _shade_unstable(axis: Axes, table: pd.DataFrame) -> None:
    unstable = table.loc[table["unstable_fraction"] > 0.0, "radius"]
    if len(unstable):
        axis.axvspan(float(unstable.min()), float(table["radius"].max()), color="#DDDDDD", lw=0, zorder=0)
        axis.plot([], [], color="#DDDDDD", lw=6, label="some K + U do not stabilise")


def _radius_ticks(axis: Axes, table: pd.DataFrame) -> None:
    from matplotlib.ticker import FixedLocator, NullFormatter, ScalarFormatter

    low, high = float(table["radius"].min()), float(table["radius"].max())
    ticks = [tick for tick in (0.01, 0.02, 0.05, 0.1, 0.2) if low <= tick <= high]
    axis.xaxis.set_major_locator(FixedLocator(ticks))
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.xaxis.set_minor_formatter(NullFormatter())
