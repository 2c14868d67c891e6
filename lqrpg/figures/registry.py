"""Figures by name. A module of a folder `figures` declares each of its figures with the decorator `figure`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lqrpg import plugins

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Tables = Mapping[str, "pd.DataFrame"]
"""Tables of a run by name, and of its companions by `experiment/table`; read from disk when asked for."""
Draw = Callable[[Tables], "Figure"]


@dataclass(frozen=True)
class FigureSpec:
    """A figure.

    Attributes
    ----------
    name : such as `azopg_fig3`.
    experiment : whose tables it shows.
    shows : what it shows, in a few words, with its number in the paper.
    draw : tables to figure.
    condition : settings that a run must have to be shown, with their possible values, the preferred one first.
    beside : the same for a run that is read beside it, unless the run has them itself.
    """

    name: str
    experiment: str
    shows: str
    draw: Draw
    condition: Mapping[str, Sequence[str]] = field(default_factory=dict)
    beside: Mapping[str, Sequence[str]] = field(default_factory=dict)


_known: dict[str, FigureSpec] = {}


def figure(
    name: str,
    experiment: str,
    shows: str,
    *,
    condition: Mapping[str, Sequence[str]] | None = None,
    beside: Mapping[str, Sequence[str]] | None = None,
) -> Callable[[Draw], Draw]:
    """Declare a function as the figure of that name; see `FigureSpec`."""

    def declare(draw: Draw) -> Draw:
        _known[name] = FigureSpec(name, experiment, shows, draw, condition or {}, beside or {})
        return draw

    return declare


def figures() -> dict[str, FigureSpec]:
    """All figures by name, in the order of their names."""
    for module in plugins.modules("figures"):
        plugins.load(module)
    return dict(sorted(_known.items()))
