"""The order in which trials go to a backend."""

import pytest

from lqrpg.backends.base import LauncherError, WorkerLostError
from lqrpg.checks import SettingError
from lqrpg.results.run_directory import RunDirectory
from lqrpg.runner.attempt import Attempt, Task
from lqrpg.runner.experiment import Trial


class Recording:
    """A backend in this process that notes what runs, and with what beside it."""

    def __init__(self):
        self.together, self.by_itself = [], []

    def map(self, function, chunks, last=()):
        self.together += [task.trial.key for chunk in chunks for task in chunk]
        self.by_itself += [task.trial.key for chunk in last for task in chunk]
        return map(function, [*chunks, *last])

    def alone(self, function, chunk):
        self.by_itself += [task.trial.key for task in chunk]
        return function(chunk)


class Nothing:
    """An experiment whose trials have no rows."""

    def run(self, trial):
        if trial.key == "starving":
            raise MemoryError
        if trial.key == "unfit":
            raise SettingError("gain: expected one that stabilises")
        if trial.key == "unlaunched":
            raise LauncherError("no mpiexec")
        return {}


@pytest.fixture
def directory(tmp_path):
    place = RunDirectory(tmp_path / "run", "identity")
    place.open("name: nothing\n")
    return place


def test_the_longest_start_first_across_runs_and_timings_come_last_and_alone(directory, tmp_path):
    other = RunDirectory(tmp_path / "other", "identity")
    other.open("name: nothing\n")
    backend, settled = Recording(), []
    places = {0: (Nothing(), directory), 7: (Nothing(), other)}
    attempt = Attempt(places, backend, 1, print, lambda task, outcome: settled.append(task.trial.key))
    tasks = [Task(0, Trial("short"), 1.0), Task(7, Trial("long"), 9.0), Task(0, Trial("middle"), 5.0)]
    attempt.run(tasks, [Task(0, Trial("timing"), 100.0)])
    assert backend.together == ["long", "middle", "short"]
    assert backend.by_itself == ["timing"]
    assert settled == ["long", "middle", "short", "timing"]
    assert other.has_shard("long")
    assert not directory.has_shard("long")


def test_a_trial_without_memory_is_tried_once_more_alone_and_then_recorded(directory):
    backend, outcomes = Recording(), {}
    attempt = Attempt({0: (Nothing(), directory)}, backend, 2, print, lambda task, out: outcomes.update({out.key: out}))
    attempt.run([Task(0, Trial("starving"), 1.0), Task(0, Trial("fed"), 1.0)])
    assert backend.by_itself == ["starving"]
    assert outcomes["starving"].reason.startswith("out of memory")
    assert outcomes["fed"].reason is None


def test_a_trial_that_refuses_its_settings_is_recorded_and_a_launcher_that_fails_ends_the_run(directory):
    outcomes = {}
    attempt = Attempt(
        {0: (Nothing(), directory)}, Recording(), 1, print, lambda task, out: outcomes.update({out.key: out.reason})
    )
    attempt.run([Task(0, Trial("unfit"), 2.0), Task(0, Trial("fit"), 1.0)])
    assert outcomes == {"unfit": "SettingError: gain: expected one that stabilises", "fit": None}
    with pytest.raises(LauncherError):
        attempt.run([Task(0, Trial("unlaunched"), 1.0)])


class Deadly(Recording):
    """A backend whose workers die over what they have begun."""

    def map(self, function, chunks, last=()):
        for chunk in chunks:
            for task in chunk:
                self.directory.mark_started(task.trial.key)
        raise WorkerLostError("SIGKILL")

    def alone(self, function, chunk):
        raise WorkerLostError("SIGSEGV\nand more")


def test_what_is_known_of_a_workers_death_is_said_and_recorded(directory):
    backend, reasons, news = Deadly(), [], []
    backend.directory = directory
    places = {0: (Nothing(), directory)}
    Attempt(places, backend, 1, news.append, lambda task, out: reasons.append(out.reason)).run(
        [Task(0, Trial("fit"), 1.0)]
    )
    assert news == ["a worker died; 1 unfinished trial(s) will be tried again, alone (SIGKILL)"]
    assert reasons == ["killed: SIGSEGV"]
