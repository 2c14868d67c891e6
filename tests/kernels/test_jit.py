"""Which sources name the folder of compiled kernels: all that can change one, in any subfolder, and no others."""

import importlib
import pkgutil

import numpy as np
import pytest
from numba.core import types
from numba.core.dispatcher import Dispatcher

import lqrpg
from lqrpg import ExactGradient, IndirectGradient, PolicyIteration, TwoPointZerothOrder, minimise
from lqrpg.compiler.jit import kernel_sources, njit, njit_borrowing
from lqrpg.systems.three_state import ThreeState

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
    return isinstance(kind, types.Array) or any(holds_array(each) for each in getattr(kind, "types", ()))


def borrowing_kernels():
    for module in pkgutil.walk_packages(lqrpg.__path__, "lqrpg."):
        held = [] if module.name.endswith("__main__") else vars(importlib.import_module(module.name)).values()
        yield from (each for each in held if isinstance(each, Dispatcher) and each.targetoptions.get("_nrt") is False)


def test_a_kernel_that_borrows_arrays_returns_none():
    """Nobody would count the reference that it returns: its caller would free the array under its owner."""
    three = ThreeState()
    plant, gain = three.plant(), three.initial_gain()
    for method in (ExactGradient(1.0), IndirectGradient(1.0), TwoPointZerothOrder(1e-3, 1e-3), PolicyIteration()):
        minimise(method, plant, gain, steps=1, seed=1, initial_covariance=three.initial_covariance())
    signatures = [signature for each in borrowing_kernels() for signature in each.nopython_signatures]
    assert len(signatures) > 20
    assert not [signature for signature in signatures if holds_array(signature.return_type)]


def test_a_kernel_that_makes_arrays_may_be_compiled_first_by_one_that_borrows():
    @njit
    def total_of_ones(count):
        return np.ones(count).sum()

    @njit_borrowing
    def twice(count):
        return 2.0 * total_of_ones(count)

    assert twice(3) == 6.0
    assert total_of_ones(4) == 4.0
