"""What each column of each table holds."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

_FILE = Path(__file__).with_name("columns.yaml")


@cache
def _meanings() -> dict[str, str]:
    return dict(yaml.safe_load(_FILE.read_text(encoding="utf-8")))


def meaning(experiment: str, table: str, column: str) -> str:
    """What a column holds, in one line; empty for one that is not of this package."""
    told = _meanings()
    return told.get(f"{experiment}/{table}/{column}", told.get(column, ""))
