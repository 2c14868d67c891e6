"""Is a closed loop stable, by a margin that rounding cannot undo? One decision for each time, for all modules.

The spectral radius of a computed loop may lie below one by rounding alone: undamped oscillators, conserved quantities,
chains of integrators. Its cost is then noise. So a loop is stable here if it is so for all entries of A, B and K within
a few units of rounding, as `stability_kernel` decides. Loops far from the limit, most by far, are decided before by
bounds that take less work and lead to the same decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lqrpg.lqr.lyapunov import ignore_warnings

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
LARGE, FEWEST_TRIES = 32, 20
"""States from which on fewer perturbed gains are tried, and the fewest."""
LARGEST_BLOCK = 2_000_000
"""Entries of the loops that are looked at together: 16 MB."""
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


def are_stable(A: Array, B: Array, gains: Array, time: str) -> NDArray[np.bool_]:
    """`is_stable` for many plants or gains at once, (count,).

    Parameters
    ----------
    A, B : (count, n, n) and (count, n, m) systems; or one system, shapes (n, n) and (n, m), for all gains.
    gains : (count, m, n) gains; or one gain, shape (m, n), for all systems.
    time : `continuous` or `discrete`.
    """
    n, count = A.shape[-1], max(len(each) for each in (A, B, gains) if each.ndim == 3)
    block = max(1, LARGEST_BLOCK // n**2)
    if count > block:
        starts = range(0, count, block)
        pieces = ([each[k : k + block] if each.ndim == 3 else each for each in (A, B, gains)] for k in starts)
        return np.concatenate([are_stable(a, b, k, time) for a, b, k in pieces])
    with ignore_warnings():
        closed, size = A - B @ gains, np.abs(A) + np.abs(B) @ np.abs(gains)
        stable = np.asarray(np.isfinite(closed).all(axis=(1, 2)))
        stable[stable] = (_hurwitz if time == "continuous" else _schur)(closed[stable], size[stable], ROUNDING)
    return stable


def tries(most: int, n: int) -> int:
    """Gains of a plant of n states that are tried: fewer for large ones, each of whose tests takes n^3 operations."""
    return most if n <= LARGE else max(min(most, FEWEST_TRIES), int(most * (LARGE / n) ** 3))


def unstable_fraction(
    plant: Plant, gain: Array, radius: float, samples: int = 2000, seed: np.random.SeedSequence | int = 0
) -> float:
    """Fraction of the gains K + U, U uniform on the sphere of the radius, that do not stabilise a discrete plant.

    As many gains are tried as `tries` makes of `samples`.
    """
    samples = tries(samples, plant.n_states)
    directions = np.random.default_rng(seed).standard_normal((samples, *gain.shape))
    directions *= radius / np.linalg.norm(directions, axis=(1, 2), keepdims=True)
    return float(np.mean(~are_stable(plant.A, plant.B, gain + directions, "discrete")))


def require_stabilising(plant: Plant, gain: Array) -> None:
    """Raise ValueError if a gain has the wrong shape, is not finite or does not stabilise a discrete plant."""
    shape = (plant.n_inputs, plant.n_states)
    if gain.shape != shape:
        raise ValueError(f"the initial gain must have shape {shape}, got {gain.shape}")
    if not np.all(np.isfinite(gain)):
        raise ValueError("the initial gain has entries that are not finite")
    if not is_stable(plant, gain, "discrete"):
        radius = np.max(np.abs(np.linalg.eigvals(plant.closed_loop(gain))))
        raise ValueError(f"the initial gain does not stabilise the plant: spectral radius of A - B K is {radius:.4g}")


def is_schur(F: Array, size: Array | None = None, uncertainty: float = ROUNDING) -> bool:
    """Whether F, (n, n), is Schur stable with a margin.

    Parameters
    ----------
    F : the matrix.
    size : (n, n) sizes of the terms whose sums are the entries of F; |F| unless given.
    uncertainty : their relative error.
    """
    with ignore_warnings():
        return bool(_schur(F[None], (np.abs(F) if size is None else size)[None], uncertainty)[0])


def is_hurwitz(F: Array, size: Array | None = None, uncertainty: float = ROUNDING) -> bool:
    """Whether F, (n, n), is Hurwitz with a margin: exp(F h) is Schur stable with one, for a step h that F resolves."""
    with ignore_warnings():
        return bool(_hurwitz(F[None], (np.abs(F) if size is None else size)[None], uncertainty)[0])


def _schur(F: Array, size: Array, uncertainty: float) -> NDArray[np.bool_]:
    """`is_schur` for (count, n, n) matrices."""
    return _decided(F, size + np.eye(F.shape[1]), LIMIT * ROUNDING / uncertainty)


def _hurwitz(F: Array, size: Array, uncertainty: float) -> NDArray[np.bool_]:
    """`is_hurwitz` for (count, n, n) matrices."""
    growth = _perron_bound(size)
    stable = (np.trace(F, axis1=1, axis2=2) < 0.0) & (growth > 0.0) & (growth < np.inf)
    step = (STEP / growth[stable])[:, None, None]
    scaled = _exponential(F[stable] * step), _exponential(size[stable] * step)
    stable[stable] = _decided(*scaled, LIMIT * ROUNDING / uncertainty)
    return np.asarray(stable)


def _decided(F: Array, H: Array, limit: float) -> NDArray[np.bool_]:
    """Which of (count, n, n) loops F have a margin for errors of the size of H, with n rho(T) below the limit."""
    count, n = F.shape[:2]
    found = _by_bounds(F, H, limit) if n > FEW_STATES or count > 1 else np.zeros(count, np.int64)
    stable = found > 0
    for index in np.flatnonzero(found == 0):
        from lqrpg.lqr.stability_kernel import has_margin, margin_by_sums  # the compiler is loaded when it is needed

        decide = has_margin if n <= FEW_STATES else margin_by_sums
        stable[index] = decide(np.ascontiguousarray(F[index]), np.ascontiguousarray(H[index]), limit)
    return stable


def _by_bounds(F: Array, H: Array, limit: float) -> NDArray[np.int64]:
    """What the exact test would find for each of the (count, n, n) loops: 1 stable, -1 not; 0 where bounds do not tell.

    As rho(T) is at most the largest entry of T(v) over that of v for v = (1, ..., 1), the sum of all F^k (F^k)' tells;
    that it is infinite, the growth of powers does.
    """
    found = np.zeros(len(F), np.int64)
    left = np.arange(len(F))
    bound = limit * SURE / (F.shape[1] * np.max(H.sum(axis=2), axis=1) ** 2)
    X, power = np.broadcast_to(np.eye(F.shape[1]), F.shape), F
    for _ in range(DOUBLINGS):
        grows = ~(np.max(np.abs(_diagonals(power)), axis=1) < CERTAIN_GROWTH)
        X = X + power @ X @ np.swapaxes(power, 1, 2)
        variance = _diagonals(X)
        unclear = ~(np.max(variance, axis=1) < bound)
        spread = np.sqrt(variance)
        settles = np.all((np.abs(power) @ spread[:, :, None])[:, :, 0] <= CONTRACTION * spread, axis=1)
        found[left[grows]], found[left[settles & ~unclear & ~grows]] = -1, 1
        on = ~(grows | unclear | settles)
        if not on.any():
            break
        left, bound, X, power = left[on], bound[on], X[on], power[on] @ power[on]
    return found


def _diagonals(matrices: Array) -> Array:
    return np.diagonal(matrices, axis1=1, axis2=2)


def _perron_bound(H: Array) -> Array:
    """Upper bounds, near them, on the largest eigenvalues of non-negative matrices, in any units of the states."""
    H = H + np.finfo(np.float64).tiny
    M = H + np.max(_diagonals(H), axis=1)[:, None, None] * np.eye(H.shape[1])  # no eigenvalue of the same modulus
    v = np.ones((*H.shape[:2], 1))
    for _ in range(60):
        v = M @ v
        v /= np.max(v, axis=1, keepdims=True)
    return np.asarray(np.max(H @ v / v, axis=(1, 2)))


def _exponential(F: Array) -> Array:
    """exp(F) by its series, for entries that are small in some units of the states; as exact as these allow."""
    total = np.broadcast_to(np.eye(F.shape[1]), F.shape)
    for order in range(TERMS, 0, -1):
        total = np.eye(F.shape[1]) + F @ total / order
    return np.asarray(total)
