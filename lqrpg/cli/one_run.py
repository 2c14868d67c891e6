"""One job from start to end: its progress, its last line, and what to type after an interruption."""

from __future__ import annotations

import shlex
import sys

from lqrpg.checks import SettingError
from lqrpg.cli.compose import Request
from lqrpg.cli.console import say
from lqrpg.cli.progress import reporter
from lqrpg.experiments.execute import Result, execute, run_directory
from lqrpg.results.run_directory import BusyError


def run_request(request: Request, *, force: bool) -> int:
    """Run one job; the last line on standard output is its run directory."""
    result = compute(request, force=force)
    say(str(run_directory(request.job, request.run_name).path))
    return 1 if result is Result.INCOMPLETE else 0


def compute(request: Request, *, force: bool) -> Result:
    """Run one job with its progress and news on standard error."""
    job = request.job
    title = f"{job.experiment.name}/{request.run_name}"
    try:
        with reporter(title) as report:
            result = execute(job, run_directory(job, request.run_name), force=force, report=report)
    except KeyboardInterrupt:
        command = shlex.join(argument for argument in ["lqrpg", *sys.argv[1:]] if argument != "--force")
        say("interrupted: what is done is kept; continue with", err=True)
        say(f"  {command}", err=True)
        raise
    except BusyError as error:
        raise SettingError(f"{error}; wait for it, or choose another results_dir") from None
    _explain(title, result)
    return result


def _explain(title: str, result: Result) -> None:
    if result is Result.UNCHANGED:
        news = "finished before with the same settings and code; nothing to do (--force recomputes)"
        say(f"{title}: {news}", err=True)
    if result is Result.INCOMPLETE:
        say(f"{title}: some trials have no result (see above); the same command tries them again", err=True)
