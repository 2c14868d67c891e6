"""`lqrpg run`: check everything first, then compute."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Sequence
from pathlib import Path

import click
from omegaconf import OmegaConf

from lqrpg.checks import SettingWarning
from lqrpg.cli.compose import Request, requests, without_globs
from lqrpg.cli.console import echo, plain
from lqrpg.cli.one_run import run_request
from lqrpg.cli.ranks import require_workers, serves_another
from lqrpg.cli.saved import require_writable
from lqrpg.cli.sweep import sweep
from lqrpg.cli.words import with_experiment, with_plain_paths
from lqrpg.runner.execute import is_settled, run_directory


def run(overrides: Sequence[str], *, multirun: bool, show: bool, config_dir: Path | None, force: bool) -> int:
    """Run one job, or with `multirun` every combination; return the exit code."""
    if serves_another():
        return 0
    overrides = with_plain_paths(with_experiment(overrides), multirun=multirun)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SettingWarning)
        if multirun:
            overrides = without_globs(overrides, config_dir)
        wanted = requests(overrides, config_dir, multirun=multirun)
    for line in dict.fromkeys(str(warning.message) for warning in caught):
        echo(f"lqrpg: warning: {line}", err=True)
    if show:
        for request in wanted:
            click.echo(settings_text(request), nl=False)
        return 0
    for request in wanted:
        require_runnable(request, force=force)
    if multirun:
        return sweep(overrides, wanted, config_dir, force=force)
    return run_request(wanted[0], force=force)


def require_runnable(request: Request, *, force: bool) -> None:
    """Refuse a job whose results cannot be written or whose clock needs more workers, before anything starts."""
    if force or not is_settled(request.job, run_directory(request.job, request.run_name)):
        require_writable(Path(request.job.runner.results_dir), "results_dir=")
    require_workers(request.job)


def settings_text(request: Request) -> str:
    """The resolved settings of a job, as YAML."""
    job = request.job
    runner = {
        "backend": job.runner.backend,
        "workers": job.runner.processes,
        "results_dir": job.runner.results_dir,
    }
    header = (
        f"# lqrpg run {plain(shlex.join(request.overrides))}\n# run: {request.run_name}  identity: {job.identity}\n"
    )
    return header + OmegaConf.to_yaml(OmegaConf.create({"scale": job.scale, **runner, **job.settings}))
