"""How many processes this machine can serve at a time."""

from __future__ import annotations

import os

from lqrpg.checks import SettingError

_LIMIT = "LOKY_MAX_CPU_COUNT"


def usable_cores() -> int:
    """Cores that this process may use; affinity, a container's limit and `LOKY_MAX_CPU_COUNT` are heeded.

    Raises
    ------
    SettingError
        If that variable is no integer.
    """
    require_core_limit()
    import joblib

    return int(joblib.cpu_count())


def require_core_limit() -> None:
    """Reject a limit of joblib's that is no integer; `SettingError` in one line."""
    limit = os.environ.get(_LIMIT)
    try:
        int(limit or 1)
    except ValueError:
        raise SettingError(
            f"{_LIMIT}={limit}: expected a whole number of cores; this variable of the environment is joblib's: "
            f"unset {_LIMIT}, or export {_LIMIT}=2"
        ) from None
