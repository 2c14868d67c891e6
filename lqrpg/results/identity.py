"""What a run is: its settings, and the numerical sources that turn them into tables.

Comments, docstrings and layout are no part of it, nor is the Python version; a changed number or operator is.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lqrpg.caches import cache_of
from lqrpg.plugins import OWN, module_of, packages
from lqrpg.results.atomic import read_sealed, write_sealed

_DRAWING = ("figures", "claims")
_WITHOUT_NUMBERS = ("backends", "caches", "checks", "cli", "paths", "report", "results", "plugins", *_DRAWING)
"""Parts of this package whose modules change no number of a table; all others, and new ones, count."""
_NOTHING = "Module(body=[])"
_ABSENT = object()
_MOST_SOURCES = 1000
"""Kept from one process to the next, beyond which those are forgotten that were not used last."""
_WITH_TEXTS = (ast.Module, ast.FunctionDef, ast.ClassDef, ast.JoinedStr)


def sources_digest(modules: Iterable[str]) -> str:
    """Digest of the given modules and of all numerical modules that they import, directly or not.

    Parameters
    ----------
    modules : dotted names, such as `lqrpg.experiments.azopg`; names outside this package count by name alone.
    """
    digest = hashlib.sha256()
    for module, source in sorted(_closure(modules).items()):
        digest.update(f"{module}\n{source}\n".encode())
    _known().keep()
    return digest.hexdigest()[:16]


def sources_of(settings: Mapping[str, Any]) -> str:
    """Digest of the sources behind settings: modules of the experiment, its system, its methods, and their imports."""
    modules = [module_of("experiments", str(settings["name"]))]
    systems = [settings["system"]] if settings.get("system") else (settings.get("systems") or {}).values()
    modules += dict.fromkeys(module_of("systems", str(system["kind"])) for system in systems)
    modules += [module_of("methods", str(name)) for name in settings.get("methods") or ()]
    return sources_digest([module for module in modules if module])


def identity(experiment: str, settings: Mapping[str, Any], sources: str) -> str:
    """Digest of an experiment's resolved settings and of its numerical sources."""
    content = json.dumps({"experiment": experiment, "settings": settings, "sources": sources}, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _closure(modules: Iterable[str]) -> dict[str, str]:
    """The canonical text of each module that has any."""
    found: dict[str, str] = {}
    waiting, seen = list(modules), set[str]()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        path = _path(module)
        if path is not None:
            found[module], imported = _known().of_file(path, _home(module, path))
            waiting += imported
    return {module: text for module, text in found.items() if text != _NOTHING}


class _Sources:
    """Canonical texts of sources and what they import, by digests of source and reader; those of before from a file."""

    def __init__(self) -> None:
        self._file = cache_of("sources") / "canonical"
        self._reader = hashlib.sha256(Path(__file__).read_bytes()).digest()
        self._before: dict[str, tuple[str, list[str]]] = {}
        with contextlib.suppress(OSError, ValueError):  # ValueError: damaged
            self._before = json.loads(read_sealed(self._file))
        self._used: dict[str, tuple[str, list[str]]] = {}
        self._files: dict[tuple[Path, int, int], tuple[str, list[str]]] = {}
        self._is_new = False

    def of_file(self, path: Path, home: str) -> tuple[str, list[str]]:
        """The text of a file and the numerical modules that it imports; read again when its time or size is another."""
        told = path.stat()
        key = path, told.st_mtime_ns, told.st_size
        if key not in self._files:
            text, imported = self.of(path.read_bytes(), home)
            self._files[key] = text, [name for name in imported if _is_numerical(name)]
        return self._files[key]

    def of(self, source: bytes, home: str) -> tuple[str, list[str]]:
        """The canonical text of a module in the package `home`, and all that it imports."""
        key = hashlib.sha256(b"\0".join([self._reader, home.encode(), source])).hexdigest()
        if key not in self._used:
            found = self._before.get(key)
            if found is None:
                tree, self._is_new = ast.parse(source), True
                found = _canonical(tree), _imported(tree, home)
            self._used[key] = found
        text, imported = self._used[key]
        return text, imported

    def keep(self) -> None:
        """Write what is new, and what this process has used of the rest; if the file cannot be written, it is not."""
        if self._is_new:
            self._is_new = False
            kept = self._used if len(self._before) > _MOST_SOURCES else self._before | self._used
            with contextlib.suppress(OSError):
                write_sealed(self._file, json.dumps(kept).encode())


@functools.cache
def _known() -> _Sources:
    return _Sources()


def _path(module: str) -> Path | None:
    package = _package(module)
    if package is None:
        return None
    place = os.path.join(packages()[package], *module.split(".")[1:])  # noqa: PTH118, asked for thousands of names
    return next((Path(file) for file in (f"{place}.py", f"{place}/__init__.py") if os.path.isfile(file)), None)  # noqa: PTH113


def _home(module: str, path: Path) -> str:
    """The package in which a module's relative imports begin."""
    return module if path.name == "__init__.py" else module.rpartition(".")[0]


def _package(module: str) -> str | None:
    """The package that a module belongs to, if it is one whose sources count."""
    return next((name for name in packages() if module.startswith(f"{name}.")), None)


def _imported(tree: ast.Module, home: str) -> list[str]:
    names: list[str] = []
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = home.split(".")[: len(home.split(".")) + 1 - node.level] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            names += [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
    return names


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements below a node, those of nested blocks included; expressions, which import nothing, are not seen."""
    for block in ("body", "orelse", "finalbody", "handlers", "cases"):
        for statement in getattr(node, block, ()):
            yield statement
            yield from _statements(statement)


def _is_numerical(module: str) -> bool:
    """Whether a module may change numbers: of a package of the user's own, all but what draws and judges."""
    package = _package(module)
    if package is None:
        return False
    part = module.removeprefix(f"{package}.").partition(".")[0]
    return part not in (_WITHOUT_NUMBERS if package == OWN else _DRAWING)


def _canonical(node: object) -> str:
    """A syntax tree as text that is the same for every Python version: empty fields, which versions add, left out."""
    if isinstance(node, ast.AST):
        told = _told(node) if isinstance(node, _WITH_TEXTS) else {}
        fields = []
        for name in node._fields:
            value = told.get(name, _ABSENT)
            if value is _ABSENT:
                value = getattr(node, name, None)
                if value is None or value == []:
                    continue
            fields.append(f"{name}={_canonical(value)}")
        return f"{type(node).__name__}({','.join(fields)})"
    if isinstance(node, list):
        return f"[{','.join(map(_canonical, node))}]"
    return repr(node)


def _told(node: Any) -> dict[str, list[Any]]:
    """A body without its docstring; a formatted text without the empty one that 3.12.1 puts behind a nested field."""
    if isinstance(node, ast.JoinedStr):
        return {"values": [part for part in node.values if not (isinstance(part, ast.Constant) and part.value == "")]}
    return {"body": [part for part in node.body if not _is_text(part)]}


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
