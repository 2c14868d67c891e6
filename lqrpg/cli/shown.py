"""How objects of the Python interface are shown: a few lines of text, and the same as HTML in a notebook.

Names of folders and records of runs are untrusted: their control characters are shown as escapes, and in HTML all of it
is text. Of a large matrix only shape and norm are shown.
"""

from __future__ import annotations

import html
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lqrpg.checks import SettingError, shortened
from lqrpg.cli.console import plain
from lqrpg.figures.style import counted

if TYPE_CHECKING:
    from lqrpg.lqr.plant import Array, Plant
    from lqrpg.methods.base import State
    from lqrpg.methods.minimise import Result
    from lqrpg.methods.problem import Simulation, Solution
    from lqrpg.systems.custom import Custom

_LONGEST_TITLE = 240
MOST_ENTRIES = 12
"""Of a matrix that is shown."""
MOST_STATES = 50
"""Of a plant whose optimum is computed to show a gap."""


@dataclass(frozen=True)
class Summary:
    """What is shown of an object.

    Attributes
    ----------
    title : what it is, in one line.
    facts : labels and texts, one line each.
    headings, rows : a table; none unless given.
    longest : letters of a fact or of a cell, whose middle is left out beyond; None for all.
    """

    title: str
    facts: Sequence[tuple[str, str]] = ()
    headings: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    longest: int | None = 160

    def text(self) -> str:
        """Title, facts and table, a line each."""
        facts = [(self._line(label), self._line(text)) for label, text in self.facts]
        width = max((len(label) for label, _ in facts), default=0)
        lines = [self._title, *(f"  {label:<{width}}  {text}".rstrip() for label, text in facts)]
        table = (self.headings, *self.rows) if self.rows else ()
        cells = [[self._line(cell) for cell in row] for row in table]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for row in cells:
            padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            lines.append(f"  {'  '.join(padded)}".rstrip())
        return "\n".join(lines)

    def html(self) -> str:
        """The same as HTML without styles of its own, as tables of pandas have it."""
        parts = [f"<p><b>{html.escape(self._title)}</b></p>"]
        if self.facts:
            cells = [(self._cell(label), self._cell(text)) for label, text in self.facts]
            rows = "".join(f"<tr><th>{label}</th><td>{text}</td></tr>" for label, text in cells)
            parts.append(f"<table><tbody>{rows}</tbody></table>")
        if self.rows:
            head = "".join(f"<th>{self._cell(heading)}</th>" for heading in self.headings)
            body = "".join(f"<tr>{''.join(f'<td>{self._cell(cell)}</td>' for cell in row)}</tr>" for row in self.rows)
            parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
        return f"<div>{''.join(parts)}</div>"

    @property
    def _title(self) -> str:
        return plain(shortened(self.title, _LONGEST_TITLE))

    def _line(self, text: str) -> str:
        if self.longest is None:
            return plain(text)
        return shortened(plain(shortened(text, self.longest)), self.longest)  # untrusted text may be long

    def _cell(self, text: str) -> str:
        return html.escape(self._line(text))


class Shown(ABC):
    """An object that is shown by its summary."""

    @abstractmethod
    def _summary(self) -> Summary:
        """What is shown of it."""

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()


def number(value: float) -> str:
    """A number with three digits; a dash for none."""
    return "-" if np.isnan(value) else f"{value:.3g}"


def matrix(value: Array) -> str:
    """A small matrix as nested lists of four digits, a large one by shape and norm."""
    if value.size > MOST_ENTRIES:
        return f"{len(value)} x {len(value.T)} matrix of Frobenius norm {float(np.linalg.norm(value)):.4g}"
    return "[" + ", ".join("[" + ", ".join(f"{entry:.4g}" for entry in row) + "]" for row in value) + "]"


def _samples(count: int) -> str:
    return counted(count, "sample") + " of the plant" if count else "no samples of the plant"


def state_summary(state: State) -> Summary:
    """A state: whose it is, how far it has come, how it stands, and its gain."""
    done = f"{counted(state.iteration, 'iteration')}, {_samples(state.samples)}"
    facts = [("status", str(state.status)), ("gain K", matrix(state.gain))]
    return Summary(f"State of {state.method.name} after {done}", facts)


def result_summary(result: Result) -> Summary:
    """A result: whose it is, how it ended, how far the cost has fallen, and the last gain."""
    state = result.state
    done = f"{counted(state.iteration, 'iteration')}, {_samples(state.samples)}"
    facts = [("status", str(result.status)), *_gaps(result), ("gain K", matrix(result.gain))]
    return Summary(f"Result of {result.method.name} after {done}", facts)


def _gaps(result: Result) -> list[tuple[str, str]]:
    """The first and the last gap, if the optimum is quickly found and costs anything."""
    from lqrpg.methods.minimise import Optimum

    if result.state.plant.n_states > MOST_STATES:
        return []
    try:
        optimum = Optimum(result.state.plant)
    except SettingError:
        return []
    first, last = optimum.excess(result.gains[[0, -1]]) / optimum.cost
    return [("gap (f(K) - f*) / f*", f"{number(first)} at the start, {number(last)} at the end")]


def _of_size(what: str, n: int, m: int, sample_time: float | None) -> str:
    """A thing of so many states and inputs, in its time."""
    size = f"{what} of {counted(n, 'state')} and {counted(m, 'input')}"
    if sample_time is None:
        return f"{size}, whose time is not given"
    return f"{size} in " + (f"discrete time, {sample_time:g} s between samples" if sample_time else "continuous time")


def plant_summary(plant: Plant) -> Summary:
    """A plant: its size, its time, and its matrices."""
    keys = ("A", "B", "Q", "R", "Sigma") + (("S",) if plant.S is not None else ())
    facts = [(key, matrix(np.asarray(getattr(plant, key)))) for key in keys]
    return Summary(_of_size("Plant", plant.n_states, plant.n_inputs, plant.sample_time), facts)


def solution_summary(solution: Solution) -> Summary:
    """An optimum: its cost, its gain, and the cost-to-go."""
    facts = [("gain K*", matrix(solution.gain)), ("cost-to-go P*", matrix(solution.cost_to_go))]
    return Summary(f"Optimum of cost {solution.cost:.6g}", facts)


def simulation_summary(simulation: Simulation) -> Summary:
    """A trajectory: how long it is, what it costs, and where it ends."""
    steps, n = len(simulation.inputs), np.shape(simulation.states)[1]
    size = f"{counted(steps, 'step')} of {counted(n, 'state')} and {counted(np.shape(simulation.inputs)[1], 'input')}"
    facts = [("last state", matrix(np.atleast_2d(simulation.states[-1])))]
    return Summary(
        f"Trajectory of {size}", [*([("mean cost", f"{np.mean(simulation.costs):.6g}")] if steps else []), *facts]
    )


def system_summary(system: Custom) -> Summary:
    """A plant of the user's own as it was given: its size, its time, and its matrices."""
    n, m = np.shape(system.B)
    converted = system.convert_to not in (None, system.sample_time)
    made = [f"sampled every {system.convert_to:g} s" if system.convert_to else "made continuous"] if converted else []
    keys = ("A", "B", "Q", "R", "S", "noise", "first_state", "K0")
    facts = [(key, matrix(np.array(getattr(system, key)))) for key in keys]
    title = ", ".join([_of_size("Plant", n, m, system.sample_time), *made])
    return Summary(title, facts)


_SHOWN: dict[tuple[str, str], Callable[[Any], Summary]] = {
    ("lqrpg.lqr.plant", "Plant"): plant_summary,
    ("lqrpg.methods.base", "State"): state_summary,
    ("lqrpg.methods.minimise", "Result"): result_summary,
    ("lqrpg.methods.problem", "Simulation"): simulation_summary,
    ("lqrpg.methods.problem", "Solution"): solution_summary,
    ("lqrpg.systems.custom", "Custom"): system_summary,
}
"""Classes of numerical modules, whose code is part of the identity of tables: how they are shown is not."""


_shown: set[type[Any]] = set()


def show_classes() -> None:
    """Let the classes of `_SHOWN`, as far as they are imported, be shown by their summaries."""
    for (module, name), summary in _SHOWN.items():
        if module in sys.modules:
            _show(getattr(sys.modules[module], name), summary)


def _show(cls: type[Any], summary: Callable[[Any], Summary]) -> None:
    if cls in _shown:
        return
    _shown.add(cls)
    plainly: Any = cls.__repr__

    def found(self: Any) -> Summary | None:
        try:
            return summary(self)
        except (AttributeError, IndexError, TypeError, ValueError):  # matrices of other shapes: shown as they are
            return None

    def text(self: Any) -> str:
        known = found(self)
        return known.text() if known else str(plainly(self))

    def in_html(self: Any) -> str:
        known = found(self)
        return known.html() if known else f"<pre>{html.escape(plainly(self))}</pre>"

    for name, function in {"__repr__": text, "_repr_html_": in_html}.items():
        setattr(cls, name, function)
