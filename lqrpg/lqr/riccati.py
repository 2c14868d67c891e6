"""Riccati equations: SciPy's solution where it is accurate, that of extended precision where it is not, or none.

SciPy gives no sign of lost digits where A, B, Q and R are of very different sizes. Its solution is therefore compared
with the cost-to-go of the gain that it leads to, which is one step of policy iteration (Kleinman; Hewer) further: they
agree at the optimum alone. Where a few such steps do not make them agree in every entry, nothing that double precision
finds is used.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from scipy import linalg

from lqrpg.lqr import extended
from lqrpg.lqr.extended import Optimum
from lqrpg.lqr.lyapunov import ignore_warnings
from lqrpg.lqr.plant import Array, Plant
from lqrpg.lqr.stability import SOUND, is_stable

NO_SOLUTION = "the Riccati equation has no stabilising solution"
NO_MARGIN = "rounding leaves the stability of the optimal loop unproved"
MAX_STEPS = 12
ACCURATE = 1e-9
"""Part of the root of P_ii P_jj by which the entries ij of two costs-to-go may differ, whatever the states' units."""
ACCURATE_GAIN = 1e-8
"""Part of the largest entry of a gain's row, for states of equal cost, by which its entries may differ."""
ROUNDING = 1e-12
"""Part of the products that make a gain by which it may differ where the plant is too large for extended precision."""


class Equation(NamedTuple):
    """The Riccati equation of discrete or of continuous time.

    Attributes
    ----------
    time : `discrete` or `continuous`.
    solver : SciPy's, of A, B, Q and R.
    gain : the gain (m, n) that is best if a cost-to-go (n, n) follows.
    cost_to_go : that of a stabilising gain, (n, n), in double precision.
    """

    time: str
    solver: Callable[..., Any]
    gain: Callable[[Plant, Array], Array]
    cost_to_go: Callable[[Plant, Array], Array]


def optimum(equation: Equation, plant: Plant) -> Optimum:
    """The optimal gain K*, (m, n), and cost-to-go P*, (n, n), of a plant without cross weight.

    Raises
    ------
    ValueError
        If the plant has a cross weight.
    numpy.linalg.LinAlgError
        If there is none, or the gain in double precision does not stabilise the plant with a margin for rounding.
    """
    plant.require_no_cross_weight()
    for solve in (_as_it_stands, _scaled):
        with suppress(linalg.LinAlgError, ValueError), ignore_warnings():  # ValueError: an overflow on the way
            return _refine(equation, plant, solve(equation, plant))
    try:
        found = extended.optimum(plant, equation.time)
    except linalg.LinAlgError:
        raise linalg.LinAlgError(NO_SOLUTION) from None
    if not is_stable(plant, found.gain, equation.time):
        raise linalg.LinAlgError(NO_MARGIN)
    return found


def _as_it_stands(equation: Equation, plant: Plant) -> Array:
    return np.asarray(equation.solver(plant.A, plant.B, plant.Q, plant.R))


def _scaled(equation: Equation, plant: Plant) -> Array:
    """SciPy's solution for inputs of unit weight, and for states in the unit that makes Q as large as BB'."""
    B = linalg.solve_triangular(np.linalg.cholesky(plant.R), plant.B.T, lower=True).T
    unit = np.sqrt(np.linalg.norm(B) / np.sqrt(np.linalg.norm(plant.Q)))
    P = equation.solver(plant.A, B / unit, plant.Q * unit * unit, np.eye(B.shape[1]))
    return np.asarray(P / unit / unit)


def _refine(equation: Equation, plant: Plant, P: Array) -> Optimum:
    """The first cost-to-go from P on that a step of policy iteration does not change in any entry.

    As a wrong one may be a fixed point of the same rounding, it must be one in other units of the states, too.
    """
    for _ in range(MAX_STEPS):
        last, P = P, _newton_step(equation, plant, P)
        if _agree(last, P):
            break
    unit = np.linspace(1.1, 1.9, len(P))
    units = np.outer(unit, unit)
    A, B = plant.A * unit[:, None] / unit, plant.B * unit[:, None]
    other = _newton_step(equation, plant._replace(A=A, B=B, Q=plant.Q / units), last / units) * units
    gain, root = equation.gain(plant, last), np.sqrt(np.diag(last))
    change = np.abs(equation.gain(plant, other) - gain) / root
    allowed = ACCURATE_GAIN * np.max(np.abs(gain) / root, axis=1, keepdims=True)
    if plant.n_states > extended.MOST_FOR_OPTIMUM:  # an optimal gain of zero is known up to rounding alone
        largest = equation.gain(plant._replace(A=np.abs(plant.A), B=np.abs(plant.B)), np.outer(root, root))
        allowed = np.maximum(allowed, ROUNDING * np.abs(largest) / root)
    if not (_agree(last, P) and _agree(last, other) and np.all(change <= allowed)):
        raise linalg.LinAlgError("policy iteration does not settle")
    return Optimum(gain, last)


def _agree(one: Array, other: Array) -> bool:
    """Whether two costs-to-go are equal in every entry, whatever the units of the states."""
    root = np.sqrt(np.abs(np.diag(other)))
    return bool(np.all(np.abs(other - one) <= ACCURATE * np.outer(root, root)))


def _newton_step(equation: Equation, plant: Plant, P: Array) -> Array:
    """The cost-to-go of the gain that is best if P follows."""
    gain = equation.gain(plant, P)
    if not is_stable(plant, gain, equation.time, SOUND):
        raise linalg.LinAlgError("the gain does not stabilise the plant")
    return equation.cost_to_go(plant, gain)
