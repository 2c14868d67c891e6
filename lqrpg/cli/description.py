"""`lqrpg list EXPERIMENT`: captions, scales, runs, keys with their ranges and sources, and every column explained."""

from __future__ import annotations

import dataclasses
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import click
import yaml

from lqrpg.checks import shortened
from lqrpg.cli.console import plain, text_width
from lqrpg.cli.listing import content_of, differences, figures_of, methods_of, state_of_files
from lqrpg.plugins import config_content, config_text, settings_for
from lqrpg.ranges import options, types_of, words
from lqrpg.report.parameters import about, notes
from lqrpg.results.columns import meaning
from lqrpg.results.lookup import FinishedRun
from lqrpg.runner.registry import experiment_class, system_class

_REFERENCE = re.compile(r"\$\{(scales|plants)\.\$\{\w+\}\.(\w+)\}")
"""A value that depends on the scale, or on the plant."""
_LONGEST_DEFAULT = 60


def describe(choice: str, runs: Sequence[FinishedRun]) -> Iterator[str]:
    """The lines on one experiment."""
    content = content_of(choice)
    kind = experiment_class(content["name"])
    yield from _wrapped(click.style(choice, bold=True), about(config_text("experiment", choice)))
    yield from _titled("Run", _scales(choice, content))
    if methods := methods_of(choice):
        yield from _titled("Methods", [", ".join(methods)])
    yield from _titled("Figures (lqrpg plot NAME)", [f"{each.name}: {each.shows}" for each in figures_of(choice)])
    yield from _titled("Runs, newest first", [_run(run) for run in runs] or ["none yet"])
    yield from _titled("Keys (KEY=VALUE)", _keys(choice, content, kind))
    for table, columns in kind.TABLES.items():
        told = [f"{column}: {meaning(content['name'], table, column)}" for column in columns]
        yield from _titled(f"Table {table}", told)


def _scales(choice: str, content: dict[str, Any]) -> list[str]:
    """A command for each scale, the largest first, with its time."""
    scales = list(content["scales"].items())[::-1]
    words = ["", *(f" scale={scale}" for scale, _ in scales[1:])]
    return [f"lqrpg run {choice}{word}: {sizes['expected']}" for word, (_, sizes) in zip(words, scales, strict=True)]


def _run(run: FinishedRun) -> str:
    notes = [note for note in (differences(run), state_of_files(run) or "up to date") if note]
    return f"{run.path}: {'; '.join(notes)}; {run.provenance['finished'][:10]}"


def _keys(choice: str, content: dict[str, Any], kind: type[Any]) -> list[str]:
    """The keys of an experiment and of its default plant, each with its range, its source and the reason."""
    told = notes(config_text("experiment", choice))
    ranges = dict(_ranges(kind))
    system = next((entry["/system"] for entry in content.get("defaults") or [] if "/system" in entry), None)
    if system:
        told |= notes(config_text("system", system), "system.")
        ranges |= {f"system.{key}": text for key, text in _ranges(system_class(system))}
    lines = []
    for key, note in told.items():
        if key in ranges:
            tag = f"[{note.tag}] " if note.tag else ""
            default = _default(key, content, system)
            lines.append(f"{key}{default}: {'; '.join(part for part in (ranges[key], tag + note.reason) if part)}")
    return lines


def _default(key: str, content: dict[str, Any], system: str | None) -> str:
    """`=VALUE` of a key, at the largest scale and for the default plant; nothing for what is not a plain value."""
    largest = list(content.get("scales", {}))[-1:]
    found: Any = config_content("system", system) if system and key.startswith("system.") else content
    for name in key.removeprefix("system." if found is not content else "").split("."):
        found = found.get(name, "") if isinstance(found, dict) else ""
    if isinstance(found, str) and (reference := _REFERENCE.fullmatch(found)):
        group, name = reference.groups()
        places = largest if group == "scales" else [settings_for(str(system), content.get("plants") or {})]
        found = content[group].get(places[0], {}).get(name, "") if places else ""
    if isinstance(found, dict) or "${" in str(found) or found == "":
        return ""
    text = yaml.safe_dump([found], default_flow_style=True, width=1000).strip()[1:-1]
    return f"={shortened(text, _LONGEST_DEFAULT)}"


def _ranges(kind: type[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted keys of a dataclass of settings with what their values may be."""
    for name, own in types_of(kind).items():
        if isinstance(own, type) and dataclasses.is_dataclass(own):
            yield from _ranges(own, f"{prefix}{name}.")
        elif name not in ("name", "kind"):
            yield prefix + name, words(own) or ", ".join(options(own))


def _titled(heading: str, texts: Sequence[str]) -> Iterator[str]:
    yield ""
    yield click.style(plain(heading), bold=True)
    for text in texts:
        yield from textwrap.wrap(
            plain(text), text_width(), initial_indent="  ", subsequent_indent="      ", break_on_hyphens=False
        )


def _wrapped(name: str, text: str) -> Iterator[str]:
    yield name
    yield from textwrap.wrap(plain(text), text_width())
