"""What is printed: text for a reader, in which nothing is an order to the terminal, and tables as wide as it is.

Names of folders, records of runs and settings may be a stranger's. Their control characters (colours, cursor moves,
changes of the writing direction, titles of windows) are shown as escapes, and rich's markup in them is text.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH_OF_FILES = 140
NARROWEST, WIDEST = 80, 120
"""Columns of printed text."""


def plain(value: object) -> str:
    """A value as text on one line that a terminal shows and does not obey."""
    text = str(value)
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape", "backslashreplace").decode()


def text_width() -> int:
    """Columns of printed text: those of the terminal within limits, 80 where there is none."""
    columns = shutil.get_terminal_size((NARROWEST, 24)).columns if sys.stdout.isatty() else NARROWEST
    return min(max(columns, NARROWEST), WIDEST)


def echo(text: str, *, err: bool = False) -> None:
    """Print one line, made `plain`."""
    click.echo(plain(text), err=err)


def os_reason(error: OSError) -> str:
    """Which file, and what is wrong with it; to look up a folder that has gone gives an error without a name."""
    where = error.filename or ("" if _has_folder() else "the current folder")
    return f"{where}: {error.strerror}" if where else error.strerror or str(error)


def _has_folder() -> bool:
    try:
        return Path.cwd().is_dir()
    except FileNotFoundError:
        return False


def table_console() -> Console:
    """A console on standard output for tables."""
    from rich.console import Console

    class Ours(Console):
        def on_broken_pipe(self) -> None:
            """Let the caller end: Rich would do it here, with an exit code that means something else."""
            raise BrokenPipeError

    console = Ours(highlight=False)
    return console if console.is_terminal else Ours(highlight=False, width=_WIDTH_OF_FILES)
