"""Whether symmetric matrices are definite, up to rounding and in any units."""

from __future__ import annotations

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
