"""How the evaluation of a policy from samples grows with the number of states: by a model, and without one.

Tu and Recht (2019), Section 2.1: under a fixed policy, x+ = L x + w with w ~ N(0, I) and the stage cost x'x, the matrix
P of the value x'Px is to be found from T samples of one trajectory. For L = tau E + gamma I, with a projector E onto
half of the dimensions, T times the mean squared error of P is of order n^2 for the plug-in estimate, and at least of
order n^3 for least-squares temporal differences (LSTD), even if these are told the average cost (Theorems 2.1 and 2.2).
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_discrete_lyapunov

from lqrpg.lqr.plant import Array

TAU = GAMMA = 0.4
"""Eigenvalues of the closed loop are 0.8 and 0.4."""


def loop_of(n: int, rng: np.random.Generator) -> Array:
    """The closed loop tau E + gamma I, (n, n), for a random projector E onto n / 2 dimensions, one at least."""
    basis = np.linalg.qr(rng.standard_normal((n, n)))[0][:, : max(1, n // 2)]
    return np.asarray(TAU * basis @ basis.T + GAMMA * np.eye(n))


def trajectory(loop: Array, samples: int, rng: np.random.Generator) -> Array:
    """States of x+ = L x + w, (samples + 1, n), from the stationary distribution on."""
    n = len(loop)
    states, noise = np.empty((samples + 1, n)), rng.standard_normal((samples, n))
    states[0] = np.linalg.cholesky(solve_discrete_lyapunov(loop, np.eye(n))) @ rng.standard_normal(n)
    for i in range(samples):
        states[i + 1] = loop @ states[i] + noise[i]
    return states


def value_of(loop: Array) -> Array:
    """P = I + L'PL, (n, n)."""
    return np.asarray(solve_discrete_lyapunov(loop.T, np.eye(len(loop))))


def plug_in(states: Array) -> Array:
    """P of the loop that least squares finds, (n, n)."""
    now, after = states[:-1], states[1:]
    return value_of(np.asarray(np.linalg.solve(now.T @ now, now.T @ after).T, dtype=np.float64))


def lstd(states: Array, average: float) -> Array:
    """P by least-squares temporal differences with the features svec(xx'), told the average cost, (n, n)."""
    n = states.shape[1]
    rows, columns = np.triu_indices(n)
    weights = np.where(rows == columns, 1.0, np.sqrt(2.0))
    features = states[:, rows] * states[:, columns] * weights
    now, after = features[:-1], features[1:]
    costs = np.sum(states[:-1] ** 2, axis=1) - average
    theta = np.linalg.solve(now.T @ (now - after), now.T @ costs)
    P = np.zeros((n, n))
    P[rows, columns] = theta / weights
    return np.asarray(P + P.T - np.diag(np.diag(P)))


def evaluation_errors(n: int, samples: int, rng: np.random.Generator) -> tuple[float, float]:
    """T times the squared error of P (Frobenius norm) of the plug-in estimate and of LSTD, from one trajectory."""
    loop = loop_of(n, rng)
    exact, states = value_of(loop), trajectory(loop, samples, rng)
    found = plug_in(states), lstd(states, float(np.trace(exact)))
    plugged, differences = (samples * float(np.sum((P - exact) ** 2)) for P in found)
    return plugged, differences
