"""Parameters with their sources: the comments of the YAML files beside the settings of a run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from lqrpg.plugins import settings_for

_UNTOLD = ("defaults", "name", "plant", "plants", "scales", "system.kind")
_OF_PLANT = re.compile(r"\$\{plants\.\$\{plant\}\.(\w+)\}")
"""A value that depends on the kind of the plant: it stands in the group `plants`."""
_TAG = re.compile(r"\[(stated|inferred|chosen)\]\s*(.*)")
_HEADING = re.compile(r"@package|lqrpg run |Tags:")


@dataclass(frozen=True)
class Note:
    """The comment behind a key.

    Attributes
    ----------
    tag : stated, inferred or chosen; empty if it says none.
    reason : the rest of it.
    """

    tag: str
    reason: str


@dataclass(frozen=True)
class Parameter:
    """One line of a table of parameters.

    Attributes
    ----------
    key : as one types it.
    value : what the run had.
    tag, reason : where the package's own value is from.
    mark : `changed` if the value is not its scale's own, `scale` if it differs from the full size; else empty.
    usual : the value that it would have otherwise.
    """

    key: str
    value: str
    tag: str
    reason: str
    mark: str
    usual: str


def parameters(
    settings: Mapping[str, Any],
    notes: Mapping[str, Note],
    own: Mapping[str, Any],
    full: Mapping[str, Any],
) -> list[Parameter]:
    """The settings of a run, key by key.

    Parameters
    ----------
    settings : what the run had.
    notes : comments by key.
    own : settings of the run's scale, without overrides.
    full : settings of the full size.
    """
    flat_own, flat_full = flat(own), flat(full)
    return [
        _parameter(key, value, notes, flat_own, flat_full)
        for key, value in flat(settings).items()
        if key not in _UNTOLD
    ]


def _parameter(
    key: str, value: str, notes: Mapping[str, Note], own: Mapping[str, str], full: Mapping[str, str]
) -> Parameter:
    note = notes.get(key, Note("", ""))
    mark, usual = "", ""
    if key in own and value != own[key]:
        mark, usual = "changed", own[key]
    elif key in full and value != full[key]:
        mark, usual = "scale", full[key]
    return Parameter(key, value, note.tag, note.reason, mark, usual)


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted keys, values as text; what is of some kind, such as a schedule, is one value.

    Several plants are told by their names.
    """
    found: dict[str, str] = {}
    for key, value in settings.items():
        if f"{prefix}{key}" == "systems" and isinstance(value, Mapping):
            found[key] = ", ".join(value)
        elif isinstance(value, Mapping) and value and f"{prefix}{key}" != "system" and _is_of_a_kind(value):
            taken = ", ".join(f"{name} {_text(part)}" for name, part in value.items() if part is not None)
            found[f"{prefix}{key}"] = taken.removeprefix("kind ")
        elif isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = _text(value)
    return found


def _is_of_a_kind(group: Mapping[str, Any]) -> bool:
    return "kind" in group and not any(isinstance(part, Mapping | list) for part in group.values())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def notes(text: str, prefix: str = "", plant: str | None = None) -> dict[str, Note]:
    """Comments of a YAML file by dotted key; a key without one has that of the group it stands in.

    Parameters
    ----------
    text : the file.
    prefix : before each key.
    plant : kind of the plant, for values that depend on it; unless given that of the file's default.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        return {}
    lines = text.splitlines()
    return dict(_walk(root, prefix, Note("", ""), lines, _notes_of_plant(root, plant, lines)))


def _notes_of_plant(root: yaml.MappingNode, plant: str | None, lines: list[str]) -> dict[str, Note]:
    """Comments of the entries in `plants` for a kind of plant, or for others."""
    groups = {key.value: value for key, value in root.value}
    if "plants" not in groups:
        return {}
    kinds = {key.value: value for key, value in groups["plants"].value}
    chosen = groups["plant"].value if plant is None else plant
    entries = kinds[settings_for(chosen, kinds)].value
    return {key.value: _note(key, value, lines) or Note("", "") for key, value in entries}


def _walk(
    group: yaml.MappingNode, prefix: str, outer: Note, lines: list[str], of_plant: Mapping[str, Note]
) -> Iterator[tuple[str, Note]]:
    for key, value in group.value:
        if prefix + key.value in _UNTOLD:
            continue
        note = _note(key, value, lines) or outer
        depends = _OF_PLANT.fullmatch(value.value) if isinstance(value, yaml.ScalarNode) else None
        if depends and not note.tag:
            told = of_plant.get(depends[1], note)
            before = "" if told.reason.startswith(note.reason) else note.reason
            note = Note(told.tag, "; ".join(part for part in (before, told.reason) if part))
        yield prefix + key.value, note
        if isinstance(value, yaml.MappingNode):
            yield from _walk(value, f"{prefix}{key.value}.", note, lines, of_plant)


def _note(key: yaml.Node, value: yaml.Node, lines: list[str]) -> Note | None:
    """The comment behind a key and its value, with the lines below it that hold nothing else and stand further in."""
    in_line = not isinstance(value, yaml.CollectionNode) or value.flow_style
    mark = value.end_mark if in_line else key.end_mark
    found = re.search(r"(?:^|\s)#\s*(.*)", lines[mark.line][mark.column :])
    if not found:
        return None
    words = [found[1]]
    for line in lines[mark.line + 1 :]:
        if not line.lstrip().startswith("#") or line.index("#") <= key.start_mark.column:
            break
        words.append(line.strip("# "))
    text = " ".join(words).strip()
    tagged = _TAG.match(text)
    return Note(tagged[1], tagged[2]) if tagged else Note("", text)


def about(text: str) -> str:
    """What the comment at the head of an experiment's YAML file says beyond its command and the tags."""
    head: list[str] = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if not _HEADING.search(line):
            head.append(line.strip("# "))
    return " ".join(head).strip()
