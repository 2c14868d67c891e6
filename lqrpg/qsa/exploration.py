"""Trajectories of a linear plant under an exploring policy u = -K0 x + xi (Chen et al., eqs. (28) and (35)).

The three kinds of exploration that the policy-evaluation experiment compares, and Euler's method for the
plant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lqrpg.compiler.jit import njit
from lqrpg.lqr.continuous import is_stabilising, spectral_abscissa
from lqrpg.lqr.plant import Array, Plant, contiguous
from lqrpg.qsa.ode import require_positive
from lqrpg.qsa.probing import random_sinusoids

METHODS = ("qsa", "sa_equal_variance", "sa_equal_density")
"""Sinusoids; white noise with their variance at every step; white noise with their density in the band."""


class Trajectory(NamedTuple):
    """What a learner observes on an even grid of times.

    Attributes
    ----------
    step : distance of the samples, in seconds.
    states : (count, n) x.
    inputs : (count, m) u.
    derivatives : (count, n) dx/dt.
    costs : (count,) c(x, u) = x'Qx + u'Ru.
    """

    step: float
    states: Array
    inputs: Array
    derivatives: Array
    costs: Array


@dataclass(frozen=True)
class Exploration:
    """The exploring signal xi.

    Attributes
    ----------
    n_sinusoids : unit sinusoids an input; their variance is half their number.
    highest_frequency : frequencies are uniform on [0, highest_frequency], in rad/s.
    """

    n_sinusoids: int = 24
    highest_frequency: float = 50.0

    @property
    def variance(self) -> float:
        """Variance of the mixture, and of a step of `sa_equal_variance`."""
        return 0.5 * self.n_sinusoids

    def noise_variance(self, method: str, step: float) -> float:
        """Variance of one Euler step of white noise.

        Noise held over steps of length h has the one-sided density variance h / pi at low frequencies, per
        rad/s; the sinusoids have variance / highest_frequency in their band.
        """
        if method == "sa_equal_variance":
            return self.variance
        return self.variance * math.pi / (self.highest_frequency * step)

    def sample(self, method: str, rng: np.random.Generator, n_steps: int, step: float, n_inputs: int = 1) -> Array:
        """The signal at every step, shape (n_steps, n_inputs).

        Raises
        ------
        ValueError
            If the method is none of `METHODS`.
        """
        if method not in METHODS:
            raise ValueError(f"unknown exploration {method!r}: choose one of {', '.join(METHODS)}")
        if method == "qsa":
            mixture = random_sinusoids(rng, self.n_sinusoids, self.highest_frequency, n_inputs)
            return mixture.at_steps(np.arange(n_steps), step)
        return rng.normal(0.0, math.sqrt(self.noise_variance(method, step)), (n_steps, n_inputs))


@njit
def _euler_states(A, B, gain, signal, start, step):
    """States, inputs and derivatives of dx/dt = A x + B (xi - K0 x) by Euler's method."""
    count, m = signal.shape
    n = A.shape[0]
    states = np.empty((count, n))
    inputs = np.empty((count, m))
    derivatives = np.empty((count, n))
    x = start.copy()
    for k in range(count):
        for p in range(m):
            u = signal[k, p]
            for j in range(n):
                u -= gain[p, j] * x[j]
            inputs[k, p] = u
        for i in range(n):
            slope = 0.0
            for j in range(n):
                slope += A[i, j] * x[j]
            for p in range(m):
                slope += B[i, p] * inputs[k, p]
            derivatives[k, i] = slope
        for i in range(n):
            states[k, i] = x[i]
            x[i] += step * derivatives[k, i]
    return states, inputs, derivatives


def require_stabilising(plant: Plant, gain: Array, role: str) -> Array:
    """The gain as a contiguous (m, n) array.

    Raises
    ------
    ValueError
        If its shape is wrong or A - B K is not Hurwitz; `role` names it in the message.
    """
    matrix = np.ascontiguousarray(gain, dtype=np.float64)
    if matrix.shape != (plant.n_inputs, plant.n_states):
        expected = (plant.n_inputs, plant.n_states)
        raise ValueError(f"the {role} policy's gain must have shape {expected}, got {matrix.shape}")
    if not is_stabilising(plant, matrix):
        abscissa = spectral_abscissa(plant.closed_loop(matrix)) if np.all(np.isfinite(matrix)) else math.nan
        raise ValueError(
            f"the {role} policy u = -K x with K = {matrix.tolist()} does not stabilise the plant: "
            f"A - B K has an eigenvalue with real part {abscissa:.3g}"
        )
    return matrix


def explore(plant: Plant, gain: Array, signal: Array, step: float, start: Array | None = None) -> Trajectory:
    """Trajectory under u = -K0 x + xi by Euler's method, eq. (35).

    Parameters
    ----------
    plant : continuous-time plant.
    gain : (m, n) the stabilising gain K0.
    signal : (count, m) xi at every step.
    step : in seconds.
    start : (n,) initial state; zero by default.

    Raises
    ------
    ValueError
        If K0 does not stabilise the plant, the signal's shape is wrong, or Euler's method with this step
        amplifies its closed loop.
    """
    gain = require_stabilising(plant, gain, "exploring")
    require_positive("step", step)
    if np.ndim(signal) != 2 or np.shape(signal)[1] != plant.n_inputs:
        raise ValueError(f"the signal must have shape (count, {plant.n_inputs}), got {np.shape(signal)}")
    growth = float(np.max(np.abs(np.linalg.eigvals(np.eye(plant.n_states) + step * plant.closed_loop(gain)))))
    if not growth < 1.0:
        raise ValueError(
            f"Euler's recursion of the plant is unstable with step {step} (spectral radius {growth:.4g}): "
            "the correct fix is a smaller step"
        )
    A, B, Q, R, signal = contiguous(*plant.matrices[:4], signal)
    x0 = np.zeros(plant.n_states) if start is None else np.array(start, dtype=np.float64)
    x, u, slopes = _euler_states(A, B, gain, signal, x0, float(step))
    costs = np.einsum("ki,ij,kj->k", x, Q, x) + np.einsum("ki,ij,kj->k", u, R, u)
    return Trajectory(step, x, u, slopes, costs)
