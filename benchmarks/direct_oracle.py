"""A rollout step of the direct gradient oracle: compiled lanes against batched NumPy, in one run.

    python benchmarks/direct_oracle.py

Both draw their normal numbers; one step is one plant sample of one rollout.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from lqrpg.lqr.plant import Array
from lqrpg.methods.oracles.direct import direct_estimates
from lqrpg.systems.boeing747 import Boeing747

SYSTEM = Boeing747()
PLANT, GAIN, START = SYSTEM.plant(), SYSTEM.initial_gain(), SYSTEM.initial_covariance()
REPEATS = 7


def numpy_estimate(rollouts: int, length: int, radius: float, rng: np.random.Generator) -> Array:
    """The same estimate, all rollouts as one batch."""
    U = rng.standard_normal((rollouts, *GAIN.shape))
    U *= radius / np.linalg.norm(U, axis=(1, 2), keepdims=True)
    gains = GAIN + U
    closed = PLANT.A - PLANT.B @ gains
    weight = PLANT.Q + gains.transpose(0, 2, 1) @ PLANT.R @ gains
    x = np.sqrt(SYSTEM.initial_variance) * rng.standard_normal((rollouts, 5, 1))
    costs = np.zeros(rollouts)
    for _ in range(length):
        costs += np.sum(x * (weight @ x), axis=(1, 2))
        x = closed @ x + np.sqrt(SYSTEM.noise) * rng.standard_normal(x.shape)
    estimate: Array = GAIN.size / (rollouts * radius**2 * length) * np.einsum("k,kij->ij", costs, U)
    return estimate


def nanoseconds(task: Callable[[], object], steps: int) -> float:
    """Median time of one step over the repeats, in nanoseconds."""
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        task()
        times.append(time.perf_counter() - begin)
    return 1e9 * statistics.median(times) / steps


def main() -> None:
    """Print the table."""
    rng = np.random.default_rng(0)
    print(f"{'n':>6} {'l':>5} {'v':>6} {'compiled ns':>12} {'NumPy ns':>9} {'ratio':>6}")
    for rollouts, length, radius in ((300, 20, 0.01), (1000, 5, 0.02), (4000, 10, 0.01), (1000, 200, 0.001)):
        samples = max(1, 500_000 // (rollouts * length))

        def compiled(n: int = rollouts, l: int = length, v: float = radius, count: int = samples) -> Array:  # noqa: E741
            options = {"radius": v, "rollouts": n, "length": l, "samples": count}
            return direct_estimates(PLANT, START, GAIN, seed=1, **options)  # type: ignore[arg-type]

        def batched(n: int = rollouts, steps: int = length, v: float = radius) -> Array:
            return numpy_estimate(n, steps, v, rng)

        compiled()
        fast = nanoseconds(compiled, rollouts * length * samples)
        slow = nanoseconds(batched, rollouts * length)
        print(f"{rollouts:6d} {length:5d} {radius:6g} {fast:12.1f} {slow:9.1f} {slow / fast:6.1f}")


if __name__ == "__main__":
    main()
