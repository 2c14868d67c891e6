"""The compiled loop of the descents on a randomised family: one lane group through its systems."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lqrpg.compiler.jit import LANES, njit, njit_borrowing
from lqrpg.compiler.lanes import all_greater, lane_array, read, splat, where_greater, write
from lqrpg.kernels.discrete_kernel import cost_and_gradient
from lqrpg.kernels.xoshiro import Streams, uniform_lanes
from lqrpg.lqr.plant import Array
from lqrpg.systems.families.polynomial import polynomial_lanes

NEVER = -1
"""The `fail_step` of a trial that met no system that its gain does not stabilise."""


class Descent(NamedTuple):
    """Iterates of many trials.

    Attributes
    ----------
    gains : (records, trials, m, n) gains at the recorded steps; a frozen trial keeps its last gain.
    fail_step : (trials,) step whose sample held a system that the gain did not stabilise, or `NEVER`.
    """

    gains: Array
    fail_step: NDArray[np.int64]


class Source(NamedTuple):
    """Where a lane group's systems are from.

    Attributes
    ----------
    A, B : (count, n, n, LANES) and (count, n, m, LANES) systems: of one step after another, or of every step.
    drawn : instead, each system is drawn when it is needed, into the first place.
    state_polynomials, input_polynomials : coefficients of the powers, (degree + 1, n, n) and (degree + 1, n, m).
    numbers : (4,) least value and range of a uniform parameter; slope and offset of the polynomials' variable.
    """

    A: Array
    B: Array
    drawn: bool
    state_polynomials: Array
    input_polynomials: Array
    numbers: Array


class Plan(NamedTuple):
    """Systems per step; the gain moves by `rate` times the sum of their gradients; the first step and their number."""

    batch: int
    rate: float
    first: int
    steps: int


class Record(NamedTuple):
    """What a lane group leaves behind.

    Attributes
    ----------
    steps : (records,) increasing numbers of steps after which gains are recorded.
    cursor : (1,) how many records there are.
    gains : (records, LANES, m, n) the records.
    fail_step : (LANES,) as in `Descent`.
    """

    steps: NDArray[np.int64]
    cursor: NDArray[np.int64]
    gains: Array
    fail_step: NDArray[np.int64]


class LaneGroup(NamedTuple):
    """Buffers of one lane group: gains, one gradient and their sum, and the state of each lane."""

    K: Array
    gradient: Array
    total: Array
    cost: Array
    stable: Array
    place: Array
    alive: Array
    state: Streams


@njit
def lane_group(size, inputs):
    """Buffers for n = len(size) states and m = len(inputs) inputs."""
    n, m = len(size), len(inputs)
    return LaneGroup(
        lane_array(m * n).reshape((m, n, LANES)),
        lane_array(m * n).reshape((m, n, LANES)),
        lane_array(m * n).reshape((m, n, LANES)),
        lane_array(1)[0],
        lane_array(1)[0],
        lane_array(1)[0],
        lane_array(1)[0],
        np.empty((4, LANES), np.uint64),
    )


@njit_borrowing
def _move(K, total, alive, rate, size, inputs):
    """K <- K - rate * total, in place, in the lanes that are still running."""
    running, half = read(alive, ()), splat(0.5)
    for p in range(len(inputs)):
        for j in range(len(size)):
            old = read(K, (p, j))
            write(K, (p, j), where_greater(running, half, old - read(total, (p, j)) * rate, old))


@njit_borrowing
def _accumulate(total, gradient, first, size, inputs):
    """Add a gradient to the sum over a batch, `total`, or start it with the first."""
    for p in range(len(inputs)):
        for j in range(len(size)):
            if first:
                write(total, (p, j), read(gradient, (p, j)))
            else:
                write(total, (p, j), read(total, (p, j)) + read(gradient, (p, j)))


@njit_borrowing
def _draw(source, group, A, B, sizes):
    """Sample a parameter in each lane and write its system to A and B; `group.state` is advanced."""
    numbers = source.numbers
    uniform_lanes(group.state, group.place)
    value = read(group.place, ()) * numbers[1] + numbers[0]
    write(group.place, (), numbers[2] / value + numbers[3])
    polynomial_lanes(source.state_polynomials, group.place, A, sizes.state_entries, sizes.degree)
    polynomial_lanes(source.input_polynomials, group.place, B, sizes.input_entries, sizes.degree)


@njit_borrowing
def _write_gains(record, step, group, sizes):
    """Record the gains of the group if they are to be recorded after this number of steps."""
    place = record.cursor[0]
    if place < len(record.steps) and record.steps[place] == step:
        for lane in range(LANES):
            for p in range(len(sizes.inputs)):
                for j in range(len(sizes.states)):
                    record.gains[place, lane, p, j] = group.K[p, j, lane]
        record.cursor[0] = place + 1


@njit_borrowing
def run_steps(source, weights, group, work, plan, record, sizes):
    """The steps of a plan: `group`, `work` and `record` are changed in place, and the first system if it is drawn."""
    A, B = source.A, source.B
    size, inputs = sizes.states, sizes.inputs
    half = splat(0.5)
    for step in range(plan.steps):
        start = step * plan.batch if A.shape[0] > plan.batch else 0
        for sample in range(plan.batch):
            place = 0 if source.drawn else start + sample
            a, b = A[place], B[place]
            if source.drawn:
                _draw(source, group, a, b, sizes)
            cost_and_gradient(a, b, group.K, weights, work, group, size, inputs)
            _accumulate(group.total, group.gradient, sample == 0, size, inputs)
            write(group.alive, (), where_greater(read(group.stable, ()), half, read(group.alive, ()), splat(0.0)))
        if not all_greater(read(group.alive, ()), half):
            for lane in range(LANES):
                if group.alive[lane] == 0.0 and record.fail_step[lane] == NEVER:
                    record.fail_step[lane] = plan.first + step
        _move(group.K, group.total, group.alive, plan.rate, size, inputs)
        _write_gains(record, plan.first + step + 1, group, sizes)
