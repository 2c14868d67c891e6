"""How what is to be learned grows with the number of states: the value of a policy, and the gradient from two points.

The value: Tu and Recht (2019), Section 2.1: under a fixed policy, x+ = L x + w with w ~ N(0, I) and the stage cost
x'x, the matrix P of the value x'Px is to be found from T samples of one trajectory. For L = tau E + gamma I, with a
projector E onto half of the dimensions, T times the mean squared error of P is of order n^2 for the plug-in estimate,
and at least of order n^3 for least-squares temporal differences (LSTD), even if these are told the average cost
(Theorems 2.1 and 2.2).

The gradient: with n inputs, A = L and B = Q = R = I, at K = 0, from the costs of K + rU and K - rU from one first state
x ~ N(0, I), for U on the unit sphere, as r goes to 0. Its part along the gradient varies much less than the whole, so
that Õ(n) pairs suffice for a descent (Mohammadi et al. 2020, Theorem 1 and the text after it). For L = gamma I and
D = n^2 entries the mean squared error is D (n + 2) - 1 in units of the squared gradient, and the variance along it
D / (D + 2) (n + 4 + 4 / n) - 1.
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


def pair_estimates(n: int, count: int, rng: np.random.Generator) -> tuple[float, float]:
    """Mean squared error of a pair's estimate, and variance of its part along the gradient, over that of the gradient.

    The estimate is D <G_x, U> U with D = n^2 and the gradient G_x = 2 E_K Sigma_x of the cost from x; both numbers are
    for one pair, and fall like 1 / N with N of them.
    """
    loop = loop_of(n, rng)
    value = value_of(loop)
    factor = -2.0 * value @ loop  # 2 E_K at K = 0, for B = R = I
    exact = factor @ solve_discrete_lyapunov(loop, np.eye(n))
    norm = float(np.sum(exact**2))
    errors, along = np.empty(count), np.empty(count)
    for i in range(count):
        x, raw = rng.standard_normal(n), rng.standard_normal((n, n))
        U = raw / np.linalg.norm(raw)
        slope = float(np.sum(factor @ solve_discrete_lyapunov(loop, np.outer(x, x)) * U))
        estimate = n * n * slope * U
        errors[i] = np.sum((estimate - exact) ** 2) / norm
        along[i] = np.sum(estimate * exact) / norm
    return float(errors.mean()), float(np.mean((along - 1.0) ** 2))


def evaluation_errors(n: int, samples: int, rng: np.random.Generator) -> tuple[float, float]:
    """T times the squared error of P (Frobenius norm) of the plug-in estimate and of LSTD, from one trajectory."""
    loop = loop_of(n, rng)
    exact, states = value_of(loop), trajectory(loop, samples, rng)
    found = plug_in(states), lstd(states, float(np.trace(exact)))
    plugged, differences = (samples * float(np.sum((P - exact) ** 2)) for P in found)
    return plugged, differences
