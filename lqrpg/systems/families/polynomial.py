"""Matrices that depend on one parameter, a length: polynomials in its inverse, evaluated in lanes.

The matrices of a pole on a cart are smooth in 1/L, so a polynomial of low degree gives them to rounding and
no system that is sampled needs a matrix exponential. The variable z = slope / L + offset runs over [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba.core import types
from numpy.polynomial import chebyshev

from lqrpg.compiler.jit import LANES, njit, unrolled
from lqrpg.compiler.lanes import Emitter, intrinsic, is_lane_array, lane_array, lane_pointer
from lqrpg.lqr.plant import Array, Plant
from lqrpg.systems.families.distributions import Distribution
from lqrpg.systems.families.family import Family

MAX_DEGREE = 24
GAUSS_NODES = 24
"""Gauss nodes with which means of costs over a range of lengths are exact to rounding."""
TOGETHER = 5
"""Polynomials that are evaluated side by side."""
TRUNCATION = 4 * np.finfo(float).eps  # neglected Chebyshev coefficients, relative to the largest entry


class Polynomial(NamedTuple):
    """A and B as polynomials in z.

    Attributes
    ----------
    A : (degree + 1, n, n) coefficients of the powers of z.
    B : (degree + 1, n, m) coefficients of the powers of z.
    transform : (2,) slope and offset of z = slope / L + offset.
    """

    A: Array
    B: Array
    transform: Array

    @property
    def coefficients(self) -> tuple[Array, Array, Array]:
        """The polynomials, and the slope and offset of their variable."""
        return self.A, self.B, self.transform

    def systems(self, points: Array) -> tuple[Array, Array]:
        """The matrices at lengths (count, 1): shapes (count, n, n) and (count, n, m)."""
        slope, offset = self.transform
        powers = np.vander(slope / points[:, 0] + offset, self.A.shape[0], increasing=True)
        return np.einsum("cd,dij->cij", powers, self.A), np.einsum("cd,dij->cij", powers, self.B)

    def lanes(self, columns: list[Array]) -> tuple[Array, Array]:
        """The matrices at lengths (groups, LANES): shapes (groups, n, n, LANES) and (groups, n, m, LANES)."""
        slope, offset = self.transform
        z = np.ascontiguousarray(slope / columns[0] + offset)
        n, m = self.B.shape[1:]
        systems: tuple[Array, Array] = _in_lanes(self.A, self.B, z, unrolled(n * n), unrolled(n * m), self.degrees)
        return systems

    def discounted(self, discount: float) -> Polynomial:
        """These times the root of a discount."""
        root = float(np.sqrt(discount))
        return self._replace(A=root * self.A, B=root * self.B)

    @property
    def degrees(self) -> tuple[int, ...]:
        """The degree, as `polynomial_lanes` takes it."""
        return unrolled(len(self.A) - 1)


def fit_family(name: str, plant_of: Callable[[float], Plant], shortest: float, longest: float) -> Family:
    """The plants of uniformly distributed lengths: matrices interpolated in 1/L on Chebyshev points, to rounding.

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
    if not sizes[-2:].max() <= TRUNCATION:
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
    matrices = Polynomial(np.ascontiguousarray(A), np.ascontiguousarray(B), np.array([slope, offset]))
    lengths = Distribution("uniform", shortest, longest, 0.5 * (shortest + longest), 0.0)
    return Family((name,), (lengths,), matrices, Q, R, Sigma, GAUSS_NODES, "m")


@intrinsic
def polynomial_lanes(typing_context, coefficients, z, out, entries, degrees):
    """Evaluate polynomials at the lanes of z, shape (LANES,), into `out`, shape (rows, columns, LANES).

    `coefficients` is (degree + 1, rows, columns); `entries` and `degrees` are `unrolled` rows times columns and of the
    degree. Straight-line code, a few entries at a time: a lone polynomial would wait for itself.
    """
    if not (is_lane_array(z, 1) and is_lane_array(out, 3) and is_lane_array(coefficients, 3)):
        return None
    count, degree = len(entries), len(degrees)

    def generate(context, builder, sig, args):
        emit = Emitter(builder)
        numbers = context.make_array(sig.args[0])(context, builder, args[0]).data
        place = emit.load(lane_pointer(context, builder, sig.args[1], args[1]), 0)
        target = lane_pointer(context, builder, sig.args[2], args[2])
        for first in range(0, count, TOGETHER):
            group = range(first, min(first + TOGETHER, count))
            totals = {entry: emit.broadcast(numbers, degree * count + entry) for entry in group}
            for power in reversed(range(degree)):
                for entry in group:
                    addend = emit.broadcast(numbers, power * count + entry)
                    totals[entry] = emit.fma(totals[entry], place, addend)
            for entry in group:
                emit.store(totals[entry], target, entry)
        return context.get_dummy_value()

    return types.void(coefficients, z, out, entries, degrees), generate


@njit
def _in_lanes(coefficients_A, coefficients_B, z, entries_A, entries_B, degrees):
    """Matrices at z, (groups, LANES)."""
    groups, n, m = len(z), coefficients_B.shape[1], coefficients_B.shape[2]
    A = lane_array(groups * n * n).reshape((groups, n, n, LANES))
    B = lane_array(groups * n * m).reshape((groups, n, m, LANES))
    for group in range(groups):
        polynomial_lanes(coefficients_A, z[group], A[group], entries_A, degrees)
        polynomial_lanes(coefficients_B, z[group], B[group], entries_B, degrees)
    return A, B
