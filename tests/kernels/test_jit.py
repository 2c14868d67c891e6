"""Which sources name the folder of compiled kernels: all that can change one, in any subfolder, and no others."""

import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core import types
from numba.core.dispatcher import Dispatcher

import lqrpg
from lqrpg.compiler.jit import kernel_sources, njit, njit_borrowing

FILES = {
    "__init__.py": "",
    "alone.py": "from lqrpg.deep.kernel import run\n",
    "checks.py": "LIMIT = 3\n",
    "deep/__init__.py": "",
    "deep/kernel.py": "from lqrpg import checks\n"
    "from lqrpg.deep.constants import (\n    RATE\n)\n@njit\ndef run(): ...\n",
    "deep/constants.py": "import lqrpg.further\nRATE = lqrpg.further.RATE\n",
    "further.py": "RATE = 2.0\n",
    "deep/deeper/lanes.py": "@intrinsic\ndef lanes(): ...\n",
}
USED = {
    *("lqrpg", "lqrpg.checks", "lqrpg.further"),
    *("lqrpg.deep.kernel", "lqrpg.deep.constants", "lqrpg.deep.deeper.lanes"),
}


@pytest.fixture
def package(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / "lqrpg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "lqrpg"


def test_kernels_and_what_they_import_count_in_any_subfolder(package):
    assert set(kernel_sources(package)) == USED


@pytest.mark.parametrize("name", sorted(FILES))
def test_an_edit_changes_the_sources_exactly_where_it_can_change_a_kernel(package, name):
    before = kernel_sources(package)
    path = package / name
    path.write_text(path.read_text() + "# edited\n")
    module = ".".join(["lqrpg", *name.removesuffix(".py").removesuffix("__init__").strip("/").split("/")]).strip(".")
    assert (kernel_sources(package) != before) == (module in USED)


def test_every_compiled_function_of_the_package_is_covered():
    from lqrpg.compiler import jit as compiled

    folder = compiled.Path(compiled.__file__).parent.parent
    sources = kernel_sources(folder)
    found = set()
    for module in pkgutil.walk_packages(lqrpg.__path__, "lqrpg."):
        if module.name.endswith("__main__"):
            continue
        held = vars(importlib.import_module(module.name)).values()
        found |= {value.__module__ for value in held if isinstance(value, Dispatcher)}
    assert len(found) > 20
    assert found <= set(sources)


def holds_array(kind):
    inner = [*getattr(kind, "types", ()), *([kind.type] if isinstance(kind, types.Optional) else ())]
    return isinstance(kind, types.Array) or any(holds_array(each) for each in inner)


def kernels():
    """Every compiled function of the package, those of a choice by size among them, once."""
    found = {}
    for module in pkgutil.walk_packages(lqrpg.__path__, "lqrpg."):
        held = [] if module.name.endswith("__main__") else vars(importlib.import_module(module.name)).values()
        for each in held:
            chosen = (getattr(each, "__wrapped__", None) and getattr(each, "__closure__", None)) or ()
            for kernel in [each, *(cell.cell_contents for cell in chosen)]:
                if isinstance(kernel, Dispatcher):
                    found[id(kernel)] = kernel
    return list(found.values())


ONE_OF_EACH = """
import sys
sys.path.insert(0, {tests!r})
from lqrpg import ExactGradient, IndirectGradient, OnePointZerothOrder, PolicyIteration, TwoPointZerothOrder, minimise
from lqrpg.systems.three_state import ThreeState
from kernels.test_jit import holds_array, kernels

system = ThreeState()
for method in (
    *(ExactGradient(1.0), IndirectGradient(1.0), PolicyIteration()),
    *(TwoPointZerothOrder(1e-3, 1e-3), OnePointZerothOrder(1e-3, 1e-3)),
):
    covariance = system.initial_covariance()
    minimise(method, system.plant(), system.initial_gain(), steps=1, seed=1, initial_covariance=covariance)
borrowing = [kernel for kernel in kernels() if kernel.targetoptions.get("_nrt") is False]
named = {{kernel.py_func.__name__: kernel for kernel in borrowing}}
assert named["exact_loop"].nopython_signatures
for name in ("factorise", "rollout_costs", "next_normal", "rls_update"):
    assert named[name].by_kernels.nopython_signatures and not named[name].nopython_signatures, name
makers = {{
    kernel.py_func.__name__
    for kernel in kernels()
    for each in kernel.nopython_signatures + kernel.by_kernels.nopython_signatures
    if holds_array(each.return_type)
}}
assert {{"make_work", "lane_array"}} & makers
assert not makers & set(named), makers
for name, kernel in named.items():
    assert not makers & set(kernel.py_func.__code__.co_names), name
"""


@pytest.mark.slow
def test_a_kernel_that_borrows_arrays_returns_none_and_calls_none_that_does(tmp_path):
    """Nobody would count the references: a caller would free the array under its owner, or nobody ever would.

    In an empty cache: a kernel that comes from there brings no callees.
    """
    code = ONE_OF_EACH.format(tests=str(Path(__file__).parent.parent))
    environment = os.environ | {"LQRPG_CACHE": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=500)
    assert run.returncode == 0, run.stderr


def test_a_kernel_that_makes_arrays_may_be_compiled_first_by_one_that_borrows():
    @njit
    def total_of_ones(count):
        return np.ones(count).sum()

    @njit_borrowing
    def twice(count):
        return 2.0 * total_of_ones(count)

    assert twice(3) == 6.0
    assert total_of_ones(4) == 4.0
