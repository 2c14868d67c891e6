"""Plants from Python: arrays, and the state-space systems of python-control and of scipy.signal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lqrpg.checks import SettingError
from lqrpg.paths import expanded
from lqrpg.systems.custom import Custom
from lqrpg.systems.plant_files import write_plant


def load_system(source: Any, **settings: Any) -> Custom:
    """A plant of your own from a file or from Python, checked as `system=custom` on the command line is.

    Parameters
    ----------
    source : the name of a .yaml, .mat or .npz file; a state-space system of python-control or scipy.signal; or the
        pair (A, B), together with `sample_time`.
    settings : `Q`, `R`, `S`, `noise`, `first_state`, `K0`, `sample_time`, `convert_to`, as in `Custom`; they stand
        against what the source says.

    Returns
    -------
    The system; its `plant()` and `initial_gain()` are what methods take.

    Raises
    ------
    SettingError
        If no method can take the plant; the message says what would be right.

    Examples
    --------
    >>> pendulum = load_system(([[0, 1], [9.81, -0.1]], [0, 1]), sample_time=0, convert_to=0.05, K0=[20, 8])
    >>> pendulum.time, pendulum.plant().n_states
    ('discrete', 2)
    >>> load_system(([[0, 1], [9.81, -0.1]], [0, 1]), sample_time=0, K0=[0, 0])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    lqrpg.checks.SettingError: system.K0: u = -K0 x does not stabilise the plant in continuous time: ...
    """
    known = [name for name in Custom.__dataclass_fields__ if name != "kind"]
    for name in settings:
        if name not in known:
            raise SettingError(f"unknown name {name!r}: a plant has {', '.join(known)}")
    if isinstance(source, str | Path):
        return Custom(**Custom.expand({"kind": "custom", "file": str(source), **settings}))
    given = {**_matrices(source), **settings}
    if given.get("sample_time") is None:
        raise SettingError("system.sample_time is missing: give the argument sample_time, 0 for continuous time")
    return Custom(**Custom.expand({"kind": "custom", **given}))


def save_plant(path: str | Path, source: Any, **settings: Any) -> Path:
    """Write a plant as a YAML file for `lqrpg run system=custom system.file=FILE`, once it has passed all checks.

    Parameters
    ----------
    path : a name that ends in .yaml.
    source, settings : as for `load_system`; `convert_to` belongs to the command line.

    Returns
    -------
    The path.

    Raises
    ------
    SettingError
        If no method can take the plant, the name does not end in .yaml, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from lqrpg import load_system, save_plant
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_plant(f"{folder}/mass.yaml", ([[1, 0.1], [0, 1]], [0.005, 0.1]), sample_time=0.1, K0=[1, 1])
    ...     load_system(path).sample_time
    0.1
    """
    path = expanded(path)
    if path.suffix.lower() not in (".yaml", ".yml"):
        raise SettingError(f"{path}: expected a name that ends in .yaml")
    if "convert_to" in settings:
        raise SettingError("convert_to is no part of a plant: give it on the command line, system.convert_to=SECONDS")
    system = load_system(source, **settings)
    names = [name for name in Custom.__dataclass_fields__ if name not in ("kind", "convert_to")]
    try:
        write_plant(path, {name: _array(getattr(system, name)) for name in names})
    except OSError as error:
        raise SettingError(f"{path}: cannot be written: {error.strerror or error}") from None
    return path


def _array(value: Any) -> Any:
    return np.array(value) if isinstance(value, list) else value


def _matrices(source: Any) -> dict[str, Any]:
    """A, B and the sample time of what was given."""
    if isinstance(source, tuple) and len(source) == 2:
        return dict(zip("AB", source, strict=True))
    if hasattr(source, "to_ss"):
        source = _realised(source)
    if not (hasattr(source, "A") and hasattr(source, "B")):
        raise SettingError(
            f"a plant cannot be made of {type(source).__name__}: give a file's name, the pair (A, B), or a state-space "
            "system of python-control (control.ss(...)) or scipy.signal"
        )
    found = {"A": source.A, "B": source.B}
    time = getattr(source, "dt", None)
    unknown = time is None and type(source).__module__.partition(".")[0] == "control"
    return found if unknown or time is True else {**found, "sample_time": 0.0 if time is None else float(time)}


def _realised(source: Any) -> Any:
    """A transfer function as a state-space system."""
    try:
        return source.to_ss()
    except Exception as error:  # each library has its own for what has no realisation, or none that it can make
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SettingError(f"a plant cannot be made of this {type(source).__name__}: {reason}") from None
