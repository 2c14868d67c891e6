"""What surrounds this process: three streams, which may be closed, narrow or broken, and the signals that end it."""

from __future__ import annotations

import atexit
import io
import os
import signal
import sys
from typing import Any

BROKEN_PIPE = 128 + signal.SIGPIPE
"""Exit code where the reader of standard output has gone, as with other programs."""
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption(KeyboardInterrupt):
    """An ending by a signal.

    Attributes
    ----------
    number : which one.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


_heard: list[int] = []


def heard() -> int | None:
    """The signal that has ended this process so far, if one has: on its way an exception may have become another."""
    return _heard[0] if _heard else None


def install_handlers() -> None:
    """End in good order at the first signal, and at once at a second one.

    What the caller has this process ignore stays ignored: `nohup` would be none otherwise.
    """
    _heard.clear()
    for number in _ENDINGS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    atexit.register(_heed_no_more)  # the first to be registered is the last to be called


def _heed_no_more() -> None:
    """Keep the exit code: Python's own end forgets these handlers, and a signal there would be another ending."""
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_IGN)


def ignore_first_signal() -> None:
    """From here on there is nothing to interrupt: the process is ending, and a first signal makes no difference.

    Python waits for the threads of the workers' keepers first; an exception there would be an ugly and useless one.
    """
    _replace(_interrupt, _let_end)


def _let_end(number: int, frame: Any) -> None:
    _replace(_let_end, _end_at_once)


def _interrupt(number: int, frame: Any) -> None:
    _replace(_interrupt, _end_at_once)
    _heard.append(number)
    raise Interruption(number)


def _replace(handler: Any, by: Any) -> None:
    for number in _ENDINGS:
        if signal.getsignal(number) is handler:
            signal.signal(number, by)


def _end_at_once(number: int, frame: Any) -> None:
    """Leave without tidying up; workers and ranks notice by themselves that they are alone."""
    os.write(2, b"\nlqrpg: interrupted again: ended at once; what is done is kept, and the same command continues\n")
    os._exit(128 + number)


def prepare_streams() -> None:
    """Make the three streams usable: none is closed, and no character is refused.

    A closed one would leave its number to the next file that is opened, and a stray message would go into that file.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if not _is_open(number):
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            os.set_inheritable(number, True)  # workers need theirs just as much
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115
    if sys.stdout is sys.__stdout__:
        sys.stdout = _named(sys.stdout)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class _Output(io.FileIO):
    """Standard output as a file whose errors name it, as those of other files do."""

    def write(self, content: Any) -> int:
        try:
            return super().write(content)
        except OSError as error:
            error.filename = "standard output"
            raise


def _named(stream: Any) -> io.TextIOWrapper:
    """The stream through an `_Output`; its end closes nothing."""
    buffer = io.BufferedWriter(_Output(stream.fileno(), "w", closefd=False))
    return io.TextIOWrapper(buffer, stream.encoding, stream.errors, line_buffering=stream.line_buffering)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def forget_output() -> None:
    """Send the rest of standard output nowhere: Python would try to write it once more at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
