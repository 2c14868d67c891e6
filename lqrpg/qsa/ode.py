"""Quasi-stochastic approximation (QSA): an ODE driven by a deterministic probing signal (Chen et al.).

.. math:: \\tfrac{d}{dt}\\Theta_t = a_t f(\\Theta_t, \\xi_t), \\qquad a_t = g / (1 + t)^\\rho \\quad (5), (6)

This module holds what all experiments share, for any right-hand side: the gain, Euler's method, averaging,
and the matrix gain (34). The loops here are plain Python; the experiments have compiled twins, tested against
these.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lqrpg.lqr.plant import Array
from lqrpg.qsa.probing import Probing

Field = Callable[[Array, Array], Array]
"""f(Theta, xi) of eq. (5): shapes (d,) and (p,) to (d,)."""


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


def euler(
    field: Field, start: Array, gain: Gain, probing: Probing, step: float, n_steps: int, keep_every: int = 1
) -> tuple[Array, Array]:
    """Integrate the QSA ODE (5) by Euler's method.

    .. math:: \\Theta_{n+1} = \\Theta_n + h\\, a_{nh}\\, f(\\Theta_n, \\xi_{nh})

    Parameters
    ----------
    field : right-hand side f(Theta, xi).
    start : (d,) Theta_0.
    gain : the vanishing gain a_t.
    probing : the signal xi, asked for at whole numbers of steps.
    step : h, in seconds.
    n_steps : number of steps.
    keep_every : a value is kept each time this number of steps has passed, and at the start.

    Returns
    -------
    times : (1 + n_steps // keep_every,) in seconds.
    path : (1 + n_steps // keep_every, d) the kept values of Theta.
    """
    require_positive("step", step)
    theta = np.array(start, dtype=np.float64)
    kept = [theta.copy()]
    for first in range(0, n_steps, keep_every):
        indices = np.arange(first, min(first + keep_every, n_steps))
        for a, xi in zip(gain.at(step * indices.astype(np.float64)), probing.at_steps(indices, step), strict=True):
            theta = theta + step * a * field(theta, xi)
        if len(indices) == keep_every:
            kept.append(theta.copy())
    return keep_every * step * np.arange(len(kept), dtype=np.float64), np.array(kept)


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


def running_average(path: Array) -> Array:
    """The Ruppert-Polyak average after each sample of an evenly sampled path, shape (count, d)."""
    return np.asarray(np.cumsum(path, axis=0) / np.arange(1, len(path) + 1)[:, None])


def matrix_gain_step(
    theta: Array, moment: Array, zeta: Array, residual: float, gain: float, step: float
) -> tuple[Array, Array]:
    """One Euler step of the matrix-gain recursion (34): first (34b), then (34a) with the new matrix.

    .. math:: d\\hat R = a_t(\\zeta\\zeta' - \\hat R)\\,dt, \\qquad
              d\\Theta = -a_t \\hat R^{-1}\\zeta\\,(b + \\zeta'\\Theta)\\,dt

    In this order the recursion with a_t = 1/(1 + t) *is* recursive least squares, to rounding; in the other
    order the first step divides by the small initial matrix and explodes.

    Parameters
    ----------
    theta : (d,) estimate.
    moment : (d, d) Rhat.
    zeta : (d,) regression vector.
    residual : b + zeta'theta, the Bellman error.
    gain : a_t.
    step : h, in seconds.

    Returns
    -------
    theta, moment : their next values.
    """
    moment = moment + step * gain * (np.outer(zeta, zeta) - moment)
    return theta - step * gain * residual * np.linalg.solve(moment, zeta), moment
