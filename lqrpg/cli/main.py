"""The command `lqrpg`: its verbs and their options, and nothing heavy."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from lqrpg import __version__
from lqrpg.checks import SettingError, shortened
from lqrpg.cli.complete import complete_experiment, complete_figure, complete_override
from lqrpg.cli.console import echo, os_reason
from lqrpg.cli.process import (
    BROKEN_PIPE,
    Interruption,
    forget_output,
    heard,
    ignore_first_signal,
    install_handlers,
    prepare_streams,
)
from lqrpg.paths import expanded

# One BLAS thread, set before numpy is imported: sums then have the same order on any number of cores.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"
# No kernel here uses Numba's threads, and no figure a window: what the user's shell says of them does not matter.
os.environ["NUMBA_NUM_THREADS"] = "1"
os.environ["MPLBACKEND"] = "agg"
# Python's own processes that are started here (workers, ranks) import nothing from the current folder, which may hold
# a stranger's files.
os.environ["PYTHONSAFEPATH"] = "1"

_LONGEST_MESSAGE = 1000


class _UserPath(click.Path):
    """A path, `~` and variables in it expanded."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path that is meant."""
        option = param.opts[-1] if param is not None and param.opts[-1].startswith("--") else ""
        return super().convert(str(expanded(value, option)), param, ctx)


_RESULTS = click.option(
    "--results",
    type=_UserPath(path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder of the tables.",
)
_RUN = click.option(
    "--run",
    "run_name",
    metavar="NAME",
    help="Which run; without it the one with default settings of the largest scale.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="For machines.")


class NoReaderError(Exception):
    """The reader of the output has gone."""


class _Group(click.Group):
    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """The command that is named; the name of an experiment in its place is asked about."""
        if args and self.get_command(ctx, args[0]) is None:
            from lqrpg.plugins import choices

            if args[0] in choices("experiment"):
                ctx.fail(f"No such command {args[0]!r}: lqrpg run {args[0]} runs the experiment of that name.")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; click itself would end at a broken pipe with exit code 1, which means something else here."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise NoReaderError from None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lqrpg")
def cli() -> None:
    """Reproduce the figures of four papers on policy gradient for the linear quadratic regulator."""


@cli.command(context_settings={"ignore_unknown_options": False})
@click.argument("overrides", nargs=-1, metavar="EXPERIMENT [KEY=VALUE]...", shell_complete=complete_override)
@click.option("-m", "--multirun", is_flag=True, help="Sweep: KEY=A,B runs every combination.")
@click.option("--cfg", type=click.Choice(["job"]), help="Print the resolved settings and stop.")
@click.option(
    "--config-dir",
    type=_UserPath(path_type=Path),
    help="Folder with your own experiment/ and system/ YAML files.",
)
@click.option("--force", is_flag=True, help="Set finished tables aside and recompute.")
def run(overrides: tuple[str, ...], multirun: bool, cfg: str | None, config_dir: Path | None, force: bool) -> int:
    """Run an experiment and save its tables: lqrpg run azopg workers=8, or with experiment=azopg.

    The same command again continues what was interrupted, and returns at once when nothing is missing.
    """
    from lqrpg.cli import run as command

    return command.run(overrides, multirun=multirun, show=cfg is not None, config_dir=config_dir, force=force)


@cli.command()
@click.argument("words", nargs=-1, metavar="[EXPERIMENT|PAPER]... [KEY=VALUE]...")
@click.option("--out", type=_UserPath(path_type=Path), help="Folder of the figures.  [default: figures]")
@click.option("--force", is_flag=True, help="Set finished tables aside and recompute.")
def reproduce(words: tuple[str, ...], out: Path | None, force: bool) -> int:
    """Run the experiments, draw their figures, check their claims: lqrpg reproduce scale=paper.

    It ends with the commands for what figures show and it does not compute, such as runs in real time.

    Names, their beginnings, or papers (P1 to P4) choose experiments. The same command again continues an interrupted
    one.
    """
    from lqrpg.cli import reproduce as command

    return command.reproduce(words, out, force=force)


@cli.command()
@click.argument("figures", nargs=-1, metavar="[FIGURE]...", shell_complete=complete_figure)
@_RESULTS
@_RUN
@click.option(
    "--out",
    type=_UserPath(path_type=Path),
    default=Path("figures"),
    show_default=True,
    help="Folder of the figures.",
)
@click.option("--width", type=click.FloatRange(2.0, 40.0), metavar="INCHES", help="Width; type keeps its size.")
@click.option("--style", metavar="FILE.mplstyle", help="A style of matplotlib's on top of the package's own.")
@click.option("--format", "formats", metavar="KINDS", help="Such as pdf, or pdf,svg.  [default: pdf,png]")
@click.option("--svg", is_flag=True, help="Write SVG beside PDF and PNG.")
@click.option("--data", is_flag=True, help="Write what is drawn beside it, as NAME.csv.")
def plot(
    *,
    figures: tuple[str, ...],
    results: Path,
    run_name: str | None,
    out: Path,
    width: float | None,
    style: str | None,
    formats: str | None,
    svg: bool,
    data: bool,
) -> int:
    """Draw figures from saved tables: all of them, or those of names that begin with FIGURE, of experiments, of papers.

    Figures of a run that is not of full size with default settings go to a folder of its name below figures/, and those
    of a width or style of one's own to figures/own/.
    """
    from lqrpg.cli import plot as command
    from lqrpg.figures.style import Look

    look = Look(width, command.style_of(style), command.formats_of(formats, svg=svg), data)
    return command.plot(figures, results, run_name, out, look)


@cli.command()
@click.argument("names", nargs=-1, metavar="[EXPERIMENT|PAPER|CLAIM]...")
@_RESULTS
@_RUN
@_JSON
@click.option("--long", is_flag=True, help="All that is known of each claim.")
@click.option("--strict", is_flag=True, help="A claim that needs a documented change counts as not reproduced.")
def verify(names: tuple[str, ...], results: Path, run_name: str | None, as_json: bool, strict: bool, long: bool) -> int:
    """Check the papers' claims on saved tables: all, those of experiments or papers (P1 to P4), or single ones.

    Exit codes: 0 every outcome is the documented one, 1 one is not, 3 tables are missing. A claim that is not tested,
    because the run is too small or a time too noisy, is no failure.
    """
    from lqrpg.cli import verify as command

    return command.verify(names, results, run_name, as_json=as_json, strict=strict, long=long)


@cli.command(name="list")
@click.argument("experiments", nargs=-1, metavar="[EXPERIMENT]...|systems", shell_complete=complete_experiment)
@_RESULTS
@_JSON
def list_(experiments: tuple[str, ...], results: Path, as_json: bool) -> int:
    """Show the experiments and their runs, a line each; of those that are named all keys, figures and columns.

    The list compares runs with the present code; `lqrpg list EXPERIMENT --json` also with the present settings.
    `lqrpg list systems` shows the plants of the collection.
    """
    from lqrpg.cli import listing as command

    return command.listing(experiments, results, as_json=as_json)


@cli.command()
@click.argument("experiments", nargs=-1, metavar="[EXPERIMENT|PAPER]...", shell_complete=complete_experiment)
@_RESULTS
@_RUN
@click.option(
    "--out",
    type=_UserPath(path_type=Path, dir_okay=False),
    default=Path("report.html"),
    show_default=True,
    help="The page.",
)
def report(experiments: tuple[str, ...], results: Path, run_name: str | None, out: Path) -> int:
    """Write one HTML page: figures, claims, parameters, provenance, and what differs from the papers.

    It shows the experiments that are named, or all.

    The page holds everything that it shows. Exit code 3: there is no finished run at all.
    """
    from lqrpg.cli import report as command

    return command.report(experiments, results, run_name, out)


@cli.command()
@click.argument("run_a", metavar="RUN_A", type=_UserPath(path_type=Path))
@click.argument("run_b", metavar="RUN_B", type=_UserPath(path_type=Path))
@click.option("--figures", is_flag=True, help="Draw the figures of both, side by side.")
@click.option(
    "--out",
    type=_UserPath(path_type=Path, file_okay=False),
    default=Path("comparison"),
    show_default=True,
    help="Folder of these figures.",
)
def compare(run_a: Path, run_b: Path, figures: bool, out: Path) -> int:
    """Show how two runs of an experiment differ: lqrpg compare results/azopg/paper results/azopg/paper.previous.

    RUN_B may be a single table of a run, such as targets.parquet.

    Exit codes: 0 parameters and tables are equal (versions may differ, and so may tables of timings), 1 they differ.
    """
    from lqrpg.cli import compare as command

    return command.compare(run_a, run_b, out if figures else None)


@cli.command()
@click.argument("experiments", nargs=-1, metavar="[EXPERIMENT|PAPER]...")
@_RESULTS
@_RUN
@click.option(
    "--out",
    type=_UserPath(path_type=Path, file_okay=False),
    default=Path("csv"),
    show_default=True,
    help="Folder of the CSV files.",
)
@click.option("--mat", is_flag=True, help="Write the gains as matrices, too: gains.mat, for MATLAB.")
def export(experiments: tuple[str, ...], results: Path, run_name: str | None, out: Path, mat: bool) -> int:
    """Write the tables of the experiments, or of all, as CSV; numbers read back as the same bits."""
    from lqrpg.cli import export as command

    return command.export(experiments, results, run_name, out, mat=mat)


@cli.command()
@click.argument("folder", type=_UserPath(path_type=Path))
def init(folder: Path) -> int:
    """Write a folder to start from: a plant, an experiment on it, and the three commands to run."""
    from lqrpg.cli import init as command

    return command.init(folder)


@cli.command()
@_JSON
def info(as_json: bool) -> int:
    """Show versions, BLAS, MPI, cores and the cache of compiled kernels."""
    from lqrpg.cli import info as command

    return command.info(as_json=as_json)


def main() -> None:
    """Entry point: errors as one line and exit code 2, interruptions as 128 plus the signal's number."""
    gc.set_threshold(100_000)  # imports and the compiler make millions of objects, and hardly any garbage
    prepare_streams()
    install_handlers()
    os.environ["LQRPG_TYPED"] = json.dumps(sys.argv[1:])  # see `results.provenance.command`
    code = _flushed(_guarded(lambda: cli.main(prog_name="lqrpg", standalone_mode=False)))
    if world := sys.modules.get("lqrpg.backends.mpi.world"):
        world.leave(code)
    if compiling := sys.modules.get("lqrpg.runner.compiling"):
        compiling.leave(code)
    sys.exit(code)


def _guarded(command: Callable[[], int | None]) -> int:
    try:
        try:
            return command() or 0
        finally:
            ignore_first_signal()
    except click.exceptions.Exit as end:
        return end.exit_code
    except (click.Abort, KeyboardInterrupt) as end:
        cause = end.__cause__ or end  # click wraps an interruption
        return 128 + (cause.number if isinstance(cause, Interruption) else signal.SIGINT)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.NoSuchOption as error:
        return _refuse(_no_such_option(error))
    except click.ClickException as error:
        return _refuse(error.format_message())
    except SettingError as error:
        number = heard()
        return _refuse(str(error)) if number is None else 128 + number
    except NoReaderError:
        return BROKEN_PIPE
    except OSError as error:
        return _refuse(os_reason(error))
    except MemoryError:
        return _refuse("out of memory: free some, or ask for less at a time")
    except Exception as error:
        if (number := heard()) is not None:  # the compiler makes other exceptions of an interruption
            return 128 + number
        if os.environ.get("LQRPG_TRACEBACK") == "1":
            raise
        return _refuse(f"{type(error).__name__}: {error}; LQRPG_TRACEBACK=1 shows where")


def _no_such_option(error: click.NoSuchOption) -> str:
    """What click says; it reads `-seed=1` as letters, of which it names one."""
    dashed = [word for word in sys.argv[1:] if "=" in word and word[:1] == "-" != word[1:2]]
    word = next((word for word in dashed if error.option_name[1:] in word), "")
    return f"{word}: a setting has no dash before it: {word[1:]}" if word else error.format_message()


def _flushed(code: int) -> int:
    """The exit code, once everything that was printed has found its reader, or has turned out to have none."""
    try:
        sys.stdout.flush()
    except OSError as error:
        forget_output()
        if isinstance(error, BrokenPipeError):
            return BROKEN_PIPE
        return _refuse(os_reason(error))
    return code


def _refuse(message: str) -> int:
    with contextlib.suppress(OSError):  # nobody may be there to read it
        echo("lqrpg: " + shortened(" ".join(message.split()), _LONGEST_MESSAGE), err=True)
    return 2
