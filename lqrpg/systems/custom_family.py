"""A user's own family of plants with uncertain parameters, from a file: `system=custom_family system.file=FILE`.

The file's content stands among the settings of a run in place of its path. So a run is known by what it computed,
and its `config.yaml` holds all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Any, NoReturn

import numpy as np

from lqrpg.checks import SettingError, warn
from lqrpg.lqr.pbh import first_unstabilisable
from lqrpg.lqr.plant import Array
from lqrpg.ranges import Range, check
from lqrpg.systems.families import file as family_file
from lqrpg.systems.families.expression import Expression
from lqrpg.systems.families.family import Family
from lqrpg.systems.families.formulas import Formulas
from lqrpg.systems.system import UncertainSystem

_HERE = "system"
_LARGEST = 1e100


@dataclass(frozen=True)
class CustomFamily(UncertainSystem):
    """Settings of a family; the example and `conf/system/custom_family.yaml` say what each key is.

    Attributes
    ----------
    kind : `custom_family`.
    parameters : a number or a distribution for each name.
    derived : further names, each an expression.
    time : of A and B: `continuous` or `discrete`.
    dt : s between samples of a plant in continuous time; null in discrete time.
    A, B : n rows of n, and of m, numbers or expressions.
    Q, R, Sigma : a matrix, or a number times the identity: weights, and noise covariance of the sampled plant.
    start_gain : K0 as m rows of n numbers; null for one by discount annealing.
    tolerance : relative error that means over the family may have.
    """

    kind: str
    parameters: dict[str, Any]
    derived: dict[str, Any]
    time: str
    dt: float | None
    A: list[Any]
    B: list[Any]
    Q: Any
    R: Any
    Sigma: Any
    start_gain: list[Any] | None
    tolerance: Annotated[float, Range(1e-12, 1e-2)]

    @classmethod
    def expand(cls, content: Mapping[str, Any]) -> dict[str, Any]:
        """The settings with the file's content in place of its path, checked entry by entry."""
        given = dict(content)
        path = given.pop("file", None)
        overrides = {key: given.pop(key, None) for key in ("start_gain", "tolerance")}
        kind = given.pop("kind")
        if path is None and not given:
            raise SettingError("system.file is missing: write system.file=FAMILY.yaml, a family of plants")
        where, labels = str(path) if path is not None else _HERE, {}
        if path is None:
            family_file.require_keys(given, where)
            body = given
        else:
            found = family_file.read(where)
            body, labels = found.values, found.labels
        body = {"derived": {}, "dt": None, "start_gain": None, **body}
        body |= {key: value for key, value in overrides.items() if value is not None}
        body["derived"] = body["derived"] or {}
        settings = {"kind": kind, "tolerance": 1e-8, **body}
        parts = _Parts.of(settings, where, labels)
        _require_domain(parts, where)
        _note_unused([*body["parameters"], *body["derived"]], parts.formulas, where)
        return settings

    def __post_init__(self) -> None:
        check(self, "system.")
        self.family()

    @cached_property
    def _parts(self) -> _Parts:
        return _Parts.of({name: getattr(self, name) for name in self.__dataclass_fields__}, _HERE)

    def family(self) -> Family:
        """All plants at once."""
        return self._parts.family

    def initial_gain(self) -> Array:
        """K0, shape (m, n).

        Raises
        ------
        ValueError
            If the settings have none.
        """
        if self._parts.gain is None:
            raise ValueError("the family has no first gain: find one by discount annealing")
        return np.array(self._parts.gain)

    def plant(self) -> NoReturn:
        """Refuse: a family is no single plant."""
        raise SettingError(f"system.kind={self.kind!r}: expected one plant, not a family; use experiment=dr_lqr")


@dataclass(frozen=True)
class _Parts:
    """What the settings describe: the family, the expressions of its matrices, and K0 if it is given."""

    family: Family
    formulas: Formulas
    gain: list[list[float]] | None

    @classmethod
    def of(cls, content: Mapping[str, Any], where: str, labels: Mapping[str, str] = MappingProxyType({})) -> _Parts:
        fixed, uncertain = family_file.parameters(content["parameters"], where)
        names = {*fixed, *uncertain}
        derived = family_file.derived(content["derived"], names, where)
        names |= {name for name, _ in derived}
        state = family_file.matrix(content["A"], None, None, names, f"{where}: A")
        n = len(state)
        _require_size(where, "A", n, len(state[0]), n, family_file.MAX_STATES)
        inputs = family_file.input_matrix(content["B"], n, names, f"{where}: B")
        m = len(inputs[0])
        _require_size(where, "B", n, m, m, family_file.MAX_INPUTS)
        Q, R, Sigma = (
            family_file.definite(content[key], size, f"{where}: {key}")
            for key, size in (("Q", n), ("R", m), ("Sigma", n))
        )
        given = tuple(uncertain), fixed, derived, state, inputs
        formulas = Formulas(*given, _period(content, where))
        family = Family(tuple(uncertain), tuple(uncertain.values()), formulas, Q, R, Sigma)
        gain = labels.get("start_gain", f"{where}: start_gain")
        return cls(family, formulas, family_file.gain(content["start_gain"], m, n, gain))


def _require_size(where: str, key: str, rows: int, columns: int, wanted: int, most: int) -> None:
    if columns != wanted:
        raise SettingError(f"{where}: {key}: {rows} rows of {columns} entries: expected a square matrix")
    if columns > most:
        raise SettingError(f"{where}: {key}: {columns} columns: expected at most {most}")


def _period(content: Mapping[str, Any], where: str) -> float | None:
    time, dt = content["time"], content["dt"]
    if time not in family_file.TIMES:
        raise SettingError(f"{where}: time: {time!r}: expected one of {', '.join(family_file.TIMES)}")
    if time == "discrete":
        if dt is not None:
            raise SettingError(f"{where}: dt: {dt!r}: expected none, as A and B are in discrete time")
        return None
    if dt is None:
        raise SettingError(f"{where}: dt is missing: expected the time between samples, in s, as time is continuous")
    period = family_file.number(dt, f"{where}: dt")
    if not 0.0 < period < 1e6:
        raise SettingError(f"{where}: dt: {dt!r}: expected a positive number of seconds")
    return period


def _note_unused(names: Iterable[str], formulas: Formulas, where: str) -> None:
    """Say which names stand for nothing."""
    used = frozenset().union(*(expression.names for _, expression in _places(formulas)))
    unused = [name for name in names if name not in used]
    if unused:
        warn(f"{where}: no expression reads {', '.join(unused)}")


def _require_domain(parts: _Parts, where: str) -> None:
    """Refuse a family in which an entry has no value, or a plant that no gain stabilises."""
    family, formulas = parts.family, parts.formulas
    grid = family.grid()
    found = formulas.values([np.ascontiguousarray(column) for column in grid.T])
    for place, expression in _places(formulas):
        value = np.broadcast_to(expression.value(found), (len(grid),))
        broken = ~(np.abs(value) < _LARGEST)
        if broken.any():
            what = f"{expression.text!r} is {float(value[np.argmax(broken)])} for {_first(family, grid, broken)}"
            raise SettingError(f"{where}: {place}: {what}: expected a finite number, for all values")
    A, B = family.systems(grid)
    broken = ~(np.isfinite(A).all(axis=(1, 2)) & np.isfinite(B).all(axis=(1, 2)))
    if broken.any():
        raise SettingError(
            f"{where}: dt: the sampled plant overflows for {_first(family, grid, broken)}: expected less"
        )
    lost = first_unstabilisable(A, B)
    if lost is not None:
        raise SettingError(
            f"{where}: no gain stabilises the plant with {family.describe(grid[lost][None])}: "
            "expected inputs that reach every mode that does not decay"
        )


def _places(formulas: Formulas) -> Iterator[tuple[str, Expression]]:
    """All expressions, each with where it stands."""
    for name, expression in formulas.derived:
        yield f"derived.{name}", expression
    for key, entries in (("A", formulas.state), ("B", formulas.input)):
        for i, row in enumerate(entries):
            for j, entry in enumerate(row):
                yield f"{key}, row {i + 1}, column {j + 1}", entry


def _first(family: Family, grid: Array, marked: Any) -> str:
    return family.describe(grid[np.argmax(marked)][None])


SYSTEM = CustomFamily
