"""Plants in files: YAML, MATLAB's .mat (version 7 and older) and NumPy's .npz, read as plain data."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import io

from lqrpg.checks import SettingError
from lqrpg.systems.plain_yaml import load_plain

ALIASES = {"Ts": "sample_time", "dt": "sample_time", "K": "K0", "N": "S"}
"""Names of MATLAB's control functions for what has another name here."""
MAX_BYTES = 1_000_000
_BYTES_OF_A_NUMBER = 8
_SAVE = "save the matrices of a state-space object, not the object"
_OBJECTS = {"cell": "leave cells out", "function": _SAVE, "object": _SAVE, "opaque": _SAVE, "struct": _SAVE}
"""Kinds of MATLAB's variables that hold no numbers, with what to do; their shapes do not say how much they hold."""


def read_plant(path: Path) -> dict[str, Any]:
    """The content of a plant's file by name: numbers, and matrices as nested lists.

    Raises
    ------
    SettingError
        If there is no such file, or it is none of the three kinds, or it holds no table of names and numbers.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise SettingError(f"system.file={str(path)!r}: expected a file that ends in {', '.join(_READERS)}")
    if not path.is_file():
        raise SettingError(f"system.file={str(path)!r}: no such file, looked for in {Path.cwd()}")
    _require_small(path, path.stat().st_size)
    content = reader(path)
    for name in list(content):
        if name in ALIASES and ALIASES[name] in content:
            raise SettingError(f"system.file={str(path)!r}: holds both {name} and {ALIASES[name]}; leave one")
    return {ALIASES.get(name, name): value for name, value in content.items()}


def write_plant(path: Path, content: Mapping[str, Any]) -> None:
    """Write a plant's numbers and matrices as YAML that `read_plant` reads back to the same bits."""
    lines = [f"{name}: {_text(value)}\n" for name, value in content.items() if value is not None]
    path.write_text("".join(lines), encoding="utf-8")


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.ndim == 2:
        return "".join(f"\n  - {_row(row)}" for row in value)
    return _row(value) if isinstance(value, np.ndarray) else _number(value)


def _row(row: Any) -> str:
    return "[" + ", ".join(_number(entry) for entry in row) + "]"


def _number(value: float) -> str:
    text = repr(float(value))
    return text if "e" not in text or "." in text else text.replace("e", ".0e")  # YAML reads 1e-05 as a word


def _read_yaml(path: Path) -> dict[str, Any]:
    content = load_plain(path.read_bytes(), f"system.file={str(path)!r}")
    if not isinstance(content, dict):
        raise SettingError(f"system.file={str(path)!r}: expected lines such as 'A: [[0, 1], [-1, -1]]'")
    return {str(name): value for name, value in content.items()}


def _read_mat(path: Path) -> dict[str, Any]:
    try:
        held = io.whosmat(str(path))
        _require_small(path, sum(_BYTES_OF_A_NUMBER * math.prod(shape) for _, shape, _ in held))
        objects = [(name, kind) for name, _, kind in held if kind in _OBJECTS]
        content = {} if objects else io.loadmat(str(path))
    except NotImplementedError:
        raise SettingError(
            f"system.file={str(path)!r}: version 7.3 of MATLAB's format is not read; save it with '-v7'"
        ) from None
    except SettingError:
        raise
    except Exception as error:  # SciPy raises many kinds on a damaged file
        raise _unreadable(path, "MATLAB", error) from None
    for name, kind in objects:
        raise SettingError(f"system.file={str(path)!r}: {name} holds no real numbers; {_OBJECTS[kind]}")
    return _plain(path, {name: value for name, value in content.items() if not name.startswith("__")})


def _read_npz(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            _require_small(path, sum(member.file_size for member in archive.infolist()))
        with np.load(path, allow_pickle=False) as content:
            return _plain(path, {name: content[name] for name in content.files})
    except SettingError:
        raise
    except zipfile.BadZipFile:
        raise SettingError(
            f"system.file={str(path)!r}: cannot be read as NumPy: no archive that np.savez wrote"
        ) from None
    except Exception as error:  # NumPy raises as many kinds
        raise _unreadable(path, "NumPy", error) from None


def _require_small(path: Path, size: int) -> None:
    """Refuse a file by its size, or by that of its content, which compression may hide."""
    if size > MAX_BYTES:
        raise SettingError(f"system.file={str(path)!r}: larger than {MAX_BYTES // 1_000_000} MB, which no plant is")


def _plain(path: Path, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays as numbers and nested lists; what holds no real numbers is refused by name."""
    plain = {}
    for name, value in arrays.items():
        array = np.asarray(value.toarray() if hasattr(value, "toarray") else value)  # MATLAB has sparse matrices, too
        if array.dtype.kind not in "biuf":
            raise SettingError(f"system.file={str(path)!r}: {name} holds no real numbers")
        plain[name] = float(array.reshape(())) if array.size == 1 else array.astype(np.float64).tolist()
    return plain


def _unreadable(path: Path, kind: str, error: Exception) -> SettingError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return SettingError(f"system.file={str(path)!r}: cannot be read as {kind}: {reason}")


_READERS: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
    ".mat": _read_mat,
    ".npz": _read_npz,
}
