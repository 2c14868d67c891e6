"""Rollouts by time stepping: a cross-check of the exact costs, and the way for plants that are not linear."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lqrpg.lqr.plant import Array, Plant

Field = Callable[[Array, Array], Array]
"""A function of states (count, n) and inputs (count, m), row by row."""


def simulated_costs(
    derivative: Field, stage_cost: Field, gains: Array, starts: Array, horizon: float, step: float
) -> Array:
    """Costs of rollouts under u = -K x by the classical Runge-Kutta method on state and cost together.

    Parameters
    ----------
    derivative : dx/dt, (count, n), of states and inputs.
    stage_cost : running cost, (count,), of states and inputs.
    gains : (count, m, n) feedback gains, one a rollout.
    starts : (count, n) initial states.
    horizon : length of the rollouts, in seconds.
    step : largest step, in seconds; the horizon is cut into equal steps.

    Returns
    -------
    (count,) costs, of fourth order in the step; infinite where they overflow.
    """

    def rate(state: Array) -> tuple[Array, Array]:
        control = -np.einsum("cmn,cn->cm", gains, state)
        return derivative(state, control), stage_cost(state, control)

    steps = int(np.ceil(horizon / step))
    h = horizon / steps
    state, total = starts.copy(), np.zeros(len(starts))
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps):
            d1, c1 = rate(state)
            d2, c2 = rate(state + 0.5 * h * d1)
            d3, c3 = rate(state + 0.5 * h * d2)
            d4, c4 = rate(state + h * d3)
            state = state + (h / 6.0) * (d1 + 2.0 * d2 + 2.0 * d3 + d4)
            total = total + (h / 6.0) * (c1 + 2.0 * c2 + 2.0 * c3 + c4)
    return np.where(np.isfinite(total), total, np.inf)


def simulated_plant_costs(plant: Plant, gains: Array, starts: Array, horizon: float, step: float) -> Array:
    """`simulated_costs` of a linear plant."""
    A, B, Q, R, _ = plant.matrices
    return simulated_costs(
        lambda x, u: x @ A.T + u @ B.T,
        lambda x, u: np.sum((x @ Q) * x, axis=1) + np.sum((u @ R) * u, axis=1),
        gains,
        starts,
        horizon,
        step,
    )
