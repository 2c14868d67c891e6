"""Shell completion of experiments, scales, systems, keys and their values, and figures, from YAML files and types."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

from lqrpg.backends.choice import BACKENDS, JOBLIB_BACKENDS
from lqrpg.plugins import COLLECTION, choices, config_text


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
    names = [] if words else choices("experiment")
    return [
        CompletionItem(word) for word in (*names, *(f"{key}=" for key in _keys(words))) if word.startswith(incomplete)
    ]


def complete_experiment(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of an experiment, or `systems`, which `list` takes in its place."""
    names = [*choices("experiment"), *(["systems"] if context.info_name == "list" else [])]
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def complete_figure(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a figure."""
    from lqrpg.figures.registry import figures

    return [CompletionItem(name) for name in figures() if name.startswith(incomplete)]


def _values(key: str, begun: str, words: list[str]) -> list[CompletionItem]:
    known: dict[str, list[str]] = {
        "experiment": choices("experiment"),
        "system": [*choices("system"), *(f"{COLLECTION}/{name}" for name in choices(f"system/{COLLECTION}"))],
        "scale": list(_read(_experiment_text(words)).get("scales", {})) or ["smoke", "small", "paper"],
        "backend": [*BACKENDS],
        "joblib_backend": [*JOBLIB_BACKENDS],
    }
    found = known[key] if key in known else _options(key, _read(_experiment_text(words)))
    return [CompletionItem(value) for value in found if value.startswith(begun)]


def _options(key: str, content: Any) -> tuple[str, ...]:
    """The names that a setting may have, by its type; the experiment's module is imported for settings of text only."""
    names, value = key.split("."), content
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, str) or "${" in value:
        return ()
    from lqrpg.ranges import options, types_of
    from lqrpg.runner.registry import experiment_class

    kind: Any = experiment_class(content["name"])
    for name in names:
        kind = types_of(kind)[name]
    return options(kind)


def _keys(words: list[str]) -> list[str]:
    top = [key for key in _read(config_text("", "config")) if key != "defaults"]
    own = _flat(_read(_experiment_text(words)))
    return sorted({"experiment", "system", *top, *own})


def _experiment_text(words: list[str]) -> str:
    joined = "".join(words)
    chosen = [name for name in choices("experiment") if name in words or f"experiment={name}" in joined]
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
