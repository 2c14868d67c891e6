"""Experiments and systems by name: a module each, found by its file, here or in a package of the user's own."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

from lqrpg import plugins
from lqrpg.checks import SettingError


def experiment_class(name: str) -> type[Any]:
    """The settings class of an experiment: `EXPERIMENT` in `experiments/<name>.py`."""
    return _attribute("experiments", name, "EXPERIMENT", "name")


def system_class(kind: str) -> type[Any]:
    """The settings class of a system: `SYSTEM` in `systems/<kind>.py`."""
    return _attribute("systems", kind, "SYSTEM", "system.kind")


def method_class(name: str) -> type[Any]:
    """The class of a method: `METHOD` in `methods/<name>.py`."""
    return _attribute("methods", name, "METHOD", "methods")


def methods_declared() -> list[str]:
    """Names of the methods that modules declare; no module is imported."""
    return plugins.declaring("methods", "METHOD")


def suggestion(name: str, known: Iterable[str]) -> str:
    """A closing hint for an unknown name: the nearest known one, or all of them."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else "known: " + ", ".join(known)


def _attribute(room: str, name: str, attribute: str, key: str) -> type[Any]:
    module = plugins.module_of(room, name) if re.fullmatch(r"\w+", name, re.ASCII) else None
    found = getattr(plugins.load(module), attribute, None) if module else None
    if not isinstance(found, type):
        raise SettingError(f"{key}={name!r}: no module {room}/{name}.py that declares {attribute}")
    return found
