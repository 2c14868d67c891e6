"""Figures 1, 4 and 5 of P4, and the comparison of its two oracles by the plant samples they use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lqrpg.figures.diagram import arrow, box
from lqrpg.figures.registry import Tables, figure
from lqrpg.figures.sgd_curves import GAP, fate, gap_curve, iterations_axis
from lqrpg.figures.style import canvas, columns_inside, label_first, panel_letters, panels, small
from lqrpg.results.lookup import MissingRunError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STEPS = {"constant_step": "constant step", "decreasing_step": "decreasing step"}


@figure("sgd_fig1", "sgd_oracles", "P4 Fig. 1: the loops of the indirect and of the direct gradient oracle")
def fig1(tables: Tables) -> Figure:
    """Both loops, drawn."""
    drawn, axes = panels(2, 8.4, 3.3)
    _indirect_loop(axes[0])
    _direct_loop(axes[1])
    for axis in axes:
        axis.set(xlim=(0, 10), ylim=(0, 7.2))
        axis.axis("off")
    panel_letters(axes)
    return drawn


def _indirect_loop(axis: Axes) -> None:
    axis.set_title("indirect oracle (Algorithm 1)")
    box(axis, 5.0, 6.2, 5.6, 1.2, "plant\nx⁺ = A x + B u + w", "#F4EBDD")
    box(axis, 1.9, 3.6, 3.5, 1.4, "excitation\nu = −K x + e", "#F4F4F4")
    box(axis, 7.7, 3.6, 4.2, 1.4, "recursive least squares\nestimates of A, B", "#DDEAF6")
    box(axis, 7.7, 0.95, 4.2, 1.4, "gradient of the\nestimated model", "#DDEAF6")
    box(axis, 1.9, 0.95, 3.5, 1.4, "descent\nK ← K − η g", "#E3F1EB")
    arrow(axis, (1.9, 4.4), (3.4, 5.5), "u", (2.1, 5.05))
    arrow(axis, (6.8, 5.5), (7.7, 4.4), "x, u, x⁺", (8.25, 5.05))
    arrow(axis, (7.7, 2.8), (7.7, 1.75))
    arrow(axis, (5.5, 0.95), (3.75, 0.95), "g", (4.6, 1.3))
    arrow(axis, (1.9, 1.75), (1.9, 2.8), "K, if on-policy", (3.4, 2.28), dashes="--")


def _direct_loop(axis: Axes) -> None:
    axis.set_title("direct oracle (Algorithm 2)")
    box(axis, 5.0, 6.2, 6.6, 1.2, "plant, n rollouts of l steps\nfrom x₀ ~ N(0, Σ₀), u = −(K + U) x", "#F4EBDD")
    box(axis, 1.9, 3.6, 3.5, 1.4, "perturbation U,\n‖U‖ = v", "#F4F4F4")
    box(axis, 7.7, 3.6, 4.2, 1.4, "mean stage cost C\nof each rollout", "#DDEAF6")
    box(axis, 7.7, 0.95, 4.2, 1.4, "g = nₓnᵤ/(n v²) Σ C U", "#DDEAF6")
    box(axis, 1.9, 0.95, 3.5, 1.4, "descent\nK ← K − η g", "#E3F1EB")
    arrow(axis, (1.9, 4.4), (3.0, 5.5), "K + U", (1.65, 5.05))
    arrow(axis, (7.0, 5.5), (7.7, 4.4), "x, u", (8.15, 5.05))
    arrow(axis, (7.7, 2.8), (7.7, 1.75))
    arrow(axis, (5.5, 0.95), (3.75, 0.95), "g", (4.6, 1.3))
    arrow(axis, (1.9, 1.75), (1.9, 2.8), "K", (2.25, 2.28))
    arrow(axis, (3.75, 3.3), (5.5, 1.7), "U", (4.85, 2.85))


@figure("sgd_fig4", "sgd_biased", "P4 Fig. 4: constant or vanishing bias, constant or decreasing step")
def fig4(tables: Tables) -> Figure:
    """Gap against iterations, a panel for each bias."""
    names = {"constant_bias": "constant bias", "vanishing_bias": "bias vanishes as i^(−1/2)"}
    return _pairs(tables, names)


@figure("sgd_fig5", "sgd_indirect", "P4 Fig. 5: indirect oracle, off- and on-policy, constant or decreasing step")
def fig5(tables: Tables) -> Figure:
    """Gap against iterations, a panel for each excitation."""
    names = {"off_policy": "off-policy: excited with K₀", "on_policy": "on-policy: excited with K"}
    return _pairs(tables, names)


def _pairs(tables: Tables, names: dict[str, str]) -> Figure:
    rows, outcomes = tables["trajectories"], tables["outcomes"]
    drawn, axes = panels(2, 8.2, 3.5, sharex=True, sharey=True)
    for axis, (prefix, title) in zip(axes, names.items(), strict=True):
        for index, (suffix, label) in enumerate(STEPS.items()):
            case = f"{prefix}-{suffix}"
            own, ends = rows[rows["case"] == case], outcomes[outcomes["case"] == case]
            gap_curve(axis, own, ends, index, f"{label}: {fate(ends)}")
        iterations_axis(axis, rows)
        axis.set_title(title)
        axis.legend(
            loc="lower left",
            fontsize=small(),
            title="median, range; open marks: a run diverges",
            title_fontsize=small(),
        )
    label_first(axes)
    low = float(rows["gap"].min())
    axes[0].set_ylim(bottom=low / 8.0)
    panel_letters(axes)
    return drawn


@figure("sgd_samples", "sgd_indirect", "beyond P4: gap against plant samples, indirect and direct side by side")
def samples(tables: Tables) -> Figure:
    """The indirect oracle takes one sample an iteration, the direct one n l of them."""
    rows, outcomes = tables["trajectories"], tables["outcomes"]
    drawn = canvas(6.6, 3.8)
    axis = drawn.add_subplot()
    case = "off_policy-decreasing_step"
    shown = rows["case"] == case
    ends = outcomes[outcomes["case"] == case]
    gap_curve(axis, rows[shown], ends, 0, f"indirect, off-policy, decreasing step: {fate(ends)}", "samples")
    try:
        _direct_curves(axis, _direct_table(tables, "trajectories"), _direct_table(tables, "outcomes"))
    except MissingRunError as error:
        axis.text(0.5, 0.5, f"direct oracle: {error}", transform=axis.transAxes, ha="center", fontsize=6, wrap=True)
    axis.set(xscale="log", yscale="log", xlabel="plant samples used", ylabel=GAP)
    axis.set_ylim(top=60.0 if columns_inside(axis, 2) == 2 else 600.0)
    axis.legend(loc="upper left", fontsize=small(), title="median, range", title_fontsize=small(), alignment="left")
    return drawn


def _direct_table(tables: Tables, name: str) -> pd.DataFrame:
    """The runs with the baseline and real rollouts, or the printed ones if there are none."""
    for key in ("sgd_direct?part=baseline", "sgd_direct?part=all", "sgd_direct?part=default"):
        try:
            return tables[f"{key}/{name}"]
        except MissingRunError:
            continue
    return tables[f"sgd_direct?part=baseline/{name}"]


def _direct_curves(axis: Axes, rows: pd.DataFrame, outcomes: pd.DataFrame) -> None:
    part = "baseline" if rows["case"].str.startswith("baseline").any() else "printed"
    parameters = "printed parameters, baseline" if part == "baseline" else "printed parameters"
    for index, kind in enumerate(("constant", "varying"), start=1):
        case = f"{part}-{kind}"
        ends = outcomes[outcomes["case"] == case]
        label = f"direct, {parameters}, {kind}: {fate(ends)}"
        gap_curve(axis, rows[rows["case"] == case], ends, index, label, "samples")
