"""The indirect gradient oracle (Algorithm 1): identify [A B] by least squares, then differentiate.

The plant is excited with u = -K_exc x + e, e ~ N(0, dither^2 I) (eq. (19)); the gradient (17) is that of the
estimated model, with the noise covariance known.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lqrpg.compiler.jit import njit, njit_borrowing, size_of
from lqrpg.compiler.sizes import order_of
from lqrpg.kernels.discrete_small import Loop, cost_trace, factorise, lyapunov_workspace, policy_gradient
from lqrpg.kernels.normals import NormalStream, copy_stream, next_normal, normal_stream
from lqrpg.lqr.definite import covariance_root
from lqrpg.lqr.plant import Array, Plant, contiguous
from lqrpg.lqr.products import copy_to
from lqrpg.lqr.stability import require_stabilising
from lqrpg.methods.least_squares import batch_start, check_start, rls_update
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


class ModelWork(NamedTuple):
    """Buffers of a loop on an estimated model.

    Attributes
    ----------
    A, B : (n, n) and (n, m) estimates.
    loop, plant_loop : buffers of the loops of the model and of the plant (`lyapunov_workspace`).
    regressor, following, scratch : (n + m,) and (n,) of a sample, and (n + m,) for `rls_update`.
    """

    A: Array
    B: Array
    loop: Loop
    plant_loop: Loop
    regressor: Array
    following: Array
    scratch: Array


def model_work(n: int, m: int) -> ModelWork:
    """Buffers for n states and m inputs."""
    estimate, loops = (np.empty((n, n)), np.empty((n, m))), (lyapunov_workspace(n, m), lyapunov_workspace(n, m))
    return ModelWork(*estimate, *loops, np.empty(n + m), np.empty(n), np.empty(n + m))


def unidentified(gain: Array, source: NormalStream) -> Identification:
    """A run that knows nothing yet, for its first gain, (m, n)."""
    m, n = gain.shape
    return Identification(np.empty((n, n + m)), np.empty((n + m, n + m)), np.empty(n), gain.copy(), source)


@njit_borrowing
def sample(plant, K, root, dither, known, d, following, n_size):
    """Excite the plant once: d = [x; -K x + e], following = x+; the caller moves the state of `known`."""
    A, B, _, _, _ = plant
    n, m, x, source = order_of(n_size), B.shape[1], known.x, known.source
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
def identify_first(plant, K, start_root, root, dither, start, known, n_size):
    """Draw the first state, collect `start` samples and estimate [A B] from them; the state is left at the last."""
    n, p, x = order_of(n_size), known.theta.shape[1], known.x
    regressors = np.empty((start, p))
    following = np.empty((start, n))
    x[:] = 0.0
    for j in range(n):
        z = next_normal(known.source)
        for i in range(j, n):
            x[i] += start_root[i, j] * z
    for t in range(start):
        sample(plant, K, root, dither, known, regressors[t], following[t], n_size)
        copy_to(following[t], x)
    batch_start(regressors, following, known.theta, known.M)


@njit_borrowing
def model_gradient(plant, theta, K, model, out, n_size):
    """Gradient (17) of the estimated model; false if K does not stabilise it (the gradient does not exist then)."""
    _, _, Q, R, Sigma = plant
    Ahat, Bhat, loop = model.A, model.B, model.loop
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


@njit_borrowing
def indirect_loop(plant, K, step, excitation, known, recorder, model, size):
    """Descend to `recorder.last` along the gradient of the model (Algorithm 1).

    Changes K, `known`, `recorder` and the buffers `model`. Returns the last iteration, and how the loop ended.
    """
    d, following, h, G = model.regressor, model.following, model.scratch, model.loop.gradient
    exciting = K if excitation.on_policy else known.initial_gain
    for i in range(recorder.first, recorder.last + 1):
        if not observe(plant, K, i, recorder, model.plant_loop, size):
            return i, GAIN_LOST
        if i == recorder.last:
            break
        if not model_gradient(plant, known.theta, K, model, G, size):
            return i, MODEL_LOST
        descend(K, schedule_value(step, i + 1), G)
        dither = schedule_value(excitation.dither, i + 1)
        for _ in range(excitation.samples):
            sample(plant, exciting, excitation.root, dither, known, d, following, size)
            rls_update(known.theta, known.M, d, following, h)
            copy_to(following, known.x)
    return recorder.last, RUNNING


@njit_borrowing
def _estimates(plant, K, probing, known, records, model, out, n_size):
    """Estimates of a run whose first model is known; `probing` has the root of the noise and the dither."""
    root, dither = probing
    d, following, h = model.regressor, model.following, model.scratch
    done = 0
    for record in range(records.shape[0]):
        while done < records[record] - 1:
            sample(plant, K, root, dither, known, d, following, n_size)
            rls_update(known.theta, known.M, d, following, h)
            copy_to(following, known.x)
            done += 1
        if not model_gradient(plant, known.theta, K, model, out[record], n_size):
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
    judged = plant if gradient_covariance is None else plant._replace(Sigma=gradient_covariance)
    model, (K,) = contiguous(*judged.matrices), contiguous(gain)
    start_root, root = covariance_root(initial_covariance), covariance_root(plant.Sigma)
    known, size = unidentified(K, normal_stream(seed)), size_of(plant.n_states)
    identify_first(model, K, start_root, root, float(dither), int(start), known, size)
    out = np.empty((len(records), *K.shape))
    at = np.asarray(records, np.int64)
    _estimates(model, K, (root, float(dither)), known, at, model_work(*plant.B.shape), out, size)
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
