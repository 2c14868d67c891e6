"""Whether symmetric matrices are definite, up to rounding and in any units; and their roots."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from lqrpg.lqr import stability
from lqrpg.lqr.plant import Array

ROUNDING = 1e-9
"""Part of a matrix in equal units by which an eigenvalue may lie below zero."""


def is_definite(value: Array) -> bool:
    """Whether a symmetric matrix (n, n) is positive definite by a margin that rounding leaves."""
    return bool(np.all(np.diag(value) > 0.0)) and _least_in_equal_units(value) > ROUNDING


def is_semidefinite(value: Array) -> bool:
    """Whether a symmetric matrix (n, n) is positive semidefinite up to rounding."""
    rounded = 8.0 * len(value) * stability.ROUNDING * float(np.linalg.norm(value, 2))
    return least_eigenvalue(value) >= -rounded or _least_in_equal_units(value) >= -ROUNDING


def covariance_root(covariance: Array, name: str = "covariance") -> Array:
    """A lower triangular L with L L' = covariance, for a symmetric positive semidefinite matrix, (n, n).

    By Cholesky's method; for a singular matrix from its eigenvectors.

    Raises
    ------
    ValueError
        If the matrix is not symmetric positive semidefinite.
    """
    values, vectors = np.linalg.eigh(covariance)
    if not np.allclose(covariance, covariance.T) or values[0] < -1e-12 * max(1.0, values[-1]):
        raise ValueError(f"{name} must be symmetric positive semidefinite, its least eigenvalue is {values[0]:.3g}")
    with suppress(np.linalg.LinAlgError):
        return np.ascontiguousarray(np.linalg.cholesky(covariance))
    _, triangular = np.linalg.qr((vectors * np.sqrt(np.maximum(values, 0.0))).T)
    return np.ascontiguousarray(np.tril(triangular.T))


def least_eigenvalue(value: Array) -> float:
    """The least eigenvalue of the symmetric part of a matrix (n, n)."""
    return float(np.linalg.eigvalsh(0.5 * (value + value.T))[0])


def _least_in_equal_units(value: Array) -> float:
    """The least eigenvalue in units in which the diagonal is 1, or 0 where it is 0: whether it is negative is the same.

    Where it is 0, so must be the row: an entry of it counts with the largest unit that others have.
    """
    root = np.sqrt(np.abs(np.diag(value)))
    units = np.where(root > 0.0, root, max(float(np.max(root)), float(np.finfo(np.float64).tiny)))
    return least_eigenvalue(value / units / units[:, None])
