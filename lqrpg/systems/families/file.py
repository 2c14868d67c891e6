"""A user's family of plants, from plain YAML, checked entry by entry."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from lqrpg.checks import SettingError, require
from lqrpg.lqr.plant import Array
from lqrpg.paths import expanded
from lqrpg.systems.families.distributions import Distribution, distribution
from lqrpg.systems.families.expression import Expression, no_name, parse
from lqrpg.systems.families.formulas import Entries
from lqrpg.systems.matrices import symmetric
from lqrpg.systems.plain_yaml import load_plain
from lqrpg.systems.plant_files import ENDINGS
from lqrpg.systems.plant_names import FAMILY, Named, recognised

OPTIONAL = ("derived", "dt", "start_gain")
REQUIRED = tuple(key for key in FAMILY.keys if key not in OPTIONAL)
TIMES = ("continuous", "discrete")
MAX_STATES, MAX_INPUTS = 6, 4  # the kernels are compiled without loops: above, that takes minutes
MAX_UNCERTAIN, MAX_NAMES = 8, 60
_MAX_BYTES = 100_000
_YAML = (".yaml", ".yml")


def read(file: str) -> Named:
    """The plain content of a family's file by a family's own keys.

    Raises
    ------
    SettingError
        With one line, if the file cannot be read or is not plain YAML with the keys of a family.
    """
    path = expanded(file, "system.file")
    if path.suffix.lower() in ENDINGS and path.suffix.lower() not in _YAML:
        raise SettingError(
            f"system.file={file!r}: expected a family of plants, whose entries are numbers and expressions, in a YAML "
            "file; a single plant in such a file is system=custom"
        )
    try:
        require(not path.exists() or path.is_file(), "system.file", file, "a file, no folder or device")
        with path.open("rb") as opened:
            raw = opened.read(_MAX_BYTES + 1)  # no more: a stranger's file may have no end
    except OSError as error:
        raise SettingError(f"system.file={file!r}: {error.strerror or error}: expected a readable YAML file") from None
    require(len(raw) <= _MAX_BYTES, f"system.file={file}: bytes", f"over {_MAX_BYTES}", f"at most {_MAX_BYTES}")
    content = load_plain(raw, file)
    _require_group(content, file)
    found = recognised(content, file, FAMILY)
    require_keys(found.values, file)
    found.announce()
    return found


def require_keys(content: object, where: str) -> None:
    """Refuse anything but a group with the keys of a family."""
    _require_group(content, where)
    assert isinstance(content, dict)
    for key in content:
        if key not in FAMILY.keys:
            raise SettingError(f"{where}: unknown key {str(key)!r}: expected {', '.join(FAMILY.keys)}")
    missing = [key for key in REQUIRED if key not in content]
    if missing:
        hint = "; a single plant is system=custom" if "parameters" in missing else ""
        verb = "is" if len(missing) == 1 else "are"
        raise SettingError(
            f"{where}: {', '.join(missing)} {verb} missing: expected the keys {', '.join(REQUIRED)}{hint}"
        )


def _require_group(content: object, where: str) -> None:
    if not isinstance(content, dict):
        raise SettingError(f"{where}: expected a family of plants, with the keys {', '.join(FAMILY.keys)}")


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
    reason = no_name(name)
    if reason:
        raise SettingError(f"{where}: {reason}")


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
    for i, row in enumerate(content):
        _require_unsplit(row, f"{where}, row {i + 1}")
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


def _require_unsplit(row: Sequence[object], where: str) -> None:
    """Refuse an expression that YAML has split at a comma inside its parentheses."""
    for j, entry in enumerate(row):
        whole = entry if isinstance(entry, str) else ""
        if whole.count("(") <= whole.count(")"):
            continue
        for part in row[j + 1 :]:
            whole = f"{whole}, {part}"
            if whole.count("(") == whole.count(")"):
                raise SettingError(
                    f"{where}, column {j + 1}: {entry!r}: the comma ends an entry of the list: quote the expression: "
                    f"'{whole}'"
                )


def input_matrix(content: object, states: int, known: Collection[str], where: str) -> Entries:
    """B row by row; a list, or one row, stands for the column of one input."""
    if isinstance(content, list) and content and not any(isinstance(row, list) for row in content):
        _require_unsplit(content, where)
        content = [[entry] for entry in content]
    elif isinstance(content, list) and len(content) == 1 and isinstance(content[0], list) and len(content[0]) == states:
        content = [[entry] for entry in content[0]] if states > 1 else content
    return matrix(content, states, None, known, where)


def definite(content: object, size: int, where: str) -> Array:
    """A symmetric positive definite matrix: row by row, or a diagonal, or a number that stands for a multiple of I."""
    if not isinstance(content, list):
        values: Any = number(content, where)
    elif not any(isinstance(row, list) for row in content):
        values = [number(entry, f"{where}, entry {i + 1}") for i, entry in enumerate(content)]
    else:
        values = _values(matrix(content, size, size, (), where))
    found = np.array(symmetric(where, values, size))
    eigenvalues = np.linalg.eigvalsh(found)
    if not eigenvalues[0] > 1e-13 * abs(eigenvalues[-1]):
        raise SettingError(
            f"{where}: smallest eigenvalue {eigenvalues[0]:.3g}: expected a positive definite matrix; "
            "a small number on the diagonal is enough"
        )
    return found


def _values(entries: Entries) -> list[list[float]]:
    return [[float(entry.value({})) for entry in row] for row in entries]


def gain(content: object, inputs: int, states: int, where: str) -> list[list[float]] | None:
    """K0 row by row (for one input also as a list or a column), or None if it is not given."""
    if content is None:
        return None
    shape = f"{inputs} row(s) of {states} numbers, u = -K x, such as [{', '.join(['0'] * states)}]"
    if not isinstance(content, list) or not content:
        raise SettingError(f"{where}: {content!r}: expected {shape}")
    rows = content if any(isinstance(row, list) for row in content) else [content]
    if inputs == 1 and len(rows) == states and all(isinstance(row, list) and len(row) == 1 for row in rows):
        rows = [[row[0] for row in rows]]
    if len(rows) != inputs or any(not isinstance(row, list) or len(row) != states for row in rows):
        raise SettingError(f"{where}: {content!r}: expected {shape}")
    found = _values(matrix(rows, inputs, states, (), where))
    if not np.isfinite(found).all():
        raise SettingError(f"{where}: expected {inputs} rows of {states} finite numbers")
    return found
