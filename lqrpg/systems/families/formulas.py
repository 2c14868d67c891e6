"""Matrices whose entries are expressions in several uncertain parameters, evaluated many at a time.

Matrices in continuous time are sampled exactly, for every value of the parameters, with the input held between
samples. Systems are made in groups of `LANES`, so the numbers of one do not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lqrpg.compiler.jit import LANES
from lqrpg.compiler.lanes import lane_array
from lqrpg.kernels.hold import hold
from lqrpg.lqr.plant import Array
from lqrpg.systems.families.expression import Expression

Entries = tuple[tuple[Expression, ...], ...]
"""A matrix of expressions, row by row."""


@dataclass(frozen=True)
class Formulas:
    """A and B by expressions.

    Attributes
    ----------
    names : the uncertain parameters, in the order of their numbers in `points`.
    fixed : the other parameters.
    derived : further names, each an expression in parameters and in names before it.
    state, input : A and B as expressions.
    period : s between samples of a plant in continuous time; None for a plant in discrete time.
    discount : gamma; A and B are times its root.
    """

    names: tuple[str, ...]
    fixed: Mapping[str, float]
    derived: tuple[tuple[str, Expression], ...]
    state: Entries
    input: Entries
    period: float | None
    discount: float = 1.0

    @property
    def coefficients(self) -> tuple[Array, Array, Array]:
        """None: the matrices are no polynomials."""
        n, m = len(self.input), len(self.input[0])
        return np.zeros((0, n, n)), np.zeros((0, n, m)), np.zeros(2)

    def discounted(self, discount: float) -> Formulas:
        """These times the root of a discount."""
        return replace(self, discount=self.discount * discount)

    def values(self, columns: list[Array]) -> dict[str, Any]:
        """All names with their values, at parameters of any one shape."""
        found: dict[str, Any] = {name: np.float64(value) for name, value in self.fixed.items()}
        found.update(zip(self.names, columns, strict=True))
        for name, expression in self.derived:
            found[name] = expression.value(found)
        return found

    def lanes(self, columns: list[Array]) -> tuple[Array, Array]:
        """Systems at parameters (groups, LANES): shapes (groups, n, n, LANES) and (groups, n, m, LANES)."""
        found = self.values(columns)
        A, B = (_filled(matrix, found, len(columns[0])) for matrix in (self.state, self.input))
        if self.period is not None:
            hold(A, B, self.period)
        if self.discount != 1.0:
            root = np.sqrt(self.discount)
            A, B = root * A, root * B
        return A, B

    def systems(self, points: Array) -> tuple[Array, Array]:
        """The matrices at points (count, d): shapes (count, n, n) and (count, n, m)."""
        count = len(points)
        padded = points[np.minimum(np.arange(-(-count // LANES) * LANES), count - 1)]
        matrices = self.lanes([np.ascontiguousarray(column).reshape(-1, LANES) for column in padded.T])
        A, B = (np.moveaxis(each, 3, 1).reshape(-1, *each.shape[1:3])[:count] for each in matrices)
        return np.ascontiguousarray(A), np.ascontiguousarray(B)


def _filled(matrix: Entries, values: Mapping[str, Any], groups: int) -> Array:
    """A matrix of expressions at many values, (groups, rows, columns, LANES)."""
    rows, columns = len(matrix), len(matrix[0])
    filled: Array = lane_array(groups * rows * columns).reshape((groups, rows, columns, LANES))
    for i, row in enumerate(matrix):
        for j, entry in enumerate(row):
            filled[:, i, j, :] = entry.value(values)
    return filled
