"""Policy evaluation by QSA: the matrix gain (34) (Chen et al., Section 2.3).

With a_t = 1/(1 + t) and Rhat_0 = delta I the matrix gain is ridge least squares,

.. math:: \\Big(\\delta I + \\int_0^t \\zeta\\zeta'\\Big)\\Theta_t = \\delta\\Theta_0 - \\int_0^t \\zeta b,

so moments are accumulated and a system of order d is solved only where a value is reported. Euler's method
keeps the identity to rounding, with (1 - h) delta in place of delta; the recursion itself is here as well.
"""

from __future__ import annotations

import numpy as np

from lqrpg.compiler.jit import njit
from lqrpg.lqr.plant import Array, contiguous
from lqrpg.lqr.products import copy_to
from lqrpg.qsa.bellman import BellmanData
from lqrpg.qsa.ode import Gain, require_positive


def _moments(data: BellmanData, keep_every: int) -> tuple[Array, Array]:
    """int zeta zeta' and int zeta b after every `keep_every` samples, shapes (count, d, d) and (count, d)."""
    d, count = data.zeta.shape[1], len(data.b) // keep_every
    if count < 1:
        raise ValueError(f"a trajectory of {len(data.b)} samples has none after {keep_every} to report")
    zeta = data.zeta[: count * keep_every].reshape(count, keep_every, d)
    b = data.b[: count * keep_every].reshape(count, keep_every, 1)
    squares = np.matmul(zeta.transpose(0, 2, 1), zeta)
    products = np.matmul(zeta.transpose(0, 2, 1), b)[..., 0]
    return data.step * np.cumsum(squares, axis=0), data.step * np.cumsum(products, axis=0)


def ridge_path(data: BellmanData, delta: float, start: Array | None = None, keep_every: int = 1000) -> Array:
    """The estimates of the matrix gain (34) with a_t = 1/(1 + t), Rhat_0 = delta I, by ridge least squares.

    Parameters
    ----------
    data : zeta and b along a trajectory.
    delta : scale of Rhat_0, greater than zero.
    start : (d,) Theta_0; zero by default.
    keep_every : number of samples between reported values.

    Returns
    -------
    (count, d) the estimates after keep_every, 2 keep_every, ... samples.

    Raises
    ------
    ValueError
        If delta is not in (0, inf) or the trajectory is shorter than `keep_every`.
    """
    require_positive("delta", delta)
    squares, products = _moments(data, keep_every)
    d = squares.shape[-1]
    theta_0 = np.zeros(d) if start is None else np.asarray(start, dtype=np.float64)
    ridge = (1.0 - data.step) * delta
    solution = np.linalg.solve(ridge * np.eye(d) + squares, (ridge * theta_0 - products)[..., None])
    return np.asarray(solution[..., 0])


def scaled_path(data: BellmanData, delta: float, start: Array | None = None, keep_every: int = 1000) -> Array:
    """As `ridge_path`, with the moments' diagonal times delta for Rhat_0: units do not matter.

    By orthogonal factorisation of the scaled regressors, which has twice the digits of moments.
    """
    require_positive("delta", delta)
    d, count = data.zeta.shape[1], len(data.b) // keep_every
    if count < 1:
        raise ValueError(f"a trajectory of {len(data.b)} samples has none after {keep_every} to report")
    theta_0 = np.zeros(d) if start is None else np.asarray(start, dtype=np.float64)
    rows, root = np.column_stack([data.zeta, data.b]), np.sqrt(delta)
    size = np.linalg.norm(rows[: count * keep_every], axis=0)
    size[size == 0.0] = 1.0
    path, factor = np.empty((count, d)), np.empty((0, d + 1))
    for k in range(count):
        following = rows[k * keep_every : (k + 1) * keep_every] / size
        factor = np.asarray(np.linalg.qr(np.vstack([factor, following]), mode="r"))
        norms = np.linalg.norm(factor[:, :d], axis=0)
        norms[norms == 0.0] = 1.0
        system = np.vstack([factor[:, :d] / norms, root * np.eye(d)])
        prior = root * norms * theta_0 * size[:d] / size[d]
        scaled = np.linalg.lstsq(system, np.concatenate([-factor[:, d], prior]), rcond=None)[0]
        path[k] = scaled / norms * size[d] / size[:d]
    return path


@njit
def _matrix_gain_path(zeta, b, gains, step, theta, moment, keep_every):
    """Euler's method for (34), the matrix first."""
    d = theta.shape[0]
    path = np.empty((zeta.shape[0] // keep_every, d))
    for k in range(path.shape[0] * keep_every):
        h, residual = step * gains[k], b[k]
        for i in range(d):
            residual += zeta[k, i] * theta[i]
            for j in range(d):
                moment[i, j] += h * (zeta[k, i] * zeta[k, j] - moment[i, j])
        direction = np.linalg.solve(moment, zeta[k])
        for i in range(d):
            theta[i] -= h * residual * direction[i]
        if (k + 1) % keep_every == 0:
            copy_to(theta, path[(k + 1) // keep_every - 1])
    return path


def matrix_gain_path(
    data: BellmanData, gain: Gain, delta: float, start: Array | None = None, keep_every: int = 1000
) -> Array:
    """The estimates of the matrix gain (34) by the literal recursion, for any gain; shaped like `ridge_path`.

    Raises
    ------
    ValueError
        If delta is not in (0, inf) or the step makes the recursion of the matrix unstable.
    """
    require_positive("delta", delta)
    gain.require_stable(data.step)
    zeta, b, gains = contiguous(data.zeta, data.b, gain.at(data.step * np.arange(len(data.b), dtype=np.float64)))
    theta = np.zeros(zeta.shape[1]) if start is None else np.array(start, dtype=np.float64)
    path: Array = _matrix_gain_path(zeta, b, gains, data.step, theta, delta * np.eye(len(theta)), keep_every)
    return path


def relative_errors(path: Array, truth: Array) -> Array:
    """||Theta - theta*|| / ||theta*|| along a path of shape (..., d), shape (...)."""
    return np.asarray(np.linalg.norm(path - truth, axis=-1) / np.linalg.norm(truth))
