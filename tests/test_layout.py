"""The links at the repository's root show modules of the package, and every tool sees each file once."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lqrpg
from lqrpg.compiler.jit import kernel_sources

ROOT = Path(__file__).resolve().parent.parent
LINKS = ("cli", "conf", "experiments")


@pytest.mark.parametrize("name", LINKS)
def test_a_link_is_relative_and_leads_to_a_module_of_the_package(name):
    assert (ROOT / name).readlink() == Path("lqrpg") / name
    assert (ROOT / name).resolve() == Path(lqrpg.__file__).resolve().parent / name


def test_style_checks_see_each_file_once():
    command = [sys.executable, "-m", "ruff", "check", "--show-files", "."]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    files = [Path(name) for name in shown]
    assert len({file.resolve() for file in files}) == len(files) > 300
    assert not {file.relative_to(ROOT).parts[0] for file in files} & set(LINKS)


def test_the_kernel_cache_sees_each_source_once():
    copies = [text for text in kernel_sources(ROOT / "lqrpg").values() if text]
    assert len(copies) == len(set(copies))
    assert all(name.startswith("lqrpg.") for name in kernel_sources(ROOT / "lqrpg"))


def test_test_and_type_checks_name_their_folders():
    settings = (ROOT / "pyproject.toml").read_text()
    assert 'testpaths = ["tests"]' in settings
    assert 'include = ["lqrpg*"]' in settings
    assert 'packages = ["lqrpg"]' in settings


KERNELS = {"njit", "njit_borrowing", "intrinsic", "by_size"}
MOST_POSITIONAL = 8


def test_functions_outside_kernels_take_few_positional_arguments():
    many = []
    for file in (ROOT / "lqrpg").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef):
                decorators = {ast.unparse(each).partition("(")[0] for each in node.decorator_list}
                names = [each.arg for each in (*node.args.posonlyargs, *node.args.args)]
                given = [name for name in names if name not in ("self", "cls")]
                if len(given) > MOST_POSITIONAL and not decorators & KERNELS:
                    many.append(f"{file.name}: {node.name}")
    assert many == []


def test_no_class_is_cut_by_banners():
    """A class that needs headings should be split into modules."""
    banner = re.compile(r"^[ \t]+# *[-=#]{2,}", re.MULTILINE)
    files = sorted((ROOT / "lqrpg").rglob("*.py"))
    assert [file.name for file in files if banner.search(file.read_text(encoding="utf-8"))] == []
