"""The natural gradient with the model known: the gradient in the metric of the state covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lqrpg.kernels.normals import NormalStream
from lqrpg.lqr.plant import Plant
from lqrpg.methods.exact_gradient import ExactGradient
from lqrpg.methods.oracles.exact import ExactOracle


@dataclass(frozen=True)
class NaturalGradient(ExactGradient):
    """K <- K - step_size * gradient * Sigma_K^-1 = K - step_size * 2 E_K (Fazel et al., 2018).

    Attributes
    ----------
    step_size : the step size, a number or a schedule.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import NaturalGradient, Plant, minimise, optimal_gain
    >>> noise = np.diag([1.0, 1.0, 1e-3])
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=noise, sample_time=1)
    >>> found = minimise(NaturalGradient(step_size=0.15), plant, 0.3 * np.eye(3), steps=100)
    >>> bool(np.allclose(found.gain, optimal_gain(plant)))  # the exact gradient hardly sees the third state
    True
    """

    label: ClassVar[str] = "natural gradient"

    @property
    def name(self) -> str:
        """A short name for tables and legends."""
        return "natural gradient"

    def _oracle(self, plant: Plant, source: NormalStream) -> ExactOracle:
        return super()._oracle(plant, source)._replace(natural=True)


METHOD = NaturalGradient
