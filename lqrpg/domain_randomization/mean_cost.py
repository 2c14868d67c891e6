"""How an experiment takes means over a family: the nodes, what is known of their error, and the optimum by them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from lqrpg.domain_randomization.cubature import Rule, coarse, finer, sampled_weights
from lqrpg.domain_randomization.expectation import rule_and_optimum
from lqrpg.domain_randomization.quadrature import (
    NODES,
    Nodes,
    Optimum,
    family_cost,
    family_hessian,
    gauss_legendre,
    newton_optimum,
    sampled_nodes,
)
from lqrpg.lqr.plant import Array
from lqrpg.systems.families.family import Family
from lqrpg.systems.families.length import LengthFamily
from lqrpg.systems.families.parameters import ParameterFamily

Sampled = Callable[[int, np.random.SeedSequence], Nodes]
"""From a number of samples and a seed to nodes for the Monte Carlo estimate of J_DR."""


@dataclass(frozen=True)
class MeanCost:
    """Means over one family.

    Attributes
    ----------
    rule : gauss, sparse_grid or sobol.
    nodes : its points and weights.
    error : relative difference from another rule; see `mean_cost`.
    optimum : the minimiser of J_DR by these nodes.
    largest_curvature : largest eigenvalue of the Hessian there; gradient descent needs a step size below 2 over it.
    rough : nodes for discount annealing.
    sampled : the Monte Carlo estimate.
    """

    rule: str
    nodes: Nodes
    error: float
    optimum: Optimum
    largest_curvature: float
    rough: Nodes
    sampled: Sampled


def mean_cost(family: LengthFamily | ParameterFamily, gain: Array, tolerance: float) -> MeanCost:
    """The rule for a family, judged at a first gain and at the optimum.

    A family of lengths always has 24 Gauss-Legendre nodes, and the error is against 48 of them. For any other the
    rule grows until two in succession agree within the tolerance; see `expectation.rule_and_optimum`.
    """
    if isinstance(family, ParameterFamily):
        chosen, best = rule_and_optimum(family, gain, tolerance)
        rough = coarse(family)
        return MeanCost(
            *(chosen.rule.name, chosen.nodes, chosen.error, best, _curvature(family, best, chosen.nodes)),
            *(Nodes(rough.points, rough.weights), partial(_sampled, family, chosen.rule)),
        )
    nodes = gauss_legendre(family)
    best = newton_optimum(family, gain)
    costs = [
        family_cost(family, np.array([gain, best.gain]), each).cost
        for each in (nodes, gauss_legendre(family, 2 * NODES))
    ]
    error = float(np.max(np.abs(costs[0] / costs[1] - 1.0)))
    curvature = _curvature(family, best, nodes)
    return MeanCost("gauss", nodes, error, best, curvature, nodes, partial(sampled_nodes, family))


def _curvature(family: Family, best: Optimum, nodes: Nodes) -> float:
    return float(np.linalg.eigvalsh(family_hessian(family, best.gain, nodes))[-1])


def _sampled(family: ParameterFamily, rule: Rule, count: int, seed: np.random.SeedSequence) -> Nodes:
    """Samples as weights on the nodes of a finer rule, or themselves where the rule does not interpolate."""
    shares = np.random.default_rng(seed).random((len(family.names), count))
    points = np.array(family.sample(shares)).T
    if not rule.products:
        return Nodes(points, np.full(count, 1.0 / count))
    fine = finer(family, rule)
    return Nodes(fine.points, sampled_weights(family, fine, points))
