"""The descents of `domain_randomization` on families whose systems are computed from several parameters.

The systems do not depend on the gains, so those of many steps are made at once: uniform numbers from each trial's own
generator, in the order step, sample, parameter; parameters from them; matrices by the family's expressions, held
exactly between samples. Then the compiled loop moves the gains through these steps. How many steps are made at once
changes no number.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lqrpg.compiler.jit import LANES, njit, size_of
from lqrpg.compiler.lanes import all_greater, read, splat, where_greater, write
from lqrpg.domain_randomization.descent_lanes import RUNNING, Descent, LaneGroup, accumulate, lane_group, move
from lqrpg.kernels.discrete_kernel import Workspace, cost_and_gradient, workspace
from lqrpg.kernels.xoshiro import State, uniform_lanes
from lqrpg.lqr.plant import Array, contiguous
from lqrpg.systems.families.parameters import ParameterFamily

TOGETHER = 512
"""Systems of a trial that are made at once, about."""


@njit
def _uniform(state, numbers):
    """Fill (count, LANES) in order: each lane from its own generator."""
    for index in range(numbers.shape[0]):
        uniform_lanes(state, numbers[index])


@njit
def _run_steps(systems, weights, group, work, batch, first_step, steps, rate, fail_step, size, inputs):
    """Steps of a lane group through prepared systems: `batch` for each step, or the same ones for all.

    `systems` is (count, n, n, LANES) and (count, n, m, LANES); `fail_step` (LANES,) gets the step at which a lane met
    a system that its gain does not stabilise.
    """
    A, B = systems
    Q, R, Sigma = weights
    half = splat(0.5)
    for step in range(steps):
        start = step * batch if A.shape[0] > batch else 0
        for sample in range(batch):
            cost_and_gradient(
                *(A[start + sample], B[start + sample], group.K, Q, R, Sigma, work),
                *(group.cost, group.gradient, group.stable, size, inputs),
            )
            accumulate(group.total, group.gradient, sample == 0, size, inputs)
            write(group.alive, (), where_greater(read(group.stable, ()), half, read(group.alive, ()), splat(0.0)))
        if not all_greater(read(group.alive, ()), half):
            for lane in range(LANES):
                if group.alive[lane] == 0.0 and fail_step[lane] == RUNNING:
                    fail_step[lane] = first_step + step
        move(group.K, group.total, group.alive, rate, size, inputs)


@njit
def _buffers(Sigma, size, inputs):
    return lane_group(1, size, inputs), workspace(Sigma, size, inputs)


class _GroupDescent:
    """One lane group on its way: draws systems, runs steps, hands out gains."""

    def __init__(self, family: ParameterFamily, batch: int, fresh: bool, rate: float) -> None:
        self._family, self._batch, self._fresh, self._rate = family, batch, fresh, rate
        self._weights = contiguous(family.Q, family.R, family.Sigma)
        self._sizes = size_of(len(family.Q)), size_of(len(family.R))
        buffers: tuple[LaneGroup, Workspace] = _buffers(self._weights[2], *self._sizes)
        self._group, self._work = buffers

    def _draw(self, count: int) -> tuple[Array, Array]:
        """`count` systems in each lane: the next ones of each lane's stream."""
        uniform = np.empty((count, len(self._family.names), LANES))
        _uniform(self._group.state, uniform.reshape(-1, LANES))
        columns = self._family.sample(np.ascontiguousarray(np.moveaxis(uniform, 1, 0)))
        A, B = contiguous(*self._family.lanes(columns))
        return A, B

    def run(self, gain: Array, states: State, steps: NDArray[np.int64]) -> Iterator[tuple[Array, NDArray[np.int64]]]:
        """Gains (LANES, m, n) and failed steps (LANES,) after each of the recorded numbers of steps."""
        group, fail_step = self._group, np.full(LANES, RUNNING, dtype=np.int64)
        group.state[:], group.K[:], group.alive[:] = states.T, gain[:, :, None], 1.0
        kept = None if self._fresh else self._draw(self._batch)
        longest = max(1, TOGETHER // self._batch)
        step = 0
        for stop in steps:
            while step < stop:
                count = int(min(stop - step, longest))
                systems = self._draw(count * self._batch) if kept is None else kept
                _run_steps(
                    *(systems, self._weights, group, self._work, self._batch),
                    *(step, count, self._rate, fail_step, *self._sizes),
                )
                step += count
            yield np.moveaxis(group.K, 2, 0), fail_step


def descend_family(
    family: ParameterFamily,
    gain: Array,
    states: State,
    batch: int,
    fresh: bool,
    rate: float,
    steps: NDArray[np.int64],
) -> Descent:
    """Lane group after lane group; spare lanes repeat the last trial.

    Parameters
    ----------
    family : the systems to sample from.
    gain : (m, n) first gain of all trials.
    states : (trials, 4) generator states; a trial's result depends on its own alone.
    batch : systems a step.
    fresh : new systems at every step; else one sample, kept.
    rate : the gain moves by `rate` times the sum of the gradients.
    steps : (records,) increasing numbers of steps after which to record the gains.
    """
    trials = len(states)
    gains, fail_step = np.empty((len(steps), trials, *gain.shape)), np.full(trials, RUNNING)
    descent = _GroupDescent(family, batch, fresh, rate)
    for first in range(0, trials, LANES):
        count = min(LANES, trials - first)
        lanes = states[np.minimum(first + np.arange(LANES), trials - 1)]
        for record, (found, failed) in enumerate(descent.run(gain, lanes, steps)):
            gains[record, first : first + count] = found[:count]
            fail_step[first : first + count] = failed[:count]
    return Descent(gains, fail_step)
