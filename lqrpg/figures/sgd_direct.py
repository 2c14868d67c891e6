"""Figure 6 of P4: descent with the direct oracle, in three parts that may come from different runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lqrpg.figures.registry import Tables, figure
from lqrpg.figures.sgd_curves import fate, gap_curve, iterations_axis, look
from lqrpg.figures.style import columns_inside, label_first, panel_letters, panels, small
from lqrpg.results.lookup import MissingRunError
from lqrpg.results.parts import part_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLES = {
    "printed": "as printed: real rollouts",
    "baseline": "with baseline: real rollouts",
    "surrogate": "with baseline: GAUSSIAN SURROGATE",
}


@figure(
    "sgd_fig6",
    "sgd_direct",
    "P4 Fig. 6: direct oracle, constant or varying parameters, in three parts",
    beside={"part": ("baseline", "all")},
)
def fig6(tables: Tables) -> Figure:
    """A panel for each part; a part that no run holds says how to compute it."""
    drawn, axes = panels(3, 11.6, 3.9)
    for axis, (part, title) in zip(axes, TITLES.items(), strict=True):
        axis.set_title(title)
        try:
            found = [part_table(tables, part, name) for name in ("trajectories", "outcomes", "rollout_bias")]
        except MissingRunError as error:
            _missing(axis, str(error))
            continue
        _part(axis, part, *found)
    axes[2].set_facecolor("#F5F5F5")
    label_first(axes)
    panel_letters(axes)
    return drawn


def _missing(axis: Axes, message: str) -> None:
    reason, _, command = message.partition(": ")
    axis.set(xticks=[], yticks=[])
    axis.text(
        0.5,
        0.5,
        f"{reason}\n{command.replace(' part', chr(10) + 'part')}",
        transform=axis.transAxes,
        ha="center",
        va="center",
        fontsize=small(),
    )


def _part(axis: Axes, part: str, rows: pd.DataFrame, outcomes: pd.DataFrame, bias: pd.DataFrame) -> None:
    for index, kind in enumerate(("constant", "varying")):
        case = f"{part}-{kind}"
        ends = outcomes[outcomes["case"] == case]
        gap_curve(axis, rows[rows["case"] == case], ends, index, f"{kind}: {fate(ends)}")
    for row in bias.itertuples():
        smoothing = f", v = {row.radius:g}" if row.radius > 0.0 else ""
        label = f"bias of rollouts, l = {row.length}{smoothing}: gap {row.gap:.2g}"
        axis.axhline(row.gap, color=look(0)["color"], lw=0.9, ls=(0, (1, 2)), label=label)
    iterations_axis(axis, rows)
    low, high = min(float(rows["gap"].min()), float(bias["gap"].min())), float(rows["gap"].max())
    axis.set_ylim(low / (25.0 if columns_inside(axis, 2) == 2 else 600.0), high * 1.5)
    axis.legend(
        loc="lower left", fontsize=small(), title="median, range; open marks: a run diverges", title_fontsize=small()
    )
