"""Speed of the QSA experiments' numerics, peers side by side: python -m benchmarks.qsa [--quick].

Every time is the median of a few repeats after a warm-up; one process, so halve the totals for two cores.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from lqrpg.qsa.bellman import bellman_data, exact_coefficients
from lqrpg.qsa.exploration import METHODS, Exploration, explore
from lqrpg.qsa.ode import Gain
from lqrpg.qsa.plain_monte_carlo import plain_monte_carlo
from lqrpg.qsa.policy_evaluation import matrix_gain_path, relative_errors, ridge_path
from lqrpg.qsa.policy_iteration import model_free_policy_iteration
from lqrpg.qsa.qsgd import OneMeasurement, one_measurement
from lqrpg.qsa.quasi_monte_carlo import Integrand, affine_map, literal_estimates
from lqrpg.qsa.rates import simulate_rates, standard_cases
from lqrpg.systems.double_integrator import DoubleIntegrator

PLANT = DoubleIntegrator().plant()
EVALUATED, EXPLORING = np.array([[1.0, 0.0]]), np.array([[1.0, 2.0]])


def median_seconds(work: Callable[[], object], repeats: int = 3) -> float:
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def observe(method: str, seed: int, horizon: float):
    signal = Exploration().sample(method, np.random.default_rng([seed, 1]), round(horizon / 1e-3), 1e-3)
    return explore(PLANT, EXPLORING, signal, 1e-3)


def affine_against_brute_force() -> float:
    starts = np.random.default_rng(0).normal(0.0, np.sqrt(10.0), 10_000)
    total = 0.0
    for g in (1.0, 2.0):
        gain = Gain(g)
        affine_map(gain).estimates(starts)
        literal_estimates(gain, starts[:1])
        fast = median_seconds(lambda gain=gain: affine_map(gain).estimates(starts), 9)
        brute = median_seconds(lambda gain=gain: literal_estimates(gain, starts))
        gap = np.abs(affine_map(gain).estimates(starts) - literal_estimates(gain, starts)).max()
        print(f"10^4 QSA runs of 10^5 steps, g = {g:g}: structure {1e3 * fast:.2f} ms, ", end="")
        print(f"compiled brute force {1e3 * brute:.0f} ms ({brute / fast:.0f} times), largest gap {gap:.1e}")
        total += fast
    return total


def monte_carlo_against_numpy(runs: int) -> float:
    y, n = Integrand(), 100_000

    def numpy_blocks() -> None:
        rng = np.random.Generator(np.random.SFC64(0))
        for _ in range(10 * n // 4096):
            y(rng.random(4096))

    plain_monte_carlo(range(1), 4096)
    ours = median_seconds(lambda: plain_monte_carlo(range(runs), n), 1) / (runs * n)
    numpy = median_seconds(numpy_blocks) / (10 * n)
    print(f"plain Monte Carlo: {1e9 * ours:.2f} ns a draw, NumPy in cache blocks {1e9 * numpy:.2f} ns ", end="")
    print(f"({numpy / ours:.1f} times); 10^9 draws take {1e9 * ours:.1f} s on one core")
    return 1e9 * ours


def policy_evaluation(seeds: int) -> float:
    truth, total = exact_coefficients(PLANT, EVALUATED), 0.0
    for method in METHODS:
        begin = time.perf_counter()
        errors = [
            relative_errors(ridge_path(bellman_data(observe(method, s, 100.0), EVALUATED), 1e-6), truth)[-1]
            for s in range(seeds)
        ]
        total += time.perf_counter() - begin
        print(f"policy evaluation, {method}: final relative error, median {np.median(errors):.2e}, ", end="")
        print(f"range {min(errors):.1e} to {max(errors):.1e}")
    data = bellman_data(observe("qsa", 0, 10.0), EVALUATED)
    matrix_gain_path(data, Gain(), 1e-6)
    literal = median_seconds(lambda: matrix_gain_path(data, Gain(), 1e-6))
    ridge = median_seconds(lambda: ridge_path(data, 1e-6))
    print(f"matrix gain over 10^4 steps: moments {1e3 * ridge:.2f} ms, literal recursion {1e3 * literal:.1f} ms")
    return total * 20 / seeds


def policy_iteration(seeds: int) -> float:
    begin = time.perf_counter()
    for method in METHODS[:2]:
        for seed in range(seeds):
            model_free_policy_iteration(observe(method, seed, 50.0), EVALUATED, 10, 1e-8)
    return (time.perf_counter() - begin) * 20 / seeds


def rates(horizon: float) -> float:
    simulate_rates(standard_cases(), 10.0)
    seconds = median_seconds(lambda: simulate_rates(standard_cases(), horizon), 1)
    for method in ("qsgd", "spsa"):
        one_measurement(method, OneMeasurement(), Gain(1.0, 0.7, 0.2), 10.0, range(8))
        for rho in (0.7, 0.9):
            gain = Gain(1.0, rho, 0.2)
            seconds += median_seconds(
                lambda m=method, a=gain: one_measurement(m, OneMeasurement(), a, horizon, range(8)), 1
            )
    return seconds * 1e5 / horizon


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, scaled up to the paper's")
    quick = parser.parse_args().quick
    seconds = {"qsa_monte_carlo": affine_against_brute_force()}
    seconds["qsa_monte_carlo"] += monte_carlo_against_numpy(100 if quick else 10_000)
    seconds["qsa_policy_evaluation"] = policy_evaluation(2 if quick else 20)
    seconds["qsa_policy_iteration"] = policy_iteration(2 if quick else 20)
    seconds["qsa_rates"] = rates(1e4 if quick else 1e5)
    for name, value in seconds.items():
        print(f"{name:24s} {value:6.2f} s at the paper's size, one core")
    print(f"{'all':24s} {sum(seconds.values()):6.2f} s")


if __name__ == "__main__":
    main()
