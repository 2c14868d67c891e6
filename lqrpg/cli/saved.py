"""Finished runs for the commands that read tables: what is damaged, outdated, or does not fit is said, never shown."""

from __future__ import annotations

import contextlib
import os
import shlex
import warnings
from collections.abc import Iterator
from pathlib import Path

from lqrpg.checks import SettingError
from lqrpg.cli.console import echo
from lqrpg.results.atomic import DamagedFileError
from lqrpg.results.identity import sources_of
from lqrpg.results.lookup import FULL_SCALE, EmptyTableError, FinishedRun, MissingRunError

MISSING_TABLES = 3
"""Exit code where tables are missing, or damaged."""


def warn(line: str) -> None:
    """Say on standard error what is wrong with a run."""
    echo(f"lqrpg: {line}", err=True)


def warn_no_folder(results: Path) -> None:
    """Say that the folder of the results is not there."""
    warn(f"no folder {results} here: lqrpg run NAME makes it, --results names another one")


def warn_outdated(run: FinishedRun) -> None:
    """Say so if the code has changed since a run."""
    if is_outdated(run):
        warn(f"{run.path} is outdated, the code has changed since: {command_of(run)} computes it anew")


def warn_lost(run: FinishedRun) -> None:
    """Say so if trials of a run have no result: its tables lack their rows."""
    lost = len(run.provenance["trials"]["lost"])
    if lost:
        warn(f"{run.path} lacks {lost} trial(s) that have no result: claims and figures are about the rest")


def is_outdated(run: FinishedRun) -> bool:
    """Whether the present code might give other tables; the record may be an older version's, or a stranger's."""
    try:
        return bool(run.provenance["sources"] != sources_of(run.provenance["settings"]))
    except (LookupError, TypeError, AttributeError):
        return True


def command_of(run: FinishedRun) -> str:
    """The command that computes a run again: with its scale if only that is set, else as it was typed."""
    record = run.provenance
    typed, results = record.get("argv"), run.path.parent.parent
    if run.name != record.get("scale") and isinstance(typed, list) and typed[:2] == ["lqrpg", "run"]:
        return shlex.join(str(word) for word in typed if word != "--force")
    words = ["lqrpg", "run", f"experiment={record['experiment']}"]
    words += [f"scale={run.name}"] if run.name == record.get("scale") != FULL_SCALE else []
    words += [f"results_dir={results}"] if results != Path("results") else []
    return shlex.join(words)


@contextlib.contextmanager
def checksum_errors(run: FinishedRun) -> Iterator[None]:
    """Read a table of a run; raises `SettingError`, which says what computes it again, if it is damaged."""
    try:
        yield
    except DamagedFileError as error:
        raise SettingError(f"{error}: {command_of(run)} computes it again") from None


@contextlib.contextmanager
def schema_errors(name: str, run: FinishedRun) -> Iterator[None]:
    """Read tables of a run as the figure or claim of that name expects them.

    Tables may be a stranger's, or of another version: what fails for want of columns or numbers is said in one line. A
    number out of range is no warning: it makes a claim fail.

    Raises
    ------
    SettingError
        If a table does not fit.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            yield
    except (EmptyTableError, MemoryError, MissingRunError, OSError, SettingError):
        raise
    except Exception as error:
        raise SettingError(_misfit(name, run, error)) from error


def _misfit(name: str, run: FinishedRun, error: Exception) -> str:
    if is_outdated(run):
        return f"the tables of {run.path} are of another version and do not fit: {command_of(run)} computes them anew"
    return f"{name}: the tables of {run.path} do not fit: {type(error).__name__}: {error}"


def require_writable(folder: Path, option: str) -> None:
    """Refuse a folder in which nothing can be made, without making anything.

    Parameters
    ----------
    option : by which it is set, such as `results_dir=` or `--out `.
    """
    parent = folder
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    if not parent.is_dir():
        raise SettingError(f"{option}{folder}: {parent} is not a folder")
    if not os.access(parent, os.W_OK | os.X_OK) or os.statvfs(parent).f_flag & os.ST_RDONLY:
        raise SettingError(f"{option}{folder}: {parent} is not writable; choose another with {option}DIR")
