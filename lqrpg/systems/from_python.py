"""Plants from Python: arrays, `Plant`, systems of this package, of python-control and of scipy.signal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lqrpg.checks import SettingError
from lqrpg.lqr.plant import Plant
from lqrpg.paths import expanded
from lqrpg.systems.custom import Custom
from lqrpg.systems.plant_files import write_plant
from lqrpg.systems.plant_names import PLANT, recognised


def load_system(source: Any, **settings: Any) -> Custom:
    """A plant of your own from a file or from Python, checked as `system=custom` on the command line is.

    Parameters
    ----------
    source : the name of a .yaml, .mat or .npz file; a `Plant`; a system of this package; a state-space system of
        python-control or scipy.signal; a dictionary, or an object with attributes, by the names of a plant's file; or
        the pair (A, B), together with `sample_time`. All that it holds is taken. A `Plant`'s Sigma is `noise` in
        discrete time and `first_state` in continuous time.
    settings : `Q`, `R`, `S`, `noise`, `first_state`, `K0`, `sample_time`, `convert_to`, as in `Custom`; they override
        what the source says.

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
    _require_known(settings)
    if isinstance(source, str | Path):
        return Custom(**Custom.expand({"kind": "custom", "file": str(source), **settings}))
    given = _content(source, settings)
    if given.get("sample_time") is None:
        raise SettingError("system.sample_time is missing: give the argument sample_time, 0 for continuous time")
    return Custom(**Custom.expand({"kind": "custom", **given}))


def save_plant(path: str | Path, source: Any, **settings: Any) -> Path:
    """Write a plant as a YAML file for `lqrpg run system=custom system.file=FILE`, once it has passed all checks.

    Parameters
    ----------
    path : a name that ends in .yaml.
    source, settings : as for `load_system`.

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
    system = load_system(source, **settings)
    try:
        write_plant(path, {name: _array(getattr(system, name)) for name in PLANT.keys})
    except OSError as error:
        raise SettingError(f"{path}: cannot be written: {error.strerror or error}") from None
    return path


def _array(value: Any) -> Any:
    return np.array(value) if isinstance(value, list) else value


def _require_known(settings: Mapping[str, Any]) -> None:
    for name in settings:
        if name not in PLANT.keys:
            raise SettingError(f"unknown name {name!r}: a plant has {', '.join(PLANT.keys)}")


def _content(source: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """All that a source holds, by the names of a plant's file, and the settings in place of what they override."""
    if isinstance(source, Custom):
        return {**{name: getattr(source, name) for name in PLANT.keys}, **settings}
    if isinstance(source, Plant):
        return _of_plant(source, settings)
    if hasattr(source, "plant") and hasattr(source, "initial_gain"):
        covariance = getattr(source, "initial_covariance", None)
        first = {"first_state": covariance()} if covariance is not None else {}
        return _of_plant(source.plant(), {"K0": source.initial_gain(), **first, **settings})
    if isinstance(source, tuple) and len(source) == 2:
        return {**dict(zip("AB", source, strict=True)), **settings}
    return {**_named(source), **settings}


def _of_plant(plant: Plant, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a `Plant` holds: its Sigma drives discrete time as noise, and continuous time as the first state."""
    A, B, Q, R, Sigma, S, sample_time = plant
    given = {"A": A, "B": B, "Q": Q, "R": R, "S": S, "sample_time": sample_time, **settings}
    drives = "first_state" if given["sample_time"] == 0 else "noise"
    return {drives: Sigma, **given}


def _named(source: Any) -> dict[str, Any]:
    """What a dictionary, a state-space system or another object with attributes holds."""
    if hasattr(source, "to_ss"):
        source = _realised(source)
    library = type(source).__module__.partition(".")[0]
    if library in ("control", "scipy") and hasattr(source, "A"):
        return {"A": source.A, "B": source.B, **_sample_time(source, library)}
    held = dict(source) if isinstance(source, Mapping) else _attributes(source)
    if not {"A", "B"} <= set(held):
        raise SettingError(
            f"a plant cannot be made of {type(source).__name__}: give a file's name, the pair (A, B), a Plant, or a "
            "state-space system of python-control (control.ss(...)) or scipy.signal"
        )
    found = recognised(held, type(source).__name__)
    found.announce()
    return found.values


def _attributes(source: Any) -> dict[str, Any]:
    """An object's own attributes, whether it has a dictionary of them or fields."""
    fields = getattr(source, "_fields", None) or getattr(type(source), "__slots__", None) or ()
    held = vars(source) if hasattr(source, "__dict__") else {name: getattr(source, name) for name in fields}
    return {name: value for name, value in held.items() if not name.startswith("_")}


def _sample_time(source: Any, library: str) -> dict[str, float]:
    """Sample time of a library's system: python-control's None and True leave it open, SciPy's None is continuous."""
    time = source.dt
    if time is True or (time is None and library == "control"):
        return {}
    return {"sample_time": 0.0 if time is None else float(time)}


def _realised(source: Any) -> Any:
    """A transfer function as a state-space system."""
    try:
        return source.to_ss()
    except Exception as error:  # each library has its own for what has no realisation, or none that it can make
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SettingError(f"a plant cannot be made of this {type(source).__name__}: {reason}") from None
