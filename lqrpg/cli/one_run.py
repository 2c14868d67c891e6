"""One job from start to end: its progress, its last line, and what to type after an interruption."""

from __future__ import annotations

import shlex
import sys

import click

from lqrpg.checks import SettingError
from lqrpg.cli.compose import Request
from lqrpg.cli.progress import reporter
from lqrpg.experiments.execute import Result, execute, run_directory
from lqrpg.results.run_directory import BusyError


def run_request(request: Request, *, force: bool) -> int:
    """Run one job; the last line on standard output is its run directory."""
    job = request.job
    directory = run_directory(job, request.run_name)
    title = f"{job.experiment.name}/{request.run_name}"
    try:
        with reporter(title) as report:
            result = execute(job, directory, force=force, report=report)
    except KeyboardInterrupt:
        command = shlex.join(argument for argument in ["lqrpg", *sys.argv[1:]] if argument != "--force")
        click.echo(f"interrupted: what is done is kept; continue with\n  {command}", err=True)
        raise
    except BusyError as error:
        raise SettingError(f"{error}; wait for it, or choose another results_dir") from None
    if result is Result.UNCHANGED:
        click.echo(
            f"{title}: finished before with the same settings and code; nothing to do (--force recomputes)",
            err=True,
        )
    if result is Result.INCOMPLETE:
        click.echo(f"{title}: some trials have no result (see above); the same command tries them again", err=True)
    click.echo(str(directory.path))
    return 1 if result is Result.INCOMPLETE else 0
