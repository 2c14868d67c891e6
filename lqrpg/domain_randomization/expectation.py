"""The rule for means over a family: as small as a stated error allows, and the optimum by it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lqrpg.domain_randomization.cubature import Nodes, Rule, refinements
from lqrpg.domain_randomization.quadrature import FamilyCost, Optimum, family_cost, newton_optimum
from lqrpg.lqr.plant import Array
from lqrpg.systems.families.family import Family


class Chosen(NamedTuple):
    """A rule with what is known of its error.

    Attributes
    ----------
    rule : points and weights.
    error : largest relative difference of costs, and of gradients, from the next smaller rule of its kind.
    """

    rule: Rule
    error: float

    @property
    def nodes(self) -> Nodes:
        """Its points and weights."""
        return self.rule.nodes


def _difference(before: FamilyCost, here: FamilyCost, gains: Array) -> float:
    """Largest relative difference; of the gradients relative to the largest, or to the cost where all are small."""
    costs = np.abs(here.cost - before.cost) / here.cost
    slopes = np.linalg.norm(here.gradient - before.gradient, axis=(1, 2))
    size = max(np.linalg.norm(here.gradient, axis=(1, 2)).max(), here.cost.max() / (1.0 + np.abs(gains).max()))
    worst = float(max(costs.max(), (slopes / size).max()))
    return worst if np.isfinite(worst) else np.inf


def rule_and_optimum(family: Family, gain: Array, tolerance: float) -> tuple[Chosen, Optimum]:
    """The first rule that agrees with the one before it at a first gain and at its own minimiser of J_DR, and this one.

    Products of Gauss rules for one or two parameters, sparse grids for more, then Sobol points. Where no rule
    agrees, the one with the smallest difference is taken, and its error says so.

    The minimiser is found anew for each rule: a coarse one may overlook a corner of the family, and its minimiser
    then fails there. A minimiser that fails at a corner has an infinite error.

    Parameters
    ----------
    family : the systems.
    gain : (m, n) gain that stabilises the family.
    tolerance : largest relative difference of the mean costs, and of the mean gradients in norm.

    Raises
    ------
    ValueError
        If the first gain does not stabilise the family.
    """
    best: tuple[Chosen, Optimum] | None = None
    for ladder in refinements(family):
        for found in _with_optima(family, gain, ladder):
            if found[0].error <= tolerance:
                return found
            if best is None or _rank(found[0]) < _rank(best[0]):
                best = found
    assert best is not None, "every ladder has rules"
    return best


def _rank(chosen: Chosen) -> tuple[float, int]:
    """The smaller error first, and of rules with the same one, such as an infinite one, that with more nodes."""
    return chosen.error, -len(chosen.rule.weights)


def _with_optima(family: Family, gain: Array, ladder: Iterator[Rule]) -> Iterator[tuple[Chosen, Optimum]]:
    before: Nodes | None = None
    start, ends = gain, family.ends()
    corners = Nodes(ends, np.full(len(ends), 1.0 / len(ends)))
    for rule in ladder:
        nodes = rule.nodes
        stable = family_cost(family, start, nodes).stable[0]
        optimum = newton_optimum(family, start if stable else gain, nodes)
        if before is not None:
            gains = np.array([gain, optimum.gain])
            coarse, fine = (family_cost(family, gains, each) for each in (before, nodes))
            whole = coarse.stable.all() and family_cost(family, optimum.gain, corners).stable[0]
            yield Chosen(rule, _difference(coarse, fine, gains) if whole else np.inf), optimum
        before, start = nodes, optimum.gain
