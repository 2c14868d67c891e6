"""What short rollouts and smoothing cost: the gain that the direct oracle is really after, and its gap.

The direct oracle is an unbiased estimate of the gradient of the smoothed cost of a finite rollout,

.. math:: C_{l,v}(K) = E_{U \\in ball(v)} C_l(K + U)

(eqs. (29), (30)), whose minimiser is not K*. A run with constant l and v fluctuates about that minimiser,
whatever the number of rollouts; its gap is the part of the plateau that no averaging removes (single
iterates can lie below). The gradient at each U is exact; the mean over U is taken over a fixed design:
randomly turned
cross-polytopes on spheres at Gauss-Jacobi radii, exact for polynomials of degree 3 in U, with the remainder
averaged over the turns.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import optimize, special, stats

from lqrpg.kernels.discrete_small import relative_gap
from lqrpg.kernels.finite_horizon import rollout_gradient
from lqrpg.lqr.discrete import optimal_gain
from lqrpg.lqr.plant import Array, Plant
from lqrpg.lqr.stability import tries

RADII = 3
MOST_DIRECTIONS = 400
"""Of a design, with both signs."""


class SmoothedOptimum(NamedTuple):
    """Minimiser of the smoothed cost of finite rollouts.

    Attributes
    ----------
    gain : (m, n) minimiser.
    gap : its gap tr(P_K - P*)/tr(P*).
    gap_spread : difference of the gaps of the minimisers on two independent designs of half the size.
    gradient_norm : norm of the remaining gradient, relative to the norm at K*.
    """

    gain: Array
    gap: float
    gap_spread: float
    gradient_norm: float


def ball_design(shape: tuple[int, int], radius: float, turns: int, seed: int) -> tuple[Array, Array]:
    """Points in the ball of matrices of Frobenius norm below the radius, and their weights.

    Returns
    -------
    Points, (RADII, 2 turns m n, m, n), and the weight of each radius, (RADII,), summing to one. Of large plants there
    are fewer points, in random directions that are orthogonal to one another.
    """
    d = shape[0] * shape[1]
    # the squared radius of a uniform point is s = (1 + y)/2 with density s^(d/2 - 1): Gauss-Jacobi in y
    nodes, weights = special.roots_jacobi(RADII, 0.0, d / 2.0 - 1.0)
    radii = radius * np.sqrt(0.5 * (1.0 + nodes))
    rng, most = np.random.default_rng(seed), tries(MOST_DIRECTIONS, shape[1])
    if turns * d <= most:
        rotations = stats.ortho_group.rvs(d, size=turns, random_state=rng).reshape(-1, d)
    else:
        rotations = np.linalg.qr(rng.standard_normal((d, min(d, most))))[0].T
    directions = np.concatenate([rotations, -rotations]).reshape(-1, *shape)
    return radii[:, None, None, None] * directions, weights / weights.sum()


def smoothed_gradient(
    plant: Plant, initial_covariance: Array, gain: Array, length: int, design: tuple[Array, Array]
) -> tuple[float, Array]:
    """The smoothed cost C_{l,v} and its gradient, (m, n), over a design of `ball_design`."""
    points, weights = design
    parts = [rollout_gradient(plant, initial_covariance, gain, length, offsets) for offsets in points]
    cost = sum(float(w) * part[0] for w, part in zip(weights, parts, strict=True))
    gradient = sum(w * part[1] for w, part in zip(weights, parts, strict=True))
    return cost, np.asarray(gradient)


def _minimise(plant: Plant, initial_covariance: Array, length: int, design: tuple[Array, Array]) -> tuple[Array, float]:
    start = optimal_gain(plant)
    scale = float(np.linalg.norm(smoothed_gradient(plant, initial_covariance, start, length, design)[1]))

    def scaled(flat: Array) -> tuple[float, Array]:
        cost, slope = smoothed_gradient(plant, initial_covariance, flat.reshape(start.shape), length, design)
        return cost / scale, slope.ravel() / scale

    found = optimize.minimize(scaled, start.ravel(), jac=True, method="BFGS", options={"gtol": 1e-7, "maxiter": 2000})
    return found.x.reshape(start.shape), float(np.linalg.norm(found.jac))


def smoothed_optimum(
    plant: Plant, initial_covariance: Array, length: int, radius: float, turns: int = 24, seed: int = 0
) -> SmoothedOptimum:
    """Minimise the smoothed cost of rollouts of `length` steps under perturbations of the radius.

    Parameters
    ----------
    plant : discrete-time plant.
    initial_covariance : (n, n) covariance of a rollout's first state.
    length : steps of a rollout, l; at least 2 (one step never sees the plant).
    radius : smoothing radius v; 0 leaves the bias of the finite length alone.
    turns : size of the design, 6 m n gains each.
    seed : of the design.

    Raises
    ------
    ValueError
        If the length or the radius is out of range.
    """
    if length < 2 or not (np.isfinite(radius) and radius >= 0.0):
        raise ValueError(f"need a length of at least 2 and a radius of at least 0, got {length} and {radius}")
    shape = (plant.n_inputs, plant.n_states)
    halves = [ball_design(shape, radius, max(1, turns // 2), seed + k) for k in range(2)]
    if radius == 0.0:
        halves = [(points[:1, :1], np.ones(1)) for points, _ in halves]
    whole = np.concatenate([points for points, _ in halves], axis=1), halves[0][1]
    gain, slope = _minimise(plant, initial_covariance, length, whole)
    gaps = [relative_gap(plant, _minimise(plant, initial_covariance, length, half)[0]) for half in halves]
    return SmoothedOptimum(gain, relative_gap(plant, gain), abs(gaps[0] - gaps[1]), slope)
