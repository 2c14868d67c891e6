"""Where tables are printed: the terminal's own width, or one wide enough to read where there is no terminal."""

from __future__ import annotations

from rich.console import Console

_WIDTH_OF_FILES = 140


def table_console() -> Console:
    """A console on standard output for tables."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH_OF_FILES)
