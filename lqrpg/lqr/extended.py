"""LQR in extended precision, by mpmath: for the few plants and gains whose solution double precision loses.

States in units that are far apart, stiff loops and loops near the limit of stability leave few digits of a Riccati or
Lyapunov equation, though its solution is well defined. All are solved here by doubling, with so many digits that twice
as many change nothing: the structure-preserving doubling algorithm for Riccati equations (Chu, Fan, Lin and Wang, 2004;
in continuous time after a Cayley transform: Chu, Fan and Lin, 2005), Smith's method for Lyapunov equations. Plants are
small; a solution takes milliseconds for three states and many seconds for thirty.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np

from lqrpg.lqr.plant import Array, Plant
from lqrpg.lqr.stability import SOUND, is_stable

FIRST_DIGITS, MOST_DIGITS = 60, 960
DOUBLINGS = 100
SAME = 1e-14
"""Part by which results with twice the digits may differ."""
MOST_STATES = 12
"""For which costs of single gains are found here: more would take many seconds for each."""
MOST_FOR_OPTIMUM = 40
"""For which an optimum is found here: more would take minutes."""
HOPELESS = 1000
"""Power of ten of an entry beyond which nothing converges."""


class Optimum(NamedTuple):
    """Optimal gain K*, (m, n), and cost-to-go P*, (n, n), correctly rounded."""

    gain: Array
    cost_to_go: Array


class Solutions(NamedTuple):
    """Cost-to-go P_K and state covariance (in continuous time integrated), (n, n) each, correctly rounded."""

    cost_to_go: Array
    covariance: Array


def optimum(plant: Plant, time: str) -> Optimum:
    """The least non-negative solution of the Riccati equation, and its gain.

    Raises
    ------
    numpy.linalg.LinAlgError
        If doubling does not converge: the plant is not stabilisable, or an undetectable mode is at the limit. If the
        plant has more states than `MOST_FOR_OPTIMUM`.
    """
    if plant.n_states > MOST_FOR_OPTIMUM:
        raise np.linalg.LinAlgError("too many states for extended precision")
    return _optimum(*_key(plant.matrices[:4]), plant.n_states, time)


def solutions(plant: Plant, gain: Array, time: str) -> Solutions:
    """Both Lyapunov equations of a stabilising gain.

    Raises
    ------
    numpy.linalg.LinAlgError
        If doubling does not converge: A - B K is not stable.
    """
    return _solutions(*_key((*plant.matrices, gain)), plant.n_states, time)


def where_needed(plant: Plant, gain: Array, time: str) -> Solutions | None:
    """The solutions of a stabilising gain whose loop is too near to the limit for double precision; None of others."""
    if plant.n_states > MOST_STATES or is_stable(plant, gain, time, SOUND) or not is_stable(plant, gain, time):
        return None
    return solutions(plant, gain, time)


def held(F: Array, weight: Array, noise: Array, dt: float) -> tuple[Array, Array, Array]:
    """exp(F dt), and the integrals of exp(F's) W exp(Fs) and exp(As) N exp(A's) over s from 0 to dt, correctly rounded.

    Parameters
    ----------
    F, weight : (n + m, n + m) matrix [[A, B], [0, 0]], and weight W of state and input.
    noise : (n, n) N.
    dt : length of the interval; entries beyond double precision are infinite.
    """
    transition, W, N = _held(*_key((F, weight, noise)), len(F), len(noise), float(dt))
    return transition.copy(), W.copy(), N.copy()


@lru_cache(maxsize=64)
def _held(F: bytes, W: bytes, N: bytes, total: int, n: int, dt: float) -> tuple[Array, Array, Array]:
    shapes = (F, (total, total)), (W, (total, total)), (N, (n, n))
    F_, W_, N_ = (np.frombuffer(raw).reshape(shape) for raw, shape in shapes)
    return _integrals(F_, W_, N_, dt)


def _integrals(F: Array, weight: Array, noise: Array, dt: float) -> tuple[Array, Array, Array]:
    n, size = len(noise), float(np.linalg.norm(F, 1)) * dt
    halvings = max(0, int(np.ceil(np.log2(max(size, 1e-300)))) + 2)
    with mp.workdps(40 + int(np.ceil(size))):  # what grows may cancel
        step, small = mp.mpf(dt) / 2**halvings, _matrix(F)
        transition, W, N = mp.eye(len(F)), mp.zeros(len(F)), mp.zeros(n)
        term, cost, spread = mp.eye(len(F)), _matrix(weight) * step, _matrix(noise) * step
        A = small[:n, :n] * step
        small = small * step
        for order in range(1, mp.mp.dps + 10):
            W, N = W + cost, N + spread
            term = term * small / order
            transition = transition + term
            cost = (small.T * cost + cost * small) / (order + 1)
            spread = (A * spread + spread * A.T) / (order + 1)
        for _ in range(halvings):
            N = N + transition[:n, :n] * N * transition[:n, :n].T
            W = W + transition.T * W * transition
            transition = transition * transition
        return _doubles(transition), _doubles(W), _doubles(N)


def _key(matrices: Any) -> tuple[bytes, ...]:
    return tuple(np.ascontiguousarray(matrix, dtype=np.float64).tobytes() for matrix in matrices)


@lru_cache(maxsize=64)
def _optimum(A: bytes, B: bytes, Q: bytes, R: bytes, n: int, time: str) -> Optimum:
    m = len(B) // 8 // n
    doubles = [np.frombuffer(raw).reshape(shape) for raw, shape in ((A, (n, n)), (B, (n, m)), (Q, (n, n)), (R, (m, m)))]

    def solve() -> tuple[Any, Any]:
        A, B, Q, R = map(_matrix, doubles)
        return _riccati(A, B, Q, R, time)

    return Optimum(*_settled(solve))


@lru_cache(maxsize=64)
def _solutions(A: bytes, B: bytes, Q: bytes, R: bytes, Sigma: bytes, K: bytes, n: int, time: str) -> Solutions:
    m = len(B) // 8 // n
    shapes = ((A, (n, n)), (B, (n, m)), (Q, (n, n)), (R, (m, m)), (Sigma, (n, n)), (K, (m, n)))
    doubles = [np.frombuffer(raw).reshape(shape) for raw, shape in shapes]

    def solve() -> tuple[Any, Any]:
        A, B, Q, R, Sigma, K = map(_matrix, doubles)
        F = A - B * K
        return _lyapunov(F.T, Q + K.T * R * K, time), _lyapunov(F, Sigma, time)

    return Solutions(*_settled(solve))


def _settled(solve: Any) -> list[Array]:
    """Results with so many digits that twice as many change nothing, as doubles."""
    last, digits = None, FIRST_DIGITS
    while digits <= MOST_DIGITS:
        with mp.workdps(digits):
            try:
                found = [_doubles(part) for part in solve()]
            except ZeroDivisionError:  # singular to these digits
                found = None
        if found is not None and last is not None and all(map(_same, last, found)):
            return found
        last, digits = found, 2 * digits
    raise np.linalg.LinAlgError("the equation has no solution in extended precision")


def _same(one: Array, other: Array) -> bool:
    """Whether entries agree; those that vanish beside the others of their row and column may differ."""
    size = np.maximum(np.abs(other), 1e-30 * np.minimum(*np.ix_(np.abs(other).max(1), np.abs(other).max(0))))
    return bool(np.all(np.isfinite(other)) and np.all(np.abs(one - other) <= SAME * size))


def _riccati(A: Any, B: Any, Q: Any, R: Any, time: str) -> tuple[Any, Any]:
    """K* and P*."""
    n, curvature = A.rows, R**-1
    A0, G, P = A, B * curvature * B.T, Q
    if time == "continuous":
        A0, G, P = _cayley(A, G, Q)
    for _ in range(DOUBLINGS):
        W = (mp.eye(n) + G * P) ** -1
        AW = A0 * W
        change = A0.T * P * (W * A0)
        G, P, A0 = _even(G + AW * G * A0.T), _even(P + change), AW * A0
        if _negligible(change, P):
            break
    else:
        raise np.linalg.LinAlgError("doubling does not converge")
    if time == "continuous":
        return curvature * B.T * P, P
    return (R + B.T * P * B) ** -1 * (B.T * P * A), P


def _cayley(A: Any, G: Any, Q: Any) -> tuple[Any, Any, Any]:
    """The equivalent problem in discrete time; any shift will do that is no eigenvalue, one of their size is best."""
    n, shift = A.rows, _rate(A, G, Q)
    inverse = (A - shift * mp.eye(n)) ** -1
    left = ((A - shift * mp.eye(n)).T + Q * inverse * G) ** -1
    return mp.eye(n) + 2 * shift * left.T, _even(2 * shift * inverse * G * left), _even(2 * shift * left * Q * inverse)


def _rate(A: Any, G: Any, Q: Any) -> Any:
    """A rate of the order of the closed loop's, whatever the units: by the Hamiltonian matrix's square."""
    M = A * A + G * Q
    trace = abs(mp.fsum(M[i, i] for i in range(M.rows))) / M.rows
    size = mp.sqrt(trace) if trace > 0 else mp.mnorm(A, "f") + mp.sqrt(mp.mnorm(G, "f") * mp.mnorm(Q, "f"))
    return mp.mpf("1.0123") * (size if size > 0 else 1)


def _lyapunov(F: Any, W: Any, time: str) -> Any:
    """X with X = F X F' + W, or F X + X F' + W = 0."""
    if time == "continuous":
        n, shift = F.rows, mp.mpf("1.0123") * mp.sqrt(mp.mnorm(F * F, "f") / mp.sqrt(F.rows))
        inverse = (shift * mp.eye(n) - F) ** -1
        F, W = inverse * (shift * mp.eye(n) + F), 2 * shift * inverse * W * inverse.T
    X = W
    for _ in range(DOUBLINGS):
        change = F * X * F.T
        X, F = _even(X + change), F * F
        if _negligible(change, X) and mp.mnorm(F, "f") < mp.mpf(10) ** (-mp.mp.dps // 2):
            return X
    raise np.linalg.LinAlgError("doubling does not converge")


def _negligible(change: Any, P: Any) -> bool:
    """Whether a change is below half the digits in every entry, whatever the units; `LinAlgError` if hopeless."""
    n, small = P.rows, mp.mpf(10) ** (-mp.mp.dps // 2)
    if mp.mnorm(P, "f") > mp.mpf(10) ** HOPELESS:
        raise np.linalg.LinAlgError("doubling does not converge")
    root = [mp.sqrt(abs(P[i, i])) for i in range(n)]
    return all(abs(change[i, j]) <= small * root[i] * root[j] for i in range(n) for j in range(n))


def _matrix(values: Array) -> Any:
    return mp.matrix(values.tolist())


def _doubles(matrix: Any) -> Array:
    return np.array([[float(matrix[i, j]) for j in range(matrix.cols)] for i in range(matrix.rows)])


def _even(matrix: Any) -> Any:
    return (matrix + matrix.T) / 2
