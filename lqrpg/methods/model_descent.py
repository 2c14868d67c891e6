"""Descent along the gradient of a model that is identified meanwhile: P4's Algorithm 1 as a loop that can go on.

The model [A B] comes from recursive least squares on one trajectory (`indirect_oracle`, `least_squares`). With one
sample an iteration the gains are those of `sgd_loops.indirect_loop`.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lqrpg.compiler.jit import njit
from lqrpg.kernels.discrete_small import factorise
from lqrpg.kernels.normals import NormalStream, copy_stream
from lqrpg.lqr.plant import Array
from lqrpg.methods.exact_descent import GAIN_LOST, MODEL_LOST, RUNNING, descend
from lqrpg.methods.least_squares import rls_update
from lqrpg.methods.oracles.indirect import model_gradient, sample


class Identification(NamedTuple):
    """What a run knows and where its plant is.

    Attributes
    ----------
    theta : (n, n + m) estimate of [A B].
    M : (n + m, n + m) inverse information matrix.
    x : (n,) state of the plant.
    exciting : (m, n) gain that excites the plant off-policy.
    source : the run's random numbers.
    """

    theta: Array
    M: Array
    x: Array
    exciting: Array
    source: NormalStream

    def copy(self) -> Identification:
        """A copy that shares nothing."""
        arrays = (self.theta.copy(), self.M.copy(), self.x.copy(), self.exciting.copy())
        return Identification(*arrays, copy_stream(self.source))


@njit
def model_loop(  # type: ignore[no-untyped-def]
    A,
    B,
    Q,
    R,
    Sigma,
    K,
    step,
    samples,
    on_policy,
    root,
    dither,
    known,
    marks,
    gains,
    loop,
    model,
    size,
):
    """Descend for marks[-1] steps, `samples` plant samples each, K and what is known in place.

    Returns the steps done and how the loop stands; see `exact_descent.exact_loop`.
    """
    n, m = B.shape
    theta, M, x = known.theta, known.M, known.x
    d, following, h = np.empty(n + m), np.empty(n), np.empty(n + m)
    Ahat, Bhat, G = np.empty((n, n)), np.empty((n, m)), np.empty_like(K)
    exciting = K if on_policy else known.exciting
    mark = 0
    for i in range(1, marks[-1] + 1):
        if not model_gradient(theta, Q, R, Sigma, K, Ahat, Bhat, model, G, size):
            return i - 1, MODEL_LOST
        descend(K, step, G)
        if not factorise(A, B, Q, R, K, loop, size):
            return i, GAIN_LOST
        for _ in range(samples):
            sample(A, B, exciting, root, dither, x, d, following, known.source, size)
            rls_update(theta, M, d, following, h)
            x[:] = following
        if marks[mark] == i:
            gains[mark] = K
            mark += 1
    return marks[-1], RUNNING
