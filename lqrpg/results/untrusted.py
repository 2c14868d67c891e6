"""Reading files that may be a stranger's: regular, of a bounded size, and of the shape that readers build on."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lqrpg.results.atomic import DamagedFileError, read_regular

_LARGEST_RECORD = 64 * 2**20
_DEEPEST = 20


def read_json(file: Path) -> Any:
    """The content of a JSON file.

    Raises
    ------
    FileNotFoundError
        If there is none.
    DamagedFileError
        If it is no JSON, or of a size or depth that no record of ours has.
    """
    raw = read_regular(file, _LARGEST_RECORD)
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        raise DamagedFileError(f"{file} is damaged") from None
    if _depth_exceeds(content, _DEEPEST):
        raise DamagedFileError(f"{file} is damaged")
    return content


def _depth_exceeds(content: Any, limit: int) -> bool:
    parts = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    return limit == 0 or any(_depth_exceeds(part, limit - 1) for part in parts)


def is_record(record: Mapping[str, Any]) -> bool:
    """Whether the parts of a run's record that readers build on are there, and of the right kinds.

    Names of experiments and tables become parts of names of files and modules: letters, digits and underscores.
    """
    settings, trials = record.get("settings"), record.get("trials")
    return (
        all(isinstance(record.get(key), str) for key in ("experiment", "identity", "sources", "scale", "finished"))
        and _is_word(record["experiment"])
        and isinstance(settings, dict)
        and settings.get("name") == record["experiment"]
        and _is_system(settings.get("system"))
        and _is_number(record.get("seconds"))
        and _is_number(record.get("busy_seconds", 0.0))
        and isinstance(trials, dict)
        and isinstance(trials.get("lost"), dict)
        and _are_tables(record.get("tables"))
    )


def _is_word(text: Any) -> bool:
    return isinstance(text, str) and re.fullmatch(r"\w+", text, re.ASCII) is not None


def _is_system(system: Any) -> bool:
    return system is None or (isinstance(system, dict) and (not system or _is_word(system.get("kind"))))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _are_tables(tables: Any) -> bool:
    return isinstance(tables, dict) and all(
        _is_word(name)
        and isinstance(entry, dict)
        and isinstance(entry.get("sha256"), str)
        and _is_number(entry.get("rows"))
        for name, entry in tables.items()
    )
