"""A linear plant with its quadratic cost: the object that every method of this package takes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Plant(NamedTuple):
    """A linear plant, the weights of its cost and the covariance that drives it, under u = -K x.

    Attributes
    ----------
    A : (n, n) state matrix; of dx/dt in continuous time, of x+ in discrete time.
    B : (n, m) input matrix.
    Q : (n, n) weight of the state, positive semidefinite.
    R : (m, m) weight of the input, positive definite.
    Sigma : (n, n) covariance of the initial state (continuous time) or of the process noise (discrete time).

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import Plant
    >>> plant = Plant(A=np.eye(2), B=np.ones((2, 1)), Q=np.eye(2), R=np.eye(1), Sigma=np.eye(2))
    >>> plant.n_states, plant.n_inputs
    (2, 1)
    """

    A: Array
    B: Array
    Q: Array
    R: Array
    Sigma: Array

    @property
    def n_states(self) -> int:
        """Number of states, n."""
        return int(self.A.shape[0])

    @property
    def n_inputs(self) -> int:
        """Number of inputs, m."""
        return int(self.B.shape[1])

    def closed_loop(self, gain: Array) -> Array:
        """The closed-loop matrix A - B K, shape (n, n), for a gain of shape (m, n); not finite where it overflows."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.A - self.B @ gain

    def stage_weight(self, gain: Array) -> Array:
        """The weight Q + K'RK of the closed loop's stage cost, shape (n, n)."""
        return self.Q + gain.T @ self.R @ gain


def contiguous(*matrices: Array) -> tuple[Array, ...]:
    """The matrices as C-contiguous float64 arrays: the one memory layout for which kernels are compiled."""
    return tuple(np.ascontiguousarray(matrix, dtype=np.float64) for matrix in matrices)
