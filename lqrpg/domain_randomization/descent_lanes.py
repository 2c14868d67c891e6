"""What descents on a randomised family share: buffers of a lane group, its moves, and the iterates that come out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lqrpg.compiler.jit import LANES, njit, njit_borrowing
from lqrpg.compiler.lanes import lane_array, read, splat, where_greater, write
from lqrpg.kernels.xoshiro import State
from lqrpg.lqr.plant import Array

RUNNING = -1
"""The `fail_step` of a trial that never lost stability."""


class Descent(NamedTuple):
    """Iterates of many trials.

    Attributes
    ----------
    gains : (records, trials, m, n) gains at the recorded steps; a frozen trial keeps its last gain.
    fail_step : (trials,) step whose sample held a system that the gain did not stabilise, or `RUNNING`.
    """

    gains: Array
    fail_step: NDArray[np.int64]


@njit_borrowing
def move(K, total, alive, rate, size, inputs):
    """K <- K - rate * total in the lanes that are still running."""
    running, half = read(alive, ()), splat(0.5)
    for p in range(len(inputs)):
        for j in range(len(size)):
            old = read(K, (p, j))
            write(K, (p, j), where_greater(running, half, old - read(total, (p, j)) * rate, old))


@njit_borrowing
def accumulate(total, gradient, first, size, inputs):
    """Add a gradient to the sum over a batch, or start it with the first."""
    for p in range(len(inputs)):
        for j in range(len(size)):
            if first:
                write(total, (p, j), read(gradient, (p, j)))
            else:
                write(total, (p, j), read(total, (p, j)) + read(gradient, (p, j)))


class LaneGroup(NamedTuple):
    """Buffers of one lane group: sampled systems, gains, one gradient and their sum, and the state of each lane."""

    A: Array
    B: Array
    K: Array
    gradient: Array
    total: Array
    cost: Array
    stable: Array
    place: Array
    alive: Array
    state: State


@njit
def lane_group(kept, size, inputs):
    """Buffers for groups that keep so many systems."""
    n, m = len(size), len(inputs)
    return LaneGroup(
        lane_array(kept * n * n).reshape((kept, n, n, LANES)),
        lane_array(kept * n * m).reshape((kept, n, m, LANES)),
        lane_array(m * n).reshape((m, n, LANES)),
        lane_array(m * n).reshape((m, n, LANES)),
        lane_array(m * n).reshape((m, n, LANES)),
        lane_array(1)[0],
        lane_array(1)[0],
        lane_array(1)[0],
        lane_array(1)[0],
        np.empty((4, LANES), np.uint64),
    )
