"""The examples in the documentation give what they say, and the public names are there without being loaded."""

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

import lqrpg
import lqrpg.methods

MODULES = [f"lqrpg.methods.{module.name}" for module in pkgutil.iter_modules(lqrpg.methods.__path__)]
MODULES += ["lqrpg.systems.from_python", "lqrpg.cli.library", "lqrpg.lqr.plant"]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_every_public_method_and_function_of_the_problem_has_an_example():
    found = doctest.DocTestFinder(exclude_empty=True)
    with_example = {
        test.name.rsplit(".", 1)[-1] for name in MODULES for test in found.find(importlib.import_module(name))
    }
    former_names = {"QsaPolicyIteration"}
    assert set(lqrpg.__all__) - {"SettingError", "SettingWarning"} - former_names <= with_example


def test_public_names_are_found_and_unknown_ones_are_not():
    for name in lqrpg.__all__:
        assert getattr(lqrpg, name) is not None
        assert name in dir(lqrpg)
    with pytest.raises(AttributeError, match="no attribute 'minimize'"):
        lqrpg.minimize  # noqa: B018


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, lqrpg; lqrpg.SettingError\n"
        "heavy = {'numpy', 'pandas', 'numba', 'scipy', 'hydra', 'omegaconf', 'matplotlib', 'click', 'yaml'}\n"
        "sys.stderr.write(' '.join(sorted(heavy & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
