"""Running jobs: pending trials to a backend, shards back, tables and provenance at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from enum import Enum
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from omegaconf._utils import get_omega_conf_dumper

from lqrpg.backends.base import WorkerLostError
from lqrpg.backends.choice import backend
from lqrpg.backends.cores import require_core_limit
from lqrpg.backends.mpi import env
from lqrpg.checks import SettingError
from lqrpg.results import provenance
from lqrpg.results.atomic import DamagedFileError
from lqrpg.results.lookup import silently
from lqrpg.results.rows import Rows
from lqrpg.results.run_directory import RunDirectory, State
from lqrpg.runner.attempt import Attempt, Outcome, Task, reason_of
from lqrpg.runner.compiling import compile_beside, compile_here
from lqrpg.runner.experiment import Experiment, Parts, Trial
from lqrpg.runner.settings import Job

Say = Callable[[str], None]


class Result(Enum):
    """How a job ended."""

    COMPUTED = "computed"
    UNCHANGED = "unchanged"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True)
class Reporter:
    """Where progress goes.

    Attributes
    ----------
    say : called with one line of news.
    begin : called with the tasks of all runs by their titles, those already done included, and with the done ones.
    advance : called with the title of a run and a task of it that is done.
    """

    say: Say
    begin: Callable[[Mapping[str, Sequence[Task]], Mapping[str, Sequence[Task]]], None]
    advance: Callable[[str, Task], None]


def run_directory(job: Job, name: str) -> RunDirectory:
    """The directory of a job's run of the given name."""
    return RunDirectory(Path(job.runner.results_dir) / job.experiment.name / name, job.identity)


def execute(job: Job, directory: RunDirectory, *, force: bool, report: Reporter) -> Result:
    """Bring a run directory to the finished state, doing only what is missing.

    Parameters
    ----------
    job : what to run, and how.
    directory : where its files go.
    force : set finished tables aside and recompute.
    report : where progress goes.

    Raises
    ------
    BusyError
        If another process computes the same run.
    """
    return execute_all([(job, directory)], force=force, report=report)[0]


def execute_all(
    jobs: Sequence[tuple[Job, RunDirectory]],
    *,
    force: bool,
    report: Reporter,
    finished: Callable[[int, Result], None] = lambda number, result: None,
) -> list[Result]:
    """Bring several run directories to the finished state, their trials side by side, the longest first.

    Parameters
    ----------
    jobs : jobs with their directories; the first says which backend serves all.
    force, report : as for `execute`.
    finished : called with the number of a job and its result as soon as its tables are there.

    Raises
    ------
    BusyError
        If another process computes one of the runs.
    """
    results = [Result.UNCHANGED] * len(jobs)
    with ExitStack() as stack:
        open_ones = {number: job for number, job in enumerate(jobs) if force or not is_settled(*job)}
        if open_ones:
            require_core_limit()  # before anything is written
        for _, directory in open_ones.values():
            stack.enter_context(directory.locked())
        opened = {number: _open(*job, force, report.say) for number, job in open_ones.items()}
        runs = {number: run for number, run in opened.items() if run is not None}
        for number in set(range(len(jobs))) - set(runs):
            finished(number, Result.UNCHANGED)

        def conclude(number: int) -> None:
            results[number] = runs[number].finish(report.say)
            finished(number, results[number])

        _compute(runs, report, conclude)
    return results


def save(job: Job, directory: RunDirectory, rows: Mapping[str, Rows]) -> None:
    """Keep a run whose trials this process has computed already; what was there before is set aside.

    Parameters
    ----------
    job : what was run.
    directory : where its files go.
    rows : those of each trial, by its key.

    Raises
    ------
    BusyError
        If another process computes the same run.
    """
    with directory.locked():
        run = _begin(job, directory, directory.state(), True, silently)
        for key, own in rows.items():
            directory.write_shard(key, own)
        run.finish(silently)


def is_settled(job: Job, directory: RunDirectory) -> bool:
    """Whether nothing at all is to be done for a job, so that its folder may as well be read-only."""
    return directory.is_settled(_config(job))


def _config(job: Job) -> str:
    """The settings as OmegaConf writes them, which would make a node for every entry of a matrix first."""
    return yaml.dump(job.settings, default_flow_style=False, allow_unicode=True, sort_keys=False, Dumper=_Dumper)


class _Dumper(get_omega_conf_dumper()):  # type: ignore[misc]
    """OmegaConf's own; a value that is there twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        """No value refers to another."""
        return True


def _open(job: Job, directory: RunDirectory, force: bool, say: Say) -> _Run | None:
    """The run of a job, ready for its trials; none if there is nothing to do."""
    state, config = directory.state(), _config(job)
    if force or state is not State.FINISHED:
        return _begin(job, directory, state, force, say)
    directory.tidy()
    if not directory.has_config(config):
        say(f"{directory.path / 'config.yaml'} is damaged or missing; writing it again")
        directory.write_config(config)
    return None


def _begin(job: Job, directory: RunDirectory, state: State, force: bool, say: Say) -> _Run:
    """The run of a job whose tables are to be made, in a directory of that state."""
    if state is State.OUTDATED or (force and state is not State.ABSENT):  # a forced run that was cut short goes on
        _set_aside(directory, state, say)
    if state is State.DAMAGED:
        say(f"{directory.path}: a file is damaged or missing; computing the run again")
    directory.open(_config(job))
    trials = job.experiment.trials()
    done = [trial for trial in trials if directory.has_shard(trial.key, say)]
    return _Run(job, directory, trials, done)


def _set_aside(directory: RunDirectory, state: State, say: Say) -> None:
    reason = "the code or the settings have changed since" if state is State.OUTDATED else "recomputing"
    if directory.set_aside():
        say(f"{directory.path}: {reason}; what was there is now in {directory.previous}")
    else:
        say(
            f"{directory.path}: {reason}, in its place: it is not whole, and {directory.previous} keeps tables that are"
        )


@dataclass
class _Run:
    """A run under way."""

    job: Job
    directory: RunDirectory
    trials: Sequence[Trial]
    done: Sequence[Trial]
    lost: dict[str, str] = field(default_factory=dict)
    busy: float = 0.0
    started: str = field(default_factory=provenance.now)
    described: Mapping[str, Any] = field(default_factory=provenance.describe)
    clock: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._finished = {trial.key for trial in self.done}
        self.waiting = {trial.key for trial in self.trials} - self._finished

    @property
    def title(self) -> str:
        return f"{self.job.experiment.name}/{self.directory.path.name}"

    def tasks(self, number: int) -> tuple[list[Task], list[Task]]:
        """All tasks, and those that are done, with the work that is expected of each."""
        second = self.job.expected_s / max(sum(trial.cost for trial in self.trials), 1e-300)
        tasks = [Task(number, trial, second * trial.cost) for trial in self.trials]
        return tasks, [task for task in tasks if task.trial.key in self._finished]

    def settle(self, outcome: Outcome, say: Say) -> None:
        """Note the outcome of a trial."""
        self.waiting.discard(outcome.key)
        self.busy += outcome.seconds
        if outcome.reason is not None:
            self.lost[outcome.key] = outcome.reason
            say(f"{self.title}: trial {outcome.key} has no result ({outcome.reason}); going on")

    def finish(self, say: Say) -> Result:
        """Write tables and provenance."""
        parts = [(trial, _rows(self.directory, trial)) for trial in self.trials if trial.key not in self.lost]
        tables = self._tables(parts, say)
        record = {
            **self.described,
            "libraries": {**self.described["libraries"], **_mpi_libraries(self.job)},
            "scale": self.job.scale,
            "seed": self.job.experiment.seed,
            "backend": self.job.engine,
            "workers": self.job.workers,
            "started": self.started,
            "finished": provenance.now(),
            "seconds": round(max(time.monotonic() - self.clock, 0.0), 3),
            "busy_seconds": round(self.busy, 3),
            "trials": {"done": len(parts), "resumed": len(self.done), "lost": self.lost},
        }
        self.directory.finish(tables, describe(self.job), record)
        return Result.INCOMPLETE if self.lost else Result.COMPUTED

    def _tables(self, parts: Parts, say: Say) -> dict[str, pd.DataFrame]:
        """The tables of the parts that are there; none, noted among what was lost, if they cannot be made."""
        try:
            with np.errstate(all="ignore"):
                return self.job.experiment.tables(parts)
        except Exception as error:
            self.lost["tables"] = reason_of(error)
            say(f"{self.title}: no tables can be made of what is there ({reason_of(error)})")
            return {}


def _mpi_libraries(job: Job) -> dict[str, str]:
    """The versions behind the ranks of a job, if it has any."""
    return {"mpi4py": metadata.version("mpi4py"), "MPI": env.library()} if job.engine == "mpi" else {}


def _compute(runs: Mapping[int, _Run], report: Reporter, conclude: Callable[[int], None]) -> None:
    """Run what is pending, first the trials that may have neighbours, then those that measure real time."""
    if not runs:
        return
    fresh = [run.job.experiment for run in runs.values() if run.waiting]
    _compile(fresh, next(iter(runs.values())).job, report.say)
    tasks = {number: run.tasks(number) for number, run in runs.items()}
    report.begin(
        {runs[number].title: every for number, (every, _) in tasks.items()},
        {runs[number].title: done for number, (_, done) in tasks.items()},
    )
    for exclusive in (False, True):
        numbers = [number for number, run in runs.items() if run.job.experiment.exclusive is exclusive]
        _together({number: runs[number] for number in numbers}, tasks, report, conclude, exclusive=exclusive)


def _together(
    runs: Mapping[int, _Run],
    tasks: Mapping[int, tuple[list[Task], list[Task]]],
    report: Reporter,
    conclude: Callable[[int], None],
    *,
    exclusive: bool,
) -> None:
    pending = [task for number, run in runs.items() for task in tasks[number][0] if task.trial.key in run.waiting]

    def settled(task: Task, outcome: Outcome) -> None:
        run = runs[task.run]
        run.settle(outcome, report.say)
        report.advance(run.title, task)
        if not run.waiting:
            conclude(task.run)

    for number, run in runs.items():
        if not run.waiting:
            conclude(number)
    if pending:
        runner = next(iter(runs.values())).job.runner
        place = backend("serial" if exclusive else runner.engine, 1 if exclusive else runner.processes)
        contexts = {number: (run.job.experiment, run.directory) for number, run in runs.items()}
        alone = [task for task in pending if task.trial.key in contexts[task.run][0].alone]
        together = [task for task in pending if task not in alone]
        Attempt(contexts, place, runner.chunk, report.say, settled).run(together, alone)


def _compile(experiments: Sequence[Experiment], job: Job, say: Say) -> None:
    """Compile once, before there are workers, so that these find the kernels in the cache; several side by side.

    Settings with which that fails make trials fail too, and are recorded there.
    """
    if len(experiments) == 1 or job.runner.processes == 1:
        reasons = [_compile_one(experiment, job, say) for experiment in experiments]
    elif experiments:
        reasons = []
        with suppress(WorkerLostError):  # a worker compiles by itself what is not in the cache
            reasons += backend("joblib", min(len(experiments), job.runner.processes)).map(compile_here, experiments)
    else:
        return
    for reason in filter(None, reasons):
        say(f"nothing could be compiled beforehand ({reason})")


def _compile_one(experiment: Experiment, job: Job, say: Say) -> str | None:
    """Compile in a thread; with ranks, whose library knows the main thread only, here."""
    return compile_here(experiment) if job.engine == "mpi" or experiment.ranks else compile_beside(experiment, say)


def _rows(directory: RunDirectory, trial: Trial) -> Rows:
    """What a finished trial has left, which may have come to harm since."""
    try:
        return directory.read_shard(trial.key)
    except (DamagedFileError, FileNotFoundError) as error:
        raise SettingError(f"{error}; the same command computes trial {trial.key} again") from None


def describe(job: Job) -> dict[str, Any]:
    """What tables carry: everything that determines them, and nothing else."""
    return {
        "experiment": job.experiment.name,
        "identity": job.identity,
        "sources": job.sources,
        "settings": job.settings,
    }
