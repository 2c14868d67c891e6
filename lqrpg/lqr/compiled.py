"""The one way in which this package compiles: `njit`, strict IEEE arithmetic, cached on disk.

Numba's cache does not notice that a *callee* in another file has changed. The cache folder is therefore named after
a hash of every module that may hold a kernel: an edit to any of them starts a fresh folder.

Lane kernels. Small matrices are too short for vector units, so a kernel treats `LANES` systems side by side: arrays
end with an axis of that length, and the innermost loop runs over it. Every lane sees the same operations in the same
order whatever its neighbours hold, hence a result never depends on how systems were grouped. Matrix sizes reach a
kernel as the *length of a tuple* (`size_of`), which the compiler knows, so that it can unroll the loops over them.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba

from lqrpg.lqr.sealed_cache import SealedCache

LANES = 16
"""Systems that a lane kernel treats side by side."""

_KERNEL_ROOMS = ("lqr", "systems", "algorithms")


def size_of(length: int) -> tuple[int, ...]:
    """A matrix size as a tuple of that many zeros: its length is part of its type, so kernels unroll over it."""
    return (0,) * length


def _kernel_sources_hash(package: str) -> str:
    """Digest of this package's kernel rooms, and of all of another package that has kernels of its own."""
    house = Path(__file__).resolve().parent.parent
    sources = [source for room in _KERNEL_ROOMS for source in sorted((house / room).glob("*.py"))]
    if package != house.name:
        folders = getattr(sys.modules.get(package), "__path__", [])
        sources += [source for folder in folders for source in sorted(Path(folder).rglob("*.py"))]
    digest = hashlib.sha256()
    for source in sources:
        digest.update(f"{source.parent.name}/{source.name}\0".encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


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


@cache
def cache_folder(package: str = "lqrpg") -> Path:
    """Folder of a package's kernels: under `LQRPG_CACHE`, else the user's cache folder, else a temporary one."""
    kernels = f"kernels-{_kernel_sources_hash(package)}"
    for place in (_wanted_root, _spare_root):
        root = place()
        if _is_ours(root) and _is_ours(root / kernels):
            return root / kernels
    return Path(tempfile.mkdtemp(prefix="lqrpg-"))


def njit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function in nopython mode, without fast-math, so that its bits depend on its inputs alone."""
    return _compile(function)


def njit_borrowing(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a function that makes no array and keeps none: it borrows its caller's, and counts no references.

    Counting them, atomically, would take a fifth of the time of a small kernel.
    """
    return _compile(function, _nrt=False)


def _compile(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    settings: Any = numba.config
    outside = settings.CACHE_DIR
    settings.CACHE_DIR = str(cache_folder(function.__module__.partition(".")[0]))
    try:
        compiled: Any = numba.njit(error_model="numpy", fastmath=False, **options)(function)
        compiled._cache = SealedCache(function)
    finally:
        settings.CACHE_DIR = outside
    kernel: Callable[..., Any] = compiled
    return kernel
