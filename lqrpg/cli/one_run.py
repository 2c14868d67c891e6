"""One job from start to end: its progress, its last line, and what to type after an interruption."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from lqrpg.checks import SettingError
from lqrpg.cli.compose import Request
from lqrpg.cli.console import say
from lqrpg.cli.progress import reporter
from lqrpg.experiments.execute import Result, execute_all, run_directory
from lqrpg.results.run_directory import BusyError


def run_request(request: Request, *, force: bool) -> int:
    """Run one job; the last line on standard output is its run directory."""
    result = compute(request, force=force)
    say(str(run_directory(request.job, request.run_name).path))
    return 1 if result is Result.INCOMPLETE else 0


def compute(request: Request, *, force: bool) -> Result:
    """Run one job with its progress and news on standard error."""
    return compute_all([request], _title(request), force=force)[0]


def _title(request: Request) -> str:
    return f"{request.job.experiment.name}/{request.run_name}"


def compute_all(
    requests: Sequence[Request],
    title: str,
    *,
    force: bool,
    finished: Callable[[int, Result], None] = lambda number, result: None,
) -> list[Result]:
    """Run jobs side by side; `finished` is called with the number and the result of each that has its tables."""
    jobs = [(request.job, run_directory(request.job, request.run_name)) for request in requests]

    def conclude(number: int, result: Result) -> None:
        _explain(_title(requests[number]), result)
        finished(number, result)

    try:
        with reporter(title) as report:
            return execute_all(jobs, force=force, report=report, finished=conclude)
    except KeyboardInterrupt:
        command = shlex.join(argument for argument in ["lqrpg", *sys.argv[1:]] if argument != "--force")
        with contextlib.suppress(OSError):  # the terminal itself may be gone
            say("interrupted: what is done is kept; continue with", err=True)
            say(f"  {command}", err=True)
        raise
    except OSError as error:
        raise SettingError(_what_now(error, [directory.path for _, directory in jobs])) from error
    except BusyError as error:
        raise SettingError(f"{error}; wait for it, or choose another results_dir") from None


def _what_now(error: OSError, paths: Sequence[Path]) -> str:
    """What could not be written, and what is to be done."""
    reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    gone = next((path for path in paths if not path.is_dir()), None)
    if gone is not None:
        return f"{reason}; {gone} was moved or removed, or could not be made: the same command starts it again"
    return f"{reason}; what is done is kept: once that is mended, the same command continues"


def _explain(title: str, result: Result) -> None:
    if result is Result.UNCHANGED:
        news = "finished before with the same settings and code; nothing to do (--force recomputes)"
        say(f"{title}: {news}", err=True)
    if result is Result.INCOMPLETE:
        say(f"{title}: some trials have no result (see above); the same command tries them again", err=True)
