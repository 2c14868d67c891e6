"""What keeps a plant from having a stabilising optimum: modes that no input reaches or that no cost weighs, or growth.

Whether there is one is decided by finding it: a gain that stabilises the plant with a margin for rounding proves that
(A, B) is stabilisable, in any units. Where none is found, the tests of Popov, Belevitch and Hautus name the mode, and
how far the plant is from one in which the mode is out of reach, or not weighed at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from lqrpg.lqr import continuous, discrete, riccati
from lqrpg.lqr.cross_weight import without_cross_weight
from lqrpg.lqr.lyapunov import ignore_warnings
from lqrpg.lqr.plant import Array, Plant
from lqrpg.lqr.sampling import LinearModel
from lqrpg.lqr.stability import is_stable

UNREACHED, UNSEEN = "unreached", "unseen"
NEARLY_UNREACHED, NEARLY_UNSEEN = "nearly unreached", "nearly unseen"
GROWTH, NO_MARGIN = "growth", "no margin"
EXACT = 1e-12
"""Relative distance to which a mode counts as out of reach, or not weighed, without a `nearly`."""
NEAR = 1e-2
"""Relative distance above which it is no reason."""
SLOW = 1e-6
"""Part by which a mode must decay to be left alone."""
CLUSTER = 1e-3
"""Relative distance of eigenvalues that may be one, multiple, eigenvalue: their mean is accurate then."""
MOST_GROWTH = 100.0
"""Factor within a sample that is the reason where digits are lost: a gain must cancel it to one part in its square."""
DOUBTFUL = 1e-6
"""Part of a plant's norm by which inputs may hardly reach a mode, or a mode hardly decay, to be looked at closer."""
ROUNDED = 1e-14
"""Relative distance, for each state, that the rounding of a plant's entries makes."""
ROUNDED_EIGENVALUE, REFINEMENTS = 1e-6, 4
"""Part of the largest one by which an eigenvalue may be rounded beside others, as `SLOW` is; and steps to undo it."""


FEW_STATES, LOOKED_AT = 32, 24
"""States up to which all modes are looked at, and modes of larger plants that are: each takes a decomposition."""


class Obstacle(NamedTuple):
    """Why a plant has no stabilising optimum.

    Attributes
    ----------
    kind : one of the names in this module.
    eigenvalue : of the mode in question.
    distance : relative distance to a plant in which it is out of reach, or not weighed; for growth, the factor.
    """

    kind: str
    eigenvalue: complex
    distance: float


def unstable_modes(eigenvalues: NDArray[np.complex128], time: str) -> NDArray[np.bool_]:
    """Which eigenvalues belong to modes that do not decay: Re s >= 0 in continuous time, |z| >= 1 in discrete time."""
    inside = eigenvalues.real < 0.0 if time == "continuous" else np.abs(eigenvalues) < 1.0
    return np.logical_not(inside)


def find_obstacle(model: LinearModel, time: str) -> Obstacle | None:
    """Why the plant has no optimum that stabilises it in double precision; None if it has.

    Parameters
    ----------
    model : the plant; a cost that misses a growing mode counts as an obstacle, too: it is cheapest to let it grow.
    time : `continuous` or `discrete`.
    """
    equation = continuous.EQUATION if time == "continuous" else discrete.EQUATION
    plain, shift = without_cross_weight(model)
    plant = Plant(plain.A, plain.B, plain.Q, plain.R, plain.noise)
    with suppress(linalg.LinAlgError):
        found = riccati.optimum(equation, plant)
        if is_stable(plant._replace(A=model.A), found.gain + shift, time):
            return _missing(plant, found.cost_to_go, time)
    with ignore_warnings():
        return _diagnosed(plant._replace(A=model.A), time)


def first_unstabilisable(A: Array, B: Array) -> int | None:
    """Index of the first system of (count, n, n), (count, n, m) in discrete time that no gain stabilises; None if none.

    Systems of which all slow modes are within easy reach of the inputs are not looked at any closer.
    """
    values = np.linalg.eigvals(A).astype(np.complex128)
    least = _least_singular_values(A[:, None], B[:, None], values)
    size = np.linalg.norm(A, axis=(1, 2)) + np.linalg.norm(B, axis=(1, 2))
    doubtful = (np.abs(values) >= 1.0 - DOUBTFUL) & (least <= DOUBTFUL * size[:, None])
    n, m = B.shape[1:]
    for index in np.flatnonzero(doubtful.any(axis=1)):
        model = LinearModel(A[index], B[index], np.eye(n), np.zeros((n, m)), np.eye(m), np.eye(n))
        if find_obstacle(model, "discrete") is not None:
            return int(index)
    return None


def _least_singular_values(A: Array, B: Array, values: NDArray[np.complex128]) -> Array:
    """The least singular value of [A - z I, B] for each of the values z: zero where no input reaches that mode."""
    pencil = A - values[..., None, None] * np.eye(A.shape[-1])
    inputs = np.broadcast_to(B, (*values.shape, *B.shape[-2:]))
    return np.linalg.svd(np.concatenate([pencil, inputs], axis=-1), compute_uv=False)[..., -1]


def _missing(plant: Plant, P: Array, time: str) -> Obstacle | None:
    """A mode that does not decay and that inputs reach, or Q weighs, by rounding alone, in whichever units.

    An optimum that is found then is one of that rounding; or it lets a mode be that grows at no cost.
    """
    root = np.sqrt(np.maximum(np.diag(P), 0.0))
    reach, weight = [], []
    for units in (1.0 / np.where(root > 0.0, root, 1.0), *_units(plant)):
        A, B, Q = _in_units(plant, units)
        values = _slow(A, time, ROUNDED)
        if not values.size:
            return None
        reach.append(_least_reach(A, B, values))
        weight.append(_least_reach(A.T, Q, values))
    for kind, found in ((UNREACHED, reach), (UNSEEN, weight)):
        least, value = max(found, key=_first)
        if least <= ROUNDED * len(plant.A):
            return Obstacle(kind, value, least)
    return None


def _diagnosed(plant: Plant, time: str) -> Obstacle:
    """The likeliest reason: what is near in all units, as careless ones make any mode seem out of reach."""
    reach, weight = [], []
    for units in _units(plant):
        A, B, Q = _in_units(plant, units)
        values = _slow(A, time, SLOW)
        values = values if values.size else np.linalg.eigvals(A).astype(np.complex128)
        reach.append(_least_reach(A, B, values))
        weight.append(_least_reach(A.T, Q, values))
    values = np.linalg.eigvals(plant.A).astype(np.complex128)
    fastest = values[np.argmax(np.abs(values))]
    (unreached, at), (unseen, there) = max(reach, key=_first), max(weight, key=_first)
    if min(unreached, unseen) > EXACT and time == "discrete" and abs(fastest) > MOST_GROWTH:
        return Obstacle(GROWTH, complex(fastest), float(abs(fastest)))
    if min(unreached, unseen) > NEAR:
        return Obstacle(NO_MARGIN, complex(fastest), min(unreached, unseen))
    if unreached <= unseen or unreached <= EXACT:
        return Obstacle(UNREACHED if unreached <= EXACT else NEARLY_UNREACHED, at, unreached)
    return Obstacle(UNSEEN if unseen <= EXACT else NEARLY_UNSEEN, there, unseen)


def _first(pair: tuple[float, complex]) -> float:
    return pair[0]


def _in_units(plant: Plant, units: Array) -> tuple[Array, Array, Array]:
    """A, B and Q for the states x_i / units_i."""
    return plant.A / units[:, None] * units, plant.B / units[:, None], plant.Q * units * units[:, None]


def _units(plant: Plant) -> Iterator[Array]:
    """Units of the states: as given, balanced for A, and those that bring the entries of all matrices together."""
    n, m = plant.B.shape
    yield np.ones(n)
    yield np.asarray(linalg.matrix_balance(plant.A, permute=False, separate=True)[1][0])
    rows, sides = [], []
    for matrix, left, right in (
        (plant.A, (0, -1), (0, 1)),  # the power of each unit in an entry: rows by states, columns by states
        (plant.B, (0, -1), (n, 1)),
        (plant.Q, (0, 1), (0, 1)),
        (plant.R, (n, 1), (n, 1)),
    ):
        for i, j in zip(*np.nonzero(matrix), strict=True):
            row = np.zeros(n + m + 2)
            row[left[0] + i] += left[1]
            row[right[0] + j] += right[1]
            row[n + m + (matrix is plant.Q or matrix is plant.R)] = -1.0  # units of time and of cost
            rows.append(row)
            sides.append(-np.log(abs(matrix[i, j])))
    found = np.linalg.lstsq(np.array(rows), np.array(sides), rcond=None)[0]
    yield np.exp2(np.round(found[:n] / np.log(2.0)))


def _slow(A: Array, time: str, slack: float) -> NDArray[np.complex128]:
    """Where a mode may not decay: such eigenvalues, or means of some that may be one; decays up to `slack` are none."""
    values = np.linalg.eigvals(A).astype(np.complex128)
    size = max(float(np.max(np.abs(values))), float(np.finfo(np.float64).tiny))
    edge, unit = (0.0, size) if time == "continuous" else (1.0, 1.0)
    distance = np.abs(values[:, None] - values)
    means = np.array([values[row <= CLUSTER * unit].mean() for row in distance])
    near = [complex(edge)] if np.any(np.abs(values - edge) <= 10.0 * CLUSTER * unit) else []
    chosen = np.r_[values, means, near].astype(np.complex128)
    inside = chosen.real < -slack * unit if time == "continuous" else np.abs(chosen) < 1.0 - slack
    return np.asarray(chosen[~inside])


def _hardest(A: Array, B: Array, values: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """The few values whose left eigenvectors, or those of the eigenvalues next to them, inputs reach least."""
    found = linalg.eig(A, left=True, right=False)
    own, left = np.asarray(found[0]), np.asarray(found[1])
    reach = np.linalg.norm(left.conj().T @ B, axis=1)
    nearest = np.argmin(np.abs(values[:, None] - own), axis=1)
    return np.asarray(values[np.argsort(reach[nearest], kind="stable")[:LOOKED_AT]])


def _least_reach(A: Array, B: Array, values: NDArray[np.complex128]) -> tuple[float, complex]:
    """The least relative distance to a pair of which a mode is out of reach, and its eigenvalue."""
    columns = np.linalg.norm(B, axis=0)
    size = max(float(np.linalg.norm(A, 2)), float(np.finfo(np.float64).tiny))
    if not columns.any():
        return 0.0, complex(values[np.argmax(np.abs(values))])
    inputs = B[:, columns > 0.0] / columns[columns > 0.0] * size
    if len(A) > FEW_STATES:
        values = _hardest(A, inputs, values)
    rounding = ROUNDED_EIGENVALUE * float(np.max(np.abs(values)))
    least = np.array([_refined(A, inputs, complex(value), rounding) for value in values])
    best = int(np.argmin(least))
    return float(least[best]) / size, complex(values[best])


def _refined(A: Array, B: Array, value: complex, rounding: float) -> float:
    """The least singular value of [A - z I, B] for z next to an eigenvalue, which beside another one is rounded more.

    With its singular vectors u and v, of which w is the part of the states, u*[A - z I, B]v vanishes at z + s / u*w.
    """
    start, least = value, np.inf
    for _ in range(REFINEMENTS):
        left, singular, right = np.linalg.svd(np.hstack([A - value * np.eye(len(A)), B]), full_matrices=False)
        if not singular[-1] < least:
            break
        least = float(singular[-1])
        slope = complex(np.vdot(left[:, -1], right[-1, : len(A)].conj()))
        value = value + least / slope if slope else value
        if abs(value - start) > rounding:
            break
    return least
