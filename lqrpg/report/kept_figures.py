"""Figures of the report that were drawn before: kept on disk, and taken again while nothing that they show has changed.

A figure is named after the tables of its run, after the code of all packages that draw, and after the libraries. Tables
of other runs that it has read are named in its file, and looked up again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from lqrpg import plugins
from lqrpg.report.images import Image
from lqrpg.results.atomic import write_atomically
from lqrpg.results.lookup import FinishedRun, find_companion
from lqrpg.results.run_directory import damaged_tables

_LIBRARIES = ("matplotlib", "numpy", "pandas", "scipy")
_MOST = 4
"""Drawings of one figure that are kept."""


class KeptFigure(NamedTuple):
    """A figure as the report shows it.

    Attributes
    ----------
    picture, files : see `lqrpg.report.images`.
    used : the runs that it shows.
    """

    picture: Image
    files: dict[str, str]
    used: Sequence[FinishedRun]


def kept_figure(
    folder: Path, name: str, run: FinishedRun, draw: Callable[[], KeptFigure], asked: Callable[[], Sequence[str]]
) -> KeptFigure:
    """The figure of a run as it was drawn before, or drawn now.

    Parameters
    ----------
    folder : where figures are kept; if it cannot be written, none is.
    asked : after `draw`, the names of the tables that it read, those of other runs as `experiment/table`.
    """
    file = folder / f"{name}-{_digest([name, _code(), _tables(run)])}.json"
    if (found := _read(file, run)) is not None:
        return found
    drawn = draw()
    if not any(damaged_tables(each.path, each.provenance) for each in drawn.used):
        others = {table: _digest_of(_beside(run, table), table) for table in asked() if "/" in table}
        content = {"picture": asdict(drawn.picture), "files": drawn.files, "others": others}
        with contextlib.suppress(OSError):
            write_atomically(file, json.dumps(content).encode())
            _forget(folder, name)
    return drawn


def _read(file: Path, run: FinishedRun) -> KeptFigure | None:
    """What a file holds, unless it is damaged, or a table that it shows is another one now."""
    try:
        content = json.loads(file.read_bytes())
        others: Mapping[str, str] = content["others"]
        companions = {table: _beside(run, table) for table in others}
        if any(_digest_of(companions[table], table) != digest for table, digest in others.items()):
            return None
        used = list({each.path: each for each in [run, *companions.values()]}.values())
        if any(damaged_tables(each.path, each.provenance) for each in used):
            return None
        return KeptFigure(Image(**content["picture"]), dict(content["files"]), used)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _beside(run: FinishedRun, name: str) -> FinishedRun:
    """The run of which `experiment/table` is a table."""
    return find_companion(run, name.rpartition("/")[0])


def _digest_of(run: FinishedRun, name: str) -> str:
    return str(run.provenance["tables"][name.rpartition("/")[2]]["sha256"])


def _tables(run: FinishedRun) -> Any:
    """What a run says of itself to those who draw it."""
    return [run.name, run.provenance["settings"], {n: t["sha256"] for n, t in run.provenance["tables"].items()}]


@functools.cache
def _code() -> str:
    """Digest of all that can draw: the sources of this package and of the user's own, and the libraries."""
    digest = hashlib.sha256(platform.python_version().encode())
    for library in _LIBRARIES:
        digest.update(f"{library} {version(library)}\n".encode())
    for package, folder in plugins.packages().items():
        for file in sorted(folder.rglob("*")):
            if file.suffix in {".py", ".mplstyle"}:
                digest.update(f"{package} {file.relative_to(folder)}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _forget(folder: Path, name: str) -> None:
    """Remove the oldest drawings of a figure."""
    files = sorted(folder.glob(f"{name}-{'?' * 32}.json"), key=lambda file: file.stat().st_mtime)
    for file in files[:-_MOST]:
        file.unlink(missing_ok=True)
