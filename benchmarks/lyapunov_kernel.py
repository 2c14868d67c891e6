"""A cost and a gradient of discrete-time LQR by a SciPy loop, batched NumPy, the compiled lanes from
Python (packing included), and the kernel on packed lanes.

    python benchmarks/lyapunov_kernel.py [systems]

The peers take turns in one run; the table gives medians over the turns, in microseconds a system, and ratios.
"""

from __future__ import annotations

import sys
import time
from statistics import median

import numpy as np

from lqrpg.compiler.jit import LANES, njit, unrolled
from lqrpg.kernels.discrete_kernel import Weights, cost_and_gradient, empty_result, workspace
from lqrpg.kernels.evaluation import evaluate
from lqrpg.lqr import discrete
from lqrpg.lqr.plant import Plant

TURNS = 7
SCIPY_SYSTEMS = 200


def systems(n: int, m: int, count: int):
    rng = np.random.default_rng(0)
    gains, B = rng.normal(size=(count, m, n)), rng.normal(size=(count, n, m))
    closed = rng.normal(size=(count, n, n))
    closed *= (0.95 / np.abs(np.linalg.eigvals(closed)).max(axis=1))[:, None, None]
    return closed + B @ gains, B, gains, np.eye(n), np.eye(m), np.eye(n)


def scipy_loop(A, B, gains, Q, R, Sigma):
    costs = []
    for a, b, gain in zip(A, B, gains, strict=True):
        plant = Plant(a, b, Q, R, Sigma)
        closed = plant.closed_loop(gain)
        if discrete.spectral_radius(closed) < 1.0:
            value, covariance = discrete.cost_to_go(plant, gain), discrete.state_covariance(plant, gain)
            _ = 2.0 * (R @ gain - b.T @ value @ closed) @ covariance
            costs.append(np.trace(value @ Sigma))
    return np.array(costs)


def numpy_kronecker(A, B, gains, Q, R, Sigma):
    """Both Lyapunov equations as linear systems of order n^2, solved in one batch each."""
    count, n = A.shape[:2]
    closed = A - B @ gains
    operator = np.eye(n * n) - np.einsum("cij,ckl->cikjl", closed, closed).reshape(count, n * n, n * n)
    weight = Q + gains.transpose(0, 2, 1) @ R @ gains
    noise = np.broadcast_to(Sigma.reshape(1, n * n, 1), (count, n * n, 1))
    covariance = np.linalg.solve(operator, noise).reshape(count, n, n)
    value = np.linalg.solve(operator.transpose(0, 2, 1), weight.reshape(count, n * n, 1)).reshape(count, n, n)
    _ = 2.0 * (R @ gains - B.transpose(0, 2, 1) @ value @ closed) @ covariance
    return np.einsum("cij,ji->c", value, Sigma)


def numpy_doubling(A, B, gains, Q, R, Sigma):
    """Both Lyapunov equations by doubling, in one batch."""
    closed = A - B @ gains
    power, other = closed, closed.transpose(0, 2, 1)
    value, covariance = Q + gains.transpose(0, 2, 1) @ R @ gains, np.broadcast_to(Sigma, A.shape)
    for _ in range(11):
        value = value + other @ value @ power
        covariance = covariance + power @ covariance @ other
        power = power @ power
        other = power.transpose(0, 2, 1)
    _ = 2.0 * (R @ gains - B.transpose(0, 2, 1) @ value @ closed) @ covariance
    return np.einsum("cij,ji->c", value, Sigma)


def compiled(*problem):
    return evaluate(*problem).cost


@njit
def _lanes_again(A, B, K, weights, times, size, inputs):
    """Costs and gradients of one lane group, over and over: no packing."""
    work, result = workspace(weights.Sigma, size, inputs), empty_result(size, inputs)
    for _ in range(times):
        cost_and_gradient(A, B, K, weights, work, result, size, inputs)
    return result.cost


def kernel_on_lanes(A, B, gains, Q, R, Sigma):
    """The kernel alone, as other kernels call it: the first systems, packed once, as often as there are systems."""
    n, m = B.shape[1:]
    packed = (np.ascontiguousarray(np.moveaxis(part[:LANES], 0, -1)) for part in (A, B, gains))
    cost = _lanes_again(*packed, Weights(Q, R, Sigma), len(A) // LANES, unrolled(n), unrolled(m))
    return cost


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    peers = (scipy_loop, numpy_kronecker, numpy_doubling, compiled, kernel_on_lanes)
    print(f"{'n':>2} {'m':>2} {'method':16} {'us a system':>12} {'times slower':>13} {'worst error':>12}")
    for n, m in ((4, 1), (5, 4)):
        problem = systems(n, m, count)
        few = (*(part[:SCIPY_SYSTEMS] for part in problem[:3]), *problem[3:])
        exact = scipy_loop(*few)
        times: dict[str, list[float]] = {peer.__name__: [] for peer in peers}
        errors = {}
        compiled(*problem)  # compiles
        kernel_on_lanes(*problem)
        for _ in range(TURNS):
            for peer in peers:
                chosen = few if peer is scipy_loop else problem
                start = time.perf_counter()
                costs = peer(*chosen)
                times[peer.__name__].append((time.perf_counter() - start) / len(chosen[0]) * 1e6)
                errors[peer.__name__] = np.max(np.abs(costs[:SCIPY_SYSTEMS] / exact[: len(costs)] - 1.0))
        best = median(times["compiled"])
        for name, found in times.items():
            took = median(found)
            print(f"{n:2} {m:2} {name:16} {took:12.3f} {took / best:13.1f} {errors[name]:12.1e}")


if __name__ == "__main__":
    main()
