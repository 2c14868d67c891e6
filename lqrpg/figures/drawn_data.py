"""What a figure shows, as a table: the points of its lines, the edges of its bands, its bars and its texts' tables.

It is read from the drawing itself, so that it holds what is drawn, medians included, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = ("panel", "label", "x", "y", "low", "high", "spread")
_Rows = list[dict[str, Any]]


def drawn_data(figure: Figure) -> pd.DataFrame:
    """A row for each point that a figure shows.

    Returns
    -------
    A table with the columns `panel` (a letter, or a number where there is none), `label` (of the legend), `x` and `y`
    (the point), `low` and `high` (the edges of the band there), and `spread` (which of x and y they are of). Bands
    without a line have rows of their own, with an empty point.
    """
    rows: _Rows = []
    for number, axis in enumerate(figure.axes, start=1):
        letter = re.match(r"\(([a-z])\)", axis.get_title(loc="left"))
        labels = _labels(figure, axis)
        own = [*_lines(axis, labels), *_bars(axis)]
        rows += [{"panel": letter[1] if letter else str(number), **row} for row in _with_bands(own, axis, labels)]
    import pandas as pd

    return pd.DataFrame(rows, columns=list(COLUMNS))


def _hex(colour: Any) -> str:
    from matplotlib.colors import to_hex

    return to_hex(colour)


def _labels(figure: Figure, axis: Axes) -> dict[tuple[Any, ...], str]:
    """Labels by the look of what has them: curves of one look share the label of the first."""
    found: dict[tuple[Any, ...], str] = {}
    legends = [axis.get_legend(), *figure.legends]
    handles = [handle for legend in legends if legend for handle in _named(legend)]
    for label, artist in [*((str(line.get_label()), line) for line in axis.lines), *handles]:
        if label and not label.startswith("_"):
            found.setdefault(_look(artist), label)
            found.setdefault(_look(artist)[:1], label)
    return found


def _named(legend: Any) -> Iterator[tuple[str, Any]]:
    for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=False):
        if hasattr(handle, "get_linestyle") and hasattr(handle, "get_color"):
            yield text.get_text(), handle


def _look(line: Any) -> tuple[Any, ...]:
    return (_hex(line.get_color()), str(line.get_linestyle()))


def _label(artist: Any, labels: dict[tuple[Any, ...], str]) -> str:
    own = str(artist.get_label())
    if own and not own.startswith("_"):
        return own
    return labels.get(_look(artist), labels.get(_look(artist)[:1], ""))


def _lines(axis: Axes, labels: dict[tuple[Any, ...], str]) -> Iterator[tuple[str, _Rows]]:
    """Colour and points of each line in the coordinates of the data."""
    for line in axis.lines:
        x, y = (np.atleast_1d(np.asarray(values, dtype=float)) for values in line.get_data(orig=False))
        if len(x) and line.get_transform().contains_branch(axis.transData):
            label = _label(line, labels)
            yield _hex(line.get_color()), [{"label": label, "x": u, "y": v} for u, v in zip(x, y, strict=True)]


def _bars(axis: Axes) -> Iterator[tuple[str, _Rows]]:
    """Colour and points of bars and histograms: the middle of each, and its height."""
    from matplotlib.patches import Polygon, Rectangle

    for patch in axis.patches:
        colour = _hex(patch.get_facecolor())
        label = str(patch.get_label())
        label = "" if label.startswith("_") else label
        if isinstance(patch, Rectangle):
            middle = patch.get_x() + patch.get_width() / 2
            yield colour, [{"label": label, "x": middle, "y": patch.get_y() + patch.get_height()}]
        elif isinstance(patch, Polygon) and label:
            yield colour, [{"label": label, "x": float(x), "y": float(y)} for x, y in patch.get_xy()]


def _with_bands(
    drawn: list[tuple[str, _Rows]], axis: Axes, labels: dict[tuple[Any, ...], str]
) -> Iterator[dict[str, Any]]:
    """The points, each with the band that is drawn around it, then bands around none."""
    for band in axis.collections:
        edges = _edges(band)
        if edges is None:
            continue
        spread, at, low, high = edges
        across = "x" if spread == "y" else "y"
        faces: Any = band.get_facecolor()
        colour = _hex(faces[0][:3]) if len(faces) else ""
        known = dict(zip(at, zip(low, high, strict=True), strict=True))
        lines = [points for own, points in drawn if own == colour and {p[across] for p in points} & set(known)]
        for point in (point for points in lines for point in points if point[across] in known and "low" not in point):
            point |= {"low": known[point[across]][0], "high": known[point[across]][1], "spread": spread}
        if not lines:
            label = labels.get((colour,), "")
            yield from (
                {"label": label, across: u, "low": a, "high": b, "spread": spread} for u, (a, b) in known.items()
            )
    for _, points in drawn:
        yield from points


def _edges(band: Any) -> tuple[str, Any, Any, Any] | None:
    """Of a band between two curves: which coordinate it spreads, the other one, and its two edges."""
    paths = band.get_paths() if type(band).__name__ in ("PolyCollection", "FillBetweenPolyCollection") else []
    if not paths or len(paths[0].vertices) < 7:
        return None
    points = paths[0].vertices
    half = (len(points) - 3) // 2
    first, second = points[1 : half + 1], points[half + 2 : 2 * half + 2][::-1]
    for spread, along in (("y", 0), ("x", 1)):
        if np.array_equal(first[:, along], second[:, along]):
            ends = np.sort(np.stack([first[:, 1 - along], second[:, 1 - along]]), axis=0)
            return spread, first[:, along], ends[0], ends[1]
    return None
