"""Experiments and systems by name: a module each, found by its file."""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Iterable
from typing import Any

from lqrpg.checks import SettingError


def experiment_class(name: str) -> type[Any]:
    """The settings class of an experiment: `EXPERIMENT` in `lqrpg.experiments.<name>`."""
    return _attribute("lqrpg.experiments", name, "EXPERIMENT", "name")


def system_class(kind: str) -> type[Any]:
    """The settings class of a system: `SYSTEM` in `lqrpg.systems.<kind>`."""
    return _attribute("lqrpg.systems", kind, "SYSTEM", "system.kind")


def suggestion(name: str, known: Iterable[str]) -> str:
    """A closing hint for an unknown name: the nearest known one, or all of them."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else "known: " + ", ".join(known)


def _attribute(package: str, module: str, attribute: str, key: str) -> type[Any]:
    try:
        if not re.fullmatch(r"\w+", module):
            raise ImportError(module)
        found: type[Any] = getattr(importlib.import_module(f"{package}.{module}"), attribute)
    except (ImportError, AttributeError, ValueError, TypeError):
        raise SettingError(f"{key}={module!r}: no such module in {package}") from None
    return found
