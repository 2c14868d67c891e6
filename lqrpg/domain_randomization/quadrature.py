"""The domain-randomised cost J_DR(K) = E J(K, theta) of a family, and its exact minimiser.

Means are over the nodes of a rule (`cubature`). The cost of a cart-pole is an analytic function of the length, so a few
Gauss nodes give the mean to rounding; for other families `expectation` finds how many are enough.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lqrpg.compiler.jit import LANES, njit, unrolled
from lqrpg.compiler.lanes import lane_array
from lqrpg.domain_randomization.cubature import Nodes, default_nodes
from lqrpg.kernels.discrete_kernel import Weights, cost_and_gradient, empty_result, workspace
from lqrpg.kernels.evaluation import evaluate
from lqrpg.lqr import discrete
from lqrpg.lqr.plant import Array, Plant, contiguous
from lqrpg.lqr.products import copy_to
from lqrpg.lqr.stability import are_stable
from lqrpg.systems.families.family import Family

DIFFERENCED = 200
"""Nodes above which the Hessian comes from differences of gradients."""


class FamilyCost(NamedTuple):
    """Mean costs (count,), mean gradients (count, m, n), and whether all nodes are stable (count,)."""

    cost: Array
    gradient: Array
    stable: NDArray[np.bool_]


class Optimum(NamedTuple):
    """A minimiser of J_DR: its gain (m, n), its cost, the norm of its gradient, and the Newton steps."""

    gain: Array
    cost: float
    gradient_norm: float
    steps: int


@njit
def _family_costs(A, B, shares, gains, weights, size, inputs):
    """Gains in the lanes, nodes one after another: every lane sums over the nodes in the same order."""
    n, m, count = len(size), len(inputs), gains.shape[0]
    work, result = workspace(weights.Sigma, size, inputs), empty_result(size, inputs)
    a, b = lane_array(n * n).reshape((n, n, LANES)), lane_array(n * m).reshape((n, m, LANES))
    K = lane_array(m * n).reshape((m, n, LANES))
    costs, gradients, stables = np.zeros(count), np.zeros((count, m, n)), np.ones(count, np.bool_)
    for first in range(0, count, LANES):
        occupied = min(LANES, count - first)
        for lane in range(LANES):
            copy_to(gains[min(first + lane, count - 1)], K[:, :, lane])
        for node in range(len(shares)):
            for i in range(n):
                for j in range(n):
                    a[i, j] = A[node, i, j]
                for p in range(m):
                    b[i, p] = B[node, i, p]
            cost_and_gradient(a, b, K, weights, work, result, size, inputs)
            for lane in range(occupied):
                costs[first + lane] += shares[node] * result.cost[lane]
                for p in range(m):
                    for j in range(n):
                        gradients[first + lane, p, j] += shares[node] * result.gradient[p, j, lane]
                stables[first + lane] &= result.stable[lane] > 0.0
    return costs, gradients, stables


def family_cost(family: Family, gains: Array, nodes: Nodes | None = None) -> FamilyCost:
    """J_DR and its gradient for many gains (Nguyen-Le et al., Section II).

    Parameters
    ----------
    family : the systems.
    gains : (count, m, n) gains; or one, shape (m, n).
    nodes : where to evaluate; `default_nodes` if not given.

    Returns
    -------
    FamilyCost with infinite costs and NaN gradients where a node is unstable.
    """
    nodes = default_nodes(family) if nodes is None else nodes
    n, m = len(family.Q), len(family.R)
    gains = np.asarray(gains, dtype=np.float64).reshape(-1, m, n)
    if gains.shape[0] < LANES:  # few gains would leave lanes idle: put the nodes into them instead
        return _few_gains(family, gains, nodes)
    A, B, shares, gains = contiguous(*family.systems(nodes.points), nodes.weights, gains)
    weights = Weights(*contiguous(family.Q, family.R, family.Sigma))
    return _judged(*_family_costs(A, B, shares, gains, weights, unrolled(n), unrolled(m)))


def _judged(costs: Array, gradients: Array, stable: NDArray[np.bool_]) -> FamilyCost:
    """Infinite costs where a node is unstable, also where infinities of both signs have met in the sum."""
    return FamilyCost(np.where(stable, costs, np.inf), gradients, stable)


def _few_gains(family: Family, gains: Array, nodes: Nodes) -> FamilyCost:
    A, B = family.systems(nodes.points)
    found = [evaluate(A, B, gain, family.Q, family.R, family.Sigma) for gain in gains]
    costs, gradients = np.zeros(len(found)), np.zeros(gains.shape)
    # node after node, as in the lanes: the bits do not depend on how many gains were asked for
    with np.errstate(invalid="ignore"):  # a rule may have negative weights, and costs may be infinite
        for node, weight in enumerate(nodes.weights):
            costs += weight * np.array([each.cost[node] for each in found])
            gradients += weight * np.array([each.gradient[node] for each in found])
    return _judged(costs, gradients, np.array([bool(each.stable.all()) for each in found]))


def unstable_points(family: Family, gain: Array) -> Array:
    """The points of the family's grid at which the gain does not stabilise the plant."""
    points = family.grid()
    A, B = family.systems(points)
    return np.asarray(points[~are_stable(A, B, gain, "discrete")])


def family_hessian(family: Family, gain: Array, nodes: Nodes) -> Array:
    """Hessian of J_DR at a gain that stabilises all nodes, (m n, m n), for gains flattened row by row."""
    if len(nodes.weights) > DIFFERENCED:
        return _difference_hessian(family, gain, nodes)
    A, B = family.systems(nodes.points)
    plants = [Plant(a, b, family.Q, family.R, family.Sigma) for a, b in zip(A, B, strict=True)]
    parts = [weight * discrete.hessian(plant, gain) for weight, plant in zip(nodes.weights, plants, strict=True)]
    return np.asarray(np.sum(parts, axis=0))


def _difference_hessian(family: Family, gain: Array, nodes: Nodes) -> Array:
    """Central differences of the gradient: good enough for Newton's direction, and cheap where nodes are many."""
    step = 1e-6 * max(1.0, float(np.abs(gain).max()))
    moves = step * np.eye(gain.size).reshape(-1, *gain.shape)
    slopes = family_cost(family, np.concatenate([gain + moves, gain - moves]), nodes).gradient
    found = (slopes[: gain.size] - slopes[gain.size :]).reshape(gain.size, -1) / (2.0 * step)
    if not np.isfinite(found).all():
        raise ValueError("the gain is too near the edge of stability for a Newton step: start from a better one")
    return np.asarray(0.5 * (found + found.T))


def newton_optimum(
    family: Family,
    gain: Array,
    nodes: Nodes | None = None,
    tolerance: float = 1e-13,
    max_steps: int = 50,
) -> Optimum:
    """Minimise J_DR by damped Newton steps from a gain that stabilises the family.

    Stops when a Newton step promises to lower the cost by less than `tolerance`, relative; where the Hessian
    is not positive definite, its eigenvalues are taken by their absolute values, so that the step leads
    downhill.

    Raises
    ------
    ValueError
        If the first gain does not stabilise all nodes.
    """
    nodes = default_nodes(family) if nodes is None else nodes
    here = family_cost(family, gain, nodes)
    if not here.stable[0]:
        raise ValueError("the first gain does not stabilise the family: find one by discount annealing")
    steps = 0
    while steps < max_steps:
        steps += 1
        values, vectors = np.linalg.eigh(family_hessian(family, gain, nodes))
        slope = vectors.T @ here.gradient[0].ravel()
        move = -(vectors @ (slope / np.abs(values))).reshape(gain.shape)
        decrease = float(np.sum(slope**2 / np.abs(values)))
        if decrease <= tolerance * here.cost[0]:
            # the last step is below what the cost can resolve, but still improves the gain
            last = family_cost(family, gain + move, nodes)
            if np.linalg.norm(last.gradient) < np.linalg.norm(here.gradient):
                gain, here = gain + move, last
            break
        length = 1.0
        while True:
            there = family_cost(family, gain + length * move, nodes)
            if there.cost[0] <= here.cost[0] - 1e-4 * length * decrease or length < 1e-12:
                break
            length /= 2.0
        gain, here = gain + length * move, there
    return Optimum(gain, float(here.cost[0]), float(np.linalg.norm(here.gradient[0])), steps)
