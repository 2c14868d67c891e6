"""Figures as addresses that hold the whole picture."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lqrpg.figures.drawn_data import drawn_data
from lqrpg.figures.style import drawn_bytes
from lqrpg.results.csv_text import csv_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LARGEST_SVG = 400_000
_MOST_ROWS = 20_000
_PIXELS_AN_INCH = 96


@dataclass(frozen=True)
class Image:
    """A picture.

    Attributes
    ----------
    address : a `data:` address.
    width, height : natural size in CSS pixels.
    """

    address: str
    width: int
    height: int


def image(figure: Figure) -> Image:
    """A figure as SVG, with letters as outlines; as PNG if the SVG is large."""
    import matplotlib as mpl

    width, height = (round(float(inches) * _PIXELS_AN_INCH) for inches in figure.get_size_inches())
    with mpl.rc_context({"svg.fonttype": "path"}):
        drawn = drawn_bytes(figure, "svg")
    figure.set_layout_engine("none")  # the layout stands; to find it again for each format takes longer than to draw
    if len(drawn) <= _LARGEST_SVG:
        return Image(_address("image/svg+xml", drawn), width, height)
    return Image(_address("image/png", drawn_bytes(figure, "png")), width, height)


def files(figure: Figure, name: str) -> dict[str, str]:
    """A figure whose layout stands as PDF, and its data as CSV, as addresses by the files' names.

    Data that are very large are left out.
    """
    from matplotlib.backends.backend_pdf import FigureCanvasPdf

    stream = io.BytesIO()
    canvas: Any = FigureCanvasPdf(figure)
    canvas.print_pdf(stream, metadata={"CreationDate": None})  # `savefig` draws twice, for the layout
    found = {f"{name}.pdf": _address("application/pdf", stream.getvalue())}
    data = drawn_data(figure)
    if 0 < len(data) <= _MOST_ROWS:
        found[f"{name}.csv"] = _address("text/csv", csv_bytes(data, digits=9))
    return found


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64," + base64.b64encode(content).decode()
