"""Distributions of one uncertain parameter, all of bounded support: numbers from uniform ones, and Gauss rules.

A Gauss rule of n nodes integrates every polynomial of degree 2n - 1 against the distribution's own density, so the
kink of a triangle or the tails of a narrow normal cost no accuracy; only the integrand has to be smooth. The rule
comes from the three-term recurrence of the orthogonal polynomials (Golub and Welsch, 1969), and the recurrence from
the density by Stieltjes' procedure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import linalg, special

from lqrpg.checks import require
from lqrpg.lqr.plant import Array

KEYS = {
    "uniform": ("low", "high"),
    "log_uniform": ("low", "high"),
    "normal": ("mean", "sd", "low", "high"),
    "triangular": ("low", "mode", "high"),
}
"""The numbers of each kind of distribution."""

_EVEN = ("uniform", "log_uniform")
"""Distributions whose density is even in the coordinate of a Gauss rule."""
_LEAST_MASS = 1e-6
_PIECES, _POINTS = 64, 16  # of the fine rule by which a density is represented
_REACH = 9.0  # standard deviations beyond which a normal density is below rounding


@dataclass(frozen=True)
class Distribution:
    """The distribution of one parameter on [low, high].

    Attributes
    ----------
    kind : one of `KEYS`.
    low, high : ends of the support, in the parameter's unit.
    centre : mean of a normal (before it is cut off) or mode of a triangle; else the middle.
    sd : standard deviation of a normal, before it is cut off; else 0.
    """

    kind: str
    low: float
    high: float
    centre: float
    sd: float

    @cached_property
    def _tails(self) -> tuple[float, float]:
        """Normal probabilities below `low` and below `high`, of the side on which they are not close to one."""
        sign = self._side
        ends = sorted([sign * (self.low - self.centre) / self.sd, sign * (self.high - self.centre) / self.sd])
        return float(special.ndtr(ends[0])), float(special.ndtr(ends[1]))

    @property
    def _side(self) -> float:
        return 1.0 if self.low + self.high <= 2.0 * self.centre else -1.0

    @property
    def mass(self) -> float:
        """Probability that a normal lies between its ends; 1 for the others."""
        return self._tails[1] - self._tails[0] if self.kind == "normal" else 1.0

    def quantile(self, probability: Array) -> Array:
        """The values below which a parameter lies with the given probabilities; any shape."""
        if self.kind == "uniform":
            found = self.low + (self.high - self.low) * probability
        elif self.kind == "log_uniform":
            found = self.low * np.exp(probability * math.log(self.high / self.low))
        elif self.kind == "triangular":
            found = self._triangle(probability)
        else:
            below, above = self._tails
            probability = probability if self._side > 0 else 1.0 - probability
            found = self.centre + self._side * self.sd * special.ndtri(below + (above - below) * probability)
        return np.clip(found, self.low, self.high)

    def _triangle(self, probability: Array) -> Array:
        width, rise = self.high - self.low, self.centre - self.low
        up = self.low + np.sqrt(probability * width * rise)
        down = self.high - np.sqrt((1.0 - probability) * width * (width - rise))
        return np.where(probability * width < rise, up, down)

    def coordinate(self, values: Array) -> Array:
        """The smooth coordinate of a Gauss rule: linear in the parameter (or in its logarithm), from -1 to 1."""
        if self.kind == "log_uniform":
            return 2.0 * np.log(values / self.low) / math.log(self.high / self.low) - 1.0
        return 2.0 * (values - self.low) / (self.high - self.low) - 1.0

    def value(self, coordinate: Array) -> Array:
        """Inverse of `coordinate`."""
        share = (coordinate + 1.0) / 2.0
        if self.kind == "log_uniform":
            return self.low * np.exp(share * math.log(self.high / self.low))
        return self.low + (self.high - self.low) * share

    def recurrence(self, count: int) -> tuple[Array, Array]:
        """Coefficients of the orthonormal polynomials p_k in the coordinate t, shapes (count,) and (count,):

        .. math:: t p_k = b_k p_{k-1} + a_k p_k + b_{k+1} p_{k+1}, \\qquad b_0 = 0.
        """
        if self.kind in _EVEN:
            k = np.arange(count, dtype=np.float64)
            return np.zeros(count), k / np.sqrt(np.maximum(4.0 * k**2 - 1.0, 1.0))
        return _stieltjes(*self._fine_rule(), count)

    def _fine_rule(self) -> tuple[Array, Array]:
        """Many points and weights that stand for the density, the pieces between them free of kinks."""
        if self.kind == "triangular":
            knots = np.unique(self.coordinate(np.array([self.low, self.centre, self.high])))
        else:
            ends = np.clip(self.centre + self.sd * np.array([-_REACH, _REACH]), self.low, self.high)
            first, last = self.coordinate(ends)
            knots = np.linspace(first, last, _PIECES + 1)
        order = _POINTS if self.kind == "normal" else 4 * _POINTS
        points, weights = np.polynomial.legendre.leggauss(order)
        half = np.diff(knots)[:, None] / 2.0
        places = (knots[:-1, None] + half * (points + 1.0)).ravel()
        density = (half * weights).ravel() * self._density(self.value(places))
        return places, density / density.sum()

    def _density(self, values: Array) -> Array:
        """The density, up to a factor."""
        if self.kind == "triangular":
            with np.errstate(divide="ignore", invalid="ignore"):
                rising = (values - self.low) / (self.centre - self.low)
                falling = (self.high - values) / (self.high - self.centre)
            return np.where(values < self.centre, rising, falling)
        nearest = np.clip(self.centre, self.low, self.high)
        squares = ((values - self.centre) / self.sd) ** 2 - ((nearest - self.centre) / self.sd) ** 2
        return np.asarray(np.exp(-0.5 * squares))

    def gauss(self, count: int) -> tuple[Array, Array]:
        """Gauss nodes and weights (count,), the weights positive and of sum one."""
        if self.kind in _EVEN:
            coordinates, weights = np.polynomial.legendre.leggauss(count)
            return self.value(coordinates), weights / 2.0
        a, b = self.recurrence(count)
        nodes, vectors = linalg.eigh_tridiagonal(a, b[1:])
        weights = vectors[0] ** 2
        return self.value(np.clip(nodes, -1.0, 1.0)), weights / weights.sum()

    def polynomials(self, values: Array, count: int) -> Array:
        """The first orthonormal polynomials at values (points,), shape (count, points)."""
        a, b = self.recurrence(count + 1)
        t = self.coordinate(values)
        found = [np.zeros_like(t), np.ones_like(t)]
        for k in range(count - 1):
            found.append(((t - a[k]) * found[-1] - b[k] * found[-2]) / b[k + 1])
        return np.array(found[1:])


def _stieltjes(points: Array, weights: Array, count: int) -> tuple[Array, Array]:
    a, b = np.zeros(count), np.zeros(count)
    before, here = np.zeros_like(points), np.ones_like(points)
    for k in range(count):
        a[k] = weights @ (points * here**2)
        following = (points - a[k]) * here - b[k] * before
        if k + 1 < count:
            b[k + 1] = math.sqrt(weights @ following**2)
            before, here = here, following / b[k + 1]
    return a, b


def distribution(content: Mapping[str, Any], where: str) -> Distribution:
    """The distribution that a file describes, as `{distribution: uniform, low: 1.0, high: 2.0}`.

    Raises
    ------
    SettingError
        If its kind is unknown, a number is missing, or the numbers describe none.
    """
    kind = content.get("distribution")
    require(isinstance(kind, str) and kind in KEYS, f"{where}.distribution", kind, "one of " + ", ".join(KEYS))
    wanted = KEYS[str(kind)]
    shape = "{distribution: " + str(kind) + ", " + ", ".join(f"{key}: ..." for key in wanted) + "}"
    require(set(content) == {"distribution", *wanted}, where, dict(content), shape)
    for key in wanted:
        value = content[key]
        number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e150
        require(number, f"{where}.{key}", value, "a finite number")
    return _checked(str(kind), {key: float(content[key]) for key in wanted}, where)


def _checked(kind: str, numbers: Mapping[str, float], where: str) -> Distribution:
    low, high = numbers["low"], numbers["high"]
    middle = 0.5 * (low + high)
    require(low < high, f"{where}.low", low, f"less than high, {high}")
    wide = high - low > 1e-9 * max(abs(low), abs(high))
    require(wide, f"{where}.low", low, f"further from high, {high}; or a fixed number in place of a distribution")
    if kind == "log_uniform":
        require(low > 0.0, f"{where}.low", low, "a positive number, for log_uniform")
    if kind == "triangular":
        require(low <= numbers["mode"] <= high, f"{where}.mode", numbers["mode"], f"a number from {low} to {high}")
    if kind == "normal":
        require(numbers["sd"] > 1e-9 * (high - low), f"{where}.sd", numbers["sd"], "a positive number")
    found = Distribution(kind, low, high, numbers.get("mean", numbers.get("mode", middle)), numbers.get("sd", 0.0))
    reached = found.mass >= _LEAST_MASS
    require(reached, f"{where}.mean", numbers.get("mean"), f"closer to the range from {low} to {high}, measured in sd")
    return found
