"""Riccati equations: SciPy's solution where it is accurate, steps of policy iteration where it is not, or none.

SciPy gives no sign of lost digits where B, Q and R are of very different sizes. Its solution is therefore compared
with the cost-to-go of the gain that it leads to, which is one step of policy iteration (Kleinman; Hewer) further: they
agree at the optimum alone, and where they do not, more steps lead there quadratically.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from scipy import linalg

from lqrpg.lqr.lyapunov import quiet
from lqrpg.lqr.plant import Array, Plant

NONE = "the Riccati equation has no stabilising solution to working precision"
MAX_STEPS = 32
ACCURATE = 1e-9
"""Part of the root of P_ii P_jj by which the entries ij of two costs-to-go may differ, whatever the states' units."""
SETTLED = 1e-7
"""Part of its norm by which a cost-to-go may change at the end, by rounding alone."""


class Equation(NamedTuple):
    """The Riccati equation of discrete or of continuous time.

    Attributes
    ----------
    solver : SciPy's, of A, B, Q and R.
    gain : the gain (m, n) that is best if a cost-to-go (n, n) follows.
    cost_to_go : that of a stabilising gain, (n, n).
    is_stabilising : whether a gain is one.
    """

    solver: Callable[..., Any]
    gain: Callable[[Plant, Array], Array]
    cost_to_go: Callable[[Plant, Array], Array]
    is_stabilising: Callable[[Plant, Array], bool]


def stabilising_solution(equation: Equation, plant: Plant) -> Array:
    """The optimal cost-to-go P*, shape (n, n): SciPy's where it is accurate.

    Raises
    ------
    numpy.linalg.LinAlgError
        If there is none, or none is found to working precision.
    """
    for solve in (_as_it_stands, _in_equal_units):
        with suppress(linalg.LinAlgError, ValueError), quiet():  # ValueError: an overflow on the way
            return _settled(equation, plant, solve(equation, plant))
    raise linalg.LinAlgError(NONE)


def stabilising_gain(equation: Equation, plant: Plant) -> Array:
    """A gain near the optimum, shape (m, n), which may not be accurate but stabilises the plant.

    Raises
    ------
    numpy.linalg.LinAlgError
        If none is found.
    """
    for solve in (_as_it_stands, _in_equal_units):
        with suppress(linalg.LinAlgError, ValueError), quiet():
            gain = equation.gain(plant, solve(equation, plant))
            if equation.is_stabilising(plant, gain):
                return np.asarray(gain)
    raise linalg.LinAlgError(NONE)


def _as_it_stands(equation: Equation, plant: Plant) -> Array:
    return np.asarray(equation.solver(plant.A, plant.B, plant.Q, plant.R))


def _in_equal_units(equation: Equation, plant: Plant) -> Array:
    """SciPy's solution for inputs of unit weight, and for states in the unit that makes Q as large as BB'."""
    B = linalg.solve_triangular(np.linalg.cholesky(plant.R), plant.B.T, lower=True).T
    unit = np.sqrt(np.linalg.norm(B) / np.sqrt(np.linalg.norm(plant.Q)))
    P = equation.solver(plant.A, B / unit, plant.Q * unit * unit, np.eye(B.shape[1]))
    return np.asarray(P / unit / unit)


def _settled(equation: Equation, plant: Plant, P: Array) -> Array:
    """The first cost-to-go from P on that a step of policy iteration does not change in any entry.

    Entries that are mostly rounding, as those of a mode that costs nothing, change for ever: then the last one, if the
    whole hardly does. As a wrong one may be a fixed point of the same rounding, the states' units must not matter.
    """
    for _ in range(MAX_STEPS):
        last, P = P, _improved(equation, plant, P)
        root = np.sqrt(np.abs(np.diag(P)))
        if np.all(np.abs(P - last) <= ACCURATE * np.outer(root, root)):
            break
    unit = np.linspace(1.1, 1.9, len(P))
    units = np.outer(unit, unit)
    A, B = plant.A * unit[:, None] / unit, plant.B * unit[:, None]
    other = _improved(equation, plant._replace(A=A, B=B, Q=plant.Q / units), last / units) * units
    change = max(float(np.linalg.norm(found - last)) for found in (P, other))
    if not change <= SETTLED * np.linalg.norm(P):
        raise linalg.LinAlgError("policy iteration does not settle")
    return last


def _improved(equation: Equation, plant: Plant, P: Array) -> Array:
    """The cost-to-go of the gain that is best if P follows."""
    gain = equation.gain(plant, P)
    if not equation.is_stabilising(plant, gain):
        raise linalg.LinAlgError("the gain does not stabilise the plant")
    return equation.cost_to_go(plant, gain)
