"""A randomised family of plants: independent uncertain parameters, and the matrices at their values.

How the matrices are made is the only thing that differs between families: by polynomials (`polynomial`) where one
parameter makes that possible, as it is fastest, or by expressions (`formulas`).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from scipy.stats import qmc

from lqrpg.lqr.plant import Array, Plant
from lqrpg.systems.families.distributions import Distribution

_GRID = {1: 601, 2: 41, 3: 13}
"""Points per parameter of the stability test grid, by the number of parameters; for more a Sobol sequence."""
_SOBOL = 2048


class Matrices(Protocol):
    """A and B as functions of the parameters."""

    @property
    def coefficients(self) -> tuple[Array, Array, Array]:
        """Polynomials of A and B, (degree + 1, n, n) and (degree + 1, n, m), in z = slope / theta + offset; (slope,
        offset). Empty, (0, n, n), where the matrices are no polynomials.
        """
        ...

    def systems(self, points: Array, /) -> tuple[Array, Array]:
        """The matrices at points (count, d): shapes (count, n, n) and (count, n, m)."""
        ...

    def lanes(self, columns: list[Array], /) -> tuple[Array, Array]:
        """The matrices at d parameters (groups, LANES): shapes (groups, n, n, LANES) and (groups, n, m, LANES)."""
        ...

    def discounted(self, discount: float, /) -> Matrices:
        """These times the root of a discount."""
        ...


@dataclass(frozen=True)
class Family:
    """Plants (A(theta), B(theta)) with common weights and noise, theta = (d) independent parameters.

    Attributes
    ----------
    names : the uncertain parameters: the order of their numbers in `points`.
    distributions : their distributions.
    matrices : A and B.
    Q, R, Sigma : (n, n), (m, m), (n, n) weights and noise covariance (of the sampled plant).
    gauss_nodes : Gauss nodes that are known to be enough for means over one parameter; None if they are to be found.
    unit : of the one parameter, for messages.
    """

    names: tuple[str, ...]
    distributions: tuple[Distribution, ...]
    matrices: Matrices
    Q: Array
    R: Array
    Sigma: Array
    gauss_nodes: int | None = None
    unit: str = ""

    def discounted(self, discount: float) -> Family:
        """The family whose costs are the discounted ones: A and B times the root of the discount."""
        return replace(self, matrices=self.matrices.discounted(discount))

    def systems(self, points: Array) -> tuple[Array, Array]:
        """The matrices at points (count, d), or (count,) for one parameter: shapes (count, n, n) and (count, n, m)."""
        return self.matrices.systems(np.reshape(points, (-1, len(self.names))))

    def plant(self, point: Any) -> Plant:
        """The plant at one point, shape (d,), or a number for one parameter."""
        A, B = self.systems(np.asarray(point, dtype=np.float64))
        return Plant(A[0], B[0], self.Q, self.R, self.Sigma)

    def sample(self, uniform: Array) -> list[Array]:
        """Parameters from uniform numbers (d, ...): one array a parameter, each distributed as it should be."""
        return [each.quantile(numbers) for each, numbers in zip(self.distributions, uniform, strict=True)]

    def ends(self) -> Array:
        """The corners of the box of parameters, shape (2^d, d)."""
        return np.array(list(itertools.product(*((each.low, each.high) for each in self.distributions))))

    def grid(self) -> Array:
        """The stability test grid, (count, d), corners among its points."""
        d = len(self.names)
        if d in _GRID:
            axes = [np.linspace(each.low, each.high, _GRID[d]) for each in self.distributions]
            return np.array(list(itertools.product(*axes)))
        low, high = self.ends()[[0, -1]]
        return np.vstack([self.ends(), low + (high - low) * qmc.Sobol(d, scramble=False).random(_SOBOL)])

    def describe(self, points: Array) -> str:
        """Points of the grid (count, d) in words: one, or the box around several; ranges of one that has a unit."""
        points = np.reshape(points, (-1, len(self.names)))
        if len(points) == 0:
            return "no values"
        if self.unit:
            return self._ranges(points[:, 0])
        many = f"{len(points)} sets of values, " if len(points) > 1 else ""
        low, high = points.min(axis=0), points.max(axis=0)
        parts = [
            f"{name}={a:.4g}" if a == b else f"{name} from {a:.4g} to {b:.4g}"
            for name, a, b in zip(self.names, low, high, strict=True)
        ]
        return many + ", ".join(parts)

    def _ranges(self, values: Array) -> str:
        """Values of the one parameter, neighbours on the grid as one range."""
        low, high = self.ends()[:, 0]
        spacing, unit = (high - low) / (_GRID[1] - 1), self.unit
        groups = np.split(values, np.flatnonzero(np.diff(values) > 1.5 * spacing) + 1)
        ranges = [
            f"{each[0]:.3g} {unit}" if len(each) == 1 else f"{each[0]:.3g} to {each[-1]:.3g} {unit}" for each in groups
        ]
        return f"{self.names[0]}s " + ", ".join(ranges)
