"""Rules for means over independent parameters: products of Gauss rules, sparse grids, Sobol points; random samples.

A sparse grid (Smolyak, 1963) of level q combines small products of Gauss rules,

.. math:: \\sum_{q-d < |l| \\le q} (-1)^{q-|l|} \\binom{d-1}{q-|l|} \\; G_{l_1} \\otimes \\dots \\otimes G_{l_d},
    \\qquad |l| = l_1 + \\dots + l_d, \\; l_i \\ge 0,

where G_l has 2l + 1 nodes: it is exact for the same total degree as products that are far larger.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
from scipy.stats import qmc

from lqrpg.lqr.plant import Array
from lqrpg.systems.families.distributions import Distribution
from lqrpg.systems.families.family import Family

MAX_NODES = 4096
PRODUCT_COUNTS = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64)
MAX_LEVEL = 12
SOBOL_COUNTS = (256, 512, 1024, 2048, 4096)
_SCRAMBLING = 20260101


class Nodes(NamedTuple):
    """Points (count, d) of the family's parameters, and weights (count,) that sum to one."""

    points: Array
    weights: Array


class Product(NamedTuple):
    """A product of Gauss rules: nodes in each direction, and the factor with which it enters its rule."""

    counts: tuple[int, ...]
    factor: float


class Rule(NamedTuple):
    """Points and weights for a mean over a family.

    Attributes
    ----------
    name : gauss, sparse_grid or sobol.
    points : (count, d) parameters.
    weights : (count,), of sum one; a sparse grid has negative ones.
    products : what the rule is made of; empty for Sobol points.
    """

    name: str
    points: Array
    weights: Array
    products: tuple[Product, ...]

    @property
    def nodes(self) -> Nodes:
        """Its points and weights."""
        return Nodes(self.points, self.weights)


def product_points(distributions: Sequence[Distribution], counts: Sequence[int]) -> tuple[Array, Array]:
    """Nodes (count, d) and weights (count,) of a product of Gauss rules, the last parameter changing fastest."""
    rules = [each.gauss(count) for each, count in zip(distributions, counts, strict=True)]
    points = np.array(list(itertools.product(*(nodes for nodes, _ in rules))))
    return points, reduce(np.multiply.outer, [weights for _, weights in rules]).ravel()


def combined(name: str, family: Family, products: Sequence[Product]) -> Rule:
    """The sum of several products, points that they share taken together."""
    found = [product_points(family.distributions, each.counts) for each in products]
    points = np.vstack([places for places, _ in found])
    weights = np.concatenate([each.factor * weight for each, (_, weight) in zip(products, found, strict=True)])
    low, high = family.ends()[[0, -1]]
    _, first, which = np.unique(
        ((points - low) / (high - low)).round(13), axis=0, return_index=True, return_inverse=True
    )
    total = np.asarray(np.bincount(which.ravel(), weights), dtype=np.float64)
    return Rule(name, points[first], total, tuple(products))


def gauss(family: Family, count: int) -> Rule:
    """The full product of Gauss rules with the same number of nodes for every parameter."""
    return combined("gauss", family, [Product((count,) * len(family.names), 1.0)])


def sparse_products(dimension: int, level: int) -> list[Product]:
    """The products of a sparse grid."""
    products = []
    for total in range(max(0, level - dimension + 1), level + 1):
        factor = (-1.0) ** (level - total) * math.comb(dimension - 1, level - total)
        for levels in _compositions(total, dimension):
            products.append(Product(tuple(2 * each + 1 for each in levels), factor))
    return products


def _compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, parts - 1):
            yield (first, *rest)


def sobol(family: Family, count: int) -> Rule:
    """Points of a scrambled Sobol sequence (always the same), with equal weights."""
    uniform = qmc.Sobol(len(family.names), seed=_SCRAMBLING).random(count)
    points = np.array(family.sample(uniform.T)).T
    return Rule("sobol", points, np.full(count, 1.0 / count), ())


def refinements(family: Family) -> Iterator[Iterator[Rule]]:
    """The kinds of rules in the order in which they are tried, each from small to large."""
    d = len(family.names)
    if d <= 2:
        yield (gauss(family, count) for count in PRODUCT_COUNTS if count**d <= MAX_NODES)
    else:
        yield _sparse_grids(family)
    yield (sobol(family, count) for count in SOBOL_COUNTS)


def _sparse_grids(family: Family) -> Iterator[Rule]:
    d = len(family.names)
    for level in range(1, MAX_LEVEL + 1):
        products = sparse_products(d, level)
        if sum(math.prod(each.counts) for each in products) > 4 * MAX_NODES:
            return
        rule = combined("sparse_grid", family, products)
        if len(rule.weights) > MAX_NODES:
            return
        yield rule


def refined(family: Family, rule: Rule) -> Rule:
    """A rule of the same kind whose interpolant is about as accurate as the rule's own mean."""
    if rule.name == "gauss":
        return combined("gauss", family, [Product(tuple(2 * count for count in rule.products[0].counts), 1.0)])
    if rule.name == "sparse_grid":
        level = max(sum(count // 2 for count in each.counts) for each in rule.products)
        return combined("sparse_grid", family, sparse_products(len(family.names), level + 2))
    return rule


def default_nodes(family: Family) -> Nodes:
    """The Gauss nodes of a family of which it is known how many are enough.

    Raises
    ------
    ValueError
        For any other family.
    """
    if family.gauss_nodes is None:
        raise ValueError("the family has no default nodes: choose them by expectation.rule_and_optimum")
    return gauss(family, family.gauss_nodes).nodes


def coarse_nodes(family: Family) -> Nodes:
    """Nodes for searches that need no exact mean: the default ones, or a small rule and the corners of the box.

    A tenth of the weight lies on these. So a gain with a finite mean holds the extreme plants too, and not only those
    at the nodes within.
    """
    if family.gauss_nodes is not None:
        return default_nodes(family)
    d = len(family.names)
    inner = gauss(family, {1: 16, 2: 6, 3: 4}[d]) if d <= 3 else sobol(family, 64)
    ends = family.ends()
    weights = np.append(0.9 * inner.weights, np.full(len(ends), 0.1 / len(ends)))
    return Nodes(np.concatenate([inner.points, ends]), weights)


def random_nodes(family: Family, count: int, seed: np.random.SeedSequence) -> Nodes:
    """Parameters drawn at random, with equal weights: the Monte Carlo estimate of a mean."""
    uniform = np.random.default_rng(seed).random((len(family.names), count))
    return Nodes(np.array(family.sample(uniform)).T, np.full(count, 1.0 / count))


def sampled_nodes(family: Family, rule: Rule, count: int, seed: np.random.SeedSequence) -> Nodes:
    """The Monte Carlo estimate over `random_nodes`, as weights on the nodes of a rule finer than the one that is given.

    So all samples have their nodes in common; see `sampled_weights`. Where the rule does not interpolate, these are the
    samples themselves.
    """
    samples = random_nodes(family, count, seed)
    if not rule.products:
        return samples
    fine = refined(family, rule)
    return Nodes(fine.points, sampled_weights(family, fine, samples.points))


def sampled_weights(family: Family, rule: Rule, samples: Array) -> Array:
    """Weights on the nodes of a rule with which it gives the mean over samples (count, d), not over the distribution.

    The interpolant of a smooth integrand on the nodes agrees with it far below the error of a Monte Carlo estimate,
    and the interpolant's mean over the samples is linear in the values at the nodes. For one product, with
    orthonormal polynomials p_k and Gauss weights g_j,

    .. math:: w_j = g_j \\sum_k p_k(x_j) \\; \\frac1N \\sum_i p_k(x_i).
    """
    if not rule.products:
        raise ValueError("Sobol points do not interpolate: evaluate at the samples themselves")
    total = np.zeros(len(rule.weights))
    low, high = family.ends()[[0, -1]]
    place = {tuple(key): i for i, key in enumerate(((rule.points - low) / (high - low)).round(13) + 0.0)}
    most = [max(each.counts[axis] for each in rule.products) for axis in range(samples.shape[1])]
    basis = [each.polynomials(x, k) for each, x, k in zip(family.distributions, samples.T, most, strict=True)]
    for product in rule.products:
        points, weights = product_points(family.distributions, product.counts)
        share = product.factor * weights * _interpolated(family, product.counts, basis).ravel()
        for key, value in zip(((points - low) / (high - low)).round(13) + 0.0, share, strict=True):
            total[place[tuple(key)]] += value
    return total


def _interpolated(family: Family, counts: Sequence[int], basis: Sequence[Array]) -> Array:
    """At each node of a product, the sum over the basis of its value there times its mean over the samples."""
    columns = [values[:count] for values, count in zip(basis, counts, strict=True)]
    means = _mean_of_products(columns)
    for axis, (each, count) in enumerate(zip(family.distributions, counts, strict=True)):
        at_nodes = each.polynomials(each.gauss(count)[0], count)
        means = np.moveaxis(np.tensordot(at_nodes, means, axes=(0, axis)), 0, axis)
    return np.asarray(means)


def _mean_of_products(columns: Sequence[Array]) -> Array:
    """Means over the samples of all products of one row from each of the arrays (k_i, samples)."""
    running = columns[0]
    for column in columns[1:-1]:
        running = (running[:, None] * column).reshape(-1, column.shape[1])
    shape = tuple(len(column) for column in columns)
    if len(columns) == 1:
        return np.asarray(running.mean(axis=1))
    return np.asarray((running @ columns[-1].T / running.shape[1]).reshape(shape))
