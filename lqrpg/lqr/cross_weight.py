"""The cross weight S of a stage cost x'Qx + 2 x'Su + u'Ru, absorbed in the input.

With v = u + R^-1 S' x the cost has no cross weight. Methods and kernels work on that problem; these are its only
coordinates, and only here a gain changes between them and those of u = -K x. Costs, costs-to-go, state covariances and
gradients are the same in both, since the gains differ by a constant.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple, TypeVar

import numpy as np
from scipy import linalg

from lqrpg.lqr.plant import Array, Plant
from lqrpg.lqr.sampling import LinearModel

Weighted = TypeVar("Weighted", LinearModel, Plant)


class WorkingPlant(NamedTuple):
    """A plant as methods work on it.

    Attributes
    ----------
    plant : the plant without cross weight, whose gains are L of v = -L x.
    shift : (m, n) R^-1 S', the difference K - L.
    """

    plant: Plant
    shift: Array

    def inward(self, gain: Array) -> Array:
        """The gain L of v = -L x, of a gain K of u = -K x."""
        return np.asarray(gain - self.shift)

    def outward(self, gains: Array) -> Array:
        """The gains K of u = -K x, (..., m, n), of gains L of v = -L x."""
        return np.asarray(gains + self.shift)


def working(plant: Plant) -> WorkingPlant:
    """The plant as methods work on it; itself, with a shift of zero, if it has no cross weight."""
    if not plant.has_cross_weight:
        return WorkingPlant(plant._replace(S=None), np.zeros((plant.n_inputs, plant.n_states)))
    return WorkingPlant(*without_cross_weight(plant))


def without_cross_weight(model: Weighted) -> tuple[Weighted, Array]:
    """The same problem in the input v = u + R^-1 S' x, whose cost has no cross weight.

    Returns
    -------
    The model with A - B R^-1 S' and Q - S R^-1 S', and the (m, n) shift R^-1 S'; the gain of u = -K x is the gain of
    v = -L x plus the shift.

    Raises
    ------
    ValueError
        If R is singular to working precision.
    """
    S = np.zeros(model.B.shape) if model.S is None else model.S
    root = np.exp2(np.round(0.5 * np.log2(np.maximum(np.diag(model.R), np.finfo(np.float64).tiny))))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", linalg.LinAlgWarning)  # in inputs of equal weight, exactly
            scaled = linalg.solve(model.R / root / root[:, None], S.T / root[:, None], assume_a="pos")
            shift = np.asarray(scaled / root[:, None])
    except (linalg.LinAlgError, linalg.LinAlgWarning):
        raise ValueError("R is singular to working precision") from None
    Q = model.Q - S @ shift
    return model._replace(A=model.A - model.B @ shift, Q=0.5 * (Q + Q.T), S=np.zeros_like(S)), shift


def q_function(theta_form: Array, shift: Array) -> Array:
    """The symmetric form H, (n + m, n + m), in (x, u), of one in (x, v) with v = u + shift x."""
    m, n = shift.shape
    change = np.block([[np.eye(n), np.zeros((n, m))], [shift, np.eye(m)]])
    return np.asarray(change.T @ theta_form @ change)
