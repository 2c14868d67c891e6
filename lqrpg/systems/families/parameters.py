"""A family of plants whose matrices are expressions in several uncertain parameters, evaluated many at a time.

Matrices in continuous time are sampled exactly, for every value of the parameters, with the input held between
samples. Systems are made in groups of `LANES`, so the numbers of one do not depend on its neighbours.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import qmc

from lqrpg.compiler.jit import LANES
from lqrpg.compiler.lanes import lane_array
from lqrpg.kernels.hold import hold
from lqrpg.lqr.plant import Array, Plant
from lqrpg.systems.families.distributions import Distribution
from lqrpg.systems.families.expression import Expression

Entries = tuple[tuple[Expression, ...], ...]
"""A matrix of expressions, row by row."""

_GRID = {1: 601, 2: 41, 3: 13}  # points a parameter of the grid on which stability is looked at
_SCATTERED = 2048


@dataclass(frozen=True)
class ParameterFamily:
    """Plants (A(theta), B(theta)) with common weights and noise, theta = (d) independent parameters.

    Attributes
    ----------
    names : the uncertain parameters, in alphabetical order: the order of their numbers in `points`.
    distributions : their distributions.
    fixed : the other parameters.
    derived : further names, each an expression in parameters and in names before it.
    state, input : A and B as expressions.
    period : s between samples of a plant in continuous time; None for a plant in discrete time.
    Q, R, Sigma : (n, n), (m, m), (n, n) weights and noise covariance (of the sampled plant).
    discount : gamma; A and B are times its root.
    """

    names: tuple[str, ...]
    distributions: tuple[Distribution, ...]
    fixed: Mapping[str, float]
    derived: tuple[tuple[str, Expression], ...]
    state: Entries
    input: Entries
    period: float | None
    Q: Array
    R: Array
    Sigma: Array
    discount: float = 1.0

    def discounted(self, discount: float) -> ParameterFamily:
        """The family whose costs are the discounted ones: A and B times the root of the discount."""
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

    def plant(self, point: Array) -> Plant:
        """The plant at one point, shape (d,)."""
        A, B = self.systems(np.asarray(point, dtype=np.float64).reshape(1, -1))
        return Plant(A[0], B[0], self.Q, self.R, self.Sigma)

    def sample(self, uniform: Array) -> list[Array]:
        """Parameters from uniform numbers (d, ...): one array a parameter, each distributed as it should be."""
        return [each.quantile(shares) for each, shares in zip(self.distributions, uniform, strict=True)]

    def ends(self) -> Array:
        """The corners of the box of parameters, shape (2^d, d)."""
        return np.array(list(itertools.product(*((each.low, each.high) for each in self.distributions))))

    def grid(self) -> Array:
        """Points on which the whole family is looked at, corners among them, (count, d)."""
        d = len(self.names)
        if d in _GRID:
            shares = np.array(list(itertools.product(np.linspace(0.0, 1.0, _GRID[d]), repeat=d)))
        else:
            shares = qmc.Sobol(d, scramble=False).random(_SCATTERED)
        low, high = (np.array([getattr(each, end) for each in self.distributions]) for end in ("low", "high"))
        return np.vstack([self.ends(), low + (high - low) * shares])

    def describe(self, points: Array) -> str:
        """Points (count, d) in words: one, or the box around several."""
        if len(points) == 0:
            return "no values"
        many = f"{len(points)} sets of values, " if len(points) > 1 else ""
        low, high = points.min(axis=0), points.max(axis=0)
        parts = [
            f"{name}={a:.4g}" if a == b else f"{name} from {a:.4g} to {b:.4g}"
            for name, a, b in zip(self.names, low, high, strict=True)
        ]
        return many + ", ".join(parts)


def _filled(matrix: Entries, values: Mapping[str, Any], groups: int) -> Array:
    """A matrix of expressions at many values, (groups, rows, columns, LANES)."""
    rows, columns = len(matrix), len(matrix[0])
    filled: Array = lane_array(groups * rows * columns).reshape((groups, rows, columns, LANES))
    for i, row in enumerate(matrix):
        for j, entry in enumerate(row):
            filled[:, i, j, :] = entry.value(values)
    return filled
