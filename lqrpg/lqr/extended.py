"""LQR in extended precision, by FLINT: for the few plants and gains whose solution double precision loses.

States in units that are far apart, stiff loops and loops near the limit of stability leave few digits of a Riccati or
Lyapunov equation, though its solution is well defined. All are solved here by doubling, with so many digits that twice
as many change nothing: the structure-preserving doubling algorithm for Riccati equations (Chu, Fan, Lin and Wang, 2004;
in continuous time after a Cayley transform: Chu, Fan and Lin, 2005), Smith's method for Lyapunov equations. A
solution takes milliseconds for ten states and seconds for a hundred.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import flint
import numpy as np

from lqrpg.lqr.plant import Array, Plant
from lqrpg.lqr.stability import SOUND, is_stable

FIRST_DIGITS, MOST_DIGITS = 60, 960
DOUBLINGS = 100
SAME = 1e-14
"""Part by which results with twice the digits may differ."""
MOST_STATES = 24
"""For which costs of single gains are found here: more would take many seconds for each."""
MOST_FOR_OPTIMUM = 64
"""For which an optimum is found here: more would take minutes."""
HOPELESS = 1000
"""Power of ten of an entry beyond which nothing converges."""
_SHIFT = flint.arb(1.0123)
"""Factor of the shift of a Cayley transform, so that it is no eigenvalue."""


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
    digits = 40 + int(np.ceil(size))  # what grows may cancel
    with flint.ctx.workdps(digits):
        step = flint.arb(dt) / 2**halvings
        transition, W, N = _identity(len(F)), _matrix(0 * weight), _matrix(0 * noise)
        term, cost, spread = transition, _times(step, _matrix(weight)), _times(step, _matrix(noise))
        A, small = _times(step, _matrix(F[:n, :n])), _times(step, _matrix(F))
        for order in range(1, digits + 10):
            W, N = W + cost, N + spread
            term = _times(term, small, 1 / flint.arb(order))
            transition = transition + term
            cost = _times(_twice_even(_times(cost, small)), 1 / flint.arb(order + 1))
            spread = _times(_twice_even(_times(A, spread)), 1 / flint.arb(order + 1))
        for _ in range(halvings):
            state = flint.arb_mat([row[:n] for row in transition.table()[:n]])
            N = N + _times(state, N, state.transpose())
            W = W + _times(transition.transpose(), W, transition)
            transition = _times(transition, transition)
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
        F = A - _times(B, K)
        return _lyapunov(F.transpose(), Q + _times(K.transpose(), R, K), time), _lyapunov(F, Sigma, time)

    return Solutions(*_settled(solve))


def _settled(solve: Any) -> list[Array]:
    """Results with so many digits that twice as many change nothing, as doubles."""
    last, digits = None, FIRST_DIGITS
    while digits <= MOST_DIGITS:
        with flint.ctx.workdps(digits):
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
    curvature = R.inv().mid()
    A0, G, P = A, _times(B, curvature, B.transpose()), Q
    if time == "continuous":
        A0, G, P = _cayley(A, G, Q)
    for _ in range(DOUBLINGS):
        W = (_identity(A.nrows()) + _times(G, P)).inv().mid()
        AW = _times(A0, W)
        change = _times(A0.transpose(), P, _times(W, A0))
        G, P, A0 = _even(G + _times(AW, G, A0.transpose())), _even(P + change), _times(AW, A0)
        if _negligible(change, P):
            break
    else:
        raise np.linalg.LinAlgError("doubling does not converge")
    if time == "continuous":
        return _times(curvature, B.transpose(), P), P
    return _times((R + _times(B.transpose(), P, B)).inv().mid(), _times(B.transpose(), P, A)), P


def _cayley(A: Any, G: Any, Q: Any) -> tuple[Any, Any, Any]:
    """The equivalent problem in discrete time; any shift will do that is no eigenvalue, one of their size is best."""
    one, shift = _identity(A.nrows()), _rate(A, G, Q)
    shifted = A - _times(shift, one)
    inverse = shifted.inv().mid()
    left = (shifted.transpose() + _times(Q, inverse, G)).inv().mid()
    twice = 2 * shift
    A0 = one + _times(twice, left.transpose())
    return A0, _even(_times(twice, inverse, G, left)), _even(_times(twice, left, Q, inverse))


def _rate(A: Any, G: Any, Q: Any) -> Any:
    """A rate of the order of the closed loop's, whatever the units: by the Hamiltonian matrix's square."""
    trace = abs((_times(A, A) + _times(G, Q)).trace()) / A.nrows()
    size = (trace if trace > 0 else _norm(A) ** 2 + _norm(G) * _norm(Q)).sqrt().mid()
    return _SHIFT * (size if size > 0 else 1)


def _lyapunov(F: Any, W: Any, time: str) -> Any:
    """X with X = F X F' + W, or F X + X F' + W = 0."""
    if time == "continuous":
        n = F.nrows()
        shift = _times(_SHIFT, _identity(n), (_norm(_times(F, F)) / flint.arb(n).sqrt()).sqrt().mid())
        inverse = (shift - F).inv().mid()
        F, W = _times(inverse, shift + F), 2 * _times(inverse, shift, W, inverse.transpose())
    X, few = W, _few_digits()
    for _ in range(DOUBLINGS):
        change = _times(F, X, F.transpose())
        X, F = _even(X + change), _times(F, F)
        if _negligible(change, X) and _norm(F) < few:
            return X
    raise np.linalg.LinAlgError("doubling does not converge")


def _negligible(change: Any, P: Any) -> bool:
    """Whether a change is below half the digits in every entry, whatever the units; `LinAlgError` if hopeless."""
    n, few = P.nrows(), _few_digits()
    if not _norm(P) <= flint.arb(10) ** HOPELESS:
        raise np.linalg.LinAlgError("doubling does not converge")
    root = [abs(P[i, i]).sqrt().mid() for i in range(n)]
    return all(abs(change[i, j]) <= few * root[i] * root[j] for i in range(n) for j in range(n))


def _few_digits() -> Any:
    """Half of the digits in use."""
    return (flint.arb(10) ** (-(flint.ctx.dps // 2))).mid()


def _matrix(values: Array) -> Any:
    return flint.arb_mat(values.tolist())


def _identity(n: int) -> Any:
    return _matrix(np.eye(n))


def _times(*factors: Any) -> Any:
    """The product, from left to right, rounded after each factor: FLINT's bounds of the error, which grow, are left."""
    product = factors[0]
    for factor in factors[1:]:
        product = (product * factor).mid()
    return product


def _norm(matrix: Any) -> Any:
    """Frobenius' norm."""
    return sum((entry * entry for entry in matrix.entries()), flint.arb(0)).sqrt().mid()


def _doubles(matrix: Any) -> Array:
    return np.array([[float(entry) for entry in row] for row in matrix.table()])


def _twice_even(matrix: Any) -> Any:
    return (matrix + matrix.transpose()).mid()


def _even(matrix: Any) -> Any:
    return _times(_twice_even(matrix), flint.arb("0.5"))
