"""The exact gradient, the natural gradient, and the exact gradient with a synthetic bias and noise (P4, eq. (57)).

The natural gradient of Fazel et al., *Global Convergence of Policy Gradient Methods for the Linear Quadratic
Regulator* (2018), is the gradient times the inverse of the state covariance, 2 E_K Sigma_K Sigma_K^-1 = 2 E_K: it
needs no covariance at all.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from lqrpg.compiler.jit import njit_borrowing
from lqrpg.kernels.discrete_small import cost_trace, gradient_factor, policy_gradient
from lqrpg.kernels.normals import NormalStream, next_normal
from lqrpg.lqr.plant import Array
from lqrpg.methods.recorder import GAIN_LOST, RUNNING, descend, observe
from lqrpg.methods.schedules import Code, schedule_value


class Delta(NamedTuple):
    """What is added to the gradient (P4, eq. (57)): a bias and normal numbers.

    Attributes
    ----------
    bias : schedule of the norm of the bias; one of value 0 for none.
    direction : (m, n) direction of the bias, of norm 1.
    deviation : standard deviation of the normal number that is added to each entry.
    """

    bias: Code
    direction: Array
    deviation: float


class ExactOracle(NamedTuple):
    """Which gradient, and what is added to it.

    Attributes
    ----------
    natural : whether it is the natural gradient.
    delta : what is added.
    source : the run's random numbers; used if the deviation of `delta` is positive.
    """

    natural: bool
    delta: Delta
    source: NormalStream


def bias_direction(m: int, n: int) -> Array:
    """The direction [I 0] of the synthetic bias, shape (m, n), of Frobenius norm 1."""
    return np.eye(m, n) / math.sqrt(min(m, n))


@njit_borrowing
def natural_gradient(B, R, K, loop, out, size):
    """out = 2 E_K = 2 (R K - B'P_K (A - B K)) of a closed, stable loop; `loop.P` must hold P_K."""
    gradient_factor(B, R, K, loop, size)
    for p in range(K.shape[0]):
        for j in range(K.shape[1]):
            out[p, j] = 2.0 * loop.residual[p, j]


@njit_borrowing
def exact_loop(plant, K, step, oracle, recorder, loop, size):
    """Descend to `recorder.last`; changes K, `recorder`, `loop` and the oracle's source.

    Returns the last iteration, and how the loop ended.
    """
    _, B, _, R, Sigma = plant
    G, delta = loop.gradient, oracle.delta
    for i in range(recorder.first, recorder.last + 1):
        if not observe(plant, K, i, recorder, loop, size):
            return i, GAIN_LOST
        if i == recorder.last:
            break
        if not recorder.watched:
            cost_trace(loop, size)
        if oracle.natural:
            natural_gradient(B, R, K, loop, G, size)
        else:
            policy_gradient(B, R, Sigma, K, loop, G, size)
        bias = schedule_value(delta.bias, i + 1) if delta.bias[0] > 0.0 else 0.0
        for p in range(K.shape[0]):
            for j in range(K.shape[1]):
                G[p, j] += bias * delta.direction[p, j]
                if delta.deviation > 0.0:
                    G[p, j] += delta.deviation * next_normal(oracle.source)
        descend(K, schedule_value(step, i + 1), G)
    return recorder.last, RUNNING
