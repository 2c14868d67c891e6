"""Boxes and arrows of drawn loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lqrpg.figures.style import small

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[float, float]


def box(axis: Axes, x: float, y: float, width: float, height: float, text: str, colour: str) -> None:
    """A box with a text, around a point."""
    from matplotlib.patches import FancyBboxPatch

    corner = (x - width / 2, y - height / 2)
    axis.add_patch(FancyBboxPatch(corner, width, height, boxstyle="round,pad=0.05", fc=colour, ec="#333333", lw=0.9))
    axis.text(x, y, text, ha="center", va="center", fontsize=small(), linespacing=1.5)


def arrow(
    axis: Axes,
    tail: Point,
    head: Point,
    text: str = "",
    at: Point = (0.0, 0.0),
    *,
    dashes: object = "-",
    shrink: float = 2.0,
) -> None:
    """An arrow, its ends drawn back by `shrink` points, and a text at a point."""
    from matplotlib.patches import FancyArrowPatch

    drawn = FancyArrowPatch(
        tail, head, arrowstyle="-|>", mutation_scale=10, lw=1.0, color="#333333", shrinkA=shrink, shrinkB=shrink
    )
    drawn.set_linestyle(dashes)  # type: ignore[arg-type]
    axis.add_patch(drawn)
    if text:
        axis.text(*at, text, ha="center", va="center", fontsize=small())
