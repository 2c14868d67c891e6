"""Settings that depend on the plant, found where it is not the paper's: a setting of `auto` becomes a number.

One rule for all of them: horizons span the slowest mode, radii keep every perturbed gain far from instability, step
sizes are chosen by pilot runs as in `shootout`. What is found stands among the settings of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lqrpg.checks import warn
from lqrpg.lqr.plant import Array

AUTO = "auto"
OTHERS = "others"
"""Key, in a YAML file's `plants`, of the settings for plants that are not named there."""
TIME_CONSTANTS = 20.0
"""Of the slowest mode in a horizon: what is left of its cost is e^-40."""
SHARE = 2.0**-7
"""Of the largest stable radius; see `Shootout.pair_radius` for bias and rounding at it."""
TRIED, HALVINGS = 200, 60
"""Random perturbations at each gain, and halvings of the first radius."""


def placeholders(experiment: type[Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """Values that stand in for the settings of `auto` until the experiment finds them: by the keys that it has."""
    known: Mapping[str, Any] = getattr(experiment, "AUTOMATIC", {})
    return {key: value for key, value in known.items() if content.get(key) == AUTO}


def announce(found: Mapping[str, Any], kind: str) -> None:
    """Say which settings were found."""
    values = " ".join(f"{key}={value:g}" for key, value in found.items())
    warn(f"{values}: found for this plant, system.kind={kind!r} (docs/plants.md); your own values override them")


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
    raw = np.random.default_rng(0).standard_normal((TRIED, *gains[0].shape))
    directions = raw * (np.sqrt(gains[0].size) / np.linalg.norm(raw, axis=(1, 2), keepdims=True))
    grid = (size * 2.0**-power for power in range(HALVINGS))
    whole = (radius for radius in grid if all(stable(gain + radius * directions).all() for gain in gains))
    return two_digits(SHARE * next(whole, size * 2.0**-HALVINGS))
