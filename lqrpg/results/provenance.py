"""Where numbers come from: versions, commit, machine, command and times."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import lqrpg
from lqrpg.results.machine import processor

_LIBRARIES = ("numpy", "scipy", "numba", "llvmlite", "pandas", "pyarrow", "joblib", "hydra-core", "omegaconf")


TYPED = "LQRPG_TYPED"
"""Variable of the environment with the words of the command line, as JSON: launchers have words of their own."""


def now() -> str:
    """The present time, UTC, to the second, in ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def describe() -> dict[str, Any]:
    """Package, libraries, commit, machine and command line of this process."""
    return {
        "version": lqrpg.__version__,
        "python": platform.python_version(),
        "libraries": {name: metadata.version(name) for name in _LIBRARIES},
        "commit": _commit(),
        "machine": {
            "system": platform.platform(),
            "processor": processor(),
            "cores": os.cpu_count(),
        },
        "argv": command(),
    }


def command() -> list[str] | None:
    """The command line that the user typed, also in the processes that it starts; None under Python's own functions."""
    typed = os.environ.get(TYPED)
    return None if typed is None else ["lqrpg", *json.loads(typed)]


def _commit() -> dict[str, Any] | None:
    """Commit of the checkout that this package runs from, and whether its package folder has changes; None outside."""
    package = Path(lqrpg.__file__).resolve().parent
    try:
        commit = _git(package, "rev-parse", "HEAD")
        changed = _git(package, "status", "--porcelain", "--", ".")
        tracked = _git(package, "ls-files", "--", "__init__.py")
    except (OSError, subprocess.SubprocessError):
        return None
    return {"hash": commit, "dirty": bool(changed)} if tracked else None


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()
