"""Quasi-stochastic approximation (QSA): an ODE driven by a deterministic probing signal (Chen et al.).

.. math:: \\tfrac{d}{dt}\\Theta_t = a_t f(\\Theta_t, \\xi_t), \\qquad a_t = g / (1 + t)^\\rho \\quad (5), (6)

This module holds what all experiments share: the gain a_t, steps and averaging.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lqrpg.lqr.plant import Array


def require_positive(name: str, value: float) -> None:
    """Refuse a value that is not a finite number greater than zero."""
    if not 0.0 < value < math.inf:
        raise ValueError(f"{name} must be finite and greater than 0, got {value}")


def steps_of(horizon: float, step: float) -> int:
    """Number of Euler steps in a horizon; both in seconds.

    Raises
    ------
    ValueError
        If either is not positive or the step does not divide the horizon.
    """
    require_positive("horizon", horizon)
    require_positive("step", step)
    count = round(horizon / step)
    if count < 1 or abs(count * step - horizon) > 1e-9 * horizon:
        raise ValueError(f"step must divide the horizon {horizon}, got {step}")
    return count


@dataclass(frozen=True)
class Gain:
    """The vanishing gain a_t = g / (1 + t)^rho (Chen et al., eq. (6)), never above `cap`.

    Attributes
    ----------
    g : scale, in (0, inf).
    rho : exponent, in (0, 1].
    cap : upper bound on a_t, in (0, inf]: keeps the first steps of a large g stable.

    Raises
    ------
    ValueError
        If a value is outside its range.
    """

    g: float = 1.0
    rho: float = 1.0
    cap: float = math.inf

    def __post_init__(self) -> None:
        require_positive("gain g", self.g)
        if not 0.0 < self.rho <= 1.0:
            raise ValueError(f"rho must be in (0, 1], got {self.rho}")
        if not self.cap > 0.0:
            raise ValueError(f"the gain's cap must be greater than 0, got {self.cap}")

    @property
    def largest(self) -> float:
        """The largest value, a_0."""
        return min(self.g, self.cap)

    def at(self, times: Array) -> Array:
        """a_t at `times` (any shape), in seconds."""
        return np.minimum(self.cap, self.g * (1.0 + np.asarray(times, dtype=np.float64)) ** -self.rho)

    def require_stable(self, step: float, stiffness: float = 1.0) -> None:
        """Refuse a step with which Euler's method amplifies dTheta/dt = -a_t stiffness Theta.

        Raises
        ------
        ValueError
            If `step` is not positive or step a_0 stiffness is 2 or more.
        """
        require_positive("step", step)
        if not step * self.largest * stiffness < 2.0:
            bound = 2.0 / (self.largest * stiffness)
            raise ValueError(
                f"Euler's recursion is unstable with step {step} and gain {self.largest}: "
                f"the correct fix is a step below {bound:.3g}"
            )


def ruppert_polyak(path: Array, fraction: float = 1.0) -> Array:
    """Average of the last part of an evenly sampled path: Ruppert-Polyak averaging, eq. (23).

    Parameters
    ----------
    path : (count, d) estimates.
    fraction : the part that is averaged, in (0, 1]; 0.2 averages the last 20 %.

    Returns
    -------
    (d,) the average.
    """
    if not 0.0 < fraction <= 1.0:
        raise ValueError(f"the averaged fraction must be in (0, 1], got {fraction}")
    count = max(1, round(fraction * len(path)))
    return np.asarray(path[len(path) - count :].mean(axis=0))
