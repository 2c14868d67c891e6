"""Shell completion of experiments, scales, systems, keys and figures; reads YAML files and no package."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

from lqrpg.plugins import choices, config_text


def complete_override(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a key, or the value behind `key=`; bash hands over `key`, `=` and the value as separate words."""
    words = [str(word) for word in context.params.get("overrides") or ()]
    if incomplete == "=" and words:
        return _values(words[-1], "", words)
    if words and words[-1] == "=":
        return _values(words[-2] if len(words) > 1 else "", incomplete, words)
    if "=" in incomplete:
        key, _, begun = incomplete.partition("=")
        return [CompletionItem(f"{key}={item.value}") for item in _values(key, begun, words)]
    return [CompletionItem(f"{key}=") for key in _keys(words) if key.startswith(incomplete)]


def complete_figure(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a figure."""
    from lqrpg.figures.registry import figures

    return [CompletionItem(name) for name in figures() if name.startswith(incomplete)]


def _values(key: str, begun: str, words: list[str]) -> list[CompletionItem]:
    known: dict[str, list[str]] = {
        "experiment": choices("experiment"),
        "system": choices("system"),
        "scale": list(_read(_experiment_text(words)).get("scales", {})) or ["smoke", "small", "paper"],
        "backend": ["joblib", "mpi", "serial"],
        "joblib_backend": ["dask", "loky"],
    }
    return [CompletionItem(value) for value in known.get(key, []) if value.startswith(begun)]


def _keys(words: list[str]) -> list[str]:
    top = [key for key in _read(config_text("", "config")) if key != "defaults"]
    own = _flat(_read(_experiment_text(words)))
    return sorted({"experiment", "system", *top, *own})


def _experiment_text(words: list[str]) -> str:
    joined = "".join(words)
    chosen = [name for name in choices("experiment") if f"experiment={name}" in joined]
    return config_text("experiment", max(chosen, key=len)) if chosen else ""


def _flat(content: dict[str, Any], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for key, value in content.items():
        if key in ("defaults", "scales", "name"):
            continue
        keys += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [prefix + key]
    return keys


def _read(text: str) -> dict[str, Any]:
    import yaml

    return dict(yaml.safe_load(text) or {})
