"""How an experiment takes means over a family: the nodes, what is known of their error, and the optimum by them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from lqrpg.domain_randomization.cubature import Nodes, coarse_nodes, gauss, refined, sampled_nodes
from lqrpg.domain_randomization.expectation import rule_and_optimum
from lqrpg.domain_randomization.quadrature import Optimum, family_cost, family_hessian, newton_optimum
from lqrpg.lqr.plant import Array
from lqrpg.systems.families.family import Family

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
    coarse : nodes for discount annealing.
    sampled : the Monte Carlo estimate.
    """

    rule: str
    nodes: Nodes
    error: float
    optimum: Optimum
    largest_curvature: float
    coarse: Nodes
    sampled: Sampled


def mean_cost(family: Family, gain: Array, tolerance: float) -> MeanCost:
    """The rule for a family, judged at a first gain and at the optimum.

    Where it is known how many Gauss nodes are enough, these are taken, and the error is against twice as many. For any
    other family the rule grows until two in succession agree within the tolerance: see `expectation.rule_and_optimum`.
    """
    if family.gauss_nodes is None:
        (rule, error), best = rule_and_optimum(family, gain, tolerance)
    else:
        rule = gauss(family, family.gauss_nodes)
        best = newton_optimum(family, gain, rule.nodes)
        gains = np.array([gain, best.gain])
        costs, exact = (family_cost(family, gains, each.nodes).cost for each in (rule, refined(family, rule)))
        error = float(np.max(np.abs(costs / exact - 1.0)))
    curvature = float(np.linalg.eigvalsh(family_hessian(family, best.gain, rule.nodes))[-1])
    sampled = partial(sampled_nodes, family, rule)
    return MeanCost(rule.name, rule.nodes, error, best, curvature, coarse_nodes(family), sampled)
