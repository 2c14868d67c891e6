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
MODULES += ["lqrpg.systems.from_python", "lqrpg.cli.library", "lqrpg.lqr.plant", "lqrpg.checks"]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", lqrpg.__all__)
def test_every_public_name_has_an_example_of_which_nothing_is_skipped(name):
    public = getattr(lqrpg, name)
    assert public.__module__ in MODULES  # whose examples are run
    found = doctest.DocTestFinder(recurse=False).find(public, name)
    examples = [example for test in found for example in test.examples]
    assert examples
    assert not any(doctest.SKIP in example.options for example in examples)


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
