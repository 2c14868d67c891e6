"""Where tables are printed: the terminal's own width, or one wide enough to read where there is no terminal."""

from __future__ import annotations

from rich.console import Console

_WIDTH_OF_FILES = 140


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Let the caller end: Rich would do it here, with an exit code that means something else."""
        raise BrokenPipeError


def table_console() -> Console:
    """A console on standard output for tables."""
    console = _Console(highlight=False)
    return console if console.is_terminal else _Console(highlight=False, width=_WIDTH_OF_FILES)
