"""The problem itself: cost, gradient and optimum of a plant in discrete or continuous time, and its simulation.

Gains are those of u = -K x for the plant as it is given, cross weight included. The plant's `sample_time` says whether
time is continuous or discrete; `time` says it for a plant that does not.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import linalg

from lqrpg.checks import SettingError, require
from lqrpg.lqr import continuous, discrete
from lqrpg.lqr.cross_weight import WorkingPlant, working
from lqrpg.lqr.definite import covariance_root
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.base import require_whole
from lqrpg.methods.checks import (
    checked_covariance,
    checked_gain,
    checked_plant,
    discrete_plant,
    plant_time,
    shaped_gain,
)


class Solution(NamedTuple):
    """The optimum of a plant.

    Attributes
    ----------
    gain : (m, n) K*, under u = -K x.
    cost_to_go : (n, n) P*.
    cost : tr(P* Sigma).
    """

    gain: Array
    cost_to_go: Array
    cost: float


class Simulation(NamedTuple):
    """One trajectory in discrete time.

    Attributes
    ----------
    states : (steps + 1, n).
    inputs : (steps, m).
    costs : (steps,) x'Qx + 2 x'Su + u'Ru.
    """

    states: Array
    inputs: Array
    costs: Array


def cost(plant: Plant, gain: Any, *, time: str | None = None) -> float:
    """Cost tr(P_K Sigma) of a gain; infinite if it does not stabilise the plant.

    In discrete time: the average stage cost under process noise of covariance Sigma. In continuous time: the integral
    of the stage cost from an initial state of covariance Sigma.

    Parameters
    ----------
    plant : the plant.
    gain : (m, n) gain K of u = -K x.
    time : `discrete` or `continuous`, for a plant that does not say; what it says cannot be overridden.

    Returns
    -------
    The cost, in units of the stage cost in discrete time, and of its integral in continuous time:

    .. math:: P = A_K'PA_K + W_K \\quad\\text{or}\\quad A_K'P + PA_K + W_K = 0, \\qquad
        A_K = A - BK, \\quad W_K = Q - SK - K'S' + K'RK

    (in discrete time P4, eq. (3), and below its eq. (4), with S = 0).

    Raises
    ------
    SettingError
        If the plant is invalid or its time unknown, or the gain is no (m, n) matrix of finite numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import Plant, cost
    >>> plant = Plant(A=0.5 * np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=np.eye(3), sample_time=1)
    >>> print(f"{cost(plant, np.zeros((3, 3))):.6f}")  # P = 0.25 P + I
    4.000000
    """
    model, module = _posed(plant, time)
    value: float = module.cost(model.plant, model.inward(shaped_gain(model.plant, gain)))
    return value


def cost_gradient(plant: Plant, gain: Any, *, time: str | None = None) -> Array:
    """Gradient of `cost`, shape (m, n), at a stabilising gain.

    In discrete time 2 E_K Sigma_K with E_K = (R + B'PB)K - B'PA - S'; in continuous time 2 (RK - B'P - S') X_K.

    Parameters
    ----------
    plant, gain, time : as for `cost`.

    Returns
    -------
    (m, n) gradient, in units of the cost over those of the gain (eq. (4) of P4 in discrete time, of P1 in continuous).

    Raises
    ------
    SettingError
        If the gain does not stabilise the plant.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import Plant, cost_gradient, optimal_gain
    >>> plant = Plant(A=0.5 * np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=np.eye(3), sample_time=1)
    >>> bool(np.abs(cost_gradient(plant, optimal_gain(plant))).max() < 1e-12)
    True
    """
    plant = checked_plant(plant)
    time = plant_time(plant, time)
    model, module = _posed(plant, time)
    value: Array = module.gradient(model.plant, model.inward(checked_gain(plant, gain, time)))
    return value


def optimal_gain(plant: Plant, *, time: str | None = None) -> Array:
    """The optimal gain K*, shape (m, n), under u = -K x.

    Parameters
    ----------
    plant, time : as for `cost`.

    Returns
    -------
    (m, n) K* = (R + B'P*B)^-1 (B'P*A + S') in discrete time, R^-1 (B'P* + S') in continuous time.

    Raises
    ------
    SettingError
        If there is none: the plant cannot be stabilised, or Q does not see a mode at the border of stability.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import Plant, optimal_gain
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=np.eye(3), sample_time=1)
    >>> print(f"{optimal_gain(plant)[0, 0]:.6f}")  # one less than the golden ratio
    0.618034
    """
    plant = checked_plant(plant)
    time = plant_time(plant, time)
    model, module = _posed(plant, time)
    try:
        best: Array = module.optimal_gain(model.plant)
    except linalg.LinAlgError as error:
        raise SettingError(f"the plant has no stabilising optimum in {time} time: {error}") from None
    return model.outward(best)


def solve(plant: Plant, *, time: str | None = None) -> Solution:
    """Optimal gain, cost-to-go and cost, by the Riccati equation.

    Parameters
    ----------
    plant, time : as for `cost`.

    Returns
    -------
    `gain` (m, n), `cost_to_go` (n, n) and `cost`, with P* that solves

    .. math:: P = A'PA + Q - (A'PB + S)(R + B'PB)^{-1} (B'PA + S') \\quad\\text{or}\\quad
        A'P + PA + Q - (PB + S) R^{-1} (B'P + S') = 0 .

    Raises
    ------
    SettingError
        As for `optimal_gain`.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import Plant, solve
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=np.eye(3), sample_time=1)
    >>> print(f"{solve(plant).cost / 3.0:.6f}")  # the golden ratio for each of three equal states
    1.618034
    """
    gain = optimal_gain(plant, time=time)
    model, module = _posed(plant, time)
    value = module.cost_to_go(model.plant, model.inward(gain))
    return Solution(gain, value, float(np.trace(value @ model.plant.Sigma)))


def simulate(
    plant: Plant,
    gain: Any,
    steps: int,
    *,
    seed: np.random.SeedSequence | int = 0,
    initial_covariance: Any = None,
    dither: float = 0.0,
) -> Simulation:
    """Simulate x+ = A x + B u + w, u = -K x + e, in discrete time; the gain need not stabilise the plant.

    Parameters
    ----------
    plant : the plant, in discrete time; w ~ N(0, Sigma).
    gain : (m, n) gain K.
    steps : number of transitions.
    seed : equal seeds give equal bits.
    initial_covariance : (n, n) covariance of the first state; the plant's Sigma unless given.
    dither : standard deviation of each entry of e.

    Returns
    -------
    States, inputs and stage costs; if the state overflows, all that follows is NaN.

    Raises
    ------
    SettingError
        If the plant is invalid or in continuous time, or a setting is invalid.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import Plant, simulate
    >>> plant = Plant(A=0.5 * np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=np.eye(3), sample_time=1)
    >>> run = simulate(plant, np.zeros((3, 3)), 100, seed=1)
    >>> run.states.shape, run.inputs.shape, run.costs.shape
    ((101, 3), (100, 3), (100,))
    """
    plant = discrete_plant(plant)
    K = shaped_gain(plant, gain)
    require_whole(steps=steps)
    is_number = isinstance(dither, int | float | np.number)
    require(is_number and bool(0.0 <= dither < np.inf), "dither", dither, "a number not below 0")
    is_seed = isinstance(seed, np.random.SeedSequence) or (isinstance(seed, int | np.integer) and seed >= 0)
    require(is_seed, "seed", seed, "a whole number from 0 on")
    rng = np.random.default_rng(seed)
    n, m = plant.B.shape
    states, inputs = np.empty((steps + 1, n)), dither * rng.standard_normal((steps, m))
    noise = rng.standard_normal((steps, n)) @ covariance_root(plant.Sigma).T
    states[0] = covariance_root(checked_covariance(plant, initial_covariance)) @ rng.standard_normal(n)
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(steps):
            inputs[t] -= K @ states[t]
            states[t + 1] = plant.A @ states[t] + plant.B @ inputs[t] + noise[t]
        costs = np.sum((states[:-1] @ plant.Q) * states[:-1], axis=1) + np.sum((inputs @ plant.R) * inputs, axis=1)
        if plant.S is not None:
            costs += 2.0 * np.sum((states[:-1] @ plant.S) * inputs, axis=1)
    return Simulation(states, inputs, costs)


def _posed(plant: Any, time: str | None) -> tuple[WorkingPlant, Any]:
    """A checked plant as `lqrpg.lqr` works on it, and the module of its time: both have the same functions."""
    checked = checked_plant(plant)
    module = continuous if plant_time(checked, time) == "continuous" else discrete
    return working(checked), module
