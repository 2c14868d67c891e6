"""QSA with a constant gain on the linear model (20), in closed form (Chen et al., Prop. 2.1).

.. math:: \\tfrac{d}{dt}\\tilde\\Theta_t = \\alpha\\,[A\\tilde\\Theta_t + v\\sin(\\omega t + \\varphi)]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from lqrpg.lqr.continuous import spectral_abscissa
from lqrpg.lqr.plant import Array
from lqrpg.lqr.stability import is_hurwitz
from lqrpg.qsa.ode import require_positive


@dataclass(frozen=True)
class ConstantGain:
    """The linear model with one sinusoid; superposition (21) gives the rest.

    Attributes
    ----------
    A : (d, d) Hurwitz matrix.
    direction : (d,) v.
    alpha : the constant gain, in (0, inf).
    frequency : omega, in rad/s, greater than zero.
    phase : in rad.

    Raises
    ------
    ValueError
        If A is not Hurwitz, or a number is outside its range.
    """

    A: Array
    direction: Array
    alpha: float
    frequency: float = 1.0
    phase: float = 0.0

    def __post_init__(self) -> None:
        require_positive("gain alpha", self.alpha)
        require_positive("frequency", self.frequency)
        if not is_hurwitz(self.A):
            abscissa = spectral_abscissa(self.A)
            raise ValueError(f"the linearization must be Hurwitz, its spectral abscissa is {abscissa:.3g}")

    @property
    def phasor(self) -> NDArray[np.complex128]:
        """The steady motion is the imaginary part of phasor e^{i omega t}, shape (d,), complex.

        .. math:: \\alpha\\,[i\\omega I - \\alpha A]^{-1} v\\, e^{i\\varphi}
        """
        resolvent = 1j * self.frequency * np.eye(len(self.A)) - self.alpha * self.A
        forcing = self.alpha * self.direction * np.exp(1j * self.phase)
        return np.asarray(np.linalg.solve(resolvent, forcing), dtype=np.complex128)

    def steady(self, times: Array) -> Array:
        """The steady sinusoid that Prop. 2.1 predicts, shape (len(times), d)."""
        return np.imag(np.exp(1j * self.frequency * times)[:, None] * self.phasor)

    def transient(self, start: Array, times: Array) -> Array:
        """The exponential transient from an initial error `start` (d,), shape (len(times), d)."""
        excess = start - np.imag(self.phasor)
        return np.array([linalg.expm(self.alpha * self.A * t) @ excess for t in times])

    def exact(self, start: Array, times: Array) -> Array:
        """The error at `times` by Prop. 2.1: transient plus steady sinusoid, shape (len(times), d)."""
        return self.transient(start, times) + self.steady(times)

    def simulate(self, start: Array, step: float, n_steps: int) -> Array:
        """The error at the times 0, h, ..., n_steps h by RK4, shape (n_steps + 1, d)."""
        require_positive("step", step)
        matrix = self.alpha * self.A
        forcing = np.sin(self.frequency * step * 0.5 * np.arange(2 * n_steps + 1) + self.phase)
        drive = self.alpha * forcing[:, None] * self.direction
        path = np.empty((n_steps + 1, len(matrix)))
        path[0] = y = np.array(start, dtype=np.float64)
        for n in range(n_steps):
            k0 = matrix @ y + drive[2 * n]
            k1 = matrix @ (y + 0.5 * step * k0) + drive[2 * n + 1]
            k2 = matrix @ (y + 0.5 * step * k1) + drive[2 * n + 1]
            k3 = matrix @ (y + step * k2) + drive[2 * n + 2]
            path[n + 1] = y = y + step / 6.0 * (k0 + 2.0 * k1 + 2.0 * k2 + k3)
        return path
