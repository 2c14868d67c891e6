"""The one way in which this package compiles: `njit`, strict IEEE arithmetic, cached on disk.

Numba's cache does not notice that a *callee* in another file has changed. The cache folder is therefore named after
a hash of every module that holds a kernel and of all modules that these import: an edit to any of them starts a fresh
folder, an edit elsewhere does not.

Lane kernels. Small matrices are too short for vector units, so a kernel treats `LANES` systems side by side: arrays
end with an axis of that length, and the innermost loop runs over it. Every lane sees the same operations in the same
order whatever its neighbours hold, hence a result never depends on how systems were grouped. Small matrix sizes reach a
kernel as the *length of a tuple* (`unrolled`), which the compiler knows, so that it can unroll the loops over them;
larger ones as a number, so that one compilation serves all of them (`size_of`, `lqrpg.compiler.sizes`).
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba

from lqrpg.caches import cache_of

try:
    from numba.core.caching import NullCache

    from lqrpg.compiler import symbols
    from lqrpg.compiler.cache import SealedCache
except ImportError:  # parts that Numba does not promise to keep
    SealedCache = NullCache = None  # type: ignore[assignment, misc]

LANES = 16
"""Systems that a lane kernel treats side by side."""

LARGEST_UNROLLED = 6
"""States up to which the loops of methods are compiled for their number.

An unrolled step of the exact gradient takes 0.9 us at n = 4, 3.4 us at n = 6 and 6.4 us at n = 7, a dense one 3.6, 3.9
and 4.5 us. `benchmarks/dense.py` measures whole calls of both.
"""
SMALL = 8
"""States up to which systems or rollouts go side by side in lanes, and products of two matrices are loops, not BLAS.

A cost and a gradient take 1.6 us a system in lanes at n = 8, and 8 us at n = 9, where systems go one after another;
compiling takes 8 s at n = 8, and minutes at n = 12.
"""
Size = tuple[int, ...] | int

_KERNEL = re.compile(r"\b(njit\w*|intrinsic)\b")
_IMPORT = re.compile(r"^[ \t]*(?:from (lqrpg[\w.]*) import (\([^)]*\)|[^\n]*)|import (lqrpg[\w.]*))", re.MULTILINE)


def unrolled(length: int) -> tuple[int, ...]:
    """A matrix size as a tuple of that many zeros: its length is part of its type, so kernels unroll over it."""
    return (0,) * length


def size_of(length: int) -> Size:
    """A matrix size for kernels that exist both unrolled and dense: `unrolled` if it is small, else as it is."""
    return unrolled(length) if length <= LARGEST_UNROLLED else length


def sizes_of(states: int, inputs: int) -> tuple[Size, Size]:
    """Both sizes of a plant for its rollouts: in lanes up to `SMALL` states, else numbers, however few its inputs."""
    if states > SMALL:
        return states, inputs
    return unrolled(states), unrolled(inputs) if inputs <= SMALL else inputs


def kernel_sources(folder: Path) -> dict[str, str]:
    """Names and texts of the modules below a package's folder that may change a kernel.

    These are the modules that hold one, in any subfolder, and those that they import, directly or not: a kernel may
    call their functions and holds the values of their constants.
    """
    texts = {_dotted(source, folder): source.read_text(encoding="utf-8") for source in folder.rglob("*.py")}
    found: dict[str, str] = {}
    waiting = [module for module, text in texts.items() if _KERNEL.search(text)]
    while waiting:
        module = waiting.pop()
        if module in texts and module not in found:
            found[module] = texts[module]
            waiting += _imported(texts[module])
    return dict(sorted(found.items()))


def _dotted(source: Path, folder: Path) -> str:
    parts = source.relative_to(folder.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(text: str) -> list[str]:
    """Dotted names of what may be a module of this package among a module's imports."""
    modules = []
    for origin, names, plain in _IMPORT.findall(text):
        modules += [plain] if plain else [origin, *(f"{origin}.{name}" for name in re.findall(r"\w+", names))]
    return modules


def _kernel_sources_hash(package: str) -> str:
    """Digest of this package's kernel sources, and of all of another package that has kernels of its own."""
    own = Path(__file__).resolve().parent.parent
    sources = kernel_sources(own)
    if package != own.name:
        folders = [Path(folder) for folder in getattr(sys.modules.get(package), "__path__", [])]
        others = [(folder, source) for folder in folders for source in sorted(folder.rglob("*.py"))]
        sources |= {_dotted(source, folder): source.read_text(encoding="utf-8") for folder, source in others}
    digest = hashlib.sha256()
    for module, text in sources.items():
        digest.update(f"{module}\0{text}\0".encode())
    return digest.hexdigest()[:16]


@cache
def cache_folder(package: str = "lqrpg") -> Path:
    """Folder of a package's kernels."""
    return cache_of(f"kernels-{_kernel_sources_hash(package)}")


def njit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function in nopython mode, without fast-math, so that its bits depend on its inputs alone."""
    return _compile(function, counts_references=True)


def njit_borrowing(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a function that makes no array and keeps none: it borrows its caller's, and counts no references.

    It must not return an array either, nor call a function that returns one: nobody would count that reference. Array
    expressions and assignments to slices make arrays. Counting would take from a fifth to two thirds of the time of a
    small kernel, and longer to compile.
    """
    return _compile(function, counts_references=False)


def _compile(function: Callable[..., Any], counts_references: bool) -> Callable[..., Any]:
    """Two compilations of one kernel: one with the wrapper by which Python calls it, one without, for other kernels.

    The wrapper converts Python's objects to machine values; for a kernel of many arrays it is several times as long as
    the rest. Each of the two is compiled when it is first called. `by_kernels` has no entry point for Python: a call
    from there ends the process.
    """
    settings: Any = numba.config
    outside = settings.CACHE_DIR
    settings.CACHE_DIR = str(cache_folder(function.__module__.partition(".")[0]))
    # a kernel that left it open whether it counts would take after the one whose call compiles it first
    plain: dict[str, Any] = {"error_model": "numpy", "fastmath": False, "_nrt": counts_references}
    from_python = {**plain, "no_cfunc_wrapper": True}
    by_kernels = {**from_python, "no_cpython_wrapper": True}
    try:
        compiled: Any = numba.njit(**from_python)(function)
        called: Any = numba.njit(**by_kernels)(function)
        if _seal(compiled, function) and _seal(called, function, by_kernels=True):
            compiled.by_kernels = called
            compiled.get_call_template, compiled.get_overload = called.get_call_template, called.get_overload
        else:
            compiled = numba.njit(cache=True, **plain)(function)
    finally:
        settings.CACHE_DIR = outside
    kernel: Callable[..., Any] = compiled
    return kernel


def _seal(compiled: Any, function: Callable[..., Any], by_kernels: bool = False) -> bool:
    """Have a function's compiled forms kept in sealed files; false if this Numba is not made as `cache` needs.

    Numba's own files then take their place: kernels are kept, but a damaged file is not noticed.
    """
    if SealedCache is None or not isinstance(getattr(compiled, "_cache", None), NullCache):
        return False
    try:
        compiled._cache = SealedCache(function, by_kernels)
    except (AttributeError, TypeError):
        return False
    if by_kernels:
        symbols.declare(function, compiled)
    return True
