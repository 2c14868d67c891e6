"""Settings that depend on the plant, found where it is not the paper's: a setting of `auto` becomes a number.

One rule for all of them: horizons span the slowest mode, radii keep every perturbed gain far from instability, step
sizes are chosen by pilot runs as in `shootout`. What is found stands among the settings of the run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import asdict, fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lqrpg.checks import warn
from lqrpg.lqr.discrete import spectral_radius
from lqrpg.lqr.plant import Array, Plant
from lqrpg.lqr.stability import tries, unstable_fraction

Settings = TypeVar("Settings")

AUTO = "auto"
TIME_CONSTANTS = 20.0
"""Of the slowest mode in a horizon: what is left of its cost is e^-40."""
SHARE = 2.0**-7
"""Of the largest stable radius; see `Shootout.pair_radius` for bias and rounding at it."""
TRIED, HALVINGS = 200, 60
"""Random perturbations at each gain, fewer of a large plant, and halvings of the first radius."""
DECAYED, LONGEST = 0.05, 1000
"""What is left of the slowest mode at the end of a rollout, and the most steps of one."""
RADII = 40
"""Halvings among which the smoothing radius of one-point estimates is searched."""


_found: dict[str, dict[str, Any]] = {}
"""What this process has found, by experiment, settings and keys: pilot runs are made once."""
Finders = Mapping[str, tuple[Any, Callable[[Any], Any]]]
"""By the key of a setting that may be `auto`, with dots between groups: what stands in for it until it is found, and
how it is found from the settings so far, None where nothing needs it; in this order."""


def open_keys(finders: Finders, content: Mapping[str, Any]) -> list[str]:
    """The keys whose settings are `auto`, in the order in which they are found."""
    return [key for key in finders if _entry(content, key) == AUTO]


def _entry(content: Any, key: str) -> Any:
    for name in key.split("."):
        content = content.get(name) if isinstance(content, Mapping) else None
    return content


def with_placeholders(finders: Finders, content: Mapping[str, Any], keys: list[str]) -> dict[str, Any]:
    """The content with numbers in place of what is to be found."""
    filled = deepcopy(dict(content))
    for key in keys:
        *groups, name = key.split(".")
        part = filled
        for group in groups:
            part = part[group]
        part[name] = finders[key][0]
    return filled


def found(finders: Finders, settings: Settings, keys: list[str]) -> Settings:
    """The settings with those of the keys found one after another, checked together at the end, and announced."""
    if not keys:
        return settings
    identity = json.dumps([type(settings).__name__, asdict(settings), keys], sort_keys=True)  # type: ignore[call-overload]
    if identity not in _found:
        values: dict[str, Any] = {}
        for key in keys:
            with np.errstate(all="ignore"):  # a pilot run that overflows has diverged, and says so
                value = finders[key][1](_changed(_unchecked, settings, values))
            values |= {} if value is None else {key: value}
        _found[identity] = values
    values = _found[identity]
    if not values:
        return settings
    shown = " ".join(f"{key}={value:g}" for key, value in values.items())
    warn(f"found for this plant: {shown} (docs/plants.md#settings-that-depend-on-the-plant)")
    checked: Settings = _changed(replace, settings, values)
    return checked


def _changed(build: Callable[..., Any], settings: Any, values: Mapping[str, Any]) -> Any:
    """The settings with other values, by keys with dots between groups."""
    if not values:
        return settings
    groups: dict[str, dict[str, Any]] = {}
    changes: dict[str, Any] = {}
    for key, value in values.items():
        name, _, rest = key.partition(".")
        if rest:
            groups.setdefault(name, {})[rest] = value
        else:
            changes[name] = value
    changes |= {name: _changed(build, getattr(settings, name), part) for name, part in groups.items()}
    return build(settings, **changes)


def _unchecked(settings: Any, **changes: Any) -> Any:
    """As `dataclasses.replace`, without checks: settings of which some are still to be found need not fit together."""
    draft = object.__new__(type(settings))
    for item in fields(settings):
        object.__setattr__(draft, item.name, changes.get(item.name, getattr(settings, item.name)))
    return draft


def two_digits(value: float) -> float:
    """A number with two digits: what is found is no more exact."""
    return float(f"{value:.2g}")


def horizon(slowest: float) -> float:
    """Seconds in which the slowest mode, of the given decay rate in 1/s, has vanished."""
    return two_digits(TIME_CONSTANTS / slowest)


def safe_radius(stable: Callable[[Array], NDArray[np.bool_]], gains: tuple[Array, ...], size: float) -> float:
    """A share of the largest radius size / 2^j at which no gain K + r U, with U of norm sqrt(m n), is unstable.

    Parameters
    ----------
    stable : (count, m, n) gains to (count,) whether each stabilises the plant.
    gains : the gains K at which random perturbations are tried.
    size : largest radius.
    """
    raw = np.random.default_rng(0).standard_normal((tries(TRIED, gains[0].shape[1]), *gains[0].shape))
    directions = raw * (np.sqrt(gains[0].size) / np.linalg.norm(raw, axis=(1, 2), keepdims=True))
    grid = (size * 2.0**-power for power in range(HALVINGS))
    whole = (radius for radius in grid if all(stable(gain + radius * directions).all() for gain in gains))
    return two_digits(SHARE * next(whole, size * 2.0**-HALVINGS))


def rollout_length(plant: Plant, gains: tuple[Array, ...], whole: int = 100) -> int:
    """Steps until the slowest mode of the loops of some gains, in discrete time, decays to 0.05.

    They are rounded up to a multiple of `whole`.
    """
    slowest = max(spectral_radius(plant.closed_loop(gain)) for gain in gains)
    steps = math.log(DECAYED) / math.log(slowest) if slowest > 0.0 else 1.0
    return whole * math.ceil(steps / whole)


def point_radius(plant: Plant, gains: tuple[Array, ...]) -> float:
    """The largest size / 2^j at which no perturbed gain of a discrete plant is unstable.

    Asked at the gains, for 2000 random perturbations each, fewer of a large plant; the size is the largest norm.
    """
    size = max(float(np.linalg.norm(gain)) for gain in gains)
    grid = (size * 2.0**-power for power in range(RADII))
    whole = (radius for radius in grid if not any(unstable_fraction(plant, gain, radius) for gain in gains))
    return next(whole, size * 2.0**-RADII)
