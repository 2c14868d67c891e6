"""`exact.exact_loop` for many runs at once: a run in each vector lane, with random numbers of its own.

A lane does the same operations whatever runs beside it, so that a run has the same bits in any company; from those of
`exact_loop` they differ by rounding, as the Lyapunov equations are eliminated in another order.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lqrpg.compiler.jit import LANES, njit, njit_borrowing
from lqrpg.compiler.lanes import all_greater, fma, lane_array, read, splat, where_greater, write
from lqrpg.kernels.discrete_kernel import PIVOT_THRESHOLD, Weights, cost_and_gradient, empty_result, workspace
from lqrpg.kernels.discrete_small import SMALL_GAP, Reference
from lqrpg.kernels.normals import fill_normals, normal_stream
from lqrpg.lqr.plant import Array
from lqrpg.lqr.products import copy_to
from lqrpg.methods.schedules import schedule_value

UNENDED = -1
"""Stands for the iteration at which a run was lost, where it was not."""


class LaneNoise(NamedTuple):
    """The random numbers of the lanes, those of each as a `NormalStream` of its seed draws them.

    Attributes
    ----------
    states : (LANES, 4, streams) the generators.
    buffers : (LANES, 8, streams) numbers, refilled when all are used.
    used : (LANES,) how many are.
    words : (streams,) scratch.
    """

    states: NDArray[np.uint64]
    buffers: Array
    used: NDArray[np.int64]
    words: NDArray[np.uint64]


class LaneReport(NamedTuple):
    """What the runs of a lane group leave behind.

    Attributes
    ----------
    marks : (count,) increasing iterations at which gaps are recorded.
    last : iteration at which the runs end.
    gaps : (count, LANES) gaps tr(P_K - P*) / tr(P*) there; nan where a run has been lost before.
    final, least : (LANES,) gap of the last gain, and least gap of all iterations.
    lost : (LANES,) iteration whose gain does not stabilise the plant; `UNENDED` if there is none.
    gains : (LANES, m, n) the first gains, then the last ones.
    optimum : what gaps are relative to.
    """

    marks: NDArray[np.int64]
    last: int
    gaps: Array
    final: Array
    least: Array
    lost: NDArray[np.int64]
    gains: Array
    optimum: Reference


def lane_noise(seeds: list[np.random.SeedSequence]) -> LaneNoise:
    """The random numbers of at most `LANES` runs; spare lanes have those of the last run."""
    streams = [normal_stream(seeds[min(lane, len(seeds) - 1)]) for lane in range(LANES)]
    return LaneNoise(
        np.stack([stream.state for stream in streams]),
        np.stack([stream.buffer for stream in streams]),
        np.concatenate([stream.cursor for stream in streams]),
        streams[0].words.copy(),
    )


def lane_report(marks: NDArray[np.int64], last: int, gain: Array, optimum: Reference) -> LaneReport:
    """An empty report on runs that all start from one gain, (m, n)."""
    nothing, infinite = np.full((len(marks), LANES), np.nan), np.full(LANES, np.inf)
    gains = np.ascontiguousarray(np.broadcast_to(gain, (LANES, *gain.shape)))
    return LaneReport(marks, last, nothing, infinite, infinite.copy(), np.full(LANES, UNENDED), gains, optimum)


@njit_borrowing
def _draw(noise, out):
    """Fill `out`, (m, n, LANES), with normal numbers, an entry after another in each lane."""
    rows, streams = noise.buffers.shape[1:]
    for lane in range(LANES):
        used, buffer = noise.used[lane], noise.buffers[lane]
        for p in range(out.shape[0]):
            for j in range(out.shape[1]):
                if used == rows * streams:
                    fill_normals(noise.states[lane], noise.words, buffer)
                    used = 0
                out[p, j, lane] = buffer[used // streams, used % streams]
                used += 1
        noise.used[lane] = used


@njit_borrowing
def _gaps(K, best, work, out, size, inputs):
    """Write tr(P_K - P*) / tr(P*) of solved lanes to `out`; small ones not as a difference of costs, as in `gap_of`."""
    n, m = len(size), len(inputs)
    total = splat(0.0)
    for i in range(n):
        total = total + read(work.value, (i, i))
    found = total / best.cost - 1.0
    write(out, (), found)
    if all_greater(found, splat(SMALL_GAP)):
        return
    excess = splat(0.0)
    for p in range(m):
        for q in range(m):
            row = 0
            for i in range(n):
                for j in range(i, n):
                    left = (read(K, (p, i)) - best.gain[p, i]) * (read(K, (q, j)) - best.gain[q, j])
                    if i != j:
                        left = fma(read(K, (p, j)) - best.gain[p, j], read(K, (q, i)) - best.gain[q, i], left)
                    excess = fma(left * best.curvature[p, q], read(work.stacked, (1, row)), excess)
                    row += 1
    excess = where_greater(excess, splat(0.0), excess, splat(0.0))
    write(out, (), where_greater(found, splat(SMALL_GAP), found, excess / best.cost))


@njit_borrowing
def _move(K, step, G, delta, bias, noise, size, inputs):
    """K <- K - step (G + bias direction + deviation noise), in place."""
    for p in range(len(inputs)):
        for j in range(len(size)):
            total = read(G, (p, j)) + splat(bias * delta.direction[p, j])
            total = fma(splat(delta.deviation), read(noise, (p, j)), total)
            write(K, (p, j), read(K, (p, j)) - total * step)


@njit
def exact_lanes(plant, step, delta, noise, report, size, inputs):
    """Descend from `report.gains` to `report.last` in every lane; changes `noise` and `report`.

    A lane whose run is lost goes on with the optimal gain, which costs no more than any other.
    """
    A, B, Q, R, Sigma = plant
    n, m = len(size), len(inputs)
    weights, result = Weights(Q, R, Sigma), empty_result(size, inputs)
    work = workspace(Sigma, size, inputs)
    work.floors[:n] = PIVOT_THRESHOLD  # unit noise decides on stability: gaps need its covariance anyway
    work.floors[n], work.floors[n + 1] = 1.0, 1.0
    a, b = lane_array(n * n).reshape((n, n, LANES)), lane_array(n * m).reshape((n, m, LANES))
    K, numbers = lane_array(m * n).reshape((m, n, LANES)), lane_array(m * n).reshape((m, n, LANES))
    found = lane_array(1)[0]
    for lane in range(LANES):
        copy_to(A, a[:, :, lane])
        copy_to(B, b[:, :, lane])
        copy_to(report.gains[lane], K[:, :, lane])
    numbers[:] = 0.0
    place, running, half = 0, LANES, splat(0.5)
    for i in range(report.last + 1):
        cost_and_gradient(a, b, K, weights, work, result, size, inputs)
        _gaps(K, report.optimum, work, found, size, inputs)
        if not all_greater(read(result.stable, ()), half):
            for lane in range(LANES):
                if result.stable[lane] < 0.5 and report.lost[lane] == UNENDED:
                    report.lost[lane] = i
                    copy_to(K[:, :, lane], report.gains[lane])
                    running -= 1
                    copy_to(report.optimum.gain, K[:, :, lane])
                    result.gradient[:, :, lane] = 0.0
        marked = place < len(report.marks) and report.marks[place] == i
        for lane in range(LANES):
            if report.lost[lane] == UNENDED:
                report.final[lane] = found[lane]
                report.least[lane] = min(report.least[lane], found[lane])
                if marked:
                    report.gaps[place, lane] = found[lane]
        place += marked
        if running == 0 or i == report.last:
            break
        if delta.deviation > 0.0:
            _draw(noise, numbers)
        bias = schedule_value(delta.bias, i + 1) if delta.bias[0] > 0.0 else 0.0
        _move(K, schedule_value(step, i + 1), result.gradient, delta, bias, numbers, size, inputs)
    for lane in range(LANES):
        if report.lost[lane] == UNENDED:
            copy_to(K[:, :, lane], report.gains[lane])
