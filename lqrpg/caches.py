"""Where this package keeps what it can compute again: compiled kernels, drawn figures, sources that were read."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path


@cache
def cache_of(name: str) -> Path:
    """A folder of this user's own: under `LQRPG_CACHE`, else the user's cache folder, else a temporary one."""
    for place in (_wanted_root, _spare_root):
        root = place()
        if _is_ours(root) and _is_ours(root / name):
            return root / name
    return Path(tempfile.mkdtemp(prefix="lqrpg-"))


def _is_ours(folder: Path) -> bool:
    """Make the folder if need be; true if this user owns it and can write there (a cache holds code to be run)."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder.stat().st_uid == os.getuid() and os.access(folder, os.W_OK)
    except OSError:
        return False


def _wanted_root() -> Path:
    """What the user asks for; a home that is not known stays `~`, and is then made nowhere."""
    chosen = os.environ.get("LQRPG_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111, pathlib's raises
    return Path(chosen) if chosen else Path(base) / "lqrpg"


def _spare_root() -> Path:
    return Path(tempfile.gettempdir()) / f"lqrpg-{os.getuid()}"
