"""Plants in files: YAML, MATLAB's .mat (version 7 and older) and NumPy's .npz, read as plain data."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from scipy import io

from lqrpg.checks import SettingError
from lqrpg.paths import expanded
from lqrpg.systems.matrices import numbers
from lqrpg.systems.plain_yaml import load_plain
from lqrpg.systems.plant_names import Named, Unread, recognised

MAX_BYTES = 1_000_000
"""Of a text, which takes a while to read."""
MAX_BINARY_BYTES = 60_000_000
"""Of MATLAB's and NumPy's files: half a dozen matrices of a thousand rows."""
_BYTES_OF_A_NUMBER = 8
_NUMERIC = ("double", "single", "sparse", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
_KINDS = {
    "char": "text",
    "cell": "cell array",
    "struct": "structure",
    "function": "function handle",
    "logical": "logical array",
}
"""Kinds of MATLAB's variables that hold no numbers, in words; whatever else there is, is an object."""


def read_plant(path: Path) -> dict[str, Any]:
    """The content of a plant's file by a plant's own keys: numbers, and matrices as nested lists.

    Raises
    ------
    SettingError
        As `named_plant` does, or if a value is no matrix of numbers.
    """
    found = named_plant(str(path))
    where = _where(path)
    return {
        key: numbers(found.labels.get(key, f"{where}: {key}"), value).tolist() for key, value in found.values.items()
    }


def named_plant(file: str) -> Named:
    """What a plant's file holds, by a plant's own keys.

    Parameters
    ----------
    file : its name, as the user wrote it.

    Raises
    ------
    SettingError
        If there is no such file, or it is none of the three kinds, or names in it have to be asked about.
    """
    path = expanded(file, "system.file")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise SettingError(f"system.file={file!r}: expected a file that ends in {', '.join(ENDINGS)}")
    if not path.is_file():
        raise SettingError(f"system.file={file!r}: no such file{_elsewhere(path)}")
    _require_small(path, path.stat().st_size)
    return recognised(reader(path), _where(file))


def _where(file: str | Path) -> str:
    return f"system.file={str(file)!r}"


def _elsewhere(path: Path) -> str:
    """Where a relative path was looked for; for one from a YAML file, whether the file lies in the folder above."""
    if not path.is_absolute():
        return f", looked for in {Path.cwd()}"
    above = path.parent.parent / path.name
    return f"; there is {above}: a path in a YAML file is relative to it: ../{path.name}" if above.is_file() else ""


def write_plant(path: Path, content: Mapping[str, Any]) -> None:
    """Write numbers and matrices by a plant's own keys; `read_plant` reads them back to the same bits.

    Raises
    ------
    SettingError
        If the name does not end as those of plants' files do.
    OSError
        If the file cannot be written.
    """
    as_bytes = _WRITERS.get(path.suffix.lower())
    if as_bytes is None:
        raise SettingError(f"{path}: expected a name that ends in {', '.join(_WRITERS)}")
    path.write_bytes(as_bytes(content))


def _yaml(content: Mapping[str, Any]) -> bytes:
    return "".join(f"{name}: {_text(value)}\n" for name, value in content.items()).encode()


def _mat(content: Mapping[str, Any]) -> bytes:
    whole = BytesIO()
    io.savemat(whole, dict(content))  # type: ignore[arg-type]  # SciPy's stubs know names only
    return whole.getvalue()


def _npz(content: Mapping[str, Any]) -> bytes:
    whole = BytesIO()
    np.savez(whole, **content)
    return whole.getvalue()


def _text(value: Any) -> str:
    array = np.asarray(value)
    return "".join(f"\n  - {_row(row)}" for row in array) if array.ndim == 2 else _row(array)


def _row(row: Any) -> str:
    return "[" + ", ".join(_number(entry) for entry in row) + "]" if np.ndim(row) else _number(row)


def _number(value: float) -> str:
    text = repr(float(value))
    return text if "e" not in text or "." in text else text.replace("e", ".0e")  # YAML reads 1e-05 as a word


def _read_yaml(path: Path) -> dict[str, Any]:
    content = load_plain(path.read_bytes(), _where(path))
    if not isinstance(content, dict):
        raise SettingError(f"{_where(path)}: expected lines such as 'A: [[0, 1], [-1, -1]]'")
    return content


def _read_mat(path: Path) -> dict[str, Any]:
    try:
        held = io.whosmat(str(path))
        numeric = [(name, shape) for name, shape, kind in held if kind in _NUMERIC]
        _require_small(path, sum(_BYTES_OF_A_NUMBER * math.prod(shape) for _, shape in numeric))
        content = io.loadmat(str(path), variable_names=[name for name, _ in numeric])
    except NotImplementedError:
        raise SettingError(f"{_where(path)}: version 7.3 of MATLAB's format is not read; save it with '-v7'") from None
    except SettingError:
        raise
    except Exception as error:  # SciPy raises many kinds on a damaged file
        raise _unreadable(path, "MATLAB", error) from None
    others = {name: Unread(_KINDS.get(kind, "object")) for name, _, kind in held if kind not in _NUMERIC}
    return {name: value for name, value in {**others, **content}.items() if not name.startswith("__")}


def _read_npz(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            _require_small(path, sum(member.file_size for member in archive.infolist()))
        with np.load(path, allow_pickle=False) as content:
            return {name: _numpy_array(content, name) for name in content.files}
    except SettingError:
        raise
    except zipfile.BadZipFile:
        raise SettingError(f"{_where(path)}: cannot be read as NumPy: no archive that np.savez wrote") from None
    except Exception as error:  # NumPy raises as many kinds
        raise _unreadable(path, "NumPy", error) from None


def _numpy_array(content: Any, name: str) -> Any:
    """One array of an archive; objects are not unpickled."""
    try:
        array = content[name]
    except ValueError as error:
        if "allow_pickle" in str(error):
            return Unread("object")
        raise
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufc":
        return Unread("text" if getattr(array, "dtype", np.dtype("V1")).kind in "US" else "object")
    return Unread("logical array") if array.dtype.kind == "b" else array


def _require_small(path: Path, size: int) -> None:
    """Refuse a file by its size, or by that of its content, which compression may hide."""
    binary = path.suffix.lower() in (".mat", ".npz")
    most = MAX_BINARY_BYTES if binary else MAX_BYTES
    if size > most:
        hint = "which no plant is" if binary else "save so large a plant as .npz or .mat"
        raise SettingError(f"{_where(path)}: larger than {most // 1_000_000} MB, {hint}")


def _unreadable(path: Path, kind: str, error: Exception) -> SettingError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return SettingError(f"{_where(path)}: cannot be read as {kind}: {reason}")


_READERS: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
    ".mat": _read_mat,
    ".npz": _read_npz,
}
ENDINGS = tuple(_READERS)
"""Of the names of files that `read_plant` takes."""
_WRITERS: Mapping[str, Callable[[Mapping[str, Any]], bytes]] = {
    ".yaml": _yaml,
    ".yml": _yaml,
    ".mat": _mat,
    ".npz": _npz,
}
