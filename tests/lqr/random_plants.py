"""Random plants of all kinds, in natural units and in those of a careless user, and what is true of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import mpmath as mp
import numpy as np

from lqrpg.lqr import continuous, discrete
from lqrpg.lqr.plant import Array
from lqrpg.lqr.sampling import LinearModel
from tests.lqr.extended import DIGITS, doubles, operator, precise, solve, trace, weight


class Case(NamedTuple):
    """A plant in units in which its entries are near to one another, and the units in which it is given.

    Attributes
    ----------
    natural : the plant.
    time : `continuous` or `discrete`.
    states, inputs : (n,) and (m,) natural units of the given ones; powers of two, so that nothing is rounded.
    clock : natural unit of time of the given one.
    """

    natural: LinearModel
    time: str
    states: Array
    inputs: Array
    clock: float

    def given(self) -> LinearModel:
        """The plant in the user's units; a rate of cost or of noise is one of the user's unit of time, too."""
        A, B, Q, S, R, noise = self.natural
        x, u = self.states, self.inputs
        rate = self.clock if self.time == "continuous" else 1.0
        return LinearModel(
            rate * A * x[:, None] / x,
            rate * B * x[:, None] / u,
            rate * Q / np.outer(x, x),
            rate * S / np.outer(x, u),
            rate * R / np.outer(u, u),
            rate * noise * np.outer(x, x),
        )

    def gain_in_natural_units(self, gain: Array) -> Array:
        """A gain for the given plant as one for the natural plant."""
        return gain / self.inputs[:, None] * self.states


def random_case(rng: np.random.Generator) -> Case:
    """A plant of 1 to 4 states: stable, marginal, unstable, stiff, with modes out of reach, or nearly so, or unseen."""
    n, m = int(rng.integers(1, 5)), int(rng.integers(1, 3))
    time = str(rng.choice(["continuous", "discrete"]))
    A = _dynamics(rng, n, time)
    B = rng.normal(size=(n, m))
    modes = rng.integers(0, 6)
    if modes == 0 and n > 1:  # the last state drives the others, and only `reach` of the input drives it
        reach = rng.choice([0.0, 10.0 ** rng.uniform(-16, -2)])
        A[-1, :-1] *= reach
        B[-1] *= reach
    if modes == 1:
        A, B = np.round(A), np.round(B)
    Q, noise = weight(rng, n), weight(rng, n) + 1e-3 * np.eye(n)
    if rng.random() < 0.3:
        Q = np.diag(rng.integers(0, 2, n).astype(float)) * 10.0 ** rng.uniform(-12, 0)
    R = np.diag(10.0 ** rng.uniform(-6, 2, m))
    S = np.zeros((n, m))
    if rng.random() < 0.3:
        values, vectors = np.linalg.eigh(Q)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        S = 0.3 * root @ rng.uniform(-1.0, 1.0, (n, m)) / np.sqrt(n * m) @ np.sqrt(R)
        Q = 0.5 * (Q + Q.T)
    if rng.random() < 0.5:  # a change of coordinates
        T = np.linalg.qr(rng.normal(size=(n, n)))[0]
        A, B, Q, S, noise = T @ A @ T.T, T @ B, T @ Q @ T.T, T @ S, T @ noise @ T.T
    far = rng.random() < 0.6
    states = 2.0 ** rng.integers(-20, 21, n) if far else np.ones(n)
    inputs = 2.0 ** rng.integers(-20, 21, m) if far else np.ones(m)
    clock = 2.0 ** int(rng.integers(-17, 31)) if far else 1.0
    model = LinearModel(A, B, 0.5 * (Q + Q.T), S, R, 0.5 * (noise + noise.T))
    return Case(model, time, states, inputs, clock)


def _dynamics(rng: np.random.Generator, n: int, time: str) -> Array:
    """A of a random plant, of chains of integrators, oscillators, conserved quantities, or stiff modes."""
    kind = rng.integers(0, 6)
    A = rng.normal(size=(n, n))
    if kind == 0:  # integrators in a row
        A = np.diag(np.ones(n - 1), 1)
    elif kind == 1:  # undamped oscillators
        A = A - A.T
    elif kind == 2:  # a network that keeps a sum
        A = np.abs(A)
        A = A - np.diag(A.sum(axis=0))
    elif kind == 3:  # modes far apart
        A = np.diag(-(10.0 ** rng.uniform(-4, 4, n)) * rng.choice([1.0, 1.0, -1.0], n)) + np.triu(A, 1)
    elif kind == 4:
        A = A - (continuous.spectral_abscissa(A) + rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(-16, 0)) * np.eye(n)
    if time == "continuous":
        return A
    step = 10.0 ** rng.uniform(-3, 0) / max(1.0, float(np.linalg.norm(A, 2)))
    from scipy.linalg import expm

    return np.asarray(expm(A * step)) if rng.random() < 0.8 else A / max(1.0, discrete.spectral_radius(A))


def exact_optimum(model: LinearModel, gain: Array, time: str) -> tuple[Array, float, Array]:
    """K*, tr(P* noise) and P* in extended precision, by policy iteration from a stabilising gain."""
    with mp.workdps(DIGITS):
        A, B, Q, S, R, noise = (precise(part) for part in model)
        K = precise(gain)
        for _ in range(80):
            F = A - B * K
            P = solve(mp.inverse(operator(F, time)).T, Q - S * K - K.T * S.T + K.T * R * K)
            if time == "discrete":
                following = mp.inverse(R + B.T * P * B) * (B.T * P * A + S.T)
            else:
                following = mp.inverse(R) * (B.T * P + S.T)
            change, K = mp.mnorm(following - K, "f"), following
            if change <= mp.mpf(10) ** -40 * mp.mnorm(K, "f"):
                return doubles(K), float(trace(P * noise)), doubles(P)
    raise AssertionError("policy iteration does not settle")


def reach(A: Array, B: Array, value: complex) -> float:
    """Relative distance to a pair of which the mode is out of reach, in extended precision."""
    with mp.workdps(40):
        size = mp.mnorm(precise(A), "f") + mp.mpf(10) ** -300
        columns = [B[:, [j]] / np.linalg.norm(B[:, j]) for j in range(B.shape[1]) if B[:, j].any()]
        rows: Any = precise(A) - mp.mpc(value) * mp.eye(len(A))
        whole = mp.matrix(len(A), len(A) + len(columns))
        for i in range(len(A)):
            for j in range(len(A)):
                whole[i, j] = rows[i, j]
            for j, column in enumerate(columns):
                whole[i, len(A) + j] = mp.mpf(float(column[i, 0])) * size
        return float(min(mp.svd_c(whole, compute_uv=False)) / size)
