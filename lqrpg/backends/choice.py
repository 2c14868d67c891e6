"""Backends by name."""

from __future__ import annotations

from lqrpg.backends.base import Backend
from lqrpg.backends.serial import SerialBackend
from lqrpg.checks import require

BACKENDS = ("joblib", "serial")


def backend(name: str, workers: int) -> Backend:
    """The backend of that name for a number of processes; one process is always served by this one."""
    require(name in BACKENDS, "backend", name, "one of " + ", ".join(BACKENDS))
    if name == "serial" or workers == 1:
        return SerialBackend()
    from lqrpg.backends.loky import LokyBackend

    return LokyBackend(workers)
