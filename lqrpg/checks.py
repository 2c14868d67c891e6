"""How a setting is refused: one line that names it, its value, and what would be right; and so for a system."""

from __future__ import annotations

import importlib
import sys
import warnings
from contextlib import suppress
from pathlib import Path

_LONGEST_VALUE = 120
_LEAST_SPACE = 7e8
"""Bytes of address space that the libraries take once they are loaded, with two threads of BLAS."""
_OF_POSIX = {
    "file locks": ("fcntl.flock",),
    "POSIX signals": ("signal.SIGHUP", "signal.SIGKILL", "signal.SIGPIPE", "signal.pthread_sigmask"),
    "POSIX files": ("os.O_CLOEXEC", "os.O_NOFOLLOW", "os.O_NONBLOCK", "os.getuid", "os.statvfs"),
    "Unix sockets": ("socket.AF_UNIX",),
    "limits of memory": ("resource.getrlimit", "resource.RLIMIT_AS", "resource.RLIM_INFINITY"),
}
"""What the package uses of the system that Python does not have everywhere."""


class SettingError(ValueError):
    """A setting that cannot be run; the message is one line for the user.

    Examples
    --------
    >>> from lqrpg import ExactGradient, SettingError
    >>> try:
    ...     ExactGradient(step_size=-0.1)
    ... except SettingError as error:
    ...     print(error)
    step_size=-0.1: expected a positive number, or a schedule such as PowerSchedule(1, 0.5)
    """


def require(holds: bool, key: str, value: object, expected: str) -> None:
    """Raise `SettingError` naming the key, its value and what was expected, unless the condition holds."""
    if not holds:
        raise SettingError(f"{key}={shortened(repr(value))}: expected {expected}")


def shortened(text: str, longest: int = _LONGEST_VALUE) -> str:
    """The text, its middle left out if it is long."""
    return text if len(text) <= longest else f"{text[: longest - 20]}...{text[-17:]}"


def require_memory(key: str, needed: float, purpose: str) -> None:
    """Refuse what takes more memory than is free; the line says how much is needed.

    Parameters
    ----------
    key : the setting in question.
    needed : bytes.
    purpose : what they are for.
    """
    free = free_memory()
    if needed > free:
        raise SettingError(f"{key}: {purpose} takes about {_gigabytes(needed)} of memory; {_gigabytes(free)} are free")


def free_memory() -> float:
    """Bytes that this process may still take, as far as the system and its limits say; infinite if they do not."""
    limits = [_address_space()]
    with suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        limits += [1024.0 * float(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    with suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        limits.append(float((group / "memory.max").read_text()) - float((group / "memory.current").read_text()))
    return min(limits)


def _address_space() -> float:
    """Bytes that the system lets this process address (`ulimit -v`); infinite if there is no limit."""
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return float("inf") if soft == resource.RLIM_INFINITY else float(soft)


def _gigabytes(count: float) -> str:
    return f"{max(count, 0.0) / 1e9:.2g} GB"


class SettingWarning(UserWarning):
    """A setting that can be run but is unlikely to be meant; the message is one line for the user.

    Examples
    --------
    >>> import warnings
    >>> from lqrpg import SettingWarning, load_system
    >>> with warnings.catch_warnings(record=True) as noted:
    ...     warnings.simplefilter("always", SettingWarning)
    ...     mass = load_system(([[0.5]], [[1.0]]), sample_time=1)
    >>> print(noted[0].message)
    system.K0 is not given: starting from [[0]], the plant is stable without it
    """


def warn(message: str) -> None:
    """Warn with `SettingWarning` where the user's own code called this package."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "lqrpg":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, SettingWarning, stacklevel=level)


def require_system() -> None:
    """Raise `ImportError`, with one line for the user, where the system lacks something that the package uses.

    That is also room for its libraries: with too little, OpenBLAS hangs while it is loaded.
    """
    missing = {need: [name for name in names if not _exists(name)] for need, names in _OF_POSIX.items()}
    lacking = [f"{need} ({', '.join(names)})" for need, names in missing.items() if names]
    if lacking:
        raise ImportError(f"this system lacks {' and '.join(lacking)}: use Linux (on Windows: WSL)")
    if _address_space() < _LEAST_SPACE:
        raise ImportError(
            f"memory of this process is limited to {_gigabytes(_address_space())}: its libraries need at least "
            f"{_gigabytes(_LEAST_SPACE)} (ulimit -v, or the batch system's option)"
        )


def _exists(name: str) -> bool:
    module, _, attribute = name.partition(".")
    try:
        return hasattr(importlib.import_module(module), attribute)
    except ImportError:
        return False
