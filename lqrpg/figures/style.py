"""The look that all figures share, and how they are saved: equal tables give equal bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lqrpg.results.atomic import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, from dark to light: told apart by colour-blind readers, and in grey by lightness.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (3, 1)), (0, (8, 3)), (0, (2, 3)))
BAND = 0.18


def look_of(place: int) -> dict[str, Any]:
    """Colour, dashes and marker of a curve: 49 looks, of which each seven have distinct colours."""
    turn, index = divmod(place, len(COLOURS))
    others = (index + 3 * turn) % len(COLOURS)  # colours come again, with other dashes and markers
    return {"color": COLOURS[index], "ls": DASHES[others], "marker": MARKERS[others]}


_WITHOUT_TIME = {"pdf": {"CreationDate": None}, "png": {"Software": None}, "svg": {"Date": None}}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw with the house's style, whatever the user's own matplotlib settings are, and without a screen."""
    import matplotlib as mpl
    from matplotlib import style

    with mpl.rc_context():
        mpl.rcdefaults()
        style.use(Path(__file__).with_name("style.mplstyle"))
        yield


def save(figure: Figure, folder: Path, name: str, formats: tuple[str, ...]) -> list[Path]:
    """Write a figure in each format; return the files. Nothing is created before all formats are drawn."""
    drawn = {folder / f"{name}.{kind}": drawn_bytes(figure, kind) for kind in formats}
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in drawn.items():
        write_atomically(file, content)
    return list(drawn)


def drawn_bytes(figure: Figure, kind: str) -> bytes:
    """A figure as the bytes of a PDF, PNG or SVG file, without the time."""
    stream = io.BytesIO()
    figure.savefig(stream, format=kind, metadata=_WITHOUT_TIME[kind])
    return stream.getvalue()


def panel_letters(axes: list[Axes], letters: str = "abcdefgh") -> None:
    """Put (a), (b), ... before the titles."""
    for axis, letter in zip(axes, letters, strict=False):
        axis.set_title(f"({letter})  {axis.get_title(loc='left')}", loc="left")


def signed(value: float, digits: int) -> str:
    """A number with this many decimals, and a minus sign that is one."""
    return f"{value:.{digits}f}".replace("-", "−")
