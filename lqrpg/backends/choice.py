"""Backends by name."""

from __future__ import annotations

from lqrpg.backends.base import Backend
from lqrpg.backends.serial import SerialBackend
from lqrpg.checks import require

BACKENDS = ("joblib", "mpi", "serial")
JOBLIB_BACKENDS = ("dask", "loky")


def backend(name: str, workers: int) -> Backend:
    """The backend of that name, or joblib's engine of that name, for a number of workers.

    One process on this machine is always served by this one.
    """
    names = (*BACKENDS, *JOBLIB_BACKENDS)
    require(name in names, "backend", name, "one of " + ", ".join(names))
    if name == "mpi":
        from lqrpg.backends.mpi.backend import MpiBackend

        return MpiBackend(workers)
    if name == "dask":
        from lqrpg.backends.dask import DaskBackend

        return DaskBackend(workers)
    if name == "serial" or workers == 1:
        return SerialBackend()
    from lqrpg.backends.loky import LokyBackend

    return LokyBackend(workers)
