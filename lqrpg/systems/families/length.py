"""A family of discrete-time plants with one parameter, a length: polynomials in its inverse, evaluated in
lanes.

The matrices of a pole on a cart are smooth in 1/L, so a polynomial of low degree gives them to rounding and
no system that is sampled needs a matrix exponential. The variable z = slope / L + offset runs over [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba.core import types
from numpy.polynomial import chebyshev

from lqrpg.compiler.lanes import Emitter, intrinsic, is_lane_array, lane_pointer
from lqrpg.lqr.plant import Array, Plant

MAX_DEGREE = 24
GRID = 600
"""Intervals of the grid on which stability is looked at."""
TOGETHER = 5
"""Polynomials that are evaluated side by side."""
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

    def ends(self) -> Array:
        """The shortest and the longest length, shape (2,)."""
        return self.span[:2]

    def grid(self) -> Array:
        """An even grid of lengths from the shortest to the longest, shape (601,)."""
        return np.linspace(self.span[0], self.span[1], GRID + 1)

    def describe(self, points: Array) -> str:
        """Lengths of the grid in words, neighbours as one range."""
        if points.size == 0:
            return "no pole length"
        spacing = (self.span[1] - self.span[0]) / GRID
        groups = np.split(points, np.flatnonzero(np.diff(points) > 1.5 * spacing) + 1)
        ranges = [f"{each[0]:.3g} m" if len(each) == 1 else f"{each[0]:.3g} to {each[-1]:.3g} m" for each in groups]
        return "pole lengths " + ", ".join(ranges)


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
    span = np.array([shortest, longest, slope, offset])
    return LengthFamily(np.ascontiguousarray(A), np.ascontiguousarray(B), Q, R, Sigma, span)


@intrinsic
def family_lanes(typing_context, coefficients, z, out, entries, degrees):
    """Evaluate polynomials at the lanes of z, shape (LANES,), into `out`, shape (rows, columns, LANES).

    `coefficients` is (degree + 1, rows, columns); `entries` and `degrees` are `size_of` rows times columns and of the
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
