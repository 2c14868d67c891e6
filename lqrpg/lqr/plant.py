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
    S : (n, m) cross weight of the stage cost x'Qx + 2 x'Su + u'Ru; None for none.
    sample_time : 0 for continuous time; seconds between samples for discrete time, 1 where time has no unit. None says
        nothing: functions that need to know then ask for it.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import Plant
    >>> plant = Plant(A=np.eye(2), B=np.ones((2, 1)), Q=np.eye(2), R=np.eye(1), Sigma=np.eye(2), sample_time=0.1)
    >>> plant.n_states, plant.n_inputs, plant.time
    (2, 1, 'discrete')
    """

    A: Array
    B: Array
    Q: Array
    R: Array
    Sigma: Array
    S: Array | None = None
    sample_time: float | None = None

    @property
    def n_states(self) -> int:
        """Number of states, n."""
        return int(self.A.shape[0])

    @property
    def n_inputs(self) -> int:
        """Number of inputs, m."""
        return int(self.B.shape[1])

    @property
    def time(self) -> str | None:
        """`continuous` or `discrete`; None if the plant does not say."""
        if self.sample_time is None:
            return None
        return "continuous" if self.sample_time == 0 else "discrete"

    @property
    def has_cross_weight(self) -> bool:
        """Whether S is there and not zero."""
        return self.S is not None and bool(np.any(self.S))

    @property
    def matrices(self) -> tuple[Array, Array, Array, Array, Array]:
        """A, B, Q, R, Sigma, as compiled functions take them.

        Raises
        ------
        ValueError
            If the plant has a cross weight, which they do not know: see `lqrpg.lqr.cross_weight`.
        """
        self.require_no_cross_weight()
        return self[:5]

    def closed_loop(self, gain: Array) -> Array:
        """The closed-loop matrix A - B K, shape (n, n), for a gain of shape (m, n); not finite where it overflows."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.A - self.B @ gain

    def stage_weight(self, gain: Array) -> Array:
        """The weight Q + K'RK of the closed loop's stage cost, shape (n, n), of a plant without cross weight."""
        self.require_no_cross_weight()
        return self.Q + gain.T @ self.R @ gain

    def require_no_cross_weight(self) -> None:
        """Refuse a plant whose cross weight is not zero: formulas that do not know it would forget it."""
        if self.has_cross_weight:
            raise ValueError("the plant has a cross weight: absorb it first (lqrpg.lqr.cross_weight)")


def contiguous(*matrices: Array) -> tuple[Array, ...]:
    """The matrices as C-contiguous float64 arrays: the one memory layout for which kernels are compiled."""
    return tuple(np.ascontiguousarray(matrix, dtype=np.float64) for matrix in matrices)
