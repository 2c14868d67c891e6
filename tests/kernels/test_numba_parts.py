"""Where Numba no longer has the parts that sealed files need, kernels are kept in its own files."""

import numba
import pytest

from lqrpg.compiler import jit as compiled


class Renamed:
    """A cache of a Numba in which a part has another name."""

    def __init__(self, function):
        raise AttributeError("'FunctionCache' object has no attribute '_cache_file'")


def kernel(x):
    return x + 1.0


@pytest.fixture(params=["a module is missing", "a part has another name", "the dispatcher has no cache"])
def other_numba(request, monkeypatch, tmp_path):
    monkeypatch.setattr(compiled, "cache_folder", lambda package: tmp_path)
    if request.param == "a module is missing":
        monkeypatch.setattr(compiled, "SealedCache", None)
    elif request.param == "a part has another name":
        monkeypatch.setattr(compiled, "SealedCache", Renamed)
    else:
        monkeypatch.setattr(compiled, "NullCache", Renamed)
    return tmp_path


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
