"""Large kernels are called by symbol: compiled once, found again in another process, and only under their own name."""

import os
import subprocess
import sys

import pytest

from lqrpg.compiler import symbols

PACKAGE = """
import numpy as np

from lqrpg.compiler.jit import njit


@njit
def small(x):
    return 2.0 * x


@njit
def large(x):
    total = np.zeros(3)
    for order in range(1, 4):
        total[0] += np.sin(order * x) * np.linalg.norm(np.arange(order) + x)
        total[1] += np.prod(np.arange(1.0, order + 1.0)) / (1.0 + x * x)
        total[2] += np.sum(np.sort(np.array([x, -x, order * x])))
    return total.sum() + {constant}


@njit
def between(x):
    return small(large(x))


@njit
def outer(x):
    if x < 0.0:
        raise ValueError("negative")
    return between(x) + large(x + 1.0)
"""

RUN = """
import numpy as np
from {package} import kernels
from lqrpg.compiler import symbols
value = kernels.outer(0.5)
plain = lambda x: kernels.large.py_func(x)
assert value == 2.0 * kernels.large(0.5) + kernels.large(1.5), value
assert abs(value - 2.0 * plain(0.5) - plain(1.5)) < 1e-12 * abs(value)
try:
    kernels.outer(-1.0)
except ValueError as error:
    assert str(error) == "negative"
else:
    raise AssertionError("nothing raised")
[form] = kernels.outer.overloads.values()
large, outer = (sum(form.stats.cache_misses.values()) for form in (kernels.large.by_kernels, kernels.outer))
print(value.hex(), large, outer)
print(sorted({{called.name for called, _ in symbols._provided.values()}}))
"""


@pytest.fixture
def package(tmp_path):
    """A package with kernels of its own; the function runs it in a new process and returns what it prints."""
    folder = tmp_path / "spring_kernels"
    folder.mkdir()
    (folder / "__init__.py").write_text("")

    def run(constant=0.0):
        (folder / "kernels.py").write_text(PACKAGE.format(constant=constant))
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "LQRPG_CACHE": str(tmp_path / "cache")}
        command = [sys.executable, "-c", RUN.format(package="spring_kernels")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        first, second = done.stdout.splitlines()
        value, large, outer = first.split()
        return float.fromhex(value), int(large), int(outer), second

    run.cache = tmp_path / "cache"
    return run


def test_a_large_kernel_is_compiled_once_and_found_by_its_callers_in_another_process(package):
    value, large, outer, called = package()
    assert (large, outer) == (1, 1)
    assert called == "['large']"
    assert package() == (value, 0, 0, called)


def test_a_caller_is_kept_without_the_code_of_the_large_kernel(package):
    package()
    sizes = {file.name: file.stat().st_size for file in package.cache.rglob("*.nbc")}
    large = next(size for name, size in sizes.items() if name.startswith("kernels.large") and ".called." in name)
    assert all(size < large / 2 for name, size in sizes.items() if name.startswith(("kernels.outer", "kernels.betw")))


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_called_kernel_that_is_no_longer_on_disk_is_compiled_again(package, damage):
    value, _, _, called = package()
    [file] = [file for file in package.cache.rglob("*.nbc") if ".large-" in file.name and ".called." in file.name]
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-7] + b"changed")
    assert package() == (value, 1, 0, called)


def test_a_called_kernel_that_was_edited_is_the_new_one(package):
    value, *_ = package()
    edited, *_ = package(constant=8.0)
    assert edited == pytest.approx(value + 24.0, rel=1e-12)


def test_functions_that_share_a_name_are_copied_into_their_callers():
    from lqrpg.compiler.jit import njit

    def make(step):
        @njit
        def inner(x):
            return x + step

        return inner

    one, two = make(1.0), make(2.0)

    @njit
    def both(x):
        return one(x) + two(x)

    assert both(0.0) == 3.0
    assert all(symbols.called_by(form) == [] for form in both.overloads.values())
