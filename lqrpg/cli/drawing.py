"""Drawing in several processes, in the folder in which the command was typed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from lqrpg.backends.base import WorkerLostError
from lqrpg.backends.choice import backend
from lqrpg.backends.cores import usable_cores

Batch = TypeVar("Batch")
Drawn = TypeVar("Drawn")


def in_processes(draw: Callable[[Batch], Drawn], batches: Sequence[Batch]) -> Iterator[Drawn]:
    """What a function makes of each batch, in one of several processes.

    A process that dies is no reason to fail: what it, and those after it, would have drawn is left out.
    """
    with contextlib.suppress(WorkerLostError):
        yield from backend("joblib", usable_cores()).map(partial(_in_folder, Path.cwd(), draw), batches)


def _in_folder(folder: Path, draw: Callable[[Batch], Drawn], batch: Batch) -> Drawn:
    """Draw with paths under this folder: processes that have served before may be in another one."""
    with contextlib.chdir(folder):
        return draw(batch)
