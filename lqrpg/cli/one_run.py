"""One job from start to end: its progress, its last line, and what to type after an interruption."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lqrpg.checks import SettingError
from lqrpg.cli.compose import Request
from lqrpg.cli.console import echo, os_reason
from lqrpg.cli.outcome import report_gains
from lqrpg.cli.progress import reporter
from lqrpg.cli.ranks import launched_as_typed
from lqrpg.cli.selection import run_options
from lqrpg.results.lookup import FULL_SCALE
from lqrpg.results.provenance import command
from lqrpg.results.run_directory import BusyError
from lqrpg.runner.execute import Result, execute_all, run_directory


def run_request(request: Request, *, force: bool) -> int:
    """Run one job; what became of its gains goes to standard error, its run directory to standard output."""
    result = compute(request, force=force)
    path = run_directory(request.job, request.run_name).path
    if result is Result.INCOMPLETE:
        echo(str(path))
        return 1
    lines, code = report_gains(request.job, path)
    with contextlib.suppress(OSError):  # whether anybody reads this is no matter of the run
        for line in lines:
            echo(line, err=True)
    echo(str(path))
    with contextlib.suppress(OSError):
        echo(f"next: {next_commands(request)}", err=True)
    return code


def next_commands(request: Request) -> str:
    """What one types after a run: its figures, its claims if they are stated for its size, else its tables."""
    from lqrpg.claims.registry import claims
    from lqrpg.figures.registry import figures

    job, name = request.job, request.job.experiment.name
    options = run_options(request.run_name, job.runner.results_dir)
    verbs = ["plot"] if any(figure.experiment == name for figure in figures().values()) else []
    judged = job.scale == FULL_SCALE and any(claim.experiment == name for claim in claims())
    verbs += ["verify"] if judged else ["export"]
    return "; ".join(shlex.join(["lqrpg", verb, name, *options]) for verb in verbs)


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
        _explain(_title(requests[number]), result, _resume_command(force))
        finished(number, result)

    try:
        with (
            explain_errors([directory.path for _, directory in jobs], _resume_command(force)),
            reporter(title) as report,
        ):
            return execute_all(jobs, force=force, report=report, finished=conclude)
    except KeyboardInterrupt:
        typed = launched_as_typed(word for word in (command() or ("",))[1:] if word != "--force")
        with contextlib.suppress(OSError):  # the terminal itself may be gone
            echo("interrupted: what is done is kept; continue with", err=True)
            echo(f"  {typed}", err=True)
        raise


@contextlib.contextmanager
def explain_errors(paths: Sequence[Path], again: str) -> Iterator[None]:
    """Compute runs in these directories; what stops that is said with what goes on from there.

    Raises
    ------
    SettingError
        If a file cannot be written, or another process computes one of the runs.
    """
    try:
        yield
    except OSError as error:
        raise SettingError(_recovery_hint(error, paths, again)) from error
    except BusyError as error:
        raise SettingError(f"{error}; wait for it, or choose another results_dir") from None


def _recovery_hint(error: OSError, paths: Sequence[Path], again: str) -> str:
    """What could not be written, and what is to be done."""
    gone = next((path for path in paths if not path.is_dir()), None)
    if gone is not None:
        return f"{os_reason(error)}; {gone} was moved or removed, or could not be made: {again} starts it anew"
    return f"{os_reason(error)}; what is done is kept: once that is mended, {again} continues"


def _resume_command(force: bool) -> str:
    return "the same command without --force" if force else "the same command"


def _explain(title: str, result: Result, again: str) -> None:
    if result is Result.UNCHANGED:
        news = "finished before with the same settings and code; nothing to do (--force recomputes)"
        echo(f"{title}: {news}", err=True)
    if result is Result.INCOMPLETE:
        echo(f"{title}: some trials have no result (see above); {again} tries them again", err=True)
