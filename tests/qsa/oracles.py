"""The recursions of P3 step by step in plain Python, for any right-hand side: oracles for the compiled loops."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lqrpg.lqr.plant import Array
from lqrpg.qsa.bellman import BellmanData
from lqrpg.qsa.ode import Gain, require_positive
from lqrpg.qsa.probing import Probing

Field = Callable[[Array, Array], Array]
"""f(Theta, xi) of eq. (5): shapes (d,) and (p,) to (d,)."""


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


def descent_path(data: BellmanData, gain: Gain, keep_every: int = 1000) -> Array:
    """Steepest descent (32), dTheta = -a_t zeta (b + zeta'Theta) dt, by Euler's method from zero.

    Raises
    ------
    ValueError
        If the step makes the recursion unstable: step a_t |zeta_t|^2 must stay below 2 along the trajectory.
    """
    gains = gain.at(data.step * np.arange(len(data.b), dtype=np.float64))
    stiffness = float(np.max(gains * np.sum(data.zeta**2, axis=1))) / gain.largest
    gain.require_stable(data.step, stiffness)
    theta, path = np.zeros(data.zeta.shape[1]), []
    for k in range(len(data.b) // keep_every * keep_every):
        theta = theta - data.step * gains[k] * (data.b[k] + data.zeta[k] @ theta) * data.zeta[k]
        if (k + 1) % keep_every == 0:
            path.append(theta)
    return np.array(path)
