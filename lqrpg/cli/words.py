"""Words of the command line: texts in Hydra's grammar, and paths as they are typed."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from collections.abc import Iterator, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override
from hydra.errors import HydraException

from lqrpg.checks import SettingError
from lqrpg.cli.data_only import PATH_KEYS, is_literal
from lqrpg.paths import as_it_stands
from lqrpg.runner.settings import escaped

_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)


def quoted(text: str) -> str:
    """Text as a value in Hydra's grammar, whatever characters it has."""
    inside = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + (r"\'" if found[2] else ""), text)
    return f"'{inside}'"


def path_value(path: str) -> str:
    """A path as a value in Hydra's grammar; `${KEY}` in it refers to another key, as everywhere."""
    return quoted(escaped(path) if is_literal(path) or _is_there(path) else path)


def with_experiment(words: Sequence[str]) -> list[str]:
    """The words; where none names the experiment as `experiment=NAME`, the first one without `=` does."""
    if any(word.startswith(("experiment=", "+experiment=")) for word in words):
        return list(words)
    name = next((word for word in words if re.fullmatch(r"\w[\w,./-]*", word)), None)
    place = words.index(name) if name is not None else -1
    return [f"experiment={word}" if number == place else word for number, word in enumerate(words)]


def with_plain_paths(overrides: Sequence[str], *, multirun: bool) -> list[str]:
    """The overrides, with paths taken as they were typed, whatever characters they have.

    Quotes around the whole value are Hydra's. In a sweep commas stand between values, unless there is a file of that
    name.
    """
    return [_with_plain_path(word, multirun=multirun) for word in overrides]


def _with_plain_path(word: str, *, multirun: bool) -> str:
    key, _, value = word.partition("=")
    if key.lstrip("+") not in PATH_KEYS or value in ("", "null"):
        return word
    if _is_there(value):
        return f"{key}={path_value(value)}"
    if _QUOTED.fullmatch(value) or (multirun and _is_sweep(word)):
        return word
    parts = value.split(",") if multirun else [value]
    return f"{key}=" + ",".join(part if _QUOTED.fullmatch(part) else path_value(part) for part in parts)


def _is_there(path: str) -> bool:
    with contextlib.suppress(ValueError):
        return os.path.lexists(path)
    return False


def _is_sweep(word: str) -> bool:
    try:
        return OverridesParser.create().parse_override(word).is_sweep_override()
    except (HydraException, RecursionError, ValueError):
        return False


@contextlib.contextmanager
def paths_explained(parsed: Sequence[Override]) -> Iterator[None]:
    """Have the refusal of a path with `${KEY}`, or with commas in a sweep, show how such a name is written."""
    try:
        yield
    except SettingError as error:
        for override in parsed:
            key = override.get_key_element().lstrip("+")
            mend = _as_one_name(override) if key in PATH_KEYS and key in str(error) else ""
            if mend:
                raise SettingError(f"{error}; {mend}") from None
        raise


def _as_one_name(override: Override) -> str:
    """How to write a path that is read as more than its name; empty if it is not."""
    key, value = override.get_key_element(), override.value()
    if isinstance(value, ChoiceSweep) and value.simple_form:
        name = ",".join(str(getattr(part, "text", part)) for part in value.list)
        return f"a name with commas is written {shlex.quote(f'{key}={path_value(name)}')}"
    if isinstance(value, str) and "${" in value:
        return f"a name with ${{ in it is written {shlex.quote(f'{key}={as_it_stands(value)}')}"
    return ""
