"""Running a job: pending trials to a backend, shards back, tables and provenance at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from lqrpg.backends.base import Backend, WorkerLostError
from lqrpg.backends.choice import backend
from lqrpg.checks import SettingError
from lqrpg.experiments.base import Experiment, Trial
from lqrpg.experiments.settings import Job
from lqrpg.results import provenance
from lqrpg.results.atomic import DamagedFileError
from lqrpg.results.rows import Rows
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
        state, config = directory.state(), OmegaConf.to_yaml(OmegaConf.create(job.settings))
        if state is State.FINISHED and not force:
            if not directory.has_config(config):
                report.say(f"{directory.path / 'config.yaml'} is damaged or missing; writing it again")
                directory.write_config(config)
            return Result.UNCHANGED
        if state in (State.OUTDATED, State.FINISHED) or force:
            _set_aside(directory, state, report.say)
        if state is State.DAMAGED:
            report.say(f"{directory.path}: a file is damaged or missing; computing the run again")
        directory.open(config)
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
    done = [trial for trial in trials if directory.has_shard(trial.key, report.say)]
    pending = [trial for trial in trials if trial not in done]
    if pending:
        job.experiment.compile()  # once, before there are workers: they find the kernels in the cache
    report.begin(trials, done)
    workers = 1 if job.experiment.exclusive else job.runner.processes
    place = backend("serial" if job.experiment.exclusive else job.runner.engine, workers)
    lost = _Attempt(job, directory, place, report).run(pending)
    parts = [(trial, _rows(directory, trial)) for trial in trials if trial.key not in lost]
    record = {
        **provenance.describe(),
        "scale": job.scale,
        "seed": job.experiment.seed,
        "backend": job.runner.engine,
        "workers": workers,
        "started": started,
        "finished": provenance.now(),
        "seconds": round(max(time.monotonic() - clock, 0.0), 3),
        "trials": {"done": len(parts), "resumed": len(done), "lost": lost},
    }
    directory.finish(job.experiment.tables(parts), describe(job), record)
    return Result.INCOMPLETE if lost else Result.COMPUTED


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


_OUT_OF_MEMORY = "out of memory"
_PATIENCE = 3
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
        except MemoryError as error:
            outcomes.append((trial.key, f"{_OUT_OF_MEMORY}: {error}".rstrip(": ")))
        except Exception as error:
            outcomes.append((trial.key, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"))
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
        self._starved: list[Trial] = []

    def run(self, pending: Sequence[Trial]) -> dict[str, str]:
        """Run the trials; return why the lost ones have no rows, by their keys."""
        self._directory.forget_started()
        waiting = sorted(pending, key=lambda trial: -trial.cost)
        suspects: list[Trial] = []
        fruitless = 0
        while waiting:
            before = len(waiting)
            try:
                self._together(waiting)
                break
            except WorkerLostError:
                waiting = [trial for trial in waiting if not self._settled(trial) and trial not in self._starved]
                fallen = [trial for trial in waiting if self._directory.started(trial.key)]
                suspects += fallen
                waiting = [trial for trial in waiting if trial not in fallen]
                fruitless = fruitless + 1 if len(waiting) == before else 0
                self._say_what_now(fallen, fruitless)
        if self._starved:
            self._report.say(f"{len(self._starved)} trial(s) ran out of memory and will be tried again, alone")
        for trial in [*suspects, *self._starved]:
            self._alone(trial)
        return self._lost

    def _say_what_now(self, fallen: Sequence[Trial], fruitless: int) -> None:
        """Say what follows the death of a worker; give up where workers keep dying before they begin a trial."""
        if fruitless == _PATIENCE:
            raise SettingError(
                "workers end before they begin any trial, as they do where memory is short: fewer of them may find "
                "enough (workers=1), and the same command continues"
            )
        what = f"{len(fallen)} unfinished trial(s) will be tried again, alone" if fallen else "starting others"
        self._report.say(f"a worker died; {what}")

    def _together(self, trials: Sequence[Trial]) -> None:
        by_key = {trial.key: trial for trial in trials}
        chunks = [trials[start : start + self._chunk] for start in range(0, len(trials), self._chunk)]
        for outcomes in self._place.map(self._work, chunks):
            for key, reason in outcomes:
                if reason is not None and reason.startswith(_OUT_OF_MEMORY):
                    self._starved.append(by_key[key])  # alone it may find enough
                else:
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
