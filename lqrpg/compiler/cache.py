"""Compiled kernels on disk: one sealed file each, so that what is loaded is what was compiled, or nothing.

Numba keeps an index of numbered files for every function, and believes what it reads. A damaged byte there is machine
code that is run; two processes that compile at once may each give the same number to different signatures; a full disk
ends the run. Here a file is named after all that its kernel depends on and carries a digest: a file that is absent,
damaged, cut short or cannot be written only costs the time to compile.

This takes the place of parts that Numba does not promise to keep, so the package asks for no upper limit of Numba's
version. Instead it looks at them once, when the first kernel is made: where one is missing, or takes other arguments
than those that are given here, `jit` keeps kernels in Numba's own files.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import os
import pickle
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.callconv import CPUCallConv
from numba.core.codegen import CPUCodegen, CPUCodeLibrary
from numba.core.dispatcher import Dispatcher
from numba.core.serialize import dumps

from lqrpg.compiler import symbols

_DIGEST_BYTES = 32
_REPLACED: tuple[tuple[type, str, tuple[str, ...]], ...] = (
    (FunctionCache, "__init__", ("py_func",)),
    (FunctionCache, "load_overload", ("sig", "target_context")),
    (FunctionCache, "save_overload", ("sig", "data")),
    (IndexDataCacheFile, "load", ("key",)),
    (IndexDataCacheFile, "save", ("key", "data")),
    (IndexDataCacheFile, "flush", ()),
    (CPUCodeLibrary, "_get_module_for_linking", ()),
    (CPUCodegen, "_create_empty_module", ("name",)),
    (Dispatcher, "get_call_template", ("args", "kws")),
    (Dispatcher, "get_overload", ("sig",)),
    (CPUCallConv, "get_function_type", ("restype", "argtypes")),
    (CPUCallConv, "decorate_function", ("fn", "args", "fe_argtypes", "noalias")),
)
"""Methods of Numba that are called or replaced here, in `jit` or in `symbols`, and their arguments."""


@cache
def differing_part() -> str:
    """The first part of this Numba that is not as it is used here, in words; empty if there is none."""
    for owner, name, arguments in _REPLACED:
        part = getattr(owner, name, None)
        if part is None or tuple(inspect.signature(part).parameters)[1:] != arguments:
            return f"{owner.__name__}.{name}({', '.join(arguments)})"
    return ""


class SealedCache(FunctionCache):
    """Numba's cache of one function's compiled forms, in sealed files.

    Parameters
    ----------
    function : the function in Python; its file, line and the version of Python are part of the files' names.
    by_kernels : whether the forms are those that kernels call.

    Raises
    ------
    AttributeError
        If this Numba's cache is made in another way, or has no files to be replaced.
    """

    _cache_file: Any
    _py_func: Callable[..., Any]

    def __init__(self, function: Callable[..., Any], by_kernels: bool) -> None:
        if differing_part():
            raise AttributeError(f"this Numba has no {differing_part()}")
        super().__init__(function)  # type: ignore[no-untyped-call]
        if not isinstance(self._cache_file, IndexDataCacheFile):
            raise AttributeError("this Numba's cache has other files")
        self._by_kernels = by_kernels
        name = f"{self._impl.filename_base}{'.called' * by_kernels}"
        self._cache_file = SealedFiles(Path(self.cache_path), name)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled form of a signature, after those that it calls, or None."""
        form = super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        if form is not None and self._by_kernels:
            symbols.offer(self._py_func, form)
        return form

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled form if the disk lets us."""
        self._cache_file.needed = symbols.called_by(data)
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]
        if self._by_kernels:
            symbols.offer(self._py_func, data)


class SealedFiles:
    """The compiled forms of one function: what Numba asks of the files of its cache.

    Parameters
    ----------
    folder : where they are.
    name : of the function; it begins the names of the files.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self.needed: list[symbols.Called] = []
        """Kernels that the form to be kept next calls by symbol."""

    def load(self, key: Any) -> Any:
        """The compiled form of a key (types, processor, bytecode), or None; kernels that it calls are there then."""
        try:
            raw = self._path(key).read_bytes()
        except OSError:
            return None
        content, digest = raw[:-_DIGEST_BYTES], raw[-_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            return None
        needed, data = pickle.loads(content)
        return data if symbols.provide(needed) else None

    def save(self, key: Any, data: Any) -> None:
        """Keep a compiled form; a file that is there already is replaced."""
        content: bytes = dumps((self.needed, data))  # type: ignore[no-untyped-call]
        self._write(self._path(key), content + hashlib.sha256(content).digest())

    def flush(self) -> None:
        """Forget all compiled forms of the function."""
        for file in self._folder.glob(f"{self._name}.*.nbc"):
            file.unlink(missing_ok=True)

    def _path(self, key: Any) -> Path:
        digest = hashlib.sha256(f"{numba.__version__} {key!r}".encode()).hexdigest()
        return self._folder / f"{self._name}.{digest[:32]}.nbc"

    def _write(self, path: Path, content: bytes) -> None:
        handle, name = tempfile.mkstemp(dir=self._folder, prefix=f".{self._name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
