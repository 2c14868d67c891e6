"""Settings carry their range in the type, as in `replicates: Annotated[int, Range(1, 10_000)]`; one checker reads it.

`check` refuses a value out of its range, `words` says what is expected, and `options` what can be chosen.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from lqrpg.checks import require

_NOUNS = {int: ("an integer", "integers"), float: ("a number", "numbers"), bool: ("true or false", "truth values")}
_NOUNS |= {str: ("a name", "names"), NoneType: ("null", "nulls")}


@dataclass(frozen=True)
class Range:
    """Finite numbers from `low` to `high`, or `above` and `below` numbers that are not in the range themselves.

    `says` are the words for it, where those made of the limits would be hard to read.
    """

    low: float = -math.inf
    high: float = math.inf
    above: float = -math.inf
    below: float = math.inf
    says: str = ""

    def holds(self, value: float) -> bool:
        """Whether a number is in the range."""
        return self.low <= value <= self.high and self.above < value < self.below

    def words(self, noun: str) -> str:
        """The range in words, for `a number` or the like."""
        if self.says:
            return self.says
        if -math.inf < self.above and self.below < math.inf:
            return f"{noun} between {self.above:.15g} and {self.below:.15g}"
        if -math.inf < self.low and self.high < math.inf:
            return f"{noun} from {self.low:.15g} to {self.high:.15g}"
        sign = "positive " if self.above == 0 else "non-negative " if self.low == 0 else ""
        if sign:
            noun = "a " * noun.startswith("a") + sign + noun.split()[-1]
        ends = {"above": -math.inf if sign else self.above, "of at least": -math.inf if sign else self.low}
        ends |= {"up to": self.high, "below": self.below}
        return " ".join([noun, *(f"{word} {end:.15g}" for word, end in ends.items() if abs(end) < math.inf)])


@dataclass(frozen=True)
class OneOf:
    """One of some names."""

    names: tuple[str, ...]

    def __init__(self, names: Iterable[str]) -> None:
        object.__setattr__(self, "names", tuple(names))

    def holds(self, value: str) -> bool:
        """Whether a text is one of the names."""
        return value in self.names

    def words(self, noun: str) -> str:
        """The names."""
        return "one of " + ", ".join(self.names)


@dataclass(frozen=True)
class Entries:
    """A list of at least one entry, or of `count`; `distinct` if no two may be equal."""

    distinct: bool = False
    count: int | None = None

    def holds(self, values: list[Any]) -> bool:
        """Whether a list is of that kind."""
        return (
            len(values) > 0
            and self.count in (None, len(values))
            and not (self.distinct and len(set(values)) < len(values))
        )

    def words(self, noun: str) -> str:
        """The list in words, for the plural of what an entry is."""
        return f"{'distinct ' if self.distinct else ''}{f'{self.count} ' if self.count else ''}{noun}"


Seed = Annotated[int, Range(0, 2**63 - 1, says="a non-negative integer below 2^63")]
Finite = Annotated[float, Range()]
Positive = Annotated[float, Range(above=0)]
NonNegative = Annotated[float, Range(0)]
Fraction = Annotated[float, Range(above=0, below=1)]


def check(settings: Any, prefix: str = "") -> None:
    """Raise `SettingError` for the first field of a dataclass, groups included, that is out of the range of its type.

    Parameters
    ----------
    settings : an instance of a dataclass.
    prefix : what stands before the names of its fields in messages, such as `system.`.
    """
    for name, kind in types_of(type(settings)).items():
        value = getattr(settings, name)
        if dataclasses.is_dataclass(value):
            check(value, f"{prefix}{name}.")
        else:
            require(_holds(kind, value), prefix + name, value, words(kind))


def types_of(cls: Any) -> dict[str, Any]:
    """The types of a dataclass's fields, ranges included."""
    types = get_type_hints(cls, include_extras=True)
    return {item.name: types[item.name] for item in dataclasses.fields(cls)}


def words(kind: Any, *, many: bool = False) -> str:
    """What a value of a type is, or with `many` several of them; empty for a type without words."""
    if get_origin(kind) in (Union, UnionType):
        parts = [words(each, many=many) for each in get_args(kind)]
        return ", or ".join(parts) if all(parts) else ""
    bare, markers = _parts(kind)
    if get_origin(bare) is list:
        noun = words(get_args(bare)[0], many=True)
        return markers[0].words(noun) if noun and markers else f"a list of {noun}" if noun else ""
    noun = _NOUNS.get(bare, ("", ""))[many]
    return str(markers[0].words(noun)) if markers else noun


def options(kind: Any) -> tuple[str, ...]:
    """The names among which a value of a type is chosen; none if it is no such type."""
    return next((marker.names for marker in _parts(kind)[1] if isinstance(marker, OneOf)), ())


def _holds(kind: Any, value: Any) -> bool:
    if get_origin(kind) in (Union, UnionType):
        return any(_holds(each, value) for each in get_args(kind) if (each is NoneType) == (value is None))
    bare, markers = _parts(kind)
    if get_origin(bare) is list and not all(_holds(get_args(bare)[0], each) for each in value):
        return False
    return all(marker.holds(value) for marker in markers)


def _parts(kind: Any) -> tuple[Any, tuple[Range | OneOf | Entries, ...]]:
    """A type without its markers, and these."""
    if get_origin(kind) is not Annotated:
        return kind, ()
    bare, *extras = get_args(kind)
    return bare, tuple(each for each in extras if isinstance(each, Range | OneOf | Entries))
