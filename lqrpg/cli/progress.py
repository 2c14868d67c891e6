"""Progress of a run: a bar with the time left on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lqrpg.cli.console import plain
from lqrpg.cli.console import say as print_line
from lqrpg.experiments.base import Trial
from lqrpg.experiments.execute import Reporter

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def reporter(title: str) -> Iterator[Reporter]:
    """A reporter on standard error, where the run's news and progress go."""
    with _on_terminal(title) if sys.stderr.isatty() else _in_lines(title) as found:
        yield found


@contextmanager
def _on_terminal(title: str) -> Iterator[Reporter]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]} trials"),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    counts = [0, 0]

    def begin(trials: Sequence[Trial], done: Sequence[Trial]) -> None:
        counts[:] = [len(done), len(trials)]
        bar.update(task, total=sum(trial.cost for trial in trials), count=f"{counts[0]}/{counts[1]}")
        bar.advance(task, sum(trial.cost for trial in done))

    def advance(trial: Trial) -> None:
        counts[0] += 1
        bar.update(task, advance=trial.cost, count=f"{counts[0]}/{counts[1]}")

    with bar:
        task = bar.add_task(title, total=None, count="?")
        yield Reporter(
            say=lambda line: bar.console.print(plain(line), highlight=False, markup=False), begin=begin, advance=advance
        )


@contextmanager
def _in_lines(title: str) -> Iterator[Reporter]:
    state = {"done": 0.0, "before": 0.0, "total": 0.0, "start": time.monotonic(), "said": time.monotonic()}

    def say(line: str) -> None:
        print_line(line, err=True)

    def begin(trials: Sequence[Trial], done: Sequence[Trial]) -> None:
        state["total"] = sum(trial.cost for trial in trials)
        state["done"] = state["before"] = sum(trial.cost for trial in done)
        resumed = f", {len(done)} done before" if done else ""
        say(f"{title}: {len(trials)} trials{resumed}")

    def advance(trial: Trial) -> None:
        state["done"] += trial.cost
        now = time.monotonic()
        if now - state["said"] >= _SECONDS_BETWEEN_LINES:
            state["said"] = now
            pace = (now - state["start"]) / max(state["done"] - state["before"], 1e-12)
            left = pace * (state["total"] - state["done"])
            say(f"{title}: {state['done'] / state['total']:.0%}, about {left:.0f} s left")

    yield Reporter(say=say, begin=begin, advance=advance)
