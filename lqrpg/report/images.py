"""Figures as addresses that hold the whole picture."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lqrpg.figures.style import drawn_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LARGEST_SVG = 400_000
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
    if len(drawn) <= _LARGEST_SVG:
        return Image(_address("svg+xml", drawn), width, height)
    return Image(_address("png", drawn_bytes(figure, "png")), width, height)


def _address(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64," + base64.b64encode(content).decode()
