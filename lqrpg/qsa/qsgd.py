"""Gradient-free optimisation: quasi-stochastic gradient descent (qSGD) and SPSA, beyond the figures of Chen et al.

The formulas (15) and (56) of Chen et al. are not in the text at hand: the form below is [inferred].

One measurement a step, projected on a box because this form can diverge (its right-hand side grows like a
cube):

.. math:: \\tfrac{d}{dt}\\Theta = -\\tfrac{a_t}{\\varepsilon}\\,\\xi_t\\,\\Gamma(\\Theta + \\varepsilon\\xi_t)

xi is a mixture of sinusoids for qSGD and random signs, new at each step, for SPSA: both of unit covariance.
Predicted [chosen]: the error is ~ t^-rho for qSGD and ~ t^(-rho/2) for SPSA.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lqrpg.compiler.jit import njit_borrowing
from lqrpg.lqr.plant import Array
from lqrpg.qsa.ode import Gain, require_positive, steps_of
from lqrpg.qsa.probing import Probing
from lqrpg.qsa.rates import bin_edges

CHUNK = 65536  # steps whose random signs are drawn at once: bounds the memory


@dataclass(frozen=True)
class OneMeasurement:
    """One-measurement descent on Gamma = offset + sum_i curvature_i x_i^2 / 2, whose minimiser is 0.

    Attributes
    ----------
    curvatures : of the loss, all positive; their number is the dimension.
    offset : the least loss: what a one-measurement method cannot tell from a slope.
    epsilon : size of the perturbation.
    frequencies : of the sinusoids of qSGD, in rad/s, one a dimension.
    box : estimates are projected on [-box, box]^d.
    start : every component of Theta_0.
    step : of Euler's method, in seconds.
    """

    curvatures: tuple[float, ...] = (1.0, 2.0)
    offset: float = 1.0
    epsilon: float = 0.5
    frequencies: tuple[float, ...] = (3.0, 3.0 * math.sqrt(3.0))
    box: float = 3.0
    start: float = 1.0
    step: float = 0.02

    def __post_init__(self) -> None:
        for name in ("epsilon", "box", "step"):
            require_positive(name, getattr(self, name))
        for curvature in self.curvatures:
            require_positive("curvature", curvature)
        if len(self.frequencies) != len(self.curvatures):
            raise ValueError("qSGD needs as many frequencies as the loss has curvatures")


def predicted_slope(method: str, gain: Gain) -> float:
    """Exponent of the error that the theory predicts: -rho for `qsgd`, -rho/2 for `spsa`."""
    return -gain.rho if method == "qsgd" else -0.5 * gain.rho


def stochastic_error(settings: OneMeasurement, gain: Gain, times: Array) -> Array:
    """Root mean square error of SPSA up to a constant, to leading order while the gain still falls.

    .. math:: E_t^2 = \\sum_i \\frac{a_t}{2\\kappa_i - (\\rho/g)(1 + t)^{\\rho - 1}}

    The linear model with white noise of equal size in every direction, kappa_i the curvatures. It tends to
    t^(-rho/2), but slowly for rho near 1; meaningful where every denominator is positive.
    """
    lag = gain.rho / gain.g * (1.0 + times) ** (gain.rho - 1.0)
    shares = [gain.at(times) / (2.0 * curvature - lag) for curvature in settings.curvatures]
    return np.asarray(np.sqrt(np.sum(shares, axis=0)))


class DescentRecord(NamedTuple):
    """Errors ||Theta - theta*|| of many runs.

    Attributes
    ----------
    bin_times : (n_bins,) geometric middles of the bins, in seconds.
    rms : (runs, n_bins) root mean square error in a bin.
    times : (n_kept,) evenly spaced, in seconds.
    errors : (runs, n_kept) at these times.
    last_projection : (runs,) time at which the box was last active, in seconds; zero if it never was.
    """

    bin_times: Array
    rms: Array
    times: Array
    errors: Array
    last_projection: Array


@njit_borrowing
def _advance(theta, signal, first, steps, gains, loss, scale, out):
    """Run all runs over one chunk of steps; `signal` (steps, runs, d) is xi, `out` the records."""
    curvatures, offset = loss
    epsilon, box, step, keep_every = scale
    squares, errors, last_projection, bins = out
    runs, d = theta.shape
    for k in range(steps):
        n = first + k
        for run in range(runs):
            measured = offset
            for i in range(d):
                x = theta[run, i] + epsilon * signal[k, run, i]
                measured += 0.5 * curvatures[i] * x * x
            factor = step * gains[k] / epsilon * measured
            norm = 0.0
            for i in range(d):
                x = theta[run, i] - factor * signal[k, run, i]
                if abs(x) > box:
                    x = min(max(x, -box), box)
                    last_projection[run] = (n + 1) * step
                theta[run, i] = x
                norm += x * x
            if bins[k] >= 0:
                squares[run, bins[k]] += norm
            if (n + 1) % keep_every == 0:
                errors[run, (n + 1) // keep_every - 1] = np.sqrt(norm)


@njit_borrowing
def _sinusoids(first, steps, step, frequencies, sin_phase, cos_phase, signal):
    """sqrt(2) sin(omega_i t + phase) for all runs: one sine and one cosine serve every phase."""
    for k in range(steps):
        for i in range(frequencies.shape[0]):
            angle = frequencies[i] * ((first + k) * step)
            s, c = np.sqrt(2.0) * np.sin(angle), np.sqrt(2.0) * np.cos(angle)
            for run in range(signal.shape[1]):
                signal[k, run, i] = s * cos_phase[run, i] + c * sin_phase[run, i]


def _signs(streams: Sequence[np.random.Generator], steps: int, signal: Array) -> None:
    """Random signs, each run from its own stream, whatever the runs beside it."""
    for run, rng in enumerate(streams):
        signal[:steps, run] = 2.0 * rng.integers(0, 2, (steps, signal.shape[2]), dtype=np.int8) - 1.0


def one_measurement(
    method: str,
    settings: OneMeasurement,
    gain: Gain,
    horizon: float,
    runs: Sequence[int] | range,
    *,
    seed: int = 0,
    spawn_key: tuple[int, ...] = (),
    decades: float = 2.0,
    bins_per_decade: int = 20,
    keep_every: int = 5000,
) -> DescentRecord:
    """Projected one-measurement descent by Euler's method.

    Parameters
    ----------
    method : `qsgd` (sinusoids, random phases a run) or `spsa` (random signs, new at each step).
    settings : the problem.
    gain : a_t; its cap keeps the first steps small.
    horizon : in seconds; the settings' step divides it.
    runs : numbers of the runs; run r draws from ``SeedSequence(seed, spawn_key=(*spawn_key, r))``.
    seed, spawn_key : where the runs' streams are spawned.
    decades, bins_per_decade : the bins of the record, over the last decades of time.
    keep_every : errors are kept at this distance, in steps.

    Raises
    ------
    ValueError
        If the method is unknown or the step does not divide the horizon or is unstable.
    """
    if method not in ("qsgd", "spsa"):
        raise ValueError(f"unknown method {method!r}: choose one of qsgd, spsa")
    gain.require_stable(settings.step, max(settings.curvatures))
    n_steps, step = steps_of(horizon, settings.step), settings.step
    keys = (np.random.SeedSequence(seed, spawn_key=(*spawn_key, run)) for run in runs)
    streams = [np.random.default_rng(key) for key in keys]
    d, count = len(settings.curvatures), len(streams)
    phases = np.array([rng.uniform(0.0, 2.0 * math.pi, d) for rng in streams])
    edges = bin_edges(n_steps, decades, bins_per_decade)
    out = (np.zeros((count, len(edges) - 1)), np.empty((count, n_steps // keep_every)), np.zeros(count))
    theta = np.full((count, d), settings.start)
    signal = np.empty((min(CHUNK, n_steps), count, d))
    loss = (np.array(settings.curvatures), settings.offset)
    for first in range(0, n_steps, CHUNK):
        indices = np.arange(first, min(first + CHUNK, n_steps))
        if method == "qsgd":
            frequencies = np.array(settings.frequencies)
            _sinusoids(first, len(indices), step, frequencies, np.sin(phases), np.cos(phases), signal)
        else:
            _signs(streams, len(indices), signal)
        bins = np.minimum(np.searchsorted(edges, indices + 1, side="right") - 1, len(edges) - 2)
        scale = (settings.epsilon, settings.box, step, keep_every)
        _advance(
            theta,
            signal,
            first,
            len(indices),
            gain.at(step * indices.astype(np.float64)),
            loss,
            scale,
            (*out, bins),
        )
    # The last bin holds its right end as well: n_steps itself.
    sizes = np.diff(edges) + (np.arange(len(edges) - 1) == len(edges) - 2)
    times = keep_every * step * np.arange(1.0, out[1].shape[1] + 1)
    middles = np.sqrt(edges[:-1] * edges[1:].astype(np.float64)) * step
    return DescentRecord(middles, np.sqrt(out[0] / sizes), times, out[1], out[2])


def two_measurement(
    loss: Callable[[Array], Array],
    start: Array,
    gain: Gain,
    probing: Probing,
    *,
    epsilon: float,
    step: float,
    n_steps: int,
    box: tuple[Array, Array] | None = None,
    keep_every: int = 1,
) -> tuple[Array, Array]:
    """Descent with two measurements, whose noise vanishes with the slope.

    .. math:: \\tfrac{d}{dt}\\Theta = -\\tfrac{a_t}{2\\varepsilon}\\,\\xi_t\\,
              [\\Gamma(\\Theta + \\varepsilon\\xi_t) - \\Gamma(\\Theta - \\varepsilon\\xi_t)]

    Parameters
    ----------
    loss : Gamma for many points at once, shapes (count, d) to (count,).
    start : (d,) Theta_0.
    gain, probing, epsilon, step, n_steps : as above; xi has shape (d,).
    box : lowest and highest estimates, each (d,); no projection by default.
    keep_every : estimates are kept at this distance, in steps.

    Returns
    -------
    times : (1 + n_steps // keep_every,) in seconds.
    path : (1 + n_steps // keep_every, d).

    Raises
    ------
    ValueError
        If a measurement is not finite: the box leaves the domain of the loss.
    """
    require_positive("epsilon", epsilon)
    require_positive("step", step)
    theta = np.array(start, dtype=np.float64)
    indices = np.arange(n_steps)
    kept = [theta.copy()]
    for n, (a, xi) in enumerate(
        zip(gain.at(step * indices.astype(np.float64)), probing.at_steps(indices, step), strict=True)
    ):
        above, below = loss(np.stack((theta + epsilon * xi, theta - epsilon * xi)))
        if not math.isfinite(above - below):
            raise ValueError(f"the loss is not finite around {theta.tolist()}: choose a smaller box or epsilon")
        theta = theta - (step * a * (above - below) / (2.0 * epsilon)) * xi
        if box is not None:
            theta = np.clip(theta, box[0], box[1])
        if (n + 1) % keep_every == 0:
            kept.append(theta.copy())
    return keep_every * step * np.arange(len(kept), dtype=np.float64), np.array(kept)
