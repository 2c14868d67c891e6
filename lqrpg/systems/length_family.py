"""A family of discrete-time plants with one parameter, a length: polynomials in its inverse, evaluated in
lanes.

The matrices of a pole on a cart are smooth in 1/L, so a polynomial of low degree gives them to rounding and
no system that is sampled needs a matrix exponential. The variable z = slope / L + offset runs over [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev

from lqrpg.lqr.compiled import njit
from lqrpg.lqr.lanes import fused, read, splat, write
from lqrpg.lqr.plant import Array, Plant

MAX_DEGREE = 24
TRUNCATION = 4 * np.finfo(float).eps  # neglected Chebyshev coefficients, relative to the largest entry


class LengthFamily(NamedTuple):
    """Plants (A(L), B(L)) for L in [shortest, longest], with common weights and noise.

    Attributes
    ----------
    A : (degree + 1, n, n) coefficients of the powers of z.
    B : (degree + 1, n, m) coefficients of the powers of z.
    Q, R, Sigma : (n, n), (m, m), (n, n) weights and noise covariance.
    span : (4,) numbers: shortest, longest, slope, offset.
    """

    A: Array
    B: Array
    Q: Array
    R: Array
    Sigma: Array
    span: Array

    def systems(self, lengths: Array) -> tuple[Array, Array]:
        """The matrices for lengths of shape (count,): shapes (count, n, n) and (count, n, m)."""
        powers = np.vander(self.span[2] / lengths + self.span[3], self.A.shape[0], increasing=True)
        return np.einsum("cd,dij->cij", powers, self.A), np.einsum("cd,dij->cij", powers, self.B)

    def plant(self, length: float) -> Plant:
        """The plant of one length."""
        A, B = self.systems(np.array([length]))
        return Plant(A[0], B[0], self.Q, self.R, self.Sigma)

    def discounted(self, discount: float) -> LengthFamily:
        """The family whose costs are the discounted ones: A and B times the root of the discount."""
        root = float(np.sqrt(discount))
        return self._replace(A=root * self.A, B=root * self.B)


def fit_family(plant_of: Callable[[float], Plant], shortest: float, longest: float) -> LengthFamily:
    """Interpolate a plant's matrices in 1/L on Chebyshev points and drop what lies below rounding.

    Raises
    ------
    ValueError
        If the matrices are not smooth enough in 1/L for a polynomial of degree `MAX_DEGREE`.
    """
    low, high = 1.0 / longest, 1.0 / shortest
    slope, offset = 2.0 / (high - low), -(high + low) / (high - low)
    points = chebyshev.chebpts1(MAX_DEGREE + 1)
    plants = [plant_of(slope / (z - offset)) for z in points]
    n, m = plants[0].B.shape
    values = np.array([np.concatenate([plant.A.ravel(), plant.B.ravel()]) for plant in plants])
    series = np.linalg.solve(chebyshev.chebvander(points, MAX_DEGREE), values)
    scale = np.where(
        np.arange(values.shape[1]) < n * n, np.abs(values[:, : n * n]).max(), np.abs(values[:, n * n :]).max()
    )
    sizes = np.max(np.abs(series) / scale, axis=1)
    if sizes[-2:].max() > TRUNCATION:
        raise ValueError("the plant is not smooth enough in 1/length: narrow the range of lengths or shorten dt")
    degree = max(1, int(np.flatnonzero(sizes > TRUNCATION)[-1]))
    series = series[: degree + 1]
    powers = np.zeros_like(series)
    for column in range(series.shape[1]):
        coefficients = chebyshev.cheb2poly(series[:, column])
        powers[: coefficients.size, column] = coefficients
    A = powers[:, : n * n].reshape(-1, n, n)
    B = powers[:, n * n :].reshape(-1, n, m)
    Q, R, Sigma = plants[0].Q, plants[0].R, plants[0].Sigma
    span = np.array([shortest, longest, slope, offset])
    return LengthFamily(np.ascontiguousarray(A), np.ascontiguousarray(B), Q, R, Sigma, span)


@njit
def family_lanes(coefficients, z, out, rows, columns, degrees):  # type: ignore[no-untyped-def]
    """Evaluate the polynomials at the lanes of z, shape (LANES,), into `out`, shape (rows, columns, LANES).

    `rows`, `columns` and `degrees` are `size_of` the shape and of the degree.
    """
    top = len(degrees)
    place = read(z, ())
    for i in range(len(rows)):
        for j in range(len(columns)):
            total = splat(coefficients[top, i, j])
            for lower in range(1, top + 1):
                total = fused(total, place, splat(coefficients[top - lower, i, j]))
            write(out, (i, j), total)
