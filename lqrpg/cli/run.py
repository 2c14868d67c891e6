"""`lqrpg run`: check everything first, then compute."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from omegaconf import OmegaConf

from lqrpg.checks import SettingError
from lqrpg.cli.compose import Request, requests
from lqrpg.cli.progress import reporter
from lqrpg.experiments.execute import Result, execute, run_directory
from lqrpg.results.run_directory import BusyError

INTERRUPTED = 130


def run(overrides: Sequence[str], *, multirun: bool, show: bool, config_dir: Path | None, force: bool) -> int:
    """Run one job, or with `multirun` every combination; return the exit code."""
    wanted = requests(overrides, config_dir, multirun=multirun)
    if show:
        for request in wanted:
            click.echo(settings_text(request), nl=False)
        return 0
    for request in wanted:
        _require_writable(Path(request.job.runner.results_dir))
    if multirun:
        from lqrpg.cli.sweep import sweep

        return sweep(overrides, wanted, config_dir, force=force)
    return run_request(wanted[0], force=force)


def settings_text(request: Request) -> str:
    """The resolved settings of a job, as YAML."""
    job = request.job
    runner = {
        "backend": job.runner.backend,
        "workers": job.runner.processes,
        "results_dir": job.runner.results_dir,
    }
    header = f"# lqrpg run {shlex.join(request.overrides)}\n# run: {request.run_name}  identity: {job.identity}\n"
    return header + OmegaConf.to_yaml(OmegaConf.create({"scale": job.scale, **runner, **job.settings}))


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


def _require_writable(folder: Path) -> None:
    """Refuse a results folder in which nothing can be made, without making anything."""
    parent = folder
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    if not parent.is_dir():
        raise SettingError(f"results_dir={folder}: {parent} is not a folder")
    if not os.access(parent, os.W_OK | os.X_OK) or os.statvfs(parent).f_flag & os.ST_RDONLY:
        raise SettingError(f"results_dir={folder}: {parent} is not writable; choose another with results_dir=DIR")
