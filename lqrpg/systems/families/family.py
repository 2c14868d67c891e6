"""What a randomised family of plants is to the algorithms: systems at given parameters, weights common to all."""

from __future__ import annotations

from typing import Any, Protocol, Self

from lqrpg.lqr.plant import Array, Plant


class Family(Protocol):
    """Plants (A(theta), B(theta)); `points` holds one theta a row, or one number each for a single parameter."""

    @property
    def Q(self) -> Array:  # noqa: N802
        """Weight of the state, (n, n)."""
        ...

    @property
    def R(self) -> Array:  # noqa: N802
        """Weight of the input, (m, m)."""
        ...

    @property
    def Sigma(self) -> Array:  # noqa: N802
        """Noise covariance, (n, n)."""
        ...

    def systems(self, points: Array, /) -> tuple[Array, Array]:
        """The matrices at points: shapes (count, n, n) and (count, n, m)."""
        ...

    def plant(self, point: Any, /) -> Plant:
        """The plant at one point."""
        ...

    def discounted(self, discount: float, /) -> Self:
        """The family whose costs are the discounted ones: A and B times the root of the discount."""
        ...

    def ends(self) -> Array:
        """The extreme points of the family."""
        ...

    def grid(self) -> Array:
        """Points on which the whole family is looked at."""
        ...

    def describe(self, points: Array, /) -> str:
        """Points of the grid in words."""
        ...
