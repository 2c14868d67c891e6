"""Discount annealing: from the zero gain to one that stabilises a whole family (Nguyen-Le et al., Algorithm
2).

With A and B scaled by the root of a small discount every system is stable under K = 0. Each round improves
the gain for the present discount and then raises the discount as far as the cost allows, until it is one. A
fixed step cannot serve all discounts (the costs span orders of magnitude), so the improvement is by natural
gradient with backtracking.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from lqrpg.domain_randomization.cubature import Nodes, default_nodes
from lqrpg.kernels.evaluation import Evaluation, evaluate
from lqrpg.lqr import discrete
from lqrpg.lqr.plant import Array
from lqrpg.systems.families.family import Family

LOWEST_RISE, HIGHEST_RISE = 2.5, 8.0  # by what factor a new discount may raise the cost (Algorithm 2)
NEAR_OPTIMAL = 2.0
START_MARGIN = 0.9
STALLED = 1e-6  # relative rise of the discount below which there is no way on: no common gain may exist
SETTLED = 1e-3  # relative decrease of the cost in a step below which a round's descent has converged


class Round(NamedTuple):
    """One round: the discount, the gain improved for it and what it achieves.

    Attributes
    ----------
    discount : gamma of this round.
    gain : (m, n) gain after the improvement.
    cost : J_DR(gain | gamma).
    spectral_radius_max : largest undiscounted spectral radius of A - B K over the family.
    conditioning : largest eigenvalue of a cost-to-go over the family, over the smallest eigenvalue of Q.
    steps : natural-gradient steps taken.
    """

    discount: float
    gain: Array
    cost: float
    spectral_radius_max: float
    conditioning: float
    steps: int


class Annealing(NamedTuple):
    """All rounds, the bound on their number and whether the last gain stabilises the family."""

    rounds: list[Round]
    bound: int
    stabilising: bool


def _evaluate(family: Family, discount: float, gain: Array, nodes: Nodes) -> Evaluation:
    scaled = family.discounted(discount)
    return evaluate(*scaled.systems(nodes.points), gain, family.Q, family.R, family.Sigma)


def _mean_cost(family: Family, discount: float, gain: Array, nodes: Nodes) -> float:
    return float(nodes.weights @ _evaluate(family, discount, gain, nodes).cost)


def _lower_bound(family: Family, discount: float, nodes: Nodes) -> float:
    """Mean over the family of each system's own optimal cost: no common gain can do better."""
    plants = [family.discounted(discount).plant(point) for point in nodes.points]
    return float(nodes.weights @ [discrete.cost(plant, discrete.optimal_gain(plant)) for plant in plants])


def improve(
    family: Family, discount: float, gain: Array, nodes: Nodes, max_steps: int = 1000
) -> tuple[Array, float, int]:
    """Natural-gradient descent on J_DR(. | discount) to within a factor `NEAR_OPTIMAL` of its optimum.

    The direction is the mean gradient times the inverse of the mean state covariance; a step that does not
    lower the cost enough is halved, and the next one starts twice as long. Goes on until a step gains less
    than `SETTLED`, which is further than the factor asks for: a better gain lets the discount rise further,
    and fewer rounds are needed. A factor still above `NEAR_OPTIMAL`, measured against a lower bound of the
    optimum, makes it go on 1000 times longer.

    Returns
    -------
    The gain, its cost and the number of steps.
    """
    target, rate = NEAR_OPTIMAL * _lower_bound(family, discount, nodes), 1.0
    here = _evaluate(family, discount, gain, nodes)
    cost = float(nodes.weights @ here.cost)
    for step in range(max_steps):
        slope = np.tensordot(nodes.weights, here.gradient, 1)
        direction = np.linalg.solve(np.tensordot(nodes.weights, here.covariance, 1), slope.T).T
        before = cost
        for _ in range(200):
            trial = gain - rate * direction
            there = _evaluate(family, discount, trial, nodes)
            cost = float(nodes.weights @ there.cost)
            if cost <= before - 0.25 * rate * float(np.sum(slope * direction)):
                break
            rate /= 2.0
        else:
            return gain, before, step
        gain, here, rate = trial, there, 2.0 * rate
        if before - cost <= (SETTLED if cost <= target else 1e-3 * SETTLED) * cost:
            return gain, cost, step + 1
    return gain, cost, max_steps


def next_discount(family: Family, discount: float, gain: Array, cost: float, nodes: Nodes) -> float:
    """The largest discount in (discount, 1] that raises the cost by at most the factor `HIGHEST_RISE`.

    The cost grows continuously with the discount until it is infinite, so this one also reaches
    `LOWEST_RISE`, unless it is 1 itself: near the end no discount may reach that factor, and 1 is then the
    right one.
    """
    if _mean_cost(family, 1.0, gain, nodes) <= HIGHEST_RISE * cost:
        return 1.0
    low, high = discount, 1.0
    while high - low > 1e-12 * high:
        middle = 0.5 * (low + high)
        if _mean_cost(family, middle, gain, nodes) <= HIGHEST_RISE * cost:
            low = middle
        else:
            high = middle
    return low


def _report(family: Family, discount: float, gain: Array, cost: float, steps: int, points: Array) -> Round:
    plants = [family.plant(point) for point in points]
    radius = max(discrete.spectral_radius(plant.closed_loop(gain)) for plant in plants)
    scaled = [family.discounted(discount).plant(point) for point in points]
    largest = max(float(np.linalg.eigvalsh(discrete.cost_to_go(plant, gain))[-1]) for plant in scaled)
    return Round(discount, gain, cost, radius, largest / float(np.linalg.eigvalsh(family.Q)[0]), steps)


def round_bound(first_discount: float, conditioning: float) -> int:
    """Bound on the number of rounds, in the manner of Theorem 3, with constants of our own.

    If P solves the Lyapunov equation for a discount gamma with weight W, and P <= kappa W, then 2.5 P
    satisfies the Lyapunov inequality for (1 + delta) gamma as long as delta (kappa - 1) <= 0.6. So a discount
    that raises the cost by a factor 2.5 is larger by a factor 1 + 0.6 / (kappa - 1) at least, and the
    discounts reach one within

    .. math:: 1 + \\lceil \\log(1/\\gamma_0) / \\log(1 + 0.6 / (\\kappa - 1)) \\rceil

    rounds, the one at discount 1 included. The paper's own constant involves bounds that hold for every gain
    of a level set; here kappa is the largest one met.
    """
    allowed = (LOWEST_RISE - 1.0) / LOWEST_RISE
    growth = math.log1p(allowed / max(conditioning - 1.0, 1e-12))
    return 1 + math.ceil(math.log(1.0 / first_discount) / growth)


def anneal(family: Family, *, nodes: Nodes | None = None, max_rounds: int = 100) -> Annealing:
    """Find a gain that stabilises the whole family, from K = 0 (Algorithm 2).

    Parameters
    ----------
    family : the systems; Q must be positive definite for the bound to hold.
    nodes : where to evaluate J_DR; `default_nodes` if not given.
    max_rounds : give up after so many rounds, or where the discount rises no further; the result then says that it is
        not stabilising.
    """
    nodes = default_nodes(family) if nodes is None else nodes
    points = np.concatenate([nodes.points, family.ends()])
    gain = np.zeros((len(family.R), len(family.Q)))
    radius = max(discrete.spectral_radius(family.plant(point).A) for point in points)
    discount = min(1.0, START_MARGIN / max(radius, 1e-100) ** 2)
    rounds: list[Round] = []
    while len(rounds) < max_rounds:
        gain, cost, steps = improve(family, discount, gain, nodes)
        rounds.append(_report(family, discount, gain, cost, steps, points))
        if discount >= 1.0:
            break
        following = next_discount(family, discount, gain, cost, nodes)
        if following <= discount * (1.0 + STALLED):
            break
        discount = following
    last = rounds[-1]
    bound = round_bound(rounds[0].discount, max(each.conditioning for each in rounds))
    stabilises = all(discrete.is_stabilising(family.plant(point), last.gain) for point in points)
    return Annealing(rounds, bound, last.discount >= 1.0 and stabilises)
