"""A user's family of plants, from plain YAML, checked entry by entry."""

from __future__ import annotations

import keyword
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lqrpg.checks import SettingError, require
from lqrpg.lqr.plant import Array
from lqrpg.systems.distributions import Distribution, distribution
from lqrpg.systems.expression import Expression, is_name, parse
from lqrpg.systems.parameter_family import Entries
from lqrpg.systems.plain_yaml import load_plain

REQUIRED = ("parameters", "time", "A", "B", "Q", "R", "Sigma")
OPTIONAL = ("derived", "dt", "start_gain")
TIMES = ("continuous", "discrete")
MAX_STATES, MAX_INPUTS = 6, 4  # the kernels are compiled without loops: above, that takes minutes
MAX_UNCERTAIN, MAX_NAMES = 8, 60
_MAX_BYTES = 100_000


def read(path: str) -> dict[str, Any]:
    """The plain content of a family's file.

    Raises
    ------
    SettingError
        With one line, if the file cannot be read or is not plain YAML with the keys of a family.
    """
    try:
        require(not Path(path).exists() or Path(path).is_file(), "system.file", path, "a file, no folder or device")
        with Path(path).open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)  # no more: a stranger's file may have no end
    except OSError as error:
        raise SettingError(f"system.file={path!r}: {error.strerror or error}: expected a readable YAML file") from None
    require(len(raw) <= _MAX_BYTES, f"system.file={path}: bytes", f"over {_MAX_BYTES}", f"at most {_MAX_BYTES}")
    content = load_plain(raw, path)
    require_keys(content, path)
    return dict(content)


def require_keys(content: object, where: str) -> None:
    """Refuse anything but a group with the keys of a family."""
    keys = ", ".join((*REQUIRED, *OPTIONAL))
    if not isinstance(content, dict):
        raise SettingError(f"{where}: expected a family of plants, with the keys {keys}")
    for key in content:
        if key not in (*REQUIRED, *OPTIONAL):
            raise SettingError(f"{where}: unknown key {str(key)!r}: expected {keys}")
    missing = [key for key in REQUIRED if key not in content]
    if missing:
        raise SettingError(f"{where}: {missing[0]} is missing: expected the keys {', '.join(REQUIRED)}")


def parameters(content: object, where: str) -> tuple[dict[str, float], dict[str, Distribution]]:
    """Fixed parameters, and the uncertain ones in alphabetical order."""
    if not isinstance(content, dict) or not 1 <= len(content) <= MAX_NAMES:
        raise SettingError(
            f"{where}: parameters: expected a group of 1 to {MAX_NAMES} names, each a number or a distribution"
        )
    fixed: dict[str, float] = {}
    uncertain: dict[str, Distribution] = {}
    for name, value in content.items():
        here = f"{where}: parameters.{name}"
        _require_name(name, here)
        if isinstance(value, dict):
            uncertain[name] = distribution(_numbers(value, here), here)
        else:
            fixed[name] = number(value, here)
    if not 1 <= len(uncertain) <= MAX_UNCERTAIN:
        raise SettingError(
            f"{where}: parameters: {len(uncertain)} of them have a distribution: expected 1 to {MAX_UNCERTAIN}, "
            "such as {distribution: uniform, low: 1.0, high: 2.0}"
        )
    return fixed, dict(sorted(uncertain.items()))


def _numbers(group: Mapping[Any, Any], where: str) -> dict[str, Any]:
    """A distribution's keys, their numbers worked out."""
    return {
        str(key): value if key == "distribution" else number(value, f"{where}.{key}") for key, value in group.items()
    }


def _require_name(name: object, where: str) -> None:
    if keyword.iskeyword(str(name)):
        raise SettingError(f"{where}: {name} is a word of Python's, which expressions cannot read: take {name}_")
    if not is_name(name):
        raise SettingError(
            f"{where}: {str(name)[:60]!r}: expected a name of letters, digits and _, not that of a function"
        )


def number(value: object, where: str) -> float:
    """A number, or an expression of numbers alone."""
    found = float(parse(value, (), where).value({}))
    if not np.isfinite(found):
        raise SettingError(f"{where}: {value!r}: expected a finite number")
    return found


def derived(content: object, known: Collection[str], where: str) -> tuple[tuple[str, Expression], ...]:
    """Further names, each an expression in the parameters and in the names before it."""
    if content is None:
        return ()
    if not isinstance(content, dict) or len(content) > MAX_NAMES:
        raise SettingError(f"{where}: derived: expected a group of at most {MAX_NAMES} names, each an expression")
    names, found = set(known), []
    for name, text in content.items():
        here = f"{where}: derived.{name}"
        _require_name(name, here)
        if name in names:
            raise SettingError(f"{here}: the name is a parameter's already: expected another one")
        found.append((str(name), parse(text, names, here)))
        names.add(str(name))
    return tuple(found)


def matrix(content: object, rows: int | None, columns: int | None, known: Collection[str], where: str) -> Entries:
    """A matrix of numbers and expressions, given row by row; None for a number of rows or columns that is free."""
    shape = f"{rows or 'n'} rows of {columns or 'as many'} numbers or expressions, such as [[0, 1], [-k/m, 0]]"
    if not isinstance(content, list) or not content or not all(isinstance(row, list) and row for row in content):
        raise SettingError(f"{where}: expected {shape}")
    if rows not in (None, len(content)):
        raise SettingError(f"{where}: {len(content)} row{'s' * (len(content) > 1)}: expected {shape}")
    width = columns or len(content[0])
    for i, row in enumerate(content):
        if len(row) != width:
            raise SettingError(f"{where}, row {i + 1}: {len(row)} entries: expected {width}")
    return tuple(
        tuple(parse(entry, known, f"{where}, row {i + 1}, column {j + 1}") for j, entry in enumerate(row))
        for i, row in enumerate(content)
    )


def definite(content: object, size: int, where: str) -> Array:
    """A symmetric positive definite matrix: row by row, or a number that stands for that times the identity."""
    if not isinstance(content, list):
        found = number(content, where) * np.eye(size)
    else:
        rows = matrix(content, size, size, (), where)
        found = np.array([[float(entry.value({})) for entry in row] for row in rows])
    if not np.isfinite(found).all() or np.abs(found - found.T).max() > 1e-12 * np.abs(found).max():
        raise SettingError(f"{where}: expected a symmetric matrix of finite numbers, or a number times the identity")
    eigenvalues = np.linalg.eigvalsh(found)
    if not eigenvalues[0] > 1e-13 * abs(eigenvalues[-1]):
        raise SettingError(
            f"{where}: smallest eigenvalue {eigenvalues[0]:.3g}: expected a positive definite matrix; "
            "a small number on the diagonal is enough"
        )
    return found


def gain(content: object, inputs: int, states: int, where: str) -> list[list[float]] | None:
    """K0 row by row (or in one row, for one input), or None if it is not given."""
    if content is None:
        return None
    shape = f"{inputs} row(s) of {states} numbers, u = -K x, such as [{', '.join(['0'] * states)}]"
    if not isinstance(content, list) or not content:
        raise SettingError(f"{where}: {content!r}: expected {shape}")
    rows = content if any(isinstance(row, list) for row in content) else [content]
    if len(rows) != inputs or any(not isinstance(row, list) or len(row) != states for row in rows):
        raise SettingError(f"{where}: {content!r}: expected {shape}")
    entries = matrix(rows, inputs, states, (), where)
    found = [[float(entry.value({})) for entry in row] for row in entries]
    if not np.isfinite(found).all():
        raise SettingError(f"{where}: expected {inputs} rows of {states} finite numbers")
    return found
