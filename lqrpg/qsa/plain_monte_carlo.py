"""Plain Monte Carlo, eq. (16) of Chen et al., at a few nanoseconds a draw and in bounded memory.

The exponential and the sine are the cost. Both are parts of e^{zx}, z = rate + i frequency, which a table
splits: with x = x_j + d and x_j the centre of one of many equal cells, e^{zx} = e^{z x_j} e^{zd}, and |zd| is
so small that a short series reaches rounding. Uniform draws in double precision go in and values in double
precision come out; nothing but the evaluation of y differs from the textbook's loop.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lqrpg.compiler.jit import LANES, njit_borrowing
from lqrpg.lqr.plant import Array
from lqrpg.qsa.quasi_monte_carlo import Integrand

DEGREE = 8
BLOCK = 4096  # draws that are treated at once: a block and its buffers stay in the first-level cache
REACH = 0.05  # bound on |zd|: the first neglected term is then below 1e-17


@njit_borrowing
def _evaluate(x, table, buffers, values):
    """values = Im(e^{zx}); changes the buffers. Only the second loop gathers."""
    sines, cosines, p, q = table
    cell, real, imaginary = buffers
    cells = np.float64(sines.shape[0])
    width = 1.0 / cells
    p0, p1, p2, p3, p4, p5, p6, p7, p8 = p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8]
    q0, q1, q2, q3, q4, q5, q6, q7, q8 = q[0], q[1], q[2], q[3], q[4], q[5], q[6], q[7], q[8]
    for i in range(x.shape[0]):
        scaled = x[i] * cells
        index = np.floor(scaled)
        d = (scaled - (index + 0.5)) * width
        cell[i] = np.int32(index)
        real[i] = (((((((p8 * d + p7) * d + p6) * d + p5) * d + p4) * d + p3) * d + p2) * d + p1) * d + p0
        imaginary[i] = (((((((q8 * d + q7) * d + q6) * d + q5) * d + q4) * d + q3) * d + q2) * d + q1) * d + q0
    for i in range(x.shape[0]):
        values[i] = sines[cell[i]] * real[i] + cosines[cell[i]] * imaginary[i]


@njit_borrowing
def _sum(values, totals):
    """Add the values to running totals, lane by lane, in a fixed order; lanes let strict IEEE vectorise."""
    whole = values.shape[0] // LANES * LANES
    for first in range(0, whole, LANES):
        for lane in range(LANES):
            totals[lane] += values[first + lane]
    for i in range(whole, values.shape[0]):
        totals[i - whole] += values[i]


class Evaluator:
    """Evaluates an integrand block by block.

    Parameters
    ----------
    integrand : y; its exponent |rate + i frequency| must be below 2e5, or the table would not fit a cache.
    """

    def __init__(self, integrand: Integrand) -> None:
        z = complex(integrand.rate, integrand.frequency)
        cells = 1 << max(4, math.ceil(math.log2(max(abs(z), 1.0) / (2.0 * REACH))))
        if cells > 1 << 21:
            raise ValueError(f"the integrand oscillates too fast for this evaluator: |z| = {abs(z):.3g}")
        centres = np.exp(z * (np.arange(cells) + 0.5) / cells)
        series = np.array([z**k / math.factorial(k) for k in range(DEGREE + 1)])
        self._table = (centres.imag.copy(), centres.real.copy(), series.real.copy(), series.imag.copy())
        self._buffers = (np.empty(BLOCK, np.int32), np.empty(BLOCK), np.empty(BLOCK))
        self._values = np.empty(BLOCK)

    def values(self, x: Array) -> Array:
        """y at x, shape (count,) with count <= BLOCK; a view that the next call overwrites."""
        if x.ndim != 1 or len(x) > BLOCK:
            raise ValueError(f"expected at most {BLOCK} points in one axis, got shape {x.shape}")
        values = self._values[: len(x)]
        _evaluate(x, self._table, self._buffers, values)
        return values

    def mean(self, rng: np.random.Generator, n_draws: int) -> float:
        """Mean of y at `n_draws` uniform draws from `rng`."""
        totals = np.zeros(LANES)
        draws = np.empty(BLOCK)
        for first in range(0, n_draws, BLOCK):
            x = draws[: min(BLOCK, n_draws - first)]
            rng.random(out=x)
            _sum(self.values(x), totals)
        return float(totals.sum()) / n_draws


def plain_monte_carlo(
    runs: Sequence[int] | range,
    n_draws: int,
    seed: int = 0,
    spawn_key: tuple[int, ...] = (),
    integrand: Integrand | None = None,
) -> Array:
    """Estimates of the mean of y over [0, 1], one a run (Chen et al., eq. (16)).

    Parameters
    ----------
    runs : numbers of the runs; run r draws from ``SeedSequence(seed, spawn_key=(*spawn_key, r))``, so its
        estimate does not depend on the runs beside it.
    n_draws : draws a run.
    seed, spawn_key : where the runs' streams are spawned.
    integrand : y; the paper's by default.

    Returns
    -------
    (len(runs),) estimates. Memory beyond them: some 100 kB, whatever the number of draws.
    """
    if n_draws < 1:
        raise ValueError(f"a run needs at least one draw, got {n_draws}")
    evaluator = Evaluator(integrand or Integrand())
    streams = (np.random.SeedSequence(seed, spawn_key=(*spawn_key, run)) for run in runs)
    estimates = (evaluator.mean(np.random.Generator(np.random.SFC64(stream)), n_draws) for stream in streams)
    return np.fromiter(estimates, dtype=np.float64, count=len(runs))
