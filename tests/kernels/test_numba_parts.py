"""Where Numba no longer has the parts that sealed files need, kernels are kept in its own files."""

import numba
import pytest
from numba.core.caching import IndexDataCacheFile

from lqrpg.compiler import jit as compiled
from lqrpg.compiler.cache import differing_part


class Renamed:
    """A cache of a Numba in which a part has another name."""

    def __init__(self, function):
        raise AttributeError("'FunctionCache' object has no attribute '_cache_file'")


def with_a_lock(save):
    """A method of a Numba that takes one more argument, which has a default here so that Numba itself still works."""
    return lambda self, key, data, lock=None: save(self, key, data)


def kernel(x):
    return x + 1.0


@pytest.fixture(
    params=[
        "a module is missing",
        "a part has another name",
        "a part takes other arguments",
        "the dispatcher has no cache",
    ]
)
def other_numba(request, monkeypatch, tmp_path):
    monkeypatch.setattr(compiled, "cache_folder", lambda package: tmp_path)
    if request.param == "a module is missing":
        monkeypatch.setattr(compiled, "SealedCache", None)
    elif request.param == "a part has another name":
        monkeypatch.setattr(compiled, "SealedCache", Renamed)
    elif request.param == "a part takes other arguments":
        monkeypatch.setattr(IndexDataCacheFile, "save", with_a_lock(IndexDataCacheFile.save))
        differing_part.cache_clear()
    else:
        monkeypatch.setattr(compiled, "NullCache", Renamed)
    yield tmp_path
    monkeypatch.undo()
    differing_part.cache_clear()


def test_kernels_are_kept_by_numba_itself(other_numba):
    first, second = compiled.njit(kernel), compiled.njit(kernel)
    assert first(1.0) == second(1.0) == 2.0
    assert list(other_numba.rglob("*.nbi"))
    assert sum(second.stats.cache_hits.values()) == 1


def test_kernels_are_kept_in_sealed_files_by_this_numba(monkeypatch, tmp_path):
    monkeypatch.setattr(compiled, "cache_folder", lambda package: tmp_path)
    first, second = compiled.njit(kernel), compiled.njit(kernel)
    assert first(1.0) == second(1.0) == 2.0
    assert not list(tmp_path.rglob("*.nbi"))
    assert sum(second.stats.cache_hits.values()) == 1
    assert str(tmp_path) != numba.config.CACHE_DIR
