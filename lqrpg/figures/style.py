"""The look that all figures share, their size, and how they are saved: equal tables give equal bytes.

A figure has a width of its own. Where another one is asked for, type keeps its size: panels that no longer fit side by
side are stacked, and legends and notes get more lines.
"""

from __future__ import annotations

import io
import logging
import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lqrpg.checks import SettingError, require
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


FORMATS = ("pdf", "png", "svg")


@dataclass(frozen=True)
class Look:
    """How figures are drawn and kept.

    Attributes
    ----------
    width : in inches; None for each figure's own.
    style : a style sheet on top of the package's; see `house_style`.
    formats : of the files.
    data : whether what is drawn is kept as CSV, too.
    """

    width: float | None = None
    style: str | None = None
    formats: tuple[str, ...] = ("pdf", "png")
    data: bool = False

    @property
    def is_usual(self) -> bool:
        """Whether figures have their own width and the package's style."""
        return self.width is None and self.style is None


USUAL = Look()
_WITHOUT_TIME = {"pdf": {"CreationDate": None}, "png": {"Software": None}, "svg": {"Date": None}}


NARROWEST_PANEL = 2.3
"""Inches from which panels are put side by side."""
_LETTER = 0.55
"""Mean width of a letter over its height."""
_asked_width: ContextVar[float | None] = ContextVar("asked_width", default=None)


@contextmanager
def house_style(width: float | None = None, sheet: str | Path | None = None) -> Iterator[None]:
    """Draw with the package's style, whatever the user's own matplotlib settings are, and without a screen.

    Parameters
    ----------
    width : of the figures, in inches; unless given each has its own.
    sheet : a style of matplotlib's, or a file `*.mplstyle`, on top of it; `current` for the settings that are
        in force.

    Raises
    ------
    SettingError
        If the width is no number of inches from 2 to 40, there is no such style, or it cannot be read.
    """
    import matplotlib as mpl
    from matplotlib import style

    require(width is None or 2.0 <= width <= 40.0, "width", width, "a number of inches from 2 to 40")
    token = _asked_width.set(width)
    try:
        with mpl.rc_context():
            if sheet != "current":
                mpl.rcdefaults()
                style.use(Path(__file__).with_name("style.mplstyle"))
                _use(sheet)
            mpl.rcParams["figure.constrained_layout.use"] = True
            yield
    finally:
        _asked_width.reset(token)


def _use(sheet: str | Path | None) -> None:
    """Add a style sheet to the one in force."""
    from matplotlib import style

    if sheet is None:
        return
    expected = "a file NAME.mplstyle, or a name of matplotlib's"
    if sheet in style.available:
        style.use(sheet)
        return
    if not Path(sheet).is_file():
        raise SettingError(f"style {str(sheet)!r}: there is no such file; expected {expected}")
    try:
        with _warnings_of("matplotlib") as heard:
            style.use(Path(sheet))
    except (OSError, ValueError) as error:
        heard = [str(error) or type(error).__name__]
    if heard:  # matplotlib leaves out what it does not know
        what = re.sub(r" in file .*?, (line \d+ \([^)]*\)).*", r" in \1", " ".join(heard[0].split()))
        raise SettingError(f"style {str(sheet)!r}: {what}; expected {expected}")


@contextmanager
def _warnings_of(name: str) -> Iterator[list[str]]:
    """The messages of a logger, which go nowhere else meanwhile."""
    heard: list[str] = []

    class _Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    logger, listener = logging.getLogger(name), _Listener(logging.WARNING)
    logger.addHandler(listener)
    propagates, logger.propagate = logger.propagate, False
    try:
        yield heard
    finally:
        logger.propagate = propagates
        logger.removeHandler(listener)


def counted(count: int, noun: str) -> str:
    """A number and a noun: `1 method`, `2 methods`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def canvas(width: float, height: float) -> Figure:
    """An empty figure of this size in inches, or of the width that is asked for."""
    from matplotlib.figure import Figure

    return Figure(figsize=(_asked_width.get() or width, height))


def is_narrow(figure: Figure, width: float) -> bool:
    """Whether a figure is narrower than what is made for this width in inches."""
    return bool(figure.get_figwidth() < width - 1e-6)


def panels(
    count: int, width: float, height: float, *, columns: int | None = None, ratios: Sequence[float] = (), **options: Any
) -> tuple[Figure, list[Axes]]:
    """A figure with panels: side by side as far as they fit into the width that is asked for, else stacked.

    Parameters
    ----------
    count : of panels.
    width, height : of the figure in inches, where no width is asked for.
    columns : in that case; unless given all panels are side by side.
    ratios : widths of the panels in a single row, relative to one another.
    **options : of `matplotlib.figure.Figure.subplots`.
    """
    usual = columns or count
    asked = _asked_width.get() or width
    fitting = usual if asked >= width else max(1, min(usual, int(asked / NARROWEST_PANEL)))
    rows, usual_rows = -(-count // fitting), -(-count // usual)
    shrunk = min(1.0, max(0.8, (asked / fitting) / (width / usual)))
    figure = canvas(width, height * shrunk * rows / usual_rows)
    if ratios and fitting == count:
        options["width_ratios"] = ratios
    grid = figure.subplots(rows, fitting, squeeze=False, **options)
    axes = list(grid.flat)
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def columns_inside(axis: Axes, columns: int) -> int:
    """Columns of a legend inside a panel: half of them where a width is asked for in which the panel is narrow."""
    asked, place = _asked_width.get(), axis.get_subplotspec()
    is_wide = asked is None or place is None or asked / place.get_gridspec().ncols > 4.0
    return columns if is_wide else max(1, columns // 2)


def label_first(axes: Sequence[Axes]) -> None:
    """Take the label of the vertical axis, which all panels share, from those with another one to the left."""
    for axis in axes:
        if not axis.get_subplotspec().is_first_col():  # type: ignore[union-attr]
            axis.set_ylabel("")


def small() -> float:
    """Size of the type of notes and of full legends, in points."""
    import matplotlib as mpl

    return float(mpl.rcParams["font.size"]) * 7 / 9


def wrapped(text: str, width: float, size: float) -> str:
    """A text in lines that fit into a width in inches, for type of a size in points; lines of its own are kept."""
    letters = max(12, int(width * 72 / (size * _LETTER)))
    lines = [textwrap.wrap(line, letters, break_long_words=False) or [""] for line in text.split("\n")]
    return "\n".join(part for line in lines for part in line)


def heading(figure: Figure, text: str) -> None:
    """A title over all panels."""
    import matplotlib as mpl

    size = float(mpl.rcParams["font.size"])
    figure.suptitle(wrapped(text, figure.get_figwidth(), size), fontsize=size)


def note(figure: Figure, text: str) -> None:
    """Small type below all panels."""
    figure.supxlabel(wrapped(text, figure.get_figwidth(), small()), fontsize=small())


def legend_outside(
    figure: Figure, handles: Sequence[Any], labels: Sequence[str], loc: str, columns: int, title: str = ""
) -> None:
    """A legend above or below all panels, in as many columns as fit; the figure grows by the lines that this adds."""
    size, width = small(), figure.get_figwidth()
    widest = max((len(label) for label in labels), default=0) * size * _LETTER / 72 + 0.45
    fitting = max(1, min(columns, int(width / widest)))
    lines = -(-len(labels) // fitting)
    added = (lines - -(-len(labels) // columns)) * 1.45 * size / 72
    figure.set_figheight(figure.get_figheight() + max(0.0, added))
    title = wrapped(title, width, size) if title else ""
    options: dict[str, Any] = {"loc": f"outside {loc} center", "title": title, "title_fontsize": size}
    figure.legend(handles, labels, ncols=fitting, fontsize=size, **options)


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


def fit(figure: Figure) -> None:
    """Where a width is asked for, give it to the figure, and to the texts of legends in panels the lines they need."""
    asked = _asked_width.get()
    if asked is None:
        return
    figure.set_figwidth(asked)
    for axis in figure.axes:
        legend, place = axis.get_legend(), axis.get_subplotspec()
        if legend is None or place is None:
            continue
        room = asked * (place.colspan.stop - place.colspan.start) / place.get_gridspec().ncols - 1.25
        for text in legend.get_texts():
            text.set_text(wrapped(text.get_text(), room, float(text.get_fontsize())))
        title = legend.get_title()
        title.set_text(wrapped(title.get_text(), room + 0.45, float(title.get_fontsize())))


def panel_letters(axes: Sequence[Axes], letters: str = "abcdefgh") -> None:
    """Put (a), (b), ... before the titles; where a width is asked for, they get as many lines as they need."""
    import matplotlib as mpl

    size = float(mpl.rcParams["font.size"])
    for axis, letter in zip(axes, letters, strict=False):
        title = f"({letter})  {axis.get_title(loc='left')}"
        if asked := _asked_width.get():
            columns = axis.get_subplotspec().get_gridspec().ncols  # type: ignore[union-attr]
            title = wrapped(title, max(asked / columns - 0.6, 1.0), size)
        axis.set_title(title, loc="left")


def signed(value: float, digits: int) -> str:
    """A number with this many decimals, and a minus sign that is one."""
    return f"{value:.{digits}f}".replace("-", "−")
