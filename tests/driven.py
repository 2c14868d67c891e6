"""The command line in a process of its own that serves many calls: a call that hangs is ended for real, one that
takes all memory gets a `MemoryError`, and a warning or a traceback is seen as what it is."""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import resource
import select
import signal
import subprocess
import sys
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MEMORY = 6 * 2**30
TRACEBACK = -1
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Ended:
    """What a call left; `code` is `TRACEBACK` for an exception that nobody caught."""

    code: int
    out: str
    err: str


class HungError(AssertionError):
    """A call that took longer than it may."""


class Driven:
    """Calls of `lqrpg` in another process, each in the folder that it names."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __call__(self, folder: Path, *arguments: str, limit_s: float = 60.0) -> Ended:
        """What a call in a folder left.

        Raises
        ------
        HungError
            If it was not over in time; the process is then ended, and the next call starts another.
        """
        process = self._process = self._process or self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"folder": str(folder), "arguments": arguments}) + "\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], limit_s)[0]:
            self.close()
            raise HungError(f"lqrpg {' '.join(arguments)}: not over after {limit_s} s")
        answer = process.stdout.readline()
        if not answer:
            self.close()
            raise AssertionError(f"lqrpg {' '.join(arguments)}: the process is gone")
        return Ended(**json.loads(answer))

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    @staticmethod
    def _started() -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.driven"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, **pipes)


def serve() -> None:
    """Answer calls until there are no more."""
    with contextlib.suppress(AttributeError, OSError):  # on Linux: end with the tests, also in the middle of a kernel
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what does not go through Python's own streams is not an answer
    from lqrpg.cli.main import main

    for line in sys.stdin:
        call = json.loads(line)
        out, err = io.StringIO(), io.StringIO()
        os.chdir(call["folder"])
        sys.argv = ["lqrpg", *call["arguments"]]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
            warnings.simplefilter("always")
            code = _ended(main)
        print(json.dumps({"code": code, "out": out.getvalue(), "err": err.getvalue()}), file=answers, flush=True)


def _ended(main) -> int:
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    return TRACEBACK


if __name__ == "__main__":
    serve()
