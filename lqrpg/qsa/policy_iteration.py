"""Policy iteration for LQR, with the model and without (Chen et al., eq. (29) and Figure 4).

Model-free: one trajectory of the exploring policy serves all evaluated policies, because the Bellman error of
any policy can be observed along it; each evaluation starts from the last one's coefficients.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from lqrpg.lqr.continuous import cost, cost_to_go, is_stabilising, optimal_gain, state_covariance
from lqrpg.lqr.plant import Array, Plant
from lqrpg.qsa.bellman import bellman_data, improved_gain
from lqrpg.qsa.exploration import Trajectory, require_stabilising
from lqrpg.qsa.policy_evaluation import ridge_path, scaled_path


class IterationErrors(NamedTuple):
    """How far a sequence of gains is from the optimum.

    Attributes
    ----------
    gain_error : (count,) ||K - K*||_F / ||K*||_F.
    weighted_error : (count,) (tr P_K - tr P*) / tr P*, weighted by Sigma; infinite where K does not
        stabilise.
    """

    gain_error: Array
    weighted_error: Array


def exact_policy_iteration(plant: Plant, gain: Array, iterations: int) -> Array:
    """Policy iteration with the model, K <- R^-1 B'P_K (Newton's method for Riccati's equation).

    Parameters
    ----------
    plant : continuous-time plant.
    gain : (m, n) stabilising initial gain.
    iterations : number of improvements.

    Returns
    -------
    (iterations + 1, m, n) the gains, the initial one first.

    Raises
    ------
    ValueError
        If the initial gain does not stabilise the plant.
    """
    gains = [require_stabilising(plant, gain, "evaluated")]
    for _ in range(iterations):
        gains.append(np.asarray(np.linalg.solve(plant.R, plant.B.T @ cost_to_go(plant, gains[-1]))))
    return np.array(gains)


def model_free_policy_iteration(
    trajectory: Trajectory, gain: Array, iterations: int, delta: float, *, relative: bool = False
) -> Array:
    """Policy iteration from one observed trajectory: evaluate by the matrix gain (34), improve by (29).

    Parameters
    ----------
    trajectory : what was observed under an exploring policy.
    gain : (m, n) initial gain.
    iterations : number of improvements.
    delta : Rhat_0 = delta I in every evaluation.
    relative : with the moments' diagonal in the place of I: see `scaled_path`.

    Returns
    -------
    (iterations + 1, m, n) the gains, the initial one first. A gain may fail to stabilise the plant when the
    data are poor: that is a result, shown by an infinite `weighted_error`. So is a policy that the
    data cannot evaluate or improve to working precision: it ends the iteration, with fewer gains.
    """
    gains = [np.array(gain, dtype=np.float64)]
    theta: Array | None = None
    evaluated = scaled_path if relative else ridge_path
    for _ in range(iterations):
        data = bellman_data(trajectory, gains[-1])
        try:
            theta = evaluated(data, delta, theta, keep_every=len(data.b))[-1]
            gains.append(improved_gain(theta, trajectory.states.shape[1], trajectory.inputs.shape[1]))
        except np.linalg.LinAlgError:  # the data do not determine another gain
            break
    return np.array(gains)


def excess_cost(plant: Plant, gain: Array) -> float:
    """tr (P_K - P*) Sigma without the cancellation of a difference; infinite if K is not stabilising.

    .. math:: \\mathrm{tr}\\,(P_K - P^*)\\Sigma = \\mathrm{tr}\\,(K - K^*)'R(K - K^*)X_K
    """
    if not is_stabilising(plant, gain):
        return math.inf
    difference = gain - optimal_gain(plant)
    return float(np.trace(difference.T @ plant.R @ difference @ state_covariance(plant, gain)))


def iteration_errors(plant: Plant, gains: Array) -> IterationErrors:
    """Errors of gains of shape (count, m, n) against the optimal gain."""
    best = optimal_gain(plant)
    distances = np.linalg.norm(gains - best, axis=(1, 2)) / np.linalg.norm(best)
    excess = np.array([excess_cost(plant, gain) for gain in gains])
    return IterationErrors(distances, excess / cost(plant, best))
