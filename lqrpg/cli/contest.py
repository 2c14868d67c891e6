"""The experiment `shootout` from Python: methods as objects, one's own among them, on one plant, in this process.

The experiment does the work. Here methods take the place of the names among its settings: an object runs as it is, and
a class, or the name of a method, as the experiment runs it, its step size chosen by pilot runs.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lqrpg.checks import SettingError, require
from lqrpg.cli.library import load_tables, words_of
from lqrpg.cli.one_run import explain_errors
from lqrpg.cli.progress import reporter
from lqrpg.cli.saved import require_writable
from lqrpg.cli.shown import Shown, Summary, number
from lqrpg.experiments.shootout import Shootout
from lqrpg.experiments.shootout_methods import MethodSpec, known
from lqrpg.experiments.shootout_tables import pilot_rows
from lqrpg.figures.style import counted
from lqrpg.lqr.plant import Plant
from lqrpg.methods.base import Method, without_default
from lqrpg.methods.checks import checked_covariance, discrete_plant
from lqrpg.methods.minimise import labels_of
from lqrpg.methods.tuning import Pilot
from lqrpg.results.identity import identity
from lqrpg.results.rows import Rows
from lqrpg.runner.attempt import Task
from lqrpg.runner.execute import describe, run_directory, save
from lqrpg.runner.experiment import Trial
from lqrpg.runner.registry import method_class, suggestion
from lqrpg.runner.settings import Job
from lqrpg.systems.custom import Custom
from lqrpg.systems.from_python import load_system, save_plant

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

NAME = "shootout"
PLACEHOLDER = "policy_iteration"
"""Stands for the objects while the experiment's settings are checked: it needs none of them."""


_UNLIKE = 2.0
"""Largest over least number of samples above which last gaps do not say which method is better."""


@dataclass(frozen=True)
class Entrant(MethodSpec):
    """A method with its settings, which runs as it is.

    Attributes
    ----------
    method : the method.
    shown_as : its name in tables and figures.
    """

    method: Method
    shown_as: str

    def make(self, step_size: float) -> Method:
        """The method itself, whatever the step size."""
        return self.method

    @property
    def label(self) -> str:
        """Its name in figures."""
        return self.shown_as


@dataclass(frozen=True)
class Contest(Shootout):
    """The experiment with objects and classes among its methods.

    Attributes
    ----------
    entrants : what takes part, by its name among `methods`: an object, or a class.
    """

    entrants: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse methods that do not fit the plant, or do not say what they cost; all else has been checked."""
        self._require_methods()

    def _spec(self, name: str) -> MethodSpec:
        given = self.entrants[name]
        if isinstance(given, Method):
            return Entrant(name, type(given), self, False, given, self._shown_as[name])
        return MethodSpec(name, given, self, "step_size" in without_default(given))

    @cached_property
    def _shown_as(self) -> dict[str, str]:
        """Names of the objects; those of one name are told apart by their settings."""
        objects = {name: given for name, given in self.entrants.items() if isinstance(given, Method)}
        return dict(zip(objects, labels_of(list(objects.values())), strict=True))

    def run(self, trial: Trial) -> Rows:
        """The rows of a method; an object's step size stands among the pilots as the only one there is."""
        rows, given = super().run(trial), self.entrants[trial.values["method"]]
        step_size = getattr(given, "step_size", None) if isinstance(given, Method) else None
        if isinstance(step_size, int | float):
            rows = {**rows, "pilots": pilot_rows(trial.values["method"], [Pilot(float(step_size), 0, np.nan)])}
        return rows


@dataclass(frozen=True)
class ContestJob(Job):
    """A contest as a run on disk: its settings are the experiment's, its identity covers the methods themselves."""

    experiment: Contest

    @property
    def settings(self) -> dict[str, Any]:
        """The experiment's settings."""
        return {name: value for name, value in super().settings.items() if name != "entrants"}

    @property
    def identity(self) -> str:
        """Digest of settings, sources and methods."""
        given = {name: _told(each) for name, each in self.experiment.entrants.items()}
        return identity(self.experiment.name, {**self.settings, "entrants": given}, self.sources)


def _told(entrant: Any) -> list[str]:
    """A method's class and settings, and the text of the class where that is there."""
    cls, settings = (type(entrant), vars(entrant)) if isinstance(entrant, Method) else (entrant, {})
    source = ""
    with suppress(OSError, TypeError):
        source = inspect.getsource(cls)
    return [f"{cls.__qualname__} {settings}", hashlib.sha256(source.encode()).hexdigest()]


@dataclass(frozen=True, repr=False)
class Comparison(Shown):
    """What came of methods side by side.

    Attributes
    ----------
    tables : the tables of the experiment `shootout` by name, docs/shootout.md: methods, curves, final, pilots, summary,
        targets, runtime, gains.
    folder : of the run on disk; None if it was not kept.
    """

    tables: Mapping[str, pd.DataFrame]
    folder: Path | None = None

    @property
    def medians(self) -> pd.DataFrame:
        """A row per method, in the order in which they were given: medians over its runs, and how many were lost.

        Columns: `method`; `gap`, the last relative gap (f(K) - f*) / (f(K0) - f*), infinite where half of the runs are
        lost; `samples` of the plant that runs had used when they ended; for each target `samples to TARGET` until the
        gap is there, NaN where half never are; `diverged` and `runs`.
        """
        table = self.tables["methods"][["method", "label"]].merge(self.tables["summary"], on="method")
        given = self.tables["methods"].attrs["settings"]["methods"]
        table = table.sort_values("method", key=lambda names: names.map(given.index), ignore_index=True)
        spent = self.tables["final"].groupby("method")["samples"].median()
        table["samples"] = table["method"].map(spent).astype(np.int64)
        columns = ["label", "median", "samples"]
        for target, rows in self.tables["targets"].groupby("target", sort=True):
            columns.append(f"samples to {target:g}")
            table[columns[-1]] = table["method"].map(rows.set_index("method")["samples"])
        kept = table[[*columns[:3], *reversed(columns[3:]), "diverged", "runs"]]
        return kept.rename(columns={"label": "method", "median": "gap"})

    def figure(
        self, name: str = "shootout_curves", *, width: float | None = None, style: str | Path | None = None
    ) -> Figure:
        """A figure of the experiment, drawn as `lqrpg plot` draws it.

        Parameters
        ----------
        name : `shootout_curves` or `shootout_summary`.
        width : in inches, such as 3.5 for a column.
        style : as for `lqrpg.figure`.

        Returns
        -------
        The figure; in a notebook it is shown.

        Raises
        ------
        SettingError
            If there is no such figure.
        """
        from lqrpg.figures.notebook import shown
        from lqrpg.figures.registry import figures
        from lqrpg.figures.style import fit, house_style

        specs = {spec.name: spec for spec in figures().values() if spec.experiment == NAME}
        if name not in specs:
            raise SettingError(f"unknown figure {name!r}: {suggestion(str(name), specs)}")
        with house_style(width, style):
            drawn = specs[name].draw({table: rows.copy() for table, rows in self.tables.items()})
            fit(drawn)
            return shown(drawn)

    def _summary(self) -> Summary:
        table = self.medians
        facts = [("gap", "(f(K) - f*) / (f(K0) - f*)")]
        paid = table.loc[table["samples"] > 0, "samples"]
        if len(paid) and paid.max() > _UNLIKE * paid.min():
            used = f"{paid.min():d} to {paid.max():d} used: last gaps are not at equal samples, those to a target are"
            facts.append(("samples", used))
        facts += [("folder", str(self.folder))] if self.folder else []
        rows = [
            [number(cell) if isinstance(cell, float) else str(cell) for cell in row]
            for row in table.itertuples(index=False)
        ]
        runs = int(table["runs"].max())
        title = f"{counted(len(table), 'method')} side by side, medians of {runs} runs"
        return Summary(title, facts, list(table.columns), rows)


def compare(
    methods: Sequence[Any],
    plant: Any,
    gain: Any,
    initial_covariance: Any,
    samples: Any,
    results_dir: str | Path | None,
    settings: Mapping[str, Any],
) -> Comparison:
    """Run methods side by side; see `lqrpg.shootout`."""
    entrants = named(methods)
    base = _base_job(_system(plant, gain, initial_covariance), entrants, samples, results_dir, settings)
    values = {item.name: getattr(base.experiment, item.name) for item in dataclasses.fields(Shootout)}
    contest = Contest(**{**values, "methods": list(entrants)}, entrants=entrants)
    job = ContestJob(contest, base.runner, base.scale, base.expected_s)
    directory = run_directory(job, f"{job.scale}-{job.identity[:8]}")
    if results_dir is not None:
        require_writable(Path(job.runner.results_dir), "results_dir=")
    rows = _rows(contest)
    if results_dir is not None:
        with explain_errors([directory.path], "the same call"):
            save(job, directory, rows)
        return Comparison(load_tables(directory.path), directory.path)
    with np.errstate(all="ignore"):
        tables = contest.tables([(trial, rows[trial.key]) for trial in contest.trials()])
    for table in tables.values():
        table.attrs = describe(job)
    return Comparison(tables)


def _rows(contest: Contest) -> dict[str, Rows]:
    """The rows of every trial, computed here one after another."""
    trials, rows = contest.trials(), dict[str, Rows]()
    tasks = [Task(0, trial, trial.cost) for trial in trials]
    with reporter(NAME) as report, np.errstate(all="ignore"):
        contest.compile()
        report.begin({NAME: tasks}, {NAME: []})
        for task in tasks:
            rows[task.trial.key] = contest.run(task.trial)
            report.advance(NAME, task)
    return rows


def named(methods: Any) -> dict[str, Any]:
    """Objects and classes by names for tables: a package's own names, else those of the classes, each once.

    Raises
    ------
    SettingError
        If there is none, or something else among them.
    """
    expected = "methods, such as [ExactGradient(step_size=0.1), IndirectGradient]"
    require(
        isinstance(methods, Sequence) and not isinstance(methods, str) and len(methods) > 0,
        "methods",
        methods,
        expected,
    )
    found: dict[str, Any] = {}
    for given in methods:
        each = _class_named(given) if isinstance(given, str) else given
        cls = each if isinstance(each, type) else type(each)
        require(issubclass(cls, Method), "methods", given, f"{expected}: objects or classes of lqrpg.Method")
        name, number_of = _name_of(cls), 1
        stem = name
        while name in found or (name in known() and method_class(name) is not cls):
            number_of += 1
            name = f"{stem}_{number_of}"
        found[name] = each
    return found


def _class_named(name: str) -> type[Any]:
    if name not in known():
        raise SettingError(f"methods: unknown method {name!r}: {suggestion(name, known())}")
    return method_class(name)


def _name_of(cls: type[Any]) -> str:
    """The name under which a package declares a class, else the class's own in small letters."""
    module = cls.__module__.rpartition(".")[2]
    if module in known() and method_class(module) is cls:
        return module
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()


def _system(plant: Any, gain: Any, initial_covariance: Any) -> Custom:
    """The plant as a system of the experiment; of a `Plant` rollouts start as those of `minimise`."""
    given = {} if gain is None else {"K0": gain}
    if isinstance(plant, Plant):
        plant = discrete_plant(plant)
        given["first_state"] = checked_covariance(plant, initial_covariance)
    elif initial_covariance is not None:
        given["first_state"] = initial_covariance
    return load_system(plant, **given)


def _base_job(
    system: Custom,
    entrants: Mapping[str, Any],
    samples: Any,
    results_dir: str | Path | None,
    settings: Mapping[str, Any],
) -> Job:
    """The experiment's own job with those methods that it knows, all settings checked as on the command line."""
    from lqrpg.cli.compose import requests

    classes = [name for name, each in entrants.items() if isinstance(each, type) and name in known()]
    taken = sorted({"experiment", "system", "backend"} & set(settings))
    require(not taken, "settings", taken, "settings of the experiment: what runs on which plant is given otherwise")
    iterations = {**_budgets(samples), **settings.get("iterations", {})}
    chosen = {"experiment": NAME, "backend": "serial", "methods": classes or [PLACEHOLDER]}
    place = {} if results_dir is None else {"results_dir": results_dir}
    with tempfile.TemporaryDirectory() as folder:  # a file, since matrices of many words take long to read
        file = save_plant(f"{folder}/plant.npz", system)
        words = words_of(
            {**chosen, **place, **settings, "iterations": iterations, "system": "custom", "system.file": file}
        )
        return requests([*words], None, multirun=False)[0].job


def _budgets(samples: Any) -> dict[str, Any]:
    """The settings for samples of a run: one number for both kinds, or a number for each."""
    kinds = ("rollouts", "trajectory")
    given = samples if isinstance(samples, Mapping) else dict.fromkeys(kinds, samples)
    require(set(given) <= set(kinds), "samples", samples, "a number, or a number for each of rollouts, trajectory")
    keys = dict(zip(kinds, ("rollout_samples", "trajectory_samples"), strict=True))
    return {keys[kind]: number_of for kind, number_of in given.items()}
