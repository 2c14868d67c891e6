"""Progress of one or several runs: bars with the time left on a terminal, one line in a notebook, else plain lines."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lqrpg.cli.console import echo, plain
from lqrpg.figures.notebook import shell
from lqrpg.runner.attempt import Task
from lqrpg.runner.execute import Reporter

if TYPE_CHECKING:
    from rich.progress import Progress

_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_BETWEEN_UPDATES = 0.2
"""Of the line in a notebook."""


@contextmanager
def reporter(title: str) -> Iterator[Reporter]:
    """A reporter on standard error, where news and progress go; `title` names all runs together."""
    if in_notebook():
        chosen = _in_cell(title)
    else:
        chosen = _on_terminal(title) if sys.stderr.isatty() else _in_lines(title)
    with chosen as found:
        yield found


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, which has no terminal."""
    return getattr(shell(), "kernel", None) is not None


def _say(line: str) -> None:
    """A line on standard error; a run does not end because nobody reads it, or because its log is on a full disk."""
    with suppress(OSError):
        echo(line, err=True)


@dataclass
class _Count:
    """How much of something is done: trials, and the seconds of work that were expected of them."""

    trials: int = 0
    total: int = 0
    seconds: float = 0.0
    expected: float = 0.0

    @classmethod
    def of(cls, tasks: Sequence[Task], done: Sequence[Task]) -> _Count:
        return cls(len(done), len(tasks), sum(task.seconds for task in done), sum(task.seconds for task in tasks))

    def advance(self, task: Task) -> None:
        self.trials += 1
        self.seconds += task.seconds

    @property
    def share(self) -> float:
        return min(1.0, self.seconds / self.expected) if self.expected > 0 else 1.0

    @property
    def text(self) -> str:
        return f"{self.trials}/{self.total}"


@dataclass
class _Counts:
    """The counts of all runs, and of all together, with the pace since the start."""

    runs: dict[str, _Count] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    before: float = 0.0

    def begin(self, tasks: Mapping[str, Sequence[Task]], done: Mapping[str, Sequence[Task]]) -> None:
        self.runs = {title: _Count.of(every, done[title]) for title, every in tasks.items()}
        self.before, self.started = self.whole.seconds, time.monotonic()

    @property
    def whole(self) -> _Count:
        parts = list(self.runs.values())
        trials, total = sum(part.trials for part in parts), sum(part.total for part in parts)
        return _Count(trials, total, sum(part.seconds for part in parts), sum(part.expected for part in parts))

    def seconds_left(self) -> float | None:
        """Seconds left at the pace so far; none before there is one."""
        whole, elapsed = self.whole, max(0.0, time.monotonic() - self.started)
        achieved = whole.seconds - self.before
        return elapsed / achieved * max(0.0, whole.expected - whole.seconds) if achieved > 0 else None


@contextmanager
def _on_terminal(title: str) -> Iterator[Reporter]:
    counts, bars = _Counts(), _bars()
    tasks = {title: bars.add_task(title, total=None, count="", left="")}

    def begin(every: Mapping[str, Sequence[Task]], done: Mapping[str, Sequence[Task]]) -> None:
        counts.begin(every, done)
        if len(every) > 1:
            tasks.update({name: bars.add_task(f"  {name}", total=1.0, count="", left="") for name in every})
        show(*every)

    def advance(name: str, task: Task) -> None:
        counts.runs[name].advance(task)
        show(name)

    def show(*names: str) -> None:
        seconds = counts.seconds_left()
        left = "" if seconds is None else "{}:{:02d} left".format(*divmod(round(seconds), 60))
        bars.update(tasks[title], total=1.0, completed=counts.whole.share, count=counts.whole.text, left=left)
        for name in names if len(counts.runs) > 1 else ():
            bars.update(tasks[name], completed=counts.runs[name].share, count=counts.runs[name].text)

    with bars:
        yield Reporter(
            say=lambda line: bars.console.print(plain(line), highlight=False, markup=False),
            begin=begin,
            advance=advance,
        )


def _bars() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[count]} trials", markup=False),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}", markup=False),
        console=Console(stderr=True),
    )


@contextmanager
def _in_cell(title: str) -> Iterator[Reporter]:
    """One line of a cell's output, which is replaced as the work goes on; no widgets are needed.

    Its last state, which is what a saved notebook shows, has no times, so that equal runs leave equal notebooks.
    """
    from IPython.display import display

    counts, shown = _Counts(), [0.0]
    handles: list[Any] = []

    def begin(every: Mapping[str, Sequence[Task]], done: Mapping[str, Sequence[Task]]) -> None:
        counts.begin(every, done)
        handles.append(display(bundle(), raw=True, display_id=True))  # type: ignore[no-untyped-call]

    def advance(name: str, task: Task) -> None:
        counts.runs[name].advance(task)
        whole, now = counts.whole, time.monotonic()
        if whole.trials == whole.total or now - shown[0] >= _SECONDS_BETWEEN_UPDATES:
            shown[0] = now
            handles[-1].update(bundle(), raw=True)

    def bundle() -> dict[str, str]:
        whole, seconds = counts.whole, counts.seconds_left()
        is_under_way = seconds is not None and whole.trials < whole.total
        left = f", about {seconds:.0f} s left" if is_under_way else ""
        text = f"{title}: {whole.text} trials{left}"
        bar = f'<progress max="1" value="{whole.share:.3f}"></progress>'
        return {"text/plain": plain(text), "text/html": f"<div>{bar} {html.escape(plain(text))}</div>"}

    yield Reporter(say=_say, begin=begin, advance=advance)


@contextmanager
def _in_lines(title: str) -> Iterator[Reporter]:
    counts, said = _Counts(), [time.monotonic()]

    def begin(every: Mapping[str, Sequence[Task]], done: Mapping[str, Sequence[Task]]) -> None:
        counts.begin(every, done)
        for name, tasks in every.items():
            resumed = f", {len(done[name])} done before" if done[name] else ""
            _say(f"{name}: {len(tasks)} trials{resumed}")

    def advance(name: str, task: Task) -> None:
        counts.runs[name].advance(task)
        if len(counts.runs) > 1 and counts.runs[name].trials == counts.runs[name].total:
            _say(f"{name}: all trials done")
        if time.monotonic() - said[0] >= _SECONDS_BETWEEN_LINES:
            said[0] = time.monotonic()
            seconds = counts.seconds_left()
            left = "" if seconds is None else f", about {seconds:.0f} s left"
            _say(f"{title}: {counts.whole.share:.0%}{left}")

    yield Reporter(say=_say, begin=begin, advance=advance)
