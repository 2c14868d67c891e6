"""Compiling before there are workers: in a thread, so that a signal ends the run, and with a word on what takes long.

The compiler is deep in its own code for seconds at a time, and turns exceptions that a signal raises there into others.
So this process's main thread waits beside it, where signals are heard.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from lqrpg.backends.base import LauncherError, WorkerLostError
from lqrpg.runner.attempt import reason_of
from lqrpg.runner.experiment import Experiment
from lqrpg.runner.waiting import FIRST_WORD_S, WORDS_S

Say = Callable[[str], None]
PATIENCE_S = 1.0
"""For the compiler to notice that it is to end."""

_abandoned: list[threading.Thread] = []


def compile_here(experiment: Experiment) -> str | None:
    """Compile; return why that failed, or None."""
    try:
        with np.errstate(all="ignore"):
            experiment.compile()
    except (OSError, LauncherError, WorkerLostError):
        raise
    except Exception as error:
        return reason_of(error)
    return None


def compile_beside(experiment: Experiment, say: Say) -> str | None:
    """The same in a thread of its own; an interruption ends it, or leaves it behind for `leave`."""
    work = _Work(experiment)
    watched = _Watched()
    began, told = time.monotonic(), 0.0
    work.start()
    try:
        while work.is_alive():
            work.join(0.1)
            waited = time.monotonic() - began
            if waited >= max(FIRST_WORD_S, told + WORDS_S):
                told = waited
                what = watched.name or "what it needs"
                say(f"{experiment.name}: compiling {what} for this plant, {waited:.0f} s so far")
    except BaseException:
        _end(work)
        raise
    finally:
        watched.close()
    if told:
        say(f"{experiment.name}: compiled in {time.monotonic() - began:.0f} s; the next run finds it in the cache")
    return work.result()


def leave(code: int) -> None:
    """End this process at once if a compiler is still at work in it: its end would pull the ground from under it."""
    if any(thread.is_alive() for thread in _abandoned):
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


class _Work(threading.Thread):
    """An experiment's compilation."""

    def __init__(self, experiment: Experiment) -> None:
        super().__init__(daemon=True)
        self._experiment = experiment
        self._reason: str | None = None
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            self._reason = compile_here(self._experiment)
        except Exception as error:
            self._error = error
        except SystemExit:  # asked to end
            return

    def result(self) -> str | None:
        if self._error is not None:
            raise self._error
        return self._reason


def _end(thread: threading.Thread) -> None:
    """Have a thread end, as soon as it is back in Python."""
    deadline = time.monotonic() + PATIENCE_S
    while thread.is_alive() and time.monotonic() < deadline:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))
        thread.join(0.1)
    _abandoned.append(thread)


class _Watched:
    """The function that is being compiled, as far as this Numba tells."""

    def __init__(self) -> None:
        self.name = ""
        self._close: Callable[[], Any] = lambda: None
        try:
            from numba.core import event
        except ImportError:
            return

        class Listener(event.Listener):
            def __init__(self, owner: _Watched) -> None:
                self.owner, self.depth = owner, 0

            def on_start(self, event: Any) -> None:
                if self.depth == 0:
                    self.owner.name = _name_of(event)
                self.depth += 1

            def on_end(self, event: Any) -> None:
                self.depth -= 1

        listener = Listener(self)
        event.register("numba:compile", listener)  # type: ignore[no-untyped-call]
        self._close = lambda: event.unregister("numba:compile", listener)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Watch no longer."""
        self._close()


def _name_of(event: Any) -> str:
    function = getattr((event.data or {}).get("dispatcher"), "py_func", None)
    return str(getattr(function, "__name__", "")).lstrip("_")
