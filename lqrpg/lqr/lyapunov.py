"""What SciPy's solvers leave open near the limit of stability: digits and warnings.

In discrete time the direct method, on the n^2 equations of the entries, loses all digits of loops with large entries
and small eigenvalues; the sum X = W + F W F' + ... is then taken instead, by doubling, and needs no digits to cancel.
In continuous time the method of Bartels and Stewart loses them where the units of the states are far apart; scaling
the states by powers of two is exact and brings them back.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from scipy import linalg

from lqrpg.lqr.plant import Array

MAX_DOUBLINGS = 64
SETTLED = 1e-20
"""||F^k|| below which further terms of the sum are lost in rounding, in any units that differ by less than 1e4."""
WORTHWHILE = 100.0
"""Factor by which balancing must reduce the norm of a loop to be used."""


def smith_doubling(F: Array, W: Array) -> Array:
    """The X with X = FXF' + W for a stable F, (n, n), by doubling; of no use, but no error, for any other F.

    .. math:: X_{2k} = X_k + F^k X_k (F^k)'
    """
    X = W
    with ignore_warnings():
        for _ in range(MAX_DOUBLINGS):
            X = X + F @ X @ F.T
            if not float(np.linalg.norm(F)) > SETTLED:
                break
            F = F @ F
    return np.asarray(0.5 * (X + X.T))


def solve_balanced(solver: Callable[[Array, Array], Array], F: Array, W: Array) -> Array:
    """The X of `solver(F, W)`, solved in balanced coordinates where that reduces F by much."""
    balanced, scale = _balance(F)
    with ignore_warnings():
        if float(np.linalg.norm(F)) <= WORTHWHILE * float(np.linalg.norm(balanced)):
            return solver(F, W)
        return solver(balanced, W / scale / scale[:, None]) * scale * scale[:, None]


def _balance(F: Array) -> tuple[Array, Array]:
    """D^-1 F D and the powers of two on the diagonal of D that bring its rows and columns near to one another."""
    with ignore_warnings():
        balanced, (scale, _) = linalg.matrix_balance(F, permute=False, separate=True)
    return np.asarray(balanced), np.asarray(scale)


@contextmanager
def ignore_warnings() -> Iterator[None]:
    """No warnings on the accuracy of a result that is judged by other means."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # linalg.LinAlgWarning is one
        yield
