"""Cost and gradient of one discrete-time LQR problem: dense and unrolled kernels, SciPy, batched NumPy.

    python benchmarks/dense.py [LARGEST]

For 4 to 400 states, on one thread, the peers take turns in one run. The table gives medians over the turns in
microseconds, SciPy's time over the dense kernel's, and the dense kernel's GFlop/s beside those of a product of two
matrices of the size (dgemm).
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

import sys
import time
from statistics import median

import numpy as np
from scipy import linalg

from lqrpg.compiler.jit import unrolled
from lqrpg.kernels import dense
from lqrpg.kernels import discrete_small as small

SHAPES = ((4, 1), (5, 4), (6, 2), (7, 2), (8, 4), (12, 4), (32, 8), (100, 10), (400, 20))
TURNS, SECONDS = 7, 0.1
BATCH = 16
UNROLLED = 8  # states up to which unrolled kernels are measured; methods use them up to LARGEST_UNROLLED
RADIUS = 0.95


def unrolled_workspace(n: int, m: int) -> small.LyapunovWorkspace:
    """That of unrolled kernels, also for sizes at which methods use dense ones."""
    s = n * (n + 1) // 2
    shapes = {"factors": (s, s), "vector": (s,), "residual": (m, n), "gradient": (m, n)}
    arrays = {name: np.zeros(shapes.get(name, (n, n))) for name in small.LyapunovWorkspace._fields}
    return small.LyapunovWorkspace(**{**arrays, "order": np.zeros(s, np.int64)})


def problem(n: int, m: int):
    """A loop of spectral radius `RADIUS`."""
    rng = np.random.default_rng(n)
    gain, B = rng.standard_normal((m, n)) / n, rng.standard_normal((n, m))
    closed = rng.standard_normal((n, n))
    closed *= RADIUS / np.abs(np.linalg.eigvals(closed)).max()
    return closed + B @ gain, B, np.eye(n), np.eye(m), np.eye(n), gain


def kernel(A, B, Q, R, Sigma, gain, loop, size):
    """A call that takes the cost and the gradient of a gain by the package's kernels."""
    out = np.empty_like(gain)

    def run():
        assert small.factorise(A, B, Q, R, gain, loop, size)
        cost = small.cost_trace(loop, size)
        small.policy_gradient(B, R, Sigma, gain, loop, out, size)
        return cost, out

    return run


def with_scipy(A, B, Q, R, Sigma, gain):
    """Two solutions of Lyapunov's equation."""

    def run():
        closed = A - B @ gain
        P = linalg.solve_discrete_lyapunov(closed.T, Q + gain.T @ R @ gain, method="bilinear")
        X = linalg.solve_discrete_lyapunov(closed, Sigma, method="bilinear")
        return np.trace(P), 2.0 * (R @ gain - B.T @ P @ closed) @ X

    return run


def with_numpy(A, B, Q, R, Sigma, gain):
    """The same doubling for `BATCH` equal problems at once."""
    A, B, gain = (np.broadcast_to(each, (BATCH, *each.shape)) for each in (A, B, gain))

    def run():
        closed = A - B @ gain
        power, P, X = closed, Q + gain.mT @ R @ gain, np.broadcast_to(Sigma, A.shape)
        while np.linalg.norm(power[0]) > 1e-9:
            P, X = P + power.mT @ P @ power, X + power @ X @ power.mT
            power = power @ power
        return np.trace(P[0]), (2.0 * (R @ gain - B.mT @ P @ closed) @ X)[0]

    return run


def seconds(run) -> float:
    """Mean time of a call over `SECONDS`, or over one call that takes longer."""
    count, start = 0, time.perf_counter()
    while count == 0 or time.perf_counter() - start < SECONDS:
        run()
        count += 1
    return (time.perf_counter() - start) / count


def operations(n: int, m: int, powers: int) -> float:
    """Of the dense kernel: a square and two congruences a doubling."""
    return (powers - 1) * 10.0 * n**3 + 8.0 * m * n**2


def main() -> None:
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else SHAPES[-1][0]
    heads = ("unrolled", "dense", "SciPy", "NumPy", "ratio", "GFlop/s", "dgemm")
    print(f"{'n':>4} {'m':>3}", *(f"{head:>10}" for head in heads))
    for n, m in (shape for shape in SHAPES if shape[0] <= largest):
        known, loop = problem(n, m), dense.dense_workspace(n, m)
        peers = {"dense": kernel(*known, loop, n), "SciPy": with_scipy(*known), "NumPy": with_numpy(*known)}
        if n <= UNROLLED:
            peers["unrolled"] = kernel(*known, unrolled_workspace(n, m), unrolled(n))
        exact = peers["SciPy"]()
        for run in peers.values():
            np.testing.assert_allclose(run()[1], exact[1], rtol=1e-6, atol=1e-8 * np.abs(exact[1]).max())
        a, out = np.ones((n, n)), np.ones((n, n))
        peers["dgemm"] = lambda a=a, out=out: np.dot(a, a, out=out)
        times = {name: [] for name in peers}
        for _ in range(TURNS):
            for name, run in peers.items():
                times[name].append(seconds(run) / (BATCH if name == "NumPy" else 1))
        took = {name: 1e6 * median(found) for name, found in times.items()}
        speed = operations(n, m, int(loop.filled[0])) / took["dense"] / 1e3
        columns = [took.get(name, np.nan) for name in ("unrolled", "dense", "SciPy", "NumPy")]
        columns += [took["SciPy"] / took["dense"], speed, 2e-3 * n**3 / took["dgemm"]]
        print(f"{n:4} {m:3}", *(f"{column:10.1f}" for column in columns), flush=True)


if __name__ == "__main__":
    main()
