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
        If that variable is no whole number.
    """
    import joblib

    try:
        return int(joblib.cpu_count())
    except ValueError:
        raise SettingError(
            f"{_LIMIT}={os.environ.get(_LIMIT)}: expected a whole number of cores; this variable of the environment is "
            f"joblib's: unset {_LIMIT}, or export {_LIMIT}=2"
        ) from None
