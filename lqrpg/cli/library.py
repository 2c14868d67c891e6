"""What the command line does, as Python functions: experiments run, tables read, figures drawn."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lqrpg.checks import SettingError, require
from lqrpg.paths import expanded

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lqrpg.cli.contest import Comparison
    from lqrpg.cli.tables import Tables
    from lqrpg.cli.verified import ClaimOutcomes

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run_experiment(name: str, *, scale: str = "paper", force: bool = False, **overrides: Any) -> Tables:
    """Run an experiment as `lqrpg run` does, and return its tables.

    The run is saved as that command saves it: the same call again returns at once, and an interrupted one goes on.

    Parameters
    ----------
    name : such as `azopg`; `lqrpg list` shows all.
    scale : `smoke` (seconds), `small` or `paper`.
    force : set finished tables aside and recompute.
    **overrides : settings, as `seed=3`, `results_dir="elsewhere"` or `workers=1`; a mapping stands for a group of keys:
        `system={"masses": 2}`. Matrices may be arrays, and `system` what `load_system` returned.

    Returns
    -------
    The tables by name, a dictionary; `attrs` of each holds the settings. It is shown by a summary of the run.

    Raises
    ------
    SettingError
        With one line on what is wrong with a setting.

    Examples
    --------
    >>> import tempfile
    >>> from lqrpg import run_experiment
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     options = {"scale": "smoke", "backend": "serial", "results_dir": folder}
    ...     tables = run_experiment("shootout", methods=["policy_iteration"], **options)
    >>> list(tables["summary"]["method"])
    ['policy_iteration']
    """
    from lqrpg.cli.compose import requests
    from lqrpg.cli.one_run import explain_errors
    from lqrpg.cli.progress import reporter
    from lqrpg.cli.run import require_runnable
    from lqrpg.runner.execute import Result, execute, run_directory

    words = [*words_of({"experiment": name, "scale": scale, **overrides})]
    (request,) = requests(words, None, multirun=False)
    require_runnable(request, force=force)
    directory = run_directory(request.job, request.run_name)
    with (
        _one_thread_in_workers(),
        explain_errors([directory.path], "the same call"),
        reporter(f"{name}/{request.run_name}") as report,
    ):
        result = execute(request.job, directory, force=force, report=report)
    if result is Result.INCOMPLETE:
        warnings.warn(f"{directory.path}: some trials have no result; the same call tries them again", stacklevel=2)
    return load_tables(directory.path)


def load_tables(run_folder: str | Path) -> Tables:
    """The tables of a finished run by name, each checked against its digest; `attrs` holds the run's settings.

    Parameters
    ----------
    run_folder : such as `results/azopg/paper`; of `results/azopg` the run that `lqrpg plot` takes is read.

    Returns
    -------
    The tables by name, a dictionary that is shown by a summary of the run.

    Raises
    ------
    SettingError
        If there is no finished run in the folder, or a file is damaged.

    Examples
    --------
    >>> import tempfile
    >>> from lqrpg import load_tables, run_experiment
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     options = {"scale": "smoke", "backend": "serial", "results_dir": folder}
    ...     _ = run_experiment("shootout", methods=["policy_iteration"], seed=3, **options)
    ...     tables = load_tables(f"{folder}/shootout")
    >>> tables["gains"].attrs["settings"]["seed"], list(tables["targets"].columns)[:3]
    (3, ['method', 'target', 'reached'])
    """
    from lqrpg.cli.tables import Tables
    from lqrpg.results.atomic import DamagedFileError
    from lqrpg.results.lookup import open_run, select

    require(isinstance(run_folder, str | Path), "run_folder", run_folder, "a folder, such as 'results/azopg/paper'")
    folder = expanded(run_folder)
    try:
        taken = None if (folder / "provenance.json").exists() else select(folder.absolute().parent, folder.name).run
        run = taken or open_run(folder)
        return Tables(run)
    except FileNotFoundError:
        raise SettingError(f"run_folder={str(folder)!r}: there is no finished run") from None
    except DamagedFileError as error:
        raise SettingError(f"run_folder={str(folder)!r}: {error}") from None


def figure(
    name: str,
    *,
    results: str | Path = "results",
    run: str | None = None,
    width: float | None = None,
    style: str | Path | None = None,
) -> Figure:
    """A figure of the package, drawn from saved tables as `lqrpg plot` draws it.

    Parameters
    ----------
    name : such as `azopg_fig3`; `lqrpg list` shows all.
    results : folder of the tables.
    run : name of the run; unless given the one that `lqrpg plot` takes, with default settings, of the largest scale.
    width : in inches, such as 3.5 for a column; type keeps its size, and panels that do not fit are stacked.
    style : a style of matplotlib's or a file `*.mplstyle`, on top of the package's own; `current` for matplotlib's
        settings as they are.

    Returns
    -------
    The figure; in a notebook it is shown.

    Raises
    ------
    SettingError
        If there is no such figure, or no finished run with its tables.

    Examples
    --------
    >>> import tempfile
    >>> from lqrpg import figure, run_experiment
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = run_experiment("qsa_monte_carlo", scale="smoke", backend="serial", results_dir=folder)
    ...     drawn = figure("qsa_fig2", results=folder, width=3.5)  # as wide as a column
    ...     drawn.savefig(f"{folder}/fig2.pdf")
    >>> float(drawn.get_size_inches()[0])
    3.5
    >>> figure("azopg_fig33")
    Traceback (most recent call last):
    ...
    lqrpg.checks.SettingError: unknown figure 'azopg_fig33': did you mean 'azopg_fig3'?
    """
    from lqrpg.cli.run_tables import RunTables, drawn
    from lqrpg.figures.notebook import shown
    from lqrpg.figures.registry import figures
    from lqrpg.figures.style import house_style
    from lqrpg.results.lookup import EmptyTableError, MissingRunError, select
    from lqrpg.runner.registry import suggestion

    require(isinstance(name, str), "name", name, "the name of a figure, such as 'azopg_fig3'")
    known = figures()
    if name not in known:
        raise SettingError(f"unknown figure {name!r}: {suggestion(name, known)}")
    spec = known[name]
    selection = select(expanded(results), spec.experiment, run)
    try:
        with house_style(width, style):
            return drawn(spec, RunTables(selection.meeting(spec.condition)), shown)[0]
    except (EmptyTableError, MissingRunError) as error:
        raise SettingError(f"figure {name!r}: {error}") from None


def verify(*names: str, results: str | Path = "results", run: str | None = None) -> ClaimOutcomes:
    """Check claims on saved tables, as `lqrpg verify` does.

    Parameters
    ----------
    *names : claims, experiments, beginnings of their names, or papers such as `P3`; all claims unless given.
    results : folder of the tables.
    run : name of the runs; unless given those with default settings of the largest scale.

    Returns
    -------
    The outcomes, a sequence with a `table`; in a notebook shown as a table. On a run that is too small for a claim its
    outcome is `not tested`.

    Raises
    ------
    SettingError
        If a name names nothing.

    Examples
    --------
    >>> import tempfile
    >>> from lqrpg import run_experiment, verify
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = run_experiment("qsa_monte_carlo", scale="smoke", backend="serial", results_dir=folder)
    ...     verify("qsa_monte_carlo", results=folder).as_documented
    True
    >>> verify("qsa_mena")
    Traceback (most recent call last):
    ...
    lqrpg.checks.SettingError: unknown experiment, paper or claim 'qsa_mena': did you mean 'qsa_mean'?
    """
    from lqrpg.cli.verified import outcomes

    return outcomes(names, expanded(results), run)


def shootout(
    methods: Sequence[Any],
    plant: Any,
    gain: Any = None,
    *,
    replicates: int = 20,
    seed: int = 0,
    samples: int | Mapping[str, int] = 100_000,
    initial_covariance: Any = None,
    results_dir: str | Path | None = None,
    scale: str = "small",
    **settings: Any,
) -> Comparison:
    """Run methods side by side on one plant from one gain, as the experiment `shootout` does, in this process.

    Parameters
    ----------
    methods : objects such as `ExactGradient(step_size=0.1)`, which run as they are; classes such as `IndirectGradient`,
        or names such as `indirect`, which run with the settings of the experiment, their step size chosen by pilot
        runs. A class of one's own says by `budget` how a run is paid for: `rollout_samples` or `trajectory_samples` if
        it uses samples, else `gradient` or `newton`.
    plant : a `Plant` in discrete time, or anything that `load_system` takes.
    gain : (m, n) gain K0 of u = -K0 x that stabilises it; that of the system unless given.
    replicates : runs of each method, each with random numbers of its own.
    seed : root of all random numbers; equal seeds give equal bits.
    samples : interactions with the plant in a run of a method that uses them; for each kind its own number by
        `{"rollouts": 1_000_000, "trajectory": 10_000}`. However few they are, a run has 20 iterations of rollouts, or
        on a trajectory eight iterations and ten times the samples before the first of them.
    initial_covariance : (n, n) covariance of the first state of a rollout or trajectory; unless given that of the
        system, or the Sigma of a `Plant`.
    results_dir : folder in which the run is kept, for `lqrpg plot`, `export` and `report`; unless given it is not.
    scale : `smoke`, `small` or `paper`: what the other settings are.
    **settings : other settings of the experiment, such as `pilots=5`, `targets=[0.1, 0.01]` or
        `iterations={"gradient": 1000}`.

    Returns
    -------
    A `Comparison`: its `tables`, `medians` and `figure("shootout_curves")`; in a notebook it is shown as a table.

    Raises
    ------
    SettingError
        With one line on what is wrong with a method, the plant, the gain or a setting.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import ExactGradient, Plant, PolicyIteration, shootout
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=np.eye(3), sample_time=1)
    >>> found = shootout([ExactGradient(step_size=0.1), PolicyIteration()], plant, 0.3 * np.eye(3), replicates=2)
    >>> found.medians["method"].tolist(), bool(found.medians["gap"].max() < 1e-6)
    (['exact gradient', 'policy iteration'], True)
    """
    from lqrpg.cli.contest import compare

    chosen = {"replicates": replicates, "seed": seed, "scale": scale, **settings}
    return compare(methods, plant, gain, initial_covariance, samples, results_dir, chosen)


def words_of(settings: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Settings as words of the command line, groups flattened; a system is its kind and its settings."""
    from lqrpg.cli.data_only import PATH_KEYS
    from lqrpg.cli.words import path_value

    for key, value in settings.items():
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {name: part for name, part in dataclasses.asdict(value).items() if part is not None}
            yield f"{prefix}{key}={fields.pop('kind')}"
            yield from words_of(fields, f"{prefix}{key}.")
        elif isinstance(value, Mapping) and value and all(isinstance(part, str) for part in value):
            yield from words_of(value, f"{prefix}{key}.")
        elif f"{prefix}{key}" in PATH_KEYS and isinstance(value, str | Path):
            yield f"{prefix}{key}={path_value(str(value))}"
        else:
            yield f"{prefix}{key}={_value(value)}"


def _value(value: Any) -> str:
    """A value in Hydra's grammar."""
    from lqrpg.cli.words import quoted

    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if hasattr(value, "tolist"):  # an array, or a number of NumPy's
        return _value(value.tolist())
    if isinstance(value, list | tuple):
        return "[" + ",".join(_value(part) for part in value) + "]"
    text = str(value)
    return text if isinstance(value, int | float) or re.fullmatch(r"[\w./-]+", text) else quoted(text)


@contextlib.contextmanager
def _one_thread_in_workers() -> Iterator[None]:
    """Worker processes with one BLAS thread each, as under the command line: sums then have one order."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
