"""The names under which files and objects hold what a plant has: which are taken, left out, or asked about.

A name that means the same as a plant's own key, whatever the time, is an alias. One that means something else in some
case, and one that looks like a slip of a key that is not given, is asked about: all of them in one line. Whatever else
there is, such as the outputs C and D, is left out, with one note.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lqrpg.checks import SettingError, shortened, warn
from lqrpg.systems.matrices import is_given, numbers


class Vocabulary(NamedTuple):
    """Names of one kind of system.

    Attributes
    ----------
    what : what has these keys.
    keys : its own names.
    aliases : other names that mean the same.
    other : names that mean something else here or there, with what to write.
    """

    what: str
    keys: tuple[str, ...]
    aliases: Mapping[str, str]
    other: Mapping[str, str]


PLANT = Vocabulary(
    "a plant",
    ("sample_time", "A", "B", "Q", "R", "S", "noise", "first_state", "K0", "convert_to"),
    {"Ts": "sample_time", "dt": "sample_time", "K": "K0", "start_gain": "K0", "N": "S"},
    {
        "Sigma": "noise (the covariance of w; in continuous time its intensity), or first_state",
        "time": "sample_time (0 for continuous time, or the seconds between samples) instead of time and dt",
        "parameters": "system=custom_family, which takes a family of plants",
    },
)
REQUIRED = {"A": "a matrix", "B": "a matrix", "sample_time": "0 for continuous time, or seconds"}
"""What a plant must have, with what is expected."""
FAMILY = Vocabulary(
    "a family of plants",
    ("parameters", "derived", "time", "dt", "A", "B", "Q", "R", "Sigma", "start_gain"),
    {"K0": "start_gain", "K": "start_gain"},
    {
        "noise": "Sigma (the covariance of the noise between two samples)",
        "sample_time": "time (continuous or discrete), and dt (seconds between samples) where it is continuous",
        "Ts": "dt (seconds between samples), with time: continuous",
        "convert_to": "dt (seconds between samples), with time: continuous",
        "S": "nothing: a family has no cross weight",
        "N": "nothing: a family has no cross weight",
    },
)
_NEVER_ASKED = (
    "C",
    "D",
    "x0",
    "P",
    "e",
    "E",
    "X",
    "L",
    "G",
    "W",
    "V",
    "ans",
    "n",
    "m",
    "p",
    "t",
    "u",
    "w",
    "x",
    "y",
    "z",
)
"""Outputs, solutions, sizes and signals, which stand beside plants in files."""
_SYNONYMS = {
    "sample_time": "T h tsample tsamp samplingtime samplingperiod sampleperiod period deltat",
    "noise": "sigma qn processnoise noisecovariance noisecov",
    "first_state": "firststatecovariance",
    "K0": "initialgain firstgain gain kinit kstart",
    "S": "crossweight nn",
    "start_gain": "initialgain firstgain gain kinit kstart",
    "Sigma": "processnoise noisecovariance noisecov",
}
_WITH_AFFIX = ("A", "B", "Q", "R", "K", "K0")
_AFFIX = r"(?:matrix|mat|dt|ct|disc|cont|lqr|sys|plant|model|weight|cost|opt|init|xx|uu|xu|x|u|d|c|0{})"


class Unread(NamedTuple):
    """What stands in a file for a variable that holds no numbers, such as a text or a structure."""

    kind: str


@dataclass(frozen=True)
class Named:
    """What a file or an object holds.

    Attributes
    ----------
    values : by a system's own keys; what is empty is not given, and not here.
    labels : for those under another name, how messages call them.
    left_out : names that no such system has, with the kind of those that hold no numbers.
    note : says so; empty if there are none.
    """

    values: dict[str, Any]
    labels: dict[str, str]
    left_out: tuple[str, ...]
    note: str

    def announce(self) -> None:
        """Warn of what is left out."""
        if self.note:
            warn(self.note)


def recognised(content: Mapping[str, Any], where: str, vocabulary: Vocabulary = PLANT) -> Named:
    """The content under a system's own names.

    Parameters
    ----------
    content : values by name.
    where : what holds them, for messages.
    vocabulary : names of the system.

    Raises
    ------
    SettingError
        With one line, if a key is there twice or holds no numbers, or if names are to be asked about.
    """
    given = {str(name): value for name, value in content.items() if is_given(value)}
    values: dict[str, Any] = {}
    names: dict[str, str] = {}
    for name, value in given.items():
        key = vocabulary.aliases.get(name, name)
        if key not in vocabulary.keys:
            continue
        if key in values:
            raise SettingError(f"{where}: holds both {names[key]} and {name}; leave one")
        if isinstance(value, Unread):
            raise SettingError(f"{where}: {name} holds no real numbers; {advice([value.kind])}")
        values[key], names[key] = value, name
    strange = {name: value for name, value in given.items() if name not in names.values()}
    _require_no_descriptor(strange.get("E"), where)
    _ask(strange, values, where, vocabulary)
    left_out = tuple(f"{name} ({value.kind})" if isinstance(value, Unread) else name for name, value in strange.items())
    labels = {key: f"{where}: {name}" for key, name in names.items() if key != name}
    note = f"{where}: left out, as {vocabulary.what} has none of them: {shortened(', '.join(left_out), 300)}"
    return Named(values, labels, left_out, note if left_out else "")


def require_all(given: Mapping[str, Any], found: Named, where: str) -> None:
    """Refuse a plant that lacks what it must have, and say what the file holds instead."""
    missing = [f"{key} ({hint})" for key, hint in REQUIRED.items() if key not in given]
    if not missing:
        return
    names = [*(found.labels.get(key, key).rpartition(": ")[2] for key in found.values), *found.left_out]
    held = f"; it holds {shortened(', '.join(names), 200)}" if names else ""
    kinds = [entry.rpartition("(")[2].rstrip(")") for entry in found.left_out if entry.endswith(")")]
    kinds = kinds if {"A", "B"} - set(given) else []  # a sample time is easily given beside the file
    mend = f": {advice(kinds)}" if kinds else ""
    raise SettingError(f"{where}: {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing{held}{mend}")


@contextlib.contextmanager
def called(labels: Mapping[str, str]) -> Iterator[None]:
    """Have refusals of settings begin with the names that the user gave them."""
    try:
        yield
    except SettingError as error:
        text = str(error)
        for key, label in labels.items():
            if re.match(rf"system\.{key}\b", text):
                raise SettingError(label + text.removeprefix(f"system.{key}")) from None
        raise


def _require_no_descriptor(value: Any, where: str) -> None:
    """Refuse E of E dx/dt = A x + B u, unless it is the identity: without it the plant would be another one."""
    shape = _shape(value) if value is not None and not isinstance(value, Unread | str | dict) else ()
    if len(shape) == 2 and shape[0] == shape[1] and not np.array_equal(numbers(f"{where}: E", value), np.eye(shape[0])):
        raise SettingError(f"{where}: E: a plant has no descriptor matrix: save E\\A and E\\B as A and B, without E")


def _ask(strange: Mapping[str, Any], values: Mapping[str, Any], where: str, vocabulary: Vocabulary) -> None:
    """Refuse names that may be meant for a key that is not given, all at once."""
    asked = {}
    for name, value in strange.items():
        meant = vocabulary.other.get(name) or slip(name, value, values, vocabulary)
        if meant:
            asked[name] = f"{name}: write {meant}" if name in vocabulary.other else f"{name}: did you mean {meant}?"
    if asked:
        raise SettingError(f"{where}: {'; '.join(asked.values())} (rename it, or leave it out)")


def slip(name: str, value: Any, values: Mapping[str, Any], vocabulary: Vocabulary) -> str | None:
    """The key that is not given and for which a name may be meant; None if there is none."""
    if isinstance(value, Unread):
        return None
    for key in looks_like(name, vocabulary):
        if key not in values and (vocabulary is not PLANT or _fits(value, key, values)):
            return key
    return None


def looks_like(name: str, vocabulary: Vocabulary) -> list[str]:
    """The keys that a name resembles, the nearest first."""
    if name in _NEVER_ASKED:
        return []
    if name.startswith("system."):
        return [key for key in vocabulary.keys if name == f"system.{key}"]
    folded = _folded(name)
    known = {**{key: key for key in vocabulary.keys}, **vocabulary.aliases}
    found = [key for known_name, key in known.items() if _folded(known_name) == folded]
    found += [key for key, words in _SYNONYMS.items() if name in words.split() or folded in words.split()[1:]]
    found += [key for known_name, key in known.items() if known_name in _WITH_AFFIX and _with_affix(known_name, name)]
    long = {_folded(known_name): key for known_name, key in known.items() if len(known_name) > 3}
    found += [long[near] for near in difflib.get_close_matches(folded, long, n=1, cutoff=0.75)]
    return list(dict.fromkeys(key for key in found if key in vocabulary.keys))


def meant_by(name: str, keys: Collection[str]) -> str:
    """What to write on the command line for a name that a system of the user's own, with these keys, does not have."""
    vocabulary = FAMILY if "start_gain" in keys else PLANT
    if vocabulary is PLANT and "convert_to" not in keys:
        return ""
    if name in vocabulary.other:
        return f"system.{vocabulary.other[name]}" if vocabulary is PLANT and name != "parameters" else ""
    found = [vocabulary.aliases[name]] if name in vocabulary.aliases else looks_like(name, vocabulary)
    return " or ".join(f"system.{key}" for key in found if key in keys)


def _with_affix(letter: str, name: str) -> bool:
    """Whether a name is a matrix's letter with something before or behind it, such as Amat, A_d or matA."""
    affix = _AFFIX.format("|1|2" if letter in "AB" else "")
    return re.fullmatch(rf"{letter}_?(?i:{affix})|(?i:{affix})_?{letter}", name) is not None


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _fits(value: Any, key: str, values: Mapping[str, Any]) -> bool:
    """Whether a value may be that of a key, by its shape."""
    try:
        shape = _shape(value)
        n = max(_shape(values["A"]), default=1) if "A" in values else None
        m = max(1, int(np.prod(_shape(values["B"]))) // n) if n is not None and "B" in values else None
    except (TypeError, ValueError):
        return True
    if key in ("sample_time", "convert_to"):
        return not shape
    if key == "A":
        return not shape or (len(shape) == 2 and shape[0] == shape[1])
    if n is None or (m is None and key in ("R", "S", "K0")):
        return True
    if key == "B":
        return shape[:1] == (n,) or (not shape and n == 1)
    rows, columns = {"R": (m or 0, m or 0), "S": (n, m or 0), "K0": (m or 0, n)}.get(key, (n, n))
    if len(shape) == 1:
        return shape[0] == rows * columns if 1 in (rows, columns) else rows == columns == shape[0]
    return shape in ((rows, columns), (columns, rows)) if shape else rows == columns


def _shape(value: Any) -> tuple[int, ...]:
    """The shape of a value, without dimensions of one entry."""
    shape = tuple(getattr(value, "shape", None) or np.shape(value))
    return tuple(size for size in shape if size != 1)


def advice(kinds: Iterable[str]) -> str:
    """What to do about variables of these kinds."""
    kinds = set(kinds)
    if kinds & {"structure", "object", "function handle"}:
        return "save the matrices of a state-space object, not the object"
    return "save double(...) of it" if "logical array" in kinds else "save it as a matrix of numbers"
