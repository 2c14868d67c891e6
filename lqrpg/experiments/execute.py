"""Running a job: pending trials to a backend, shards back, tables and provenance at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import OmegaConf

from lqrpg.backends.base import Backend, WorkerLostError
from lqrpg.backends.choice import backend
from lqrpg.checks import SettingError
from lqrpg.experiments.base import Experiment, Parts, Trial
from lqrpg.experiments.settings import Job
from lqrpg.results import provenance
from lqrpg.results.run_directory import RunDirectory, State

Say = Callable[[str], None]
Advance = Callable[[Trial], None]


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
    begin : called with all trials and those already done.
    advance : called with each trial that is done.
    """

    say: Say
    begin: Callable[[Sequence[Trial], Sequence[Trial]], None]
    advance: Advance


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
    with directory.locked():
        state = directory.state()
        if state is State.FINISHED and not force:
            return Result.UNCHANGED
        if state in (State.OUTDATED, State.FINISHED) or force:
            _set_aside(directory, state, report.say)
        if state is State.DAMAGED:
            report.say(f"{directory.path}: a file is damaged or missing; computing the run again")
        directory.open(OmegaConf.to_yaml(OmegaConf.create(job.settings)))
        return _compute(job, directory, report)


def _set_aside(directory: RunDirectory, state: State, say: Say) -> None:
    if state is State.ABSENT and not directory.path.exists():
        return
    reason = "the code or the settings have changed since" if state is State.OUTDATED else "recomputing"
    directory.set_aside()
    say(f"{directory.path}: {reason}; what was there is now in {directory.previous}")


def _compute(job: Job, directory: RunDirectory, report: Reporter) -> Result:
    started, clock = provenance.now(), time.monotonic()
    trials = job.experiment.trials()
    done = [trial for trial in trials if directory.has_shard(trial.key)]
    pending = [trial for trial in trials if trial not in done]
    if pending:
        _compile(job.experiment, report.say)
    report.begin(trials, done)
    workers = 1 if job.experiment.exclusive else job.runner.processes
    place = backend("serial" if job.experiment.exclusive else job.runner.engine, workers)
    lost = _Attempt(job, directory, place, report).run(pending)
    parts = [(trial, directory.read_shard(trial.key)) for trial in trials if trial.key not in lost]
    tables = _tables(job.experiment, parts, lost, report.say)
    record = {
        **provenance.describe(),
        "scale": job.scale,
        "seed": job.experiment.seed,
        "backend": job.runner.engine,
        "workers": workers,
        "started": started,
        "finished": provenance.now(),
        "seconds": round(time.monotonic() - clock, 3),
        "trials": {"done": len(parts), "resumed": len(done), "lost": lost},
    }
    directory.finish(tables, describe(job), record)
    return Result.INCOMPLETE if lost else Result.COMPUTED


def _compile(experiment: Experiment, say: Say) -> None:
    """Compile once, before there are workers: they find the kernels in the cache.

    Settings with which that fails make trials fail too, and are recorded there.
    """
    try:
        experiment.compile()
    except (OSError, SettingError):
        raise
    except Exception as error:
        say(f"nothing could be compiled beforehand ({_reason(error)})")


def _tables(experiment: Experiment, parts: Parts, lost: dict[str, str], say: Say) -> dict[str, pd.DataFrame]:
    """The tables of the parts that are there; none, noted among what was lost, if they cannot be made."""
    try:
        return experiment.tables(parts)
    except Exception as error:
        lost["tables"] = _reason(error)
        say(f"no tables can be made of what is there ({_reason(error)})")
        return {}


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def describe(job: Job) -> dict[str, Any]:
    """What tables carry: everything that determines them, and nothing else."""
    return {
        "experiment": job.experiment.name,
        "identity": job.identity,
        "sources": job.sources,
        "settings": job.settings,
    }


Outcomes = list[tuple[str, str | None]]
"""Trials of a chunk by their keys, each with the reason why it has no rows, or None."""


def run_chunk(experiment: Experiment, directory: RunDirectory, trials: Sequence[Trial]) -> Outcomes:
    """What a worker does: run trials and save the rows of each; an exception is an outcome, not an end."""
    outcomes: Outcomes = []
    for trial in trials:
        directory.mark_started(trial.key)
        try:
            directory.write_shard(trial.key, experiment.run(trial))
            outcomes.append((trial.key, None))
        except (OSError, SettingError, WorkerLostError):
            raise  # a full disk, a launcher that does not start, a killed rank: no property of the trial
        except Exception as error:
            outcomes.append((trial.key, _reason(error)))
    return outcomes


class _Attempt:
    """Trials through a backend until each has a shard or a reason why not."""

    def __init__(self, job: Job, directory: RunDirectory, place: Backend, report: Reporter) -> None:
        self._directory = directory
        self._place = place
        self._report = report
        self._chunk = job.runner.chunk
        elsewhere = RunDirectory(directory.path.resolve(), directory.identity)  # workers may run in another folder
        self._work = partial(run_chunk, job.experiment, elsewhere)
        self._lost: dict[str, str] = {}

    def run(self, pending: Sequence[Trial]) -> dict[str, str]:
        """Run the trials; return why the lost ones have no rows, by their keys."""
        self._directory.forget_started()
        waiting = sorted(pending, key=lambda trial: -trial.cost)
        suspects: list[Trial] = []
        while waiting:
            try:
                self._together(waiting)
                break
            except WorkerLostError:
                waiting = [trial for trial in waiting if not self._settled(trial)]
                fallen = [trial for trial in waiting if self._directory.started(trial.key)] or waiting[:1]
                suspects += fallen
                waiting = [trial for trial in waiting if trial not in fallen]
                self._report.say(f"a worker died; {len(fallen)} unfinished trial(s) will be tried again, alone")
        for trial in suspects:
            self._alone(trial)
        return self._lost

    def _together(self, trials: Sequence[Trial]) -> None:
        by_key = {trial.key: trial for trial in trials}
        chunks = [trials[start : start + self._chunk] for start in range(0, len(trials), self._chunk)]
        for outcomes in self._place.map(self._work, chunks):
            for key, reason in outcomes:
                self._note(by_key[key], reason)

    def _alone(self, trial: Trial) -> None:
        try:
            self._note(trial, self._place.alone(self._work, [trial])[0][1])
        except WorkerLostError:
            self._note(trial, "killed")

    def _note(self, trial: Trial, reason: str | None) -> None:
        if reason is not None:
            self._lost[trial.key] = reason
            self._report.say(f"trial {trial.key} has no result ({reason}); going on")
        self._report.advance(trial)

    def _settled(self, trial: Trial) -> bool:
        return trial.key in self._lost or self._directory.has_shard(trial.key)
