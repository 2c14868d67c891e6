"""Commands as real processes that a test can disturb, and what they leave."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.faults import heed_interrupts

SETTINGS = ("experiment=azopg", "scale=smoke", "workers=2")
RUN = ("run", *SETTINGS)
TRIALS = 16

# For a process of a run: trials that take a while, so that there is something to disturb.
SLOWLY = """
import os, time
from lqrpg.experiments.azopg import Azopg
_run = Azopg.run
def _slow(self, trial):
    time.sleep(float(os.environ.get("TRIAL_S", "0.15")))
    return _run(self, trial)
Azopg.run = _slow
"""


@dataclass(frozen=True)
class Ended:
    """What a command left."""

    code: int
    out: str
    err: str


class Place:
    """A folder in which commands are started; whatever they started is ended with the test.

    Parameters
    ----------
    folder : the working folder of the commands.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._begun: list[subprocess.Popen[str]] = []

    def start(self, *arguments, patch="", launcher=(), before=None, unset=(), **environment):
        """Start `lqrpg` in a process group of its own; `patch` is run at the start of each of its Python processes."""
        found = {**os.environ, "PYTHONPATH": self._search_path(patch), **environment}
        process = subprocess.Popen(
            [*launcher, sys.executable, "-m", "lqrpg", *arguments],
            cwd=self.folder,
            env={name: value for name, value in found.items() if name not in unset},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
            start_new_session=True,
            preexec_fn=lambda: (heed_interrupts(), before and before()),
        )
        self._begun.append(process)
        return process

    def _search_path(self, patch: str) -> str:
        path = os.environ.get("PYTHONPATH", "")
        if not patch:
            return path
        folder = self.folder / f".patch-{len(self._begun)}"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(patch)
        return os.pathsep.join([str(folder), path])

    def end(self, process, seconds=150, quiet=True) -> Ended:
        """Wait for the end of a command; it says what it has to say in plain words, unless Python itself cannot."""
        out, err = process.communicate(timeout=seconds)
        if quiet:
            assert "Traceback" not in err, err
            assert "Exception ignored" not in err, err
            assert "Warning: " not in err, err  # of Python; ours are "lqrpg: warning: "
        return Ended(process.returncode, out, err)

    def call(self, *arguments, quiet=True, **how) -> Ended:
        """Start a command and wait for its end."""
        return self.end(self.start(*arguments, **how), quiet=quiet)

    def tables(self, run="smoke", results="results") -> dict[str, bytes]:
        """The finished tables, byte by byte."""
        return {file.name: file.read_bytes() for file in (self.folder / results / "azopg" / run).glob("*.parquet")}

    def shards(self) -> list[Path]:
        """The finished trials of a run that is under way."""
        return list(self.folder.glob("results/azopg/*/shards/*/*.npz"))

    def shards_reach(self, count: int, process) -> None:
        """Wait until that many trials are done, or the command has ended."""
        wait_for(lambda: len(self.shards()) >= count or process.poll() is not None)

    def is_tidy(self, run="smoke", results="results") -> bool:
        """Whether the folder of a finished run holds what it should, and nothing else."""
        path = self.folder / results / "azopg" / run
        names = {file.name for file in path.iterdir()}
        return {"config.yaml", "provenance.json"} == {name for name in names if not name.endswith(".parquet")}

    def close(self) -> None:
        """End what is left of all commands."""
        for process in self._begun:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate(timeout=10)


def wait_for(condition, seconds=60.0):
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def descendants(pid: int) -> list[int]:
    """The live processes that a process has started, directly or not."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents[int(stat.parent.name)] = int(fields[1])
    found, waiting = [], [pid]
    while waiting:
        parent = waiting.pop()
        own = [child for child, its in parents.items() if its == parent]
        found += own
        waiting += own
    return sorted(found)


def processes_in(folder: Path) -> list[int]:
    """The live processes that work in a folder or below."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            alive = (process / "cmdline").read_bytes() != b""
            where = str((process / "cwd").resolve())
        except OSError:
            continue
        if alive and (where + "/").startswith(str(folder.resolve()) + "/"):
            found.append(int(process.name))
    return found
