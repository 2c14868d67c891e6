"""`lqrpg info`: what a report of a problem should say about the installation."""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib import metadata
from typing import Any

import click

from lqrpg import __version__
from lqrpg.backends.cores import usable_cores
from lqrpg.backends.mpi.env import launched_rank, library, mpiexec, wheels
from lqrpg.cli.console import echo

_LIBRARIES = (
    *("numpy", "scipy", "numba", "pandas", "pyarrow", "matplotlib", "joblib", "hydra-core", "omegaconf"),
    *("mpi4py", "distributed"),
)


def info(*, as_json: bool) -> int:
    """Print versions, BLAS, MPI, cores and the cache of compiled kernels; return the exit code."""
    facts = {
        "lqrpg": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        "cores": f"{usable_cores()} usable of {os.cpu_count()}",
        **{name: _version(name) for name in _LIBRARIES},
        "BLAS": _blas(),
        "BLAS threads": os.environ.get("OMP_NUM_THREADS", "not limited"),
        **_mpi(),
        **_kernels(),
    }
    if as_json:
        click.echo(json.dumps(facts, indent=1))
        return 0
    width = max(map(len, facts))
    for name, value in facts.items():
        echo(f"{name:<{width}}  {value}")
    return 0


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _blas() -> str:
    import numpy as np

    config: Any = np.show_config(mode="dicts")
    found = config["Build Dependencies"]["blas"]
    return f"{found['name']} {found['version']}"


def _mpi() -> dict[str, str]:
    here = launched_rank()
    return {
        "MPI library": library(),
        "MPI wheels": ", ".join(wheels()) or "none",
        "MPI launcher": mpiexec() or "not found",
        "MPI world": f"rank {here.rank} of {here.size}" if here else "not under mpiexec or srun",
    }


def _kernels() -> dict[str, str]:
    from lqrpg.compiler.jit import cache_folder

    folder = cache_folder()
    compiled = len(list(folder.rglob("*.nbc")))
    return {
        "kernel cache": str(folder),
        "kernels": f"{compiled} compiled" if compiled else "none compiled yet: the first run does it",
    }
