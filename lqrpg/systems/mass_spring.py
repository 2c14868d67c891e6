"""The chain of masses, springs and dampers of Sha et al. (Section V), in continuous time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from scipy.linalg import toeplitz

from lqrpg.lqr.plant import Array, Plant
from lqrpg.ranges import Positive, Range, check
from lqrpg.systems.system import System


@dataclass(frozen=True)
class MassSpring(System):
    """Unit masses in a row, tied to their neighbours and to both walls; a force acts on each.

    Attributes
    ----------
    kind : `mass_spring`.
    masses : number of masses; the plant has twice as many states (positions, then velocities) and as many inputs.
    stiffness : spring constant, N/m.
    damping : damper constant, N s/m.
    """

    time: ClassVar[str] = "continuous"
    kind: str
    masses: Annotated[int, Range(1, 500)]
    stiffness: Positive
    damping: Positive

    def __post_init__(self) -> None:
        check(self, "system.")

    def plant(self) -> Plant:
        """A = [[0, I], [-k T, -d T]], B = [[0], [I]] with T tridiagonal (2 and -1); Q = R = Sigma = I."""
        eye, zero = np.eye(self.masses), np.zeros((self.masses, self.masses))
        coupling = toeplitz(np.r_[2.0, -1.0, np.zeros(self.masses)][: self.masses])
        A = np.block([[zero, eye], [-self.stiffness * coupling, -self.damping * coupling]])
        unit = np.eye(2 * self.masses)
        return Plant(A, np.vstack([zero, eye]), unit, eye, unit, sample_time=0.0)

    def initial_gain(self) -> Array:
        """K0 = 0, shape (masses, 2 masses): the dampers alone stabilise the chain."""
        return np.zeros((self.masses, 2 * self.masses))


SYSTEM = MassSpring
