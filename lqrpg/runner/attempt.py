"""Trials of one or several runs through a backend, until each has a shard or a reason why not."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from lqrpg.backends.base import Backend, LauncherError, WorkerLostError
from lqrpg.checks import SettingError
from lqrpg.results.run_directory import RunDirectory
from lqrpg.runner.experiment import Experiment, Trial

Context = tuple[Experiment, RunDirectory]
"""What a worker needs of a run: how a trial is computed, and where its rows go."""
KILLED = "killed"
_OUT_OF_MEMORY = "out of memory"
_PATIENCE = 3
"""Deaths of a worker before any trial, one after the other, that end an attempt."""


@dataclass(frozen=True)
class Task:
    """A trial of one of the runs that go on side by side.

    Attributes
    ----------
    run : which of the runs.
    trial : the trial.
    seconds : expected work; the longest start first.
    """

    run: int
    trial: Trial
    seconds: float


class Outcome(NamedTuple):
    """What became of a task: its run and key, why it has no rows (or None), and the seconds that it took."""

    run: int
    key: str
    reason: str | None
    seconds: float


def run_chunk(contexts: Mapping[int, Context], tasks: Sequence[Task]) -> list[Outcome]:
    """What a worker does: run trials and save the rows of each; an exception is an outcome, not an end."""
    return [_run_one(*contexts[task.run], task) for task in tasks]


def _run_one(experiment: Experiment, directory: RunDirectory, task: Task) -> Outcome:
    key, reason, started = task.trial.key, None, time.perf_counter()
    directory.mark_started(key)
    try:
        with np.errstate(all="ignore"):  # a run that overflows is a result, and its row says so
            rows = experiment.run(task.trial)
        directory.write_shard(key, rows)
    except (OSError, LauncherError, WorkerLostError):
        raise  # a full disk, a launcher that does not start, a killed rank: no property of the trial
    except MemoryError as error:
        reason = f"{_OUT_OF_MEMORY}: {error}".rstrip(": ")
    except Exception as error:
        reason = reason_of(error)
    return Outcome(task.run, key, reason, time.perf_counter() - started)


def reason_of(error: Exception) -> str:
    """An error as the record of a run and its news name it."""
    return f"{type(error).__name__}: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]


class Attempt:
    """Tasks through a backend.

    Parameters
    ----------
    contexts : the runs by their numbers.
    backend : where trials run.
    chunk : tasks handed to a worker at a time.
    say : called with one line of news.
    settled : called with each task and its outcome.
    """

    def __init__(
        self,
        contexts: Mapping[int, Context],
        backend: Backend,
        chunk: int,
        say: Callable[[str], None],
        settled: Callable[[Task, Outcome], None],
    ) -> None:
        self._contexts = contexts
        self._backend = backend
        self._chunk = chunk
        self._say = say
        self._report = settled
        # workers may run in another folder
        elsewhere = {
            number: (each, RunDirectory(at.path.resolve(), at.identity)) for number, (each, at) in contexts.items()
        }
        self._work = partial(run_chunk, elsewhere)
        self._open: set[tuple[int, str]] = set()
        self._out_of_memory: list[Task] = []

    def run(self, pending: Sequence[Task], alone: Sequence[Task] = ()) -> None:
        """Run the tasks, the longest first; those that were under way when a worker died are tried again, alone.

        The tasks of `alone` come last, with nothing beside them.
        """
        for _, directory in self._contexts.values():
            directory.forget_started()
        waiting = [*sorted(pending, key=lambda task: -task.seconds), *alone]
        self._open = {(task.run, task.trial.key) for task in waiting}
        retry: list[Task] = []
        no_progress = 0
        while waiting:
            before = len(waiting)
            try:
                self._map([task for task in waiting if task not in alone], [task for task in waiting if task in alone])
                break
            except WorkerLostError as error:
                waiting = [task for task in waiting if not self._settled(task) and task not in self._out_of_memory]
                interrupted = [task for task in waiting if self._started(task)]
                retry += interrupted
                waiting = [task for task in waiting if task not in interrupted]
                no_progress = no_progress + 1 if len(waiting) == before else 0
                self._report_loss(error, interrupted, no_progress)
        if self._out_of_memory:
            self._say(f"{len(self._out_of_memory)} trial(s) ran out of memory and will be tried again, alone")
        for task in [*retry, *self._out_of_memory]:
            self._alone(task)

    def _report_loss(self, error: WorkerLostError, interrupted: Sequence[Task], no_progress: int) -> None:
        """Say what follows the death of a worker; give up where workers keep dying before they begin a trial."""
        if no_progress == _PATIENCE:
            raise SettingError(
                "workers end before they begin any trial, as they do where memory is short: fewer of them may find "
                f"enough (workers=1), and the same command continues ({_first_line(error)})"
            )
        what = (
            f"{len(interrupted)} unfinished trial(s) will be tried again, alone" if interrupted else "starting others"
        )
        self._say(f"a worker died; {what} ({_first_line(error)})")

    def _map(self, tasks: Sequence[Task], alone: Sequence[Task]) -> None:
        known = {(task.run, task.trial.key): task for task in (*tasks, *alone)}
        chunks = [tasks[start : start + self._chunk] for start in range(0, len(tasks), self._chunk)]
        for outcomes in self._backend.map(self._work, chunks, [[task] for task in alone]):
            for outcome in outcomes:
                task = known[outcome.run, outcome.key]
                if outcome.reason is not None and outcome.reason.startswith(_OUT_OF_MEMORY):
                    self._out_of_memory.append(task)  # alone it may find enough
                else:
                    self._settle(task, outcome)

    def _alone(self, task: Task) -> None:
        try:
            outcome = self._backend.alone(self._work, [task])[0]
        except WorkerLostError as error:
            outcome = Outcome(task.run, task.trial.key, f"{KILLED}: {_first_line(error)}", 0.0)
        self._settle(task, outcome)

    def _settle(self, task: Task, outcome: Outcome) -> None:
        self._open.discard((task.run, task.trial.key))
        self._report(task, outcome)

    def _settled(self, task: Task) -> bool:
        """Whether a task has its outcome; a shard whose report was lost with a worker is as good."""
        if (task.run, task.trial.key) not in self._open:
            return True
        if not self._contexts[task.run][1].has_shard(task.trial.key):
            return False
        self._settle(task, Outcome(task.run, task.trial.key, None, 0.0))
        return True

    def _started(self, task: Task) -> bool:
        return self._contexts[task.run][1].started(task.trial.key)
