"""Costs, gradients and stability of many discrete-time systems and gains: the kernel as seen from Python."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lqrpg.compiler.jit import LANES, SMALL, njit, unrolled
from lqrpg.kernels import dense
from lqrpg.kernels.dense import dense_workspace
from lqrpg.kernels.discrete_kernel import Weights, cost_and_gradient, empty_result, workspace
from lqrpg.lqr.plant import Array, contiguous
from lqrpg.lqr.products import copy_to, inner


class Evaluation(NamedTuple):
    """Costs (count,), gradients (count, m, n), state covariances (count, n, n) and stability (count,) of
    systems.
    """

    cost: Array
    gradient: Array
    covariance: Array
    stable: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@njit
def _evaluate(A, B, K, weights, size, inputs):
    n, m, count = len(size), len(inputs), max(A.shape[0], K.shape[0])
    work, result = workspace(weights.Sigma, size, inputs), empty_result(size, inputs)
    a, b, k = np.empty((n, n, LANES)), np.empty((n, m, LANES)), np.empty((m, n, LANES))
    costs, gradients = np.empty(count), np.empty((count, m, n))
    covariances, stables = np.empty((count, n, n)), np.empty(count, np.bool_)
    for first in range(0, count, LANES):
        for lane in range(LANES):
            # spare lanes repeat the last system; a lone system or gain is shared by all
            copy_to(A[min(first + lane, A.shape[0] - 1)], a[:, :, lane])
            copy_to(B[min(first + lane, B.shape[0] - 1)], b[:, :, lane])
            copy_to(K[min(first + lane, K.shape[0] - 1)], k[:, :, lane])
        cost_and_gradient(a, b, k, weights, work, result, size, inputs)
        for lane in range(min(LANES, count - first)):
            costs[first + lane] = result.cost[lane]
            copy_to(result.gradient[:, :, lane], gradients[first + lane])
            copy_to(work.covariance[:, :, lane], covariances[first + lane])
            stables[first + lane] = result.stable[lane] > 0.0
    return costs, gradients, covariances, stables


@njit
def _evaluate_dense(A, B, K, weights, loop):
    """The same of plants of any size, one after another."""
    (n, m), count = B.shape[1:], max(A.shape[0], K.shape[0])
    costs, gradients = np.full(count, np.inf), np.full((count, m, n), np.nan)
    covariances, stables = np.full((count, n, n), np.nan), np.zeros(count, np.bool_)
    for number in range(count):
        a, b, k = A[min(number, len(A) - 1)], B[min(number, len(B) - 1)], K[min(number, len(K) - 1)]
        stables[number] = dense.factorise(a, b, weights.Q, weights.R, k, loop, n)
        if stables[number]:
            costs[number] = inner(loop.P, weights.Sigma)
            dense.policy_gradient(b, weights.R, weights.Sigma, k, loop, gradients[number], n)
            copy_to(loop.S, covariances[number])
    return costs, gradients, covariances, stables


def evaluate(A: Array, B: Array, gains: Array, Q: Array, R: Array, Sigma: Array) -> Evaluation:
    """Costs, gradients and stability of many systems under many gains (Nguyen-Le et al., eq. (1) and Section
    II).

    Parameters
    ----------
    A, B : (count, n, n) and (count, n, m) systems; or one system, shapes (n, n) and (n, m), for all gains.
    gains : (count, m, n) gains; or one gain, shape (m, n), for all systems.
    Q, R, Sigma : (n, n), (m, m) and (n, n) weights and noise covariance, common to all.

    Returns
    -------
    Evaluation with infinite costs and NaN gradients where the closed loop is not Schur stable.

    Raises
    ------
    ValueError
        If the numbers of systems and of gains differ.
    """
    n, m = B.shape[-2:]
    A, B, gains = A.reshape(-1, n, n), B.reshape(-1, n, m), gains.reshape(-1, m, n)
    counts = {A.shape[0], B.shape[0], gains.shape[0]} - {1}
    if len(counts) > 1 or A.shape[0] != B.shape[0]:
        raise ValueError(f"cannot pair {A.shape[0]} A, {B.shape[0]} B and {gains.shape[0]} gains: give as many of each")
    A, B, gains = contiguous(A, B, gains)
    weights = Weights(*contiguous(Q, R, Sigma))
    if n > SMALL:
        return Evaluation(*_evaluate_dense(A, B, gains, weights, dense_workspace(n, m)))
    return Evaluation(*_evaluate(A, B, gains, weights, unrolled(n), unrolled(m)))
