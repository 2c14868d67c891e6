"""Plants from Python: arrays, `Plant`, systems of this package, of python-control and of scipy.signal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lqrpg.checks import SettingError
from lqrpg.lqr.plant import Plant
from lqrpg.paths import expanded
from lqrpg.systems import matrices
from lqrpg.systems.custom import Custom
from lqrpg.systems.plant_files import write_plant
from lqrpg.systems.plant_names import PLANT, Named, called, recognised, require_all
from lqrpg.systems.system import System


def load_system(source: Any, **settings: Any) -> Custom:
    """A plant of your own from a file or from Python, checked as `system=custom` on the command line is.

    Parameters
    ----------
    source : the name of a .yaml, .mat or .npz file; a `Plant`; a system of this package; a state-space system of
        python-control or scipy.signal; a dictionary, or an object with attributes, by the names of a plant's file; or
        the pair (A, B), together with `sample_time`. All that it holds is taken. A `Plant`'s Sigma is `noise` in
        discrete time and `first_state` in continuous time.
    settings : `Q`, `R`, `S`, `noise`, `first_state`, `K0`, `sample_time`, `convert_to`, as in `Custom`, also under the
        other names that a plant's file may have for them, such as `Ts` and `K`; they override what the source says.
        None is not given.

    Returns
    -------
    The system; its `plant()` and `initial_gain()` are what methods take.

    Raises
    ------
    SettingError
        If no method can take the plant; the message says what would be right, and calls a value as the source does.

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
    return _loaded(source, settings, "load_system")


def save_plant(path: str | Path, source: Any, **settings: Any) -> Path:
    """Write a plant to a file for `lqrpg run system=custom system.file=FILE`, once it has passed all checks.

    All that a plant has is written, to the bit: `load_system` gives the same system.

    Parameters
    ----------
    path : a name that ends in .yaml, .yml, .mat (MATLAB) or .npz (NumPy), which says the kind of the file.
    source, settings : as for `load_system`.

    Returns
    -------
    The path.

    Raises
    ------
    SettingError
        If no method can take the plant, the name has another ending, or the file cannot be written.

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
    system = _loaded(source, settings, "save_plant")
    content = {name: getattr(system, name) for name in PLANT.keys}
    try:
        write_plant(path, {name: np.array(value) for name, value in content.items() if value is not None})
    except OSError as error:
        raise SettingError(f"{path}: cannot be written: {error.strerror or error}") from None
    return path


def _loaded(source: Any, settings: Mapping[str, Any], function: str) -> Custom:
    """The system that a source and the settings of a function describe."""
    given = _arguments(settings, function)
    if isinstance(source, str | Path):
        content = {"kind": "custom", "file": str(source), **given.values}
        return Custom(**Custom.expand(content, given.labels))
    with called(given.labels):
        held = _content(source, given.values)
    held.announce()
    if held.values.get("sample_time") is None:
        raise SettingError("system.sample_time is missing: give the argument sample_time, 0 for continuous time")
    labels = {key: label for key, label in held.labels.items() if key not in given.values}
    return Custom(**Custom.expand({"kind": "custom", **held.values}, {**labels, **given.labels}))


def _arguments(settings: Mapping[str, Any], function: str) -> Named:
    """The settings by a plant's own keys, by the rule for files; but an argument that no plant has is refused."""
    found = recognised(settings, function)
    unknown = [name for name in settings if name not in PLANT.keys and name not in PLANT.aliases]
    if unknown:
        names = f"name{'s' if len(unknown) > 1 else ''} {', '.join(map(repr, unknown))}"
        raise SettingError(f"{function}: unknown {names}: a plant has {', '.join(PLANT.keys)}")
    return found


def _content(source: Any, settings: Mapping[str, Any]) -> Named:
    """All that a source holds, by the names of a plant's file, and the settings in place of what they override."""
    if isinstance(source, Custom):
        _require_same_time("the system", source.sample_time, settings)
        return _unnamed({**{name: getattr(source, name) for name in PLANT.keys}, **settings})
    if isinstance(source, Plant):
        return _of_plant(source, settings)
    if isinstance(source, System):
        first = {"K0": source.initial_gain(), "first_state": source.initial_covariance()}
        return _of_plant(source.plant(), {**first, **settings})
    if isinstance(source, tuple) and len(source) == 2:
        return _unnamed({**dict(zip("AB", source, strict=True)), **settings})
    if hasattr(source, "to_ss"):
        source = _realised(source)
    library = _library(source)
    if library and hasattr(source, "A") and hasattr(source, "B"):
        return _of_library(source, library, settings)
    return _named(source, settings)


def _unnamed(values: dict[str, Any]) -> Named:
    return Named(values, {}, (), "")


def _of_plant(plant: Plant, settings: Mapping[str, Any]) -> Named:
    """What a `Plant` holds: its Sigma drives discrete time as noise, and continuous time as the first state."""
    A, B, Q, R, Sigma, S, sample_time = plant
    if sample_time is not None:
        _require_same_time("the Plant", sample_time, settings)
    given = {"A": A, "B": B, "Q": Q, "R": R, "S": S, "sample_time": sample_time, **settings}
    drives = "first_state" if given["sample_time"] == 0 else "noise"
    return _unnamed({drives: Sigma, **given})


def _named(source: Any, settings: Mapping[str, Any]) -> Named:
    """A dictionary or another object with attributes, with the settings in place of what they override."""
    where = type(source).__name__
    held = _entries(source) if isinstance(source, Mapping) else _attributes(source)
    if not (isinstance(source, Mapping) or {"A", "B"} & set(held)):
        raise SettingError(
            f"a plant cannot be made of {where}: give a file's name, the pair (A, B), a Plant, a dictionary, or a "
            "state-space system of python-control (control.ss(...)) or scipy.signal"
        )
    found = recognised(held, where)
    values = {**found.values, **settings}
    if not {"A", "B"} <= set(values):
        require_all(values, found, where)
    return replace(found, values=values)


def _entries(source: Mapping[Any, Any]) -> dict[str, Any]:
    """A dictionary's entries; what `scipy.io.loadmat` adds to a file's is left out, as from the file itself."""
    return {str(name): value for name, value in source.items() if not str(name).startswith("__")}


def _attributes(source: Any) -> dict[str, Any]:
    """An object's own attributes, whether it has a dictionary of them or fields."""
    fields = getattr(source, "_fields", None) or getattr(type(source), "__slots__", None) or ()
    held = vars(source) if hasattr(source, "__dict__") else {name: getattr(source, name) for name in fields}
    return {name: value for name, value in held.items() if not name.startswith("_")}


def _library(source: Any) -> str:
    """The library of which an object's class, or one that it is derived from, is; empty for any other."""
    modules = [base.__module__.partition(".")[0] for base in type(source).__mro__]
    return next((name for name in ("control", "scipy") if name in modules), "")


def _of_library(source: Any, library: str, settings: Mapping[str, Any]) -> Named:
    """A state-space system of a library, with the settings in place of what they override."""
    values = {"A": source.A, "B": source.B, **settings}
    what, discrete = f"the {type(source).__name__}", _is_discrete(source, library)
    if discrete is None:
        return _unnamed(values)
    says_seconds = not isinstance(source.dt, bool | np.bool_ | None) and source.dt > 0
    if discrete and not says_seconds:
        what = f"{what} with dt={source.dt!r}"
        if "sample_time" not in settings:
            raise SettingError(
                f"system.sample_time is missing: {what} is in discrete time and does not say the seconds between "
                "samples: give the argument sample_time (1 where time has no unit)"
            )
    seconds = (float(source.dt) if says_seconds else 1.0) if discrete else 0.0
    _require_same_time(what, seconds, settings)
    return _unnamed({"sample_time": seconds, **values})


def _is_discrete(source: Any, library: str) -> bool | None:
    """Whether a library's system is in discrete time; None if it does not say: python-control's dt=None."""
    if library == "control":
        return None if source.dt is None else bool(source.dt)
    from scipy.signal import dlti

    return isinstance(source, dlti)


def _require_same_time(what: str, seconds: float, settings: Mapping[str, Any]) -> None:
    """Refuse a sample time that would take a plant of one time for one of the other, and say how it is converted."""
    given = settings.get("sample_time")
    if given is None:
        return
    asked = matrices.seconds("system.sample_time", given)
    if (asked == 0.0) == (seconds == 0.0):
        return
    is_in, other = ("continuous", "discrete") if seconds == 0.0 else ("discrete", "continuous")
    raise SettingError(
        f"system.sample_time={asked:g}: {what} is in {is_in} time; to convert it, convert_to={asked:g}; if A and B are "
        f"in {other} time, give them as the pair (A, B)"
    )


def _realised(source: Any) -> Any:
    """A transfer function as a state-space system."""
    try:
        return source.to_ss()
    except Exception as error:  # each library has its own for what has no realisation, or none that it can make
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SettingError(f"a plant cannot be made of this {type(source).__name__}: {reason}") from None
