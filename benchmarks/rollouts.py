"""A two-point estimate (two rollouts, n = 8, m = 4, tau = 100) by this package and by its peers, in one run.

Every peer simulates the same rollouts on the coarsest grid at which its estimate is right to ACCURACY: the two-point
difference divides by 2r, so a rollout needs far more digits than a plot. Run with `make bench`.
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

import time
from collections.abc import Callable
from functools import partial

import control
import numpy as np
from scipy.integrate import simpson, solve_ivp

from lqrpg.azopg.two_point import TicketSamples, two_point_estimates
from lqrpg.kernels.rollout import finite_horizon_costs
from lqrpg.lqr.plant import Array
from lqrpg.runner.experiment import stream
from lqrpg.systems.mass_spring import MassSpring

RADIUS, HORIZON, ACCURACY, REPEATS = 1e-4, 100.0, 1e-3, 7
PLANT = MassSpring("mass_spring", 4, 1.0, 1.0).plant()
GAIN = np.zeros((4, 8))


def control_costs(gains: Array, starts: Array, points: int) -> Array:
    """Costs by python-control's response of the closed loop, and Simpson's rule."""
    grid = np.linspace(0.0, HORIZON, points)
    costs = []
    for gain, start in zip(gains, starts, strict=True):
        loop = control.ss(PLANT.closed_loop(gain), np.zeros((8, 1)), np.eye(8), np.zeros((8, 1)))
        states = control.initial_response(loop, grid, start).states
        costs.append(simpson(np.einsum("it,ij,jt->t", states, PLANT.stage_weight(gain), states), x=grid))
    return np.array(costs)


def ode_costs(gains: Array, starts: Array, digits: int) -> Array:
    """Costs by SciPy's adaptive Runge-Kutta method on state and cost together."""
    costs = []
    for gain, start in zip(gains, starts, strict=True):
        loop, weight = PLANT.closed_loop(gain), PLANT.stage_weight(gain)

        def rate(t: float, y: Array, loop: Array = loop, weight: Array = weight) -> Array:
            return np.append(loop @ y[:8], y[:8] @ weight @ y[:8])

        tolerance = 10.0**-digits
        end = solve_ivp(rate, (0.0, HORIZON), np.append(start, 0.0), "DOP853", rtol=tolerance, atol=tolerance)
        costs.append(end.y[8, -1])
    return np.array(costs)


def estimates(costs: Callable[[Array, Array], Array], count: int) -> Array:
    directions, starts = TicketSamples(PLANT, stream(0, "benchmark"))(np.arange(count))
    return two_point_estimates(costs, np.broadcast_to(GAIN, directions.shape), directions, starts, RADIUS)


def worst_error(costs: Callable[[Array, Array], Array], exact: Array) -> float:
    found = estimates(costs, len(exact))
    return float(np.max(np.linalg.norm(found - exact, axis=(1, 2)) / np.linalg.norm(exact, axis=(1, 2))))


def coarsest(peer: Callable[..., Array], name: str, values: list[int], exact: Array) -> int:
    """The first value at which the peer's estimates are accurate."""
    for value in values:
        if worst_error(partial(peer, **{name: value}), exact) <= ACCURACY:
            return value
    raise SystemExit(f"{peer.__name__} does not reach {ACCURACY:g} with {name} up to {values[-1]}")


def microseconds(costs: Callable[[Array, Array], Array], count: int) -> float:
    start = time.perf_counter()
    estimates(costs, count)
    return (time.perf_counter() - start) / count * 1e6


def main() -> None:
    exact_costs = partial(finite_horizon_costs, PLANT, horizon=HORIZON)
    exact = estimates(exact_costs, 4)
    points = coarsest(control_costs, "points", [2**k + 1 for k in range(6, 16)], exact)
    digits = coarsest(ode_costs, "digits", list(range(3, 14)), exact)
    peers = {
        "lqrpg, exact, in lanes": (exact_costs, 2000),
        f"python-control, {points} points": (partial(control_costs, points=points), 2),
        f"SciPy DOP853, tolerance 1e-{digits}": (partial(ode_costs, digits=digits), 2),
    }
    estimates(exact_costs, 8)
    times = {name: [] for name in peers}
    for _ in range(REPEATS):  # in turn, so that all see the same machine
        for name, (costs, count) in peers.items():
            times[name].append(microseconds(costs, count))
    ours = np.median(next(iter(times.values())))
    print(f"one estimate (two rollouts), single core, median of {REPEATS}, estimates right to {ACCURACY:g}")
    for name, (costs, _) in peers.items():
        median = np.median(times[name])
        error = worst_error(costs, exact)
        print(f"  {name:36s} {median:12.1f} us   ratio {median / ours:9.1f}   error {error:.1e}")


if __name__ == "__main__":
    main()
