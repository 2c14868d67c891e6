"""From continuous time to samples and back: a plant whose input is held constant between samples.

The cost of a sample is the integral of the stage cost over it, so it has a cross weight S even where the continuous
cost has none; `lqrpg.lqr.cross_weight` absorbs it.
"""

from __future__ import annotations

import math
import warnings
from typing import NamedTuple

import numpy as np
from scipy import linalg

from lqrpg.lqr.extended import held
from lqrpg.lqr.lyapunov import WORTHWHILE, ignore_warnings
from lqrpg.lqr.plant import Array

FEW = 12
"""States and inputs up to which a plant is sampled in extended precision: a second, or less."""
MOST_GROWTH = 1000.0
"""Norm of A times the sample time up to which it is: more may grow beyond all numbers."""
LOGARITHM_TOLERANCE = 1e-8
"""Part of a sampled plant's norm by which its continuous counterpart may miss it."""


class LinearModel(NamedTuple):
    """A linear plant and its quadratic cost, x'Qx + 2 x'Su + u'Ru, in continuous or discrete time.

    Attributes
    ----------
    A, B : (n, n) and (n, m) matrices of dx/dt or of x+.
    Q, S, R : (n, n), (n, m) and (m, m) weights; a rate of cost in continuous time, a sample's cost in discrete time.
    noise : (n, n) intensity (continuous time) or covariance (discrete time) of the process noise.
    """

    A: Array
    B: Array
    Q: Array
    S: Array
    R: Array
    noise: Array


def sampled(model: LinearModel, dt: float) -> LinearModel:
    """The exact discrete-time model of a continuous one whose input is held for `dt` seconds at a time.

    With F = [[A, B], [0, 0]] and the weight W = [[Q, S], [S', R]] of (x, u),

    .. math:: \\Phi = e^{F dt}, \\quad W_d = \\int_0^{dt} e^{F's} W e^{Fs} ds, \\quad
        N_d = \\int_0^{dt} e^{As} N e^{A's} ds.

    Each integral is taken over a short step and then doubled, so that no growing exponential of -F is formed. Small
    plants are sampled in extended precision: then a conserved quantity or an undamped oscillation stays one, up to the
    rounding of the entries. For larger ones a step's integral is the exponential of a block matrix (Van Loan, 1978).

    Parameters
    ----------
    model : in continuous time.
    dt : seconds between samples, positive.

    Returns
    -------
    The model in discrete time.

    Raises
    ------
    ValueError
        If a mode grows beyond all numbers within one sample.
    """
    units, plain = _in_balanced_units(model)
    return _rescaled(_sampled(plain, dt), 1.0 / units)


def zero_order_hold(A: Array, B: Array, dt: float) -> tuple[Array, Array]:
    """A_d = exp(A dt), (n, n), and B_d, (n, m), of a plant whose input is held for `dt` seconds, in double precision.

    `lqrpg.kernels.hold` is its compiled twin for many small plants; `sampled` also takes weights and noise along, and
    digits that small plants would lose.
    """
    n = len(A)
    transition = linalg.expm(dt * _augmented(A, B))
    return np.ascontiguousarray(transition[:n, :n]), np.ascontiguousarray(transition[:n, n:])


def _augmented(A: Array, B: Array) -> Array:
    """[[A, B], [0, 0]], which moves state and held input."""
    m = B.shape[1]
    return np.block([[A, B], [np.zeros((m, len(A) + m))]])


def _sampled(model: LinearModel, dt: float) -> LinearModel:
    n, m = model.B.shape
    F = _augmented(model.A, model.B)
    weight = np.block([[model.Q, model.S], [model.S.T, model.R]])
    exactly = n + m <= FEW and float(np.linalg.norm(F, 1)) * dt <= MOST_GROWTH
    transition, cost, noise = (held if exactly else _doubled)(F, weight, model.noise, dt)
    if not all(np.all(np.isfinite(part)) for part in (noise, cost, transition)):
        raise ValueError("a mode of A grows beyond all numbers within one sample; sample more often")
    return LinearModel(
        transition[:n, :n], transition[:n, n:], _even(cost[:n, :n]), cost[:n, n:], _even(cost[n:, n:]), _even(noise)
    )


def _doubled(F: Array, weight: Array, noise: Array, dt: float) -> tuple[Array, Array, Array]:
    """As `extended.held`, in double precision."""
    n = len(noise)
    halvings = max(0, math.ceil(math.log2(max(float(np.linalg.norm(F, 1)) * dt, 1e-300))))
    step = dt / 2.0**halvings
    transition, cost = linalg.expm(F * step), _integral(F, weight, step)
    noise = _integral(F[:n, :n].T, noise, step)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(halvings):
            noise = noise + transition[:n, :n] @ noise @ transition[:n, :n].T
            cost = cost + transition.T @ cost @ transition
            transition = transition @ transition
    return transition, cost, noise


def _in_balanced_units(model: LinearModel) -> tuple[Array, LinearModel]:
    """The model with its states in units that make A smallest, where that makes it much smaller; and these units.

    They are powers of two, so nothing is rounded; the exponentials of matrices with far entries would lose digits.
    """
    n = len(model.A)
    with ignore_warnings():
        units: Array = np.asarray(linalg.matrix_balance(model.A, permute=False, separate=True)[1][0], dtype=np.float64)
        balanced = _rescaled(model, units)
        if float(np.linalg.norm(model.A)) <= WORTHWHILE * float(np.linalg.norm(balanced.A)):
            return np.ones(n), model
    return units, balanced


def _rescaled(model: LinearModel, units: Array) -> LinearModel:
    """The model for the states x_i / units_i."""
    squares = units * units[:, None]
    A, B, S = model.A / units[:, None] * units, model.B / units[:, None], model.S * units[:, None]
    return LinearModel(A, B, model.Q * squares, S, model.R, model.noise / squares)


def unsampled(model: LinearModel, dt: float) -> LinearModel:
    """A continuous-time model whose samples, `dt` seconds apart with a held input, are those of a discrete one.

    A and B are exact, by the logarithm of [[A, B], [0, I]]. Weights and noise are divided by `dt`: cost and noise a
    second are then those of the samples to first order in `dt`.

    Raises
    ------
    ValueError
        If A is singular or has an eigenvalue on the negative real axis: no continuous plant has such samples. If the
        logarithm's exponential is not A and B again: entries differ by too many orders of magnitude.
    """
    n, m = model.B.shape
    eigenvalues = np.linalg.eigvals(model.A)
    on_axis = (np.abs(eigenvalues.imag) <= 1e-12 * np.abs(eigenvalues)) & (eigenvalues.real <= 0)
    if np.any(on_axis) or np.min(np.abs(eigenvalues)) < 1e-12 * max(1.0, float(np.max(np.abs(eigenvalues)))):
        worst = eigenvalues[np.argmin(np.where(on_axis, -1.0, np.abs(eigenvalues)))].real
        raise ValueError(f"A has the eigenvalue {worst:.3g}, which the samples of no continuous plant have")
    whole = np.block([[model.A, model.B], [np.zeros((m, n)), np.eye(m)]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # judged by its exponential instead
        rate = np.asarray(linalg.logm(whole)).real / dt
    back = linalg.expm(rate * dt) if np.all(np.isfinite(rate)) else np.zeros_like(rate)
    if not float(np.linalg.norm(back - whole)) <= LOGARITHM_TOLERANCE * float(np.linalg.norm(whole)):
        raise ValueError("A and B have no accurate logarithm: scale states and inputs so that entries are nearer")
    return LinearModel(rate[:n, :n], rate[:n, n:], *(part / dt for part in (model.Q, model.S, model.R, model.noise)))


def _integral(F: Array, weight: Array, step: float) -> Array:
    """The integral of exp(F's) W exp(Fs) over a step on which F is small."""
    size = F.shape[0]
    block = linalg.expm(step * np.block([[-F.T, weight], [np.zeros((size, size)), F]]))
    return np.asarray(block[size:, size:].T @ block[:size, size:])


def _even(matrix: Array) -> Array:
    return np.asarray(0.5 * (matrix + matrix.T))
