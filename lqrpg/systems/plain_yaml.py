"""YAML of a user or a stranger as plain data: no tags, anchors, aliases, repeated keys or endless nesting.

What a plain word means is said by the core schema of YAML 1.2 (section 10.3.2): 010 is ten, 1e5 a number, and 1:30, yes
and 2020-01-01 are text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from lqrpg.checks import SettingError

_MOST_LEVELS, _LONGEST_VALUE = 5, 10_000
_INTEGER = r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"
_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
_WORDS = {"null": r"~|null|Null|NULL|", "bool": r"true|True|TRUE|false|False|FALSE"}


def integer(text: str) -> int:
    """The value of an integer of YAML 1.2."""
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


def use_core_numbers(loader: Any) -> None:
    """Have a class of loaders of its own read numbers as YAML 1.2 does."""
    kept = {
        first: [(tag, pattern) for tag, pattern in pairs if tag.rpartition(":")[2] not in ("int", "float")]
        for first, pairs in loader.yaml_implicit_resolvers.items()
    }
    loader.yaml_implicit_resolvers = kept
    for name, pattern in (("int", _INTEGER), ("float", _FLOAT)):
        loader.add_implicit_resolver(f"tag:yaml.org,2002:{name}", re.compile(rf"(?:{pattern})$"), list("-+.0123456789"))
    loader.add_constructor("tag:yaml.org,2002:int", lambda self, node: integer(self.construct_scalar(node)))


class _CoreLoader(yaml.SafeLoader):
    """A loader of plain data by the core schema."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 - PyYAML's own name and way


for _name, _pattern in _WORDS.items():
    _CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"(?:{_pattern})$"), None)
use_core_numbers(_CoreLoader)


def load_plain(raw: bytes, where: str) -> Any:
    """The content of a YAML document of a few levels.

    Parameters
    ----------
    raw : the document, of a size that the caller has bounded.
    where : what a refusal names before the line.

    Raises
    ------
    SettingError
        With one line, if it is none, or not plain.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise SettingError(f"{where}: not UTF-8: expected YAML as plain text") from None
    try:
        _require_plain(yaml.parse(text, Loader=yaml.SafeLoader), where)
        return _built(_CoreLoader(text), where)
    except yaml.YAMLError as error:
        raise SettingError(f"{where}{_line_of(error)}: not valid YAML: {_reason(error)}") from None
    except (ValueError, OverflowError) as error:  # such as an integer of 5000 digits
        if isinstance(error, SettingError):
            raise
        raise SettingError(f"{where}: {str(error).splitlines()[0]}: expected numbers and expressions") from None


def _built(loader: yaml.SafeLoader, where: str) -> Any:
    root = loader.get_single_node()
    _require_unique(root, where)
    return None if root is None else loader.construct_document(root)


def _line_of(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}" if mark is not None else ""


def _reason(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable").splitlines()[0]


def _require_plain(events: Iterator[Any], where: str) -> None:
    """Refuse tags, aliases, several documents, deep nesting and endless values, before anything is built of them."""
    level = documents = 0
    for event in events:
        here = f"{where}, line {event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise SettingError(f"{here}: anchors and aliases (& and *): expected plain values; quote an expression")
        if getattr(event, "tag", None):
            raise SettingError(f"{here}: the tag {event.tag!r}: expected plain values, without tags (!)")
        if len(getattr(event, "value", "")) > _LONGEST_VALUE:
            raise SettingError(f"{here}: a value of over {_LONGEST_VALUE} characters: expected numbers and expressions")
        documents += isinstance(event, yaml.DocumentStartEvent)
        level += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if documents > 1:
            raise SettingError(f"{here}: a second document: expected one a file")
        if level > _MOST_LEVELS:
            raise SettingError(f"{here}: nested too deeply: expected at most {_MOST_LEVELS} levels")


def _require_unique(node: Any, where: str) -> None:
    """Refuse a key that stands twice in one group: YAML itself would keep the last one, silently."""
    children = []
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line, name = key.start_mark.line + 1, str(key.value)
            if not isinstance(key, yaml.ScalarNode):
                raise SettingError(f"{where}, line {line}: expected a plain key")
            if name in seen:
                raise SettingError(f"{where}, line {line}: {name!r} is given twice; first on line {seen[name]}")
            seen[name] = line
            children.append(value)
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    for child in children:
        _require_unique(child, where)
