"""Linear quadratic problems in extended precision, stability by fractions, and hard cases.

Numbers of a plant are taken as they are in double precision, so that their own rounding is no part of any error.
"""

from __future__ import annotations

from fractions import Fraction
from math import comb
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np

from lqrpg.lqr import continuous, discrete
from lqrpg.lqr.plant import Array, Plant

DIGITS = 100
EPS = float(np.finfo(float).eps)


class Exact(NamedTuple):
    """Solutions of one plant and gain, correctly rounded, and the condition of its Lyapunov operator.

    Attributes
    ----------
    value, covariance : (n, n) cost-to-go and state covariance (integrated, in continuous time).
    cost : tr(P Sigma).
    gradient : (m, n).
    condition : size of the operator times that of its inverse. The inverse maps positive semidefinite matrices to
        such, and the norm of a positive map is that of its value at the unit matrix (Russo and Dye, 1966): the 1/sep
        of perturbation theory, in the spectral norm, is the norm of the solution for unit noise. The operator's size
        is that of |A| + |B||K|, so that the rounding of A - B K is covered.
    """

    value: Array
    covariance: Array
    cost: float
    gradient: Array
    condition: float


def precise(matrix: Array) -> Any:
    return mp.matrix(np.asarray(matrix, dtype=float).tolist())


def doubles(matrix: Any) -> Array:
    return np.array([[float(entry) for entry in row] for row in matrix.tolist()])


def trace(matrix: Any) -> Any:
    return mp.fsum(matrix[i, i] for i in range(matrix.rows))


def operator(F: Any, time: str) -> Any:
    """The matrix of X -> X - FXF' (discrete time) or X -> -FX - XF' (continuous time) on stacked rows."""
    n = F.rows
    M = mp.eye(n * n) if time == "discrete" else mp.zeros(n * n)
    for i, j, k in np.ndindex(n, n, n):
        if time == "discrete":
            for p in range(n):
                M[n * i + j, n * k + p] -= F[i, k] * F[j, p]
        else:
            M[n * i + j, n * k + j] -= F[i, k]
            M[n * i + j, n * i + k] -= F[j, k]
    return M


def solve(inverse: Any, right: Any) -> Any:
    """The solution for one right-hand side, (n, n)."""
    n = right.rows
    stacked = inverse * mp.matrix([right[i, j] for i, j in np.ndindex(n, n)])
    return mp.matrix([[stacked[n * i + j] for j in range(n)] for i in range(n)])


def exact(plant: Plant, gain: Array, time: str) -> Exact:
    """Solutions for a stable loop."""
    with mp.workdps(DIGITS):
        A, B, Q, R, Sigma = (precise(part) for part in plant.matrices)
        K = precise(gain)
        F = A - B * K
        inverse = mp.inverse(operator(F, time))
        X, P = solve(inverse, Sigma), solve(inverse.T, Q + K.T * R * K)
        slope = 2 * (R * K - B.T * (P * F if time == "discrete" else P)) * X
        size = float(np.linalg.norm(np.abs(plant.A) + np.abs(plant.B) @ np.abs(gain)))
        norm = 1 + size**2 if time == "discrete" else 2 * size
        condition = norm * float(mp.norm(solve(inverse, mp.eye(F.rows)), 2))
        return Exact(doubles(P), doubles(X), float(trace(P * Sigma)), doubles(slope), condition)


def is_stable(A: Array, B: Array, gain: Array, time: str) -> bool:
    """Whether A - B K is stable, by fractions, without rounding: the test of Schur and Cohn.

    Continuous time comes to it by the Cayley transform s = (z - 1)/(z + 1), by which a root at s = 1 is lost.
    """
    F = [[_entry(A, B, gain, i, j) for j in range(len(A))] for i in range(len(A))]
    polynomial = _characteristic(F)
    if time == "continuous":
        if sum(polynomial) == 0:
            return False
        polynomial = _cayley(polynomial)
    return _schur_cohn(polynomial)


def _entry(A: Array, B: Array, gain: Array, i: int, j: int) -> Fraction:
    fed_back = sum(Fraction(float(B[i, p])) * Fraction(float(gain[p, j])) for p in range(len(gain)))
    return Fraction(float(A[i, j])) - fed_back


def _characteristic(F: list[list[Fraction]]) -> list[Fraction]:
    """Coefficients of det(s I - F), the constant first, by Faddeev and LeVerrier."""
    n = len(F)
    M = [[Fraction(0)] * n for _ in range(n)]
    found = [Fraction(1)]
    for step in range(1, n + 1):
        M = [[sum(F[i][k] * M[k][j] for k in range(n)) + found[-1] * (i == j) for j in range(n)] for i in range(n)]
        found.append(-sum(F[i][k] * M[k][i] for i in range(n) for k in range(n)) / step)
    return found[::-1]


def _cayley(p: list[Fraction]) -> list[Fraction]:
    """Coefficients of sum_k p_k (z - 1)^k (z + 1)^(n - k)."""
    n = len(p) - 1
    found = [Fraction(0)] * (n + 1)
    for k in range(n + 1):
        for i, j in np.ndindex(k + 1, n - k + 1):
            found[i + j] += p[k] * comb(k, i) * (-1) ** (k - i) * comb(n - k, j)
    return found


def _schur_cohn(p: list[Fraction]) -> bool:
    """Whether all roots lie inside the unit circle."""
    while len(p) > 1:
        if not abs(p[0]) < abs(p[-1]):
            return False
        p = [p[-1] * low - p[0] * high for low, high in zip(p, p[::-1], strict=True)][1:]
    return True


def hard_case(rng: np.random.Generator, n: int, m: int, time: str, digits: float) -> tuple[Plant, Array]:
    """A plant and a gain whose loop is stable by a margin of about 10^-digits, before the rounding of its entries.

    Its loop is random, a Jordan block, or triangular with a slow and a fast mode; in units of the states that differ
    by up to 1e6, or by nothing; noise and weights are of full rank, of rank one, or nearly so; inputs are cheap.
    """
    margin = 10.0**-digits
    F = rng.normal(size=(n, n))
    kind = rng.integers(3)
    if kind < 2:
        F = np.triu(F, 1) * 10.0 ** rng.uniform(-2, 2)
        modes = np.full(n, 1.0 if kind else rng.choice([-1.0, 1.0]))
        if kind:
            modes[1:] = rng.uniform(0.0, 1.0, n - 1)
        F += np.diag(modes * (1.0 - margin) if time == "discrete" else modes * -margin if not kind else modes - 1.0)
        if kind and time == "continuous":
            F[0, 0] = -margin
    elif time == "discrete":
        F *= (1.0 - margin) / discrete.spectral_radius(F)
    else:
        F -= (continuous.spectral_abscissa(F) + margin) * np.eye(n)
    units = 10.0 ** rng.uniform(-6, 6, n) if rng.random() < 0.3 else np.ones(n)
    F = units[:, None] * F / units
    B, gain = rng.normal(size=(n, m)), rng.normal(size=(m, n)) * rng.choice([0.0, 1e-3, 1.0])
    if rng.random() < 0.3:
        B[0] *= 1e-9  # a mode that is nearly out of reach
    Q, Sigma = weight(rng, n), weight(rng, n)
    R = np.diag(10.0 ** rng.uniform(-8, 1, m))
    return Plant(F + B @ gain, B, Q, R, Sigma), gain


def weight(rng: np.random.Generator, n: int) -> Array:
    root = rng.normal(size=(n, n))
    full, single = root @ root.T, np.outer(root[0], root[0])
    return [full, single, single + 1e-13 * np.eye(n)][rng.integers(3)]
