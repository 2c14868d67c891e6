"""Is a closed loop stable, by a margin that rounding cannot undo? One decision for each time, for all modules.

The spectral radius of a computed loop may lie below one by rounding alone: undamped oscillators, conserved quantities,
chains of integrators. Its cost is then noise. So a loop is stable here if it is so for all entries of A, B and K within
a few units of rounding, as `stability_kernel` decides. Loops far from the limit, most by far, are decided before by
bounds that take less work and lead to the same decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lqrpg.lqr.lyapunov import quiet

if TYPE_CHECKING:
    from lqrpg.lqr.plant import Array, Plant

ROUNDING = float(np.finfo(np.float64).eps)
LIMIT = 1.0 / (2.0 * ROUNDING)
"""Of n rho(T): the margin holds for entries that are uncertain by 2/3 of the spacing of numbers, more than rounding."""
SOUND = 1e-10
"""Uncertainty of entries for which a loop must be stable if its cost is to have six digits in double precision."""
REAL = 1e-9
"""Uncertainty of entries for which a plant must be stable to pass for stable without a gain."""
FEW_STATES = 8
"""Up to so many, the exact test takes no more time than the bounds."""
DOUBLINGS = 64
CONTRACTION = 1.0 / 32.0
"""Factor of the states' standard deviations below which the terms of a sum that are left out are a thousandth of it."""
SURE = 0.1
"""Part of the limit below which a bound, itself rounded, decides."""
CERTAIN_GROWTH = 1e9
"""Diagonal entry of a power F^k whose square is above the limit by orders of magnitude."""
STEP = 0.25
"""Time, in units of the inverse Perron root of |F|, over which a continuous-time loop is looked at."""
TERMS = 14
"""Of the Taylor series over such a step: 0.25^14 / 14! is far below rounding."""


def is_stable(plant: Plant, gain: Array, time: str, uncertainty: float = ROUNDING) -> bool:
    """Whether u = -K x stabilises the plant, with a margin for rounding: then its cost is finite.

    Parameters
    ----------
    plant : the plant.
    gain : (m, n) gain K.
    time : `continuous` or `discrete`.
    uncertainty : relative error of the entries of A, B and K, for all of which the loop must be stable.
    """
    closed = plant.closed_loop(gain)
    if not np.all(np.isfinite(closed)):
        return False
    size = np.abs(plant.A) + np.abs(plant.B) @ np.abs(gain)
    return (is_hurwitz if time == "continuous" else is_schur)(closed, size, uncertainty)


def is_schur(F: Array, size: Array | None = None, uncertainty: float = ROUNDING) -> bool:
    """Whether F, (n, n), is Schur stable with a margin.

    Parameters
    ----------
    F : the matrix.
    size : (n, n) sizes of the terms whose sums are the entries of F; |F| unless given.
    uncertainty : their relative error.
    """
    with quiet():
        H = (np.abs(F) if size is None else size) + np.eye(len(F))
        return _decided(F, H, LIMIT * ROUNDING / uncertainty)


def is_hurwitz(F: Array, size: Array | None = None, uncertainty: float = ROUNDING) -> bool:
    """Whether F, (n, n), is Hurwitz with a margin: exp(F h) is Schur stable with one, for a step h that F resolves."""
    with quiet():
        size = np.abs(F) if size is None else size
        growth = _perron_bound(size)
        if not (np.trace(F) < 0.0 and 0.0 < growth < np.inf):
            return False
        step, limit = STEP / growth, LIMIT * ROUNDING / uncertainty
        return _decided(_exponential(F * step), _exponential(size * step), limit)


def _decided(F: Array, H: Array, limit: float) -> bool:
    """Whether F has a margin for errors of the size of H, with n rho(T) below the limit."""
    found = _by_bounds(F, H, limit) if len(F) > FEW_STATES else None
    if found is not None:
        return found
    from lqrpg.lqr.stability_kernel import has_margin  # the compiler is loaded when it is needed

    return bool(has_margin(np.ascontiguousarray(F), np.ascontiguousarray(H), limit))


def _by_bounds(F: Array, H: Array, limit: float) -> bool | None:
    """What the exact test would find, or None if the bounds on it do not tell.

    As rho(T) is at most the largest entry of T(v) over that of v for v = (1, ..., 1), the sum of all F^k (F^k)' tells;
    that it is infinite, the growth of powers does.
    """
    bound = limit * SURE / (len(F) * np.max(H.sum(axis=1)) ** 2)
    X, power = np.eye(len(F)), F
    for _ in range(DOUBLINGS):
        if not np.max(np.abs(np.diag(power))) < CERTAIN_GROWTH:
            return False
        X = X + power @ X @ power.T
        if not np.max(np.diag(X)) < bound:
            return None
        spread = np.sqrt(np.diag(X))
        if np.all(np.abs(power) @ spread <= CONTRACTION * spread):
            return True
        power = power @ power
    return None


def _perron_bound(H: Array) -> float:
    """An upper bound, near it, on the largest eigenvalue of a non-negative matrix, whatever the units of the states."""
    H = H + np.finfo(np.float64).tiny
    M = H + np.max(np.diag(H)) * np.eye(len(H))  # no eigenvalue of the same modulus
    v = np.ones(len(H))
    for _ in range(60):
        v = M @ v
        v /= np.max(v)
    return float(np.max(H @ v / v))


def _exponential(F: Array) -> Array:
    """exp(F) by its series, for entries that are small in some units of the states; as exact as these allow."""
    total = np.eye(len(F))
    for order in range(TERMS, 0, -1):
        total = np.eye(len(F)) + F @ total / order
    return np.asarray(total)
