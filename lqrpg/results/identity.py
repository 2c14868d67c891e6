"""What a run is: its settings, and the numerical sources that turn them into tables.

Comments, docstrings and layout are no part of it, nor is the Python version; a changed number or operator is.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lqrpg.rooms import OWN, packages

_NUMERICAL_ROOMS = ("lqr", "systems", "algorithms", "methods", "experiments")
_DRAWING_ROOMS = ("figures", "claims")


def sources_digest(modules: Iterable[str]) -> str:
    """Digest of the given modules and of all numerical modules that they import, directly or not.

    Parameters
    ----------
    modules : dotted names, such as `lqrpg.experiments.azopg`; names outside this package count by name alone.
    """
    digest = hashlib.sha256()
    for module, source in sorted(_closure(modules).items()):
        digest.update(f"{module}\n{source}\n".encode())
    return digest.hexdigest()[:16]


def identity(experiment: str, settings: Mapping[str, Any], sources: str) -> str:
    """Digest of an experiment's resolved settings and of its numerical sources."""
    content = json.dumps({"experiment": experiment, "settings": settings, "sources": sources}, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _closure(modules: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        path = _path(module)
        if module in found or path is None:
            continue
        found[module], imported = _read(path.read_bytes())
        waiting += imported
    return found


@functools.cache
def _read(source: bytes) -> tuple[str, tuple[str, ...]]:
    """A module's canonical text and the numerical modules that it imports."""
    tree = ast.parse(source)
    return _canonical(tree), tuple(name for name in _imported(tree) if _is_numerical(name))


def _path(module: str) -> Path | None:
    package = _package(module)
    parts = module.removeprefix(f"{package}.").split(".")
    path = packages()[package].joinpath(*parts).with_suffix(".py") if package else None
    return path if path is not None and path.is_file() else None


def _package(module: str) -> str | None:
    """The package that a module belongs to, if it is one whose sources count."""
    return next((name for name in packages() if module.startswith(f"{name}.")), None)


def _imported(tree: ast.Module) -> list[str]:
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def _is_numerical(module: str) -> bool:
    """Whether a module may change numbers: of a package of the user's own, all but what draws and judges."""
    package = _package(module)
    if package is None:
        return False
    room = module.removeprefix(f"{package}.").partition(".")[0]
    return room in _NUMERICAL_ROOMS if package == OWN else room not in _DRAWING_ROOMS


def _canonical(node: object) -> str:
    """A syntax tree as text that is the same for every Python version: empty fields, which versions add, left out."""
    if isinstance(node, list):
        return "[" + ",".join(_canonical(item) for item in node) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {name: value for name, value in ast.iter_fields(node) if value not in (None, [])}
    if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
        fields["body"] = [part for part in node.body if not _is_text(part)]
    return type(node).__name__ + "(" + ",".join(f"{name}={_canonical(value)}" for name, value in fields.items()) + ")"


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
