"""Figures in a notebook: shown as pictures, also where nobody has loaded pyplot."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from lqrpg.figures.style import drawn_bytes, house_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def shell() -> Any:
    """IPython's shell if this runs in one, as a notebook does, else None."""
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None


def shown(figure: Figure) -> Figure:
    """The figure; IPython, if that is where this runs, shows figures as pictures from now on.

    It does so by itself once pyplot is in use, and is then left as it is.
    """
    from matplotlib.figure import Figure

    own = shell()
    if own is not None:
        pictures = own.display_formatter.formatters["image/png"]
        try:
            pictures.lookup_by_type(Figure)
        except KeyError:
            pictures.for_type(Figure, _picture)
    return figure


def _picture(figure: Figure) -> bytes:
    with house_style():
        return drawn_bytes(figure, "png")
