"""Figures of two runs side by side, one PNG each."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lqrpg.cli.console import echo, plain
from lqrpg.cli.run_tables import RunTables
from lqrpg.cli.saved import schema_errors
from lqrpg.figures.registry import FigureSpec, figures
from lqrpg.figures.style import drawn_bytes, house_style, save
from lqrpg.results.lookup import FinishedRun

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_DPI = 200
_TITLE_PIXELS = 70
_GAP_PIXELS = 40


def draw(a: FinishedRun, b: FinishedRun, folder: Path) -> None:
    """Write every figure of the runs' experiment, A on the left and B on the right."""
    tables = [(plain(f"A: {a.path}"), RunTables(a)), (plain(f"B: {b.path}"), RunTables(b))]
    with house_style():
        for spec in figures().values():
            if spec.experiment != a.provenance["experiment"]:
                continue
            try:
                pictures = [(title, _fitting_pixels(spec, each)) for title, each in tables]
            except (LookupError, ValueError) as error:
                echo(f"lqrpg: {spec.name} is not drawn: {error}", err=True)
                continue
            echo(str(save(_joined(pictures), folder, spec.name, ("png",))[0]))


def _fitting_pixels(spec: FigureSpec, tables: RunTables) -> NDArray[np.float64]:
    with schema_errors(spec.name, tables.run):
        return _pixels(spec, tables)


def _pixels(spec: FigureSpec, tables: RunTables) -> NDArray[np.float64]:
    from matplotlib.image import imread

    pixels: NDArray[np.float64] = imread(io.BytesIO(drawn_bytes(spec.draw(tables), "png")), format="png")
    return pixels


def _joined(pictures: list[tuple[str, NDArray[np.float64]]]) -> Figure:
    """A canvas of exactly the pictures' pixels, with a title above each."""
    from matplotlib.figure import Figure

    height = max(picture.shape[0] for _, picture in pictures) + _TITLE_PIXELS
    width = sum(picture.shape[1] for _, picture in pictures) + _GAP_PIXELS * (len(pictures) - 1)
    canvas = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    canvas.set_layout_engine("none")
    left = 0
    for title, picture in pictures:
        canvas.figimage(picture, left, height - _TITLE_PIXELS - picture.shape[0])
        y = 1 - 0.5 * _TITLE_PIXELS / height
        canvas.text(left / width + 0.01, y, title, va="center", weight="bold", parse_math=False)
        left += picture.shape[1] + _GAP_PIXELS
    return canvas
