"""Numbers and matrices as users have them, made plain: one rule for files, the command line and Python.

Nested lists, arrays of any library, sparse matrices, data frames, matrices of a computer algebra system and complex
numbers without an imaginary part are taken; what holds no real numbers is refused in one line. An empty matrix is
MATLAB's way to leave something out. One number, also as a 1x1 matrix, stands for a multiple of the identity; a vector,
whichever way it lies, for the row or the column that is expected, or for a diagonal.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lqrpg.checks import SettingError, shortened, warn
from lqrpg.lqr.plant import Array

LARGEST = 1e100
"""Size of an entry above which products overflow; no units are so far from those of others."""
ASYMMETRY = 1e-6
"""Difference of mirrored entries, relative to the geometric mean of their diagonal ones, that is taken for rounding."""
_SILENT_ASYMMETRY = 1e-13
_EXPECTED = "expected numbers, in rows of equal length"


def is_given(value: Any) -> bool:
    """Whether a value is neither None nor empty."""
    if isinstance(value, list | tuple):
        return any(part is None or is_given(part) for part in value)
    shape = getattr(value, "shape", ())
    return value is not None and not (isinstance(shape, tuple) and 0 in shape)


def numbers(key: str, value: Any) -> Array:
    """A value as an array of finite numbers, of at most two dimensions; one number has none.

    Raises
    ------
    SettingError
        If it holds anything else; the message shows the value.
    """
    try:
        array = np.array(_floats(value), dtype=np.float64)
    except _NoNumberError as found:
        raise SettingError(f"{key}={_shown(value)}: {_EXPECTED}; {found} is no real number") from None
    except (TypeError, ValueError):
        raise SettingError(f"{key}={_shown(value)}: {_EXPECTED}") from None
    if not (np.all(np.isfinite(array)) and array.ndim <= 2):
        raise SettingError(f"{key}={_shown(value)}: expected a matrix of finite numbers")
    if np.any(np.abs(array) > LARGEST):
        raise SettingError(f"{key}={_shown(value)}: expected numbers of at most {LARGEST:g} in size; take other units")
    return array.reshape(()) if array.size == 1 else array


def matrix(key: str, value: Any, rows: int, columns: int) -> list[list[float]]:
    """A value as a matrix of this shape, row by row.

    Raises
    ------
    SettingError
        If the value has another shape, or holds anything but finite numbers.
    """
    array = numbers(key, value)
    if array.ndim == 0 and (rows == columns or array == 0):
        array = float(array) * np.eye(rows, columns)
    if is_vector(array) and 1 in (rows, columns) and array.size == rows * columns:
        array = array.reshape(rows, columns)
    if is_vector(array) and rows == columns == array.size:
        array = np.diag(array.ravel())
    if array.shape != (rows, columns):
        found = "x".join(str(size) for size in array.shape) or "one number"
        raise SettingError(f"{key}: expected a {rows}x{columns} matrix, not {found}")
    found_rows: list[list[float]] = array.tolist()
    return found_rows


def seconds(key: str, value: Any) -> float | None:
    """A value as a time in seconds, or 0 for continuous time; None if it is not given."""
    if not is_given(value):
        return None
    array = numbers(key, value)
    expected = "expected 0 for continuous time, or the seconds between samples"
    if array.ndim == 0 and array == -1:
        raise SettingError(f"{key}=-1: {expected}; -1 is MATLAB's word for a sample time that is not specified")
    if array.ndim or array < 0:
        raise SettingError(f"{key}={_shown(value)}: {expected}")
    return float(array)


def is_vector(array: Array) -> bool:
    """Whether an array is a list, a row or a column."""
    return array.ndim == 1 or (array.ndim == 2 and 1 in array.shape)


def symmetric(key: str, value: Any, size: int) -> list[list[float]]:
    """A value as a symmetric matrix: what rounding has made unequal is averaged, with a note where it can be seen.

    Raises
    ------
    SettingError
        If mirrored entries differ by more, or as for `matrix`.
    """
    array = np.array(matrix(key, value, size, size))
    difference = np.abs(array - array.T)
    diagonal = np.sqrt(np.abs(np.diag(array)))
    scale = np.maximum(np.outer(diagonal, diagonal), np.maximum(np.abs(array), np.abs(array.T)))
    relative = np.divide(difference, scale, out=np.zeros_like(array), where=difference > 0)
    i, j = sorted(map(int, np.unravel_index(int(np.argmax(relative)), relative.shape)))
    entries = f"entry ({i + 1}, {j + 1}) is {array[i, j]:.10g} and entry ({j + 1}, {i + 1}) is {array[j, i]:.10g}"
    mean = 0.5 * array + 0.5 * array.T
    if relative[i, j] > ASYMMETRY:
        raise SettingError(
            f"{key}: expected a symmetric matrix: {entries}; write one number in both places, such as their mean "
            f"{mean[i, j]:.10g}"
        )
    if relative[i, j] > _SILENT_ASYMMETRY:
        warn(f"{key}: {entries}, a relative difference of {relative[i, j]:.1g}: their mean is taken")
    found: list[list[float]] = np.where(difference > 0, mean, array).tolist()
    return found


class _NoNumberError(Exception):
    """An entry that is no real number; the message shows it."""


def _floats(value: Any) -> Any:
    """Nested lists of floats, or one."""
    value = _opened(value)
    return [_floats(part) for part in value] if isinstance(value, list | tuple) else _float(value)


def _opened(value: Any) -> Any:
    """What holds entries as nested lists; an entry as it is."""
    if np.ma.is_masked(value):
        raise _NoNumberError("a masked entry")
    for method in ("toarray", "to_numpy"):  # SciPy's sparse matrices, pandas' tables
        if hasattr(value, method) and not isinstance(value, type):
            value = getattr(value, method)()
    if hasattr(value, "__array__") and not isinstance(value, np.ndarray | np.generic):
        value = np.asarray(value)
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind not in "biufcO":
            raise _NoNumberError(shortened(repr(value.ravel()[0] if value.size else value.dtype.name), 60))
        return value.tolist()
    if hasattr(value, "tolist"):  # a matrix of SymPy's
        return value.tolist()
    return value


def _float(entry: Any) -> float:
    if isinstance(entry, complex | np.complexfloating):
        if entry.imag == 0:
            return float(entry.real)
    elif hasattr(entry, "__float__") and not isinstance(entry, bool):
        try:
            return float(entry)
        except OverflowError:
            return np.inf
        except (TypeError, ValueError):
            pass
    raise _NoNumberError(shortened(" ".join(repr(entry).split()), 60))


def _shown(value: Any) -> str:
    return shortened(" ".join(repr(value).split()), 60)
