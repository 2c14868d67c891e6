"""Quasi Monte Carlo: the mean of y over [0, 1] by the QSA ODE (19) and the sawtooth (Chen et al., Sec. 2.1).

.. math:: \\tfrac{d}{dt}\\Theta_t = a_t(y(\\xi_t) - \\Theta_t), \\; \\xi_t = t \\bmod 1, \\; a_t = g/(1+t)

Euler's recursion is affine in Theta_0, so Theta_N = alpha_N Theta_0 + beta_N: one pass gives every run
exactly. It sums y on the left points of the grid, hence converges to *their* mean, not to the integral.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lqrpg.compiler.jit import njit
from lqrpg.lqr.plant import Array, contiguous
from lqrpg.qsa.ode import Gain, steps_of
from lqrpg.qsa.probing import Sawtooth


def _mean_exponential(z: complex) -> complex:
    """The integral of e^{zx} over [0, 1], (e^z - 1)/z, without cancellation or division by 0 near z = 0."""
    return 1.0 + 0.5 * z if abs(z) < 1e-8 else complex(np.expm1(z)) / z


@dataclass(frozen=True)
class Integrand:
    """y(x) = e^{rate x} sin(frequency x) on [0, 1]."""

    rate: float = 4.0
    frequency: float = 100.0

    def __call__(self, x: Array) -> Array:
        """Values of y at x, any shape."""
        return np.asarray(np.exp(self.rate * x) * np.sin(self.frequency * x))

    @property
    def mean(self) -> float:
        """The integral over [0, 1] in closed form: Im (e^z - 1)/z, z = rate + i frequency."""
        z = complex(self.rate, self.frequency)
        return _mean_exponential(z).imag

    @property
    def second_moment(self) -> float:
        """The integral of y^2 over [0, 1]: y^2 = e^{2 rate x} (1 - cos(2 frequency x)) / 2."""
        z = 2.0 * complex(self.rate, self.frequency)
        return 0.5 * (_mean_exponential(z.real).real - _mean_exponential(z).real)

    @property
    def variance(self) -> float:
        """Variance of y at a uniform point: n draws have a mean with this variance over n."""
        return self.second_moment - self.mean**2

    def grid_mean(self, step: float, sawtooth: Sawtooth | None = None) -> float:
        """Mean of y over the points that the recursion visits in one period: the limit of Euler's method."""
        return float(self((sawtooth or Sawtooth()).period(step)).mean())


class AffineMap(NamedTuple):
    """Theta_n = alpha_n Theta_0 + beta_n at the kept steps.

    Attributes
    ----------
    times : (count,) in seconds.
    alpha : (count,) factor of the start.
    beta : (count,) what the integrand adds.
    """

    times: Array
    alpha: Array
    beta: Array

    def paths(self, starts: Array) -> Array:
        """The estimates of all runs, shape (len(starts), count)."""
        return np.asarray(np.multiply.outer(starts, self.alpha) + self.beta)

    def estimates(self, starts: Array) -> Array:
        """The last estimate of each run, shape (len(starts),)."""
        return np.asarray(np.multiply(starts, self.alpha[-1]) + self.beta[-1], dtype=np.float64)


@njit
def _affine(y, increments, keep_every):
    """alpha and beta after every `keep_every` steps; `increments` holds h a_{nh} and y one period."""
    count = 1 + increments.shape[0] // keep_every
    alphas = np.empty(count)
    betas = np.empty(count)
    alpha, beta = 1.0, 0.0
    alphas[0], betas[0] = alpha, beta
    for n in range(increments.shape[0]):
        kept = 1.0 - increments[n]
        alpha = kept * alpha
        beta = kept * beta + increments[n] * y[n % y.shape[0]]
        if (n + 1) % keep_every == 0:
            alphas[(n + 1) // keep_every] = alpha
            betas[(n + 1) // keep_every] = beta
    return alphas, betas


@njit
def _literal(y, increments, starts):
    """The last estimates, by running every recursion; all runs side by side, so that the loop vectorises."""
    theta = starts.copy()
    for n in range(increments.shape[0]):
        kept = 1.0 - increments[n]
        added = increments[n] * y[n % y.shape[0]]
        for run in range(theta.shape[0]):
            theta[run] = kept * theta[run] + added
    return theta


def _prepared(
    gain: Gain, integrand: Integrand, step: float, horizon: float, sawtooth: Sawtooth | None
) -> tuple[Array, Array]:
    gain.require_stable(step)
    n_steps = steps_of(horizon, step)
    y = integrand((sawtooth or Sawtooth()).period(step))
    increments = step * gain.at(step * np.arange(n_steps, dtype=np.float64))
    first, second = contiguous(y, increments)
    return first, second


def affine_map(
    gain: Gain,
    integrand: Integrand | None = None,
    step: float = 1e-3,
    horizon: float = 100.0,
    sawtooth: Sawtooth | None = None,
    keep_every: int | None = None,
) -> AffineMap:
    """alpha_n and beta_n of Euler's recursion for (19).

    Parameters
    ----------
    gain : a_t.
    integrand : y; the paper's by default.
    step, horizon : in seconds; the step divides the horizon and the sawtooth's period of 1 s.
    sawtooth : the left points (default), or `Sawtooth(0.5)` for the midpoint rule.
    keep_every : a value is kept each time this number of steps has passed; only at the end by default.

    Raises
    ------
    ValueError
        If the step divides neither, or makes the recursion unstable.
    """
    y, increments = _prepared(gain, integrand or Integrand(), step, horizon, sawtooth)
    every = keep_every or len(increments)
    alpha, beta = _affine(y, increments, every)
    return AffineMap(every * step * np.arange(len(alpha), dtype=np.float64), alpha, beta)


def literal_estimates(
    gain: Gain,
    starts: Array,
    integrand: Integrand | None = None,
    step: float = 1e-3,
    horizon: float = 100.0,
    sawtooth: Sawtooth | None = None,
) -> Array:
    """The last estimates by running each recursion in full, shape (len(starts),): what `affine_map` saves."""
    y, increments = _prepared(gain, integrand or Integrand(), step, horizon, sawtooth)
    (starts,) = contiguous(starts)
    estimates: Array = _literal(y, increments, starts)
    return estimates


def running_mean(
    integrand: Integrand | None = None,
    step: float = 1e-3,
    horizon: float = 100.0,
    sawtooth: Sawtooth | None = None,
    keep_every: int = 1,
) -> tuple[Array, Array]:
    """The average (17), (1/t) int_0^t y(xi_s) ds, on the same points as Euler's method.

    Returns
    -------
    times : (count,) in seconds, from `keep_every` steps on (the average does not exist at time 0).
    averages : (count,).
    """
    n_steps = steps_of(horizon, step)
    y = (integrand or Integrand())((sawtooth or Sawtooth()).period(step))
    steps = np.arange(keep_every, n_steps + 1, keep_every)
    # Whole periods first: a sum over all samples would round a thousand times as often.
    partial = np.concatenate(([0.0], np.cumsum(y)))
    sums = (steps // len(y)) * partial[-1] + partial[steps % len(y)]
    return np.asarray(steps * step, dtype=np.float64), np.asarray(sums / steps)
