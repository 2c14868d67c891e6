"""Finished runs for the commands that read tables: what is damaged, outdated, or does not fit is said, never shown."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import click

from lqrpg.checks import SettingError
from lqrpg.cli.listing import state
from lqrpg.experiments.settings import sources_of
from lqrpg.results.atomic import DamagedFileError
from lqrpg.results.lookup import FinishedRun, MissingRunError


class EmptyTableError(LookupError):
    """A table that has no rows in this run."""


def tell(line: str) -> None:
    """Say on standard error what is wrong with a run."""
    click.echo(f"lqrpg: {line}", err=True)


def tell_outdated(run: FinishedRun) -> None:
    """Say so if the code has changed since a run."""
    if is_outdated(run):
        tell(f"{run.path} is outdated, the code has changed since: {command_of(run)} computes it anew")


def is_outdated(run: FinishedRun) -> bool:
    """Whether the present code might give other tables; the record may be an older version's, or a stranger's."""
    try:
        return bool(run.provenance["sources"] != sources_of(run.provenance["settings"]))
    except (LookupError, TypeError, AttributeError):
        return True


def command_of(run: FinishedRun) -> str:
    """The command that made a run, or one like it."""
    return f"lqrpg run experiment={run.provenance['experiment']}"


@contextlib.contextmanager
def fitting(run: FinishedRun) -> Iterator[None]:
    """Read tables of a run as this version expects them.

    Raises
    ------
    SettingError
        If a table is damaged, or was written by another version and does not fit.
    """
    try:
        yield
    except (EmptyTableError, MissingRunError, SettingError):
        raise
    except DamagedFileError as error:
        raise SettingError(f"{error}: {command_of(run)} computes it again") from None
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        if state(run) == "current":
            raise  # a defect of ours
        raise SettingError(
            f"the tables of {run.path} are of another version and do not fit: {command_of(run)} computes them anew"
        ) from error
