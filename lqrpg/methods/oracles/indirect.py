"""The indirect gradient oracle (Algorithm 1): identify [A B] by least squares, then differentiate.

The plant is excited with u = -K_exc x + e, e ~ N(0, dither^2 I) (eq. (19)); the gradient (17) is that of the
estimated model, with the noise covariance known.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lqrpg.compiler.jit import njit, size_of
from lqrpg.compiler.sizes import order_of
from lqrpg.kernels.discrete_small import cost_trace, factorise, lyapunov_workspace, policy_gradient
from lqrpg.kernels.normals import NormalStream, copy_stream, next_normal, normal_stream
from lqrpg.lqr.plant import Array, Plant, contiguous
from lqrpg.methods.least_squares import batch_start, check_start, rls_update
from lqrpg.methods.oracles.direct import covariance_root, require_stabilising
from lqrpg.methods.recorder import GAIN_LOST, MODEL_LOST, RUNNING, descend, observe
from lqrpg.methods.schedules import Code, schedule_value


class Excitation(NamedTuple):
    """How the plant is excited.

    Attributes
    ----------
    samples : plant samples between two updates.
    on_policy : whether with the current gain; otherwise with the initial one for ever.
    root : (n, n) root of the covariance of the process noise.
    dither : schedule of the standard deviation of each entry of the exciting input.
    """

    samples: int
    on_policy: bool
    root: Array
    dither: Code


class Identification(NamedTuple):
    """What a run knows, and where its plant is.

    Attributes
    ----------
    theta : (n, n + m) estimate of [A B].
    M : (n + m, n + m) inverse information matrix.
    x : (n,) state of the plant.
    initial_gain : (m, n) gain that excites the plant off-policy.
    source : the run's random numbers.
    """

    theta: Array
    M: Array
    x: Array
    initial_gain: Array
    source: NormalStream

    def copy(self) -> Identification:
        """A copy that shares nothing."""
        arrays = (self.theta.copy(), self.M.copy(), self.x.copy(), self.initial_gain.copy())
        return Identification(*arrays, copy_stream(self.source))


@njit
def sample(A, B, K, root, dither, x, d, following, source, n_size):
    """Excite the plant once: d = [x; -K x + e], following = x+; the caller moves x."""
    n, m = order_of(n_size), B.shape[1]
    for i in range(n):
        d[i] = x[i]
        following[i] = 0.0
    for p in range(m):
        u = dither * next_normal(source)
        for j in range(n):
            u -= K[p, j] * x[j]
        d[n + p] = u
    for j in range(n):
        z = next_normal(source)
        for i in range(j, n):
            following[i] += root[i, j] * z
    for i in range(n):
        for j in range(n):
            following[i] += A[i, j] * x[j]
        for p in range(m):
            following[i] += B[i, p] * d[n + p]


@njit
def identify_first(A, B, K, start_root, root, dither, start, x, theta, M, source, n_size):
    """Draw the first state, collect `start` samples and estimate [A B] from them; x is left at the last
    state."""
    n, p = order_of(n_size), theta.shape[1]
    regressors = np.empty((start, p))
    following = np.empty((start, n))
    x[:] = 0.0
    for j in range(n):
        z = next_normal(source)
        for i in range(j, n):
            x[i] += start_root[i, j] * z
    for t in range(start):
        sample(A, B, K, root, dither, x, regressors[t], following[t], source, n_size)
        x[:] = following[t]
    batch_start(regressors, following, theta, M)


@njit
def model_gradient(theta, Q, R, Sigma, K, Ahat, Bhat, loop, out, n_size):
    """Gradient (17) of the estimated model; false if K does not stabilise it (the gradient does not exist
    then)."""
    n = order_of(n_size)
    for i in range(n):
        for j in range(n):
            Ahat[i, j] = theta[i, j]
        for p in range(Bhat.shape[1]):
            Bhat[i, p] = theta[i, n + p]
    if not factorise(Ahat, Bhat, Q, R, K, loop, n_size):
        return False
    cost_trace(loop, n_size)
    policy_gradient(Bhat, R, Sigma, K, loop, out, n_size)
    return True


@njit
def indirect_loop(plant, K, first, step, excitation, known, recorder, loop, model, size):
    """Descend from iteration `first` to `recorder.last` along the gradient of the model (Algorithm 1).

    Changes K, `known`, `recorder`, and the buffers `loop` (of the plant) and `model`. Returns the last iteration, and
    how the loop ended.
    """
    A, B, Q, R, Sigma = plant
    n, m = B.shape
    d, following, h = np.empty(n + m), np.empty(n), np.empty(n + m)
    Ahat, Bhat, G = np.empty((n, n)), np.empty((n, m)), np.empty_like(K)
    exciting = K if excitation.on_policy else known.initial_gain
    for i in range(first, recorder.last + 1):
        if not observe(plant, K, i, recorder, loop, size):
            return i, GAIN_LOST
        if i == recorder.last:
            break
        if not model_gradient(known.theta, Q, R, Sigma, K, Ahat, Bhat, model, G, size):
            return i, MODEL_LOST
        descend(K, schedule_value(step, i + 1), G)
        dither = schedule_value(excitation.dither, i + 1)
        for _ in range(excitation.samples):
            sample(A, B, exciting, excitation.root, dither, known.x, d, following, known.source, size)
            rls_update(known.theta, known.M, d, following, h)
            known.x[:] = following
    return recorder.last, RUNNING


@njit
def _estimates(A, B, Q, R, Sigma, K, start_root, root, dither, start, records, source, loop, out, n_size):
    n, m = B.shape
    theta, M, h = np.empty((n, n + m)), np.empty((n + m, n + m)), np.empty(n + m)
    x, d, following = np.empty(n), np.empty(n + m), np.empty(n)
    Ahat, Bhat = np.empty((n, n)), np.empty((n, m))
    identify_first(A, B, K, start_root, root, dither, start, x, theta, M, source, n_size)
    done = 0
    for record in range(records.shape[0]):
        while done < records[record] - 1:
            sample(A, B, K, root, dither, x, d, following, source, n_size)
            rls_update(theta, M, d, following, h)
            x[:] = following
            done += 1
        if not model_gradient(theta, Q, R, Sigma, K, Ahat, Bhat, loop, out[record], n_size):
            out[record] = np.nan


def indirect_estimates(
    plant: Plant,
    initial_covariance: Array,
    gain: Array,
    records: NDArray[np.int64],
    seed: np.random.SeedSequence | int,
    *,
    start: int = 50,
    dither: float = 1.0,
    gradient_covariance: Array | None = None,
) -> Array:
    """Gradient estimates of one run at a fixed gain, which also excites the plant, shape (records, m, n).

    Parameters
    ----------
    plant : discrete-time plant.
    initial_covariance : (n, n) covariance of the first state.
    gain : (m, n) stabilising gain.
    records : increasing iterations i >= 1 to report; iteration i knows start + i - 1 samples.
    seed : the run's seed.
    start : samples of the first estimate, t0.
    dither : standard deviation of each entry of the dither.
    gradient_covariance : (n, n) covariance in the gradient's state covariance (5); the plant's unless given.

    Returns
    -------
    The estimates; nan where the gain does not stabilise the estimated model.
    """
    require_stabilising(plant, gain)
    check_start(start, plant.n_states + plant.n_inputs)
    if len(records) and (records[0] < 1 or np.any(np.diff(records) <= 0)):
        raise ValueError("records must be increasing iterations, from 1 on")
    A, B, Q, R, K = contiguous(*plant.matrices[:4], gain)
    (Sigma,) = contiguous(plant.Sigma if gradient_covariance is None else gradient_covariance)
    roots = covariance_root(initial_covariance), covariance_root(plant.Sigma)
    loop = lyapunov_workspace(plant.n_states, plant.n_inputs)
    out = np.empty((len(records), *K.shape))
    settings = float(dither), int(start), np.asarray(records, np.int64)
    _estimates(A, B, Q, R, Sigma, K, *roots, *settings, normal_stream(seed), loop, out, size_of(plant.n_states))
    return out


def oracle_moments(estimates: Array, gradient: Array, order: str | int = "fro") -> tuple[Array, Array, Array]:
    """Mean error norm, norm of the mean error and variance of gradient estimates.

    Parameters
    ----------
    estimates : (samples, ..., m, n) estimates.
    gradient : (m, n) the true gradient.
    order : matrix norm, "fro" or 2.

    Returns
    -------
    Three arrays of shape (...): E||g - grad||, ||E g - grad|| and E||g - E g||_F^2.
    """
    mean = estimates.mean(axis=0)
    norm = {"axis": (-2, -1), "ord": order}
    errors = np.linalg.norm(estimates - gradient, **norm).mean(axis=0)  # type: ignore[call-overload]
    bias = np.linalg.norm(mean - gradient, **norm)  # type: ignore[call-overload]
    variance = np.sum((estimates - mean) ** 2, axis=(-2, -1)).mean(axis=0)
    return np.asarray(errors), np.asarray(bias), np.asarray(variance)
