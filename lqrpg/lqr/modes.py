"""Which modes of a plant no input reaches and which no cost sees: the tests of Popov, Belevitch and Hautus."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lqrpg.lqr.plant import Array

RANK_TOLERANCE = 1e-10
"""A mode counts as reached if the smallest singular value of [A - s I, B] is above this part of the largest."""


def growing(eigenvalues: NDArray[np.complex128], time: str) -> NDArray[np.bool_]:
    """Which eigenvalues belong to modes that do not decay: Re s >= 0 in continuous time, |z| >= 1 in discrete time."""
    inside = eigenvalues.real < 0.0 if time == "continuous" else np.abs(eigenvalues) < 1.0
    return np.logical_not(inside)


def unreached(A: Array, B: Array, time: str) -> NDArray[np.complex128]:
    """Eigenvalues of the modes that do not decay and that no input reaches: empty if (A, B) is stabilisable.

    Parameters
    ----------
    A, B : (n, n) and (n, m) matrices.
    time : `continuous` or `discrete`.
    """
    eigenvalues = np.linalg.eigvals(A).astype(np.complex128)
    lost = [value for value in eigenvalues[growing(eigenvalues, time)] if _rank_falls(A, B, value)]
    return np.array(lost, dtype=np.complex128)


def unseen(A: Array, Q: Array, time: str) -> NDArray[np.complex128]:
    """Eigenvalues of the modes that do not decay and that x'Qx does not weigh: empty if (A, Q) is detectable.

    Q may be any positive semidefinite weight: it has the null space of its root.
    """
    return unreached(A.T, Q, time)


def _rank_falls(A: Array, B: Array, value: complex) -> bool:
    reach = B / max(float(np.linalg.norm(B, 2)), 1e-300) * max(1.0, float(np.linalg.norm(A, 2)))
    singular = np.linalg.svd(np.hstack([A - value * np.eye(A.shape[0]), reach]), compute_uv=False)
    return bool(singular[-1] <= RANK_TOLERANCE * singular[0])
