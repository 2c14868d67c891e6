"""Policy gradient on a randomised family: fresh systems at every step, or gradient descent on a fixed sample.

Algorithm 1 of Nguyen-Le et al. (Section II) samples M systems at every step and moves along their mean
gradient; the sample-average method draws M systems once. Many independent trials run side by side, one in a
lane, and the whole loop is compiled. A trial that meets a system which its gain does not stabilise has no
gradient: it is frozen there.

Uniform numbers are from each trial's own generator, in the order step, sample, parameter. Systems do not depend on the
gains. So those of many steps are made at once, and the loop goes through them; how many changes no number. Polynomials
of one uniform parameter are so fast that the loop draws the systems itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lqrpg.compiler.jit import LANES, njit, njit_borrowing, unrolled
from lqrpg.compiler.lanes import lane_array
from lqrpg.domain_randomization.descent_lanes import (
    NEVER,
    Descent,
    LaneGroup,
    Plan,
    Record,
    Source,
    lane_group,
    run_steps,
)
from lqrpg.kernels.discrete_kernel import Weights, Workspace, workspace
from lqrpg.kernels.xoshiro import Streams, uniform_lanes
from lqrpg.lqr.plant import Array, contiguous
from lqrpg.systems.families.family import Family

METHODS = ("dr", "sa")
TOGETHER = 512
"""Systems of a trial that are made at once, about."""


@njit_borrowing
def _uniform(state, numbers):
    """Fill `numbers`, (count, LANES), in order, each lane from its own generator; `state` is advanced in place."""
    for index in range(numbers.shape[0]):
        uniform_lanes(state, numbers[index])


@njit
def _buffers(Sigma, size, inputs):
    return lane_group(size, inputs), workspace(Sigma, size, inputs)


class _Sizes(NamedTuple):
    """States, inputs, entries of A and of B and the degree of polynomials, as kernels take them."""

    states: tuple[int, ...]
    inputs: tuple[int, ...]
    state_entries: tuple[int, ...]
    input_entries: tuple[int, ...]
    degree: tuple[int, ...]


class _GroupDescent:
    """Descents of one lane group at a time."""

    def __init__(self, family: Family, batch: int, fresh: bool, rate: float) -> None:
        self._family, self._batch, self._fresh, self._rate = family, batch, fresh, rate
        self._weights = Weights(*contiguous(family.Q, family.R, family.Sigma))
        n, m = len(family.Q), len(family.R)
        self._coefficients = contiguous(*family.matrices.coefficients)
        degree = max(0, len(self._coefficients[0]) - 1)
        self._sizes = _Sizes(unrolled(n), unrolled(m), unrolled(n * n), unrolled(n * m), unrolled(degree))
        buffers: tuple[LaneGroup, Workspace] = _buffers(self._weights.Sigma, self._sizes.states, self._sizes.inputs)
        self._group, self._work = buffers

    def run(self, gain: Array, states: Streams, steps: NDArray[np.int64]) -> Descent:
        """The iterates of LANES trials."""
        group = self._group
        group.state[:], group.K[:], group.alive[:] = states.T, gain[:, :, None], 1.0
        record = Record(steps, np.zeros(1, np.int64), *_no_iterates(len(steps), LANES, gain.shape))
        if steps[0] == 0:
            record.gains[0], record.cursor[0] = gain, 1
        for source, first, count in self._sources(int(steps[-1])):
            plan = Plan(self._batch, self._rate, first, count)
            run_steps(source, self._weights, group, self._work, plan, record, self._sizes)
        return Descent(record.gains, record.fail_step)

    def _sources(self, steps: int) -> Iterator[tuple[Source, int, int]]:
        """The systems of all steps; of which step the first ones are, and for how many steps they are."""
        if not self._fresh:
            yield self._source(*self._draw(self._batch)), 0, steps
        elif self._is_drawn_in_lanes():
            n, m = len(self._family.Q), len(self._family.R)
            yield self._source(_lanes(n, n), _lanes(n, m), True), 0, steps
        else:
            most = max(1, TOGETHER // self._batch)
            for first in range(0, steps, most):
                count = min(steps - first, most)
                yield self._source(*self._draw(count * self._batch)), first, count

    def _is_drawn_in_lanes(self) -> bool:
        return len(self._coefficients[0]) > 0 and self._family.distributions[0].kind == "uniform"

    def _draw(self, count: int) -> tuple[Array, Array]:
        """`count` systems in each lane: the next ones of each lane's stream."""
        uniform = np.empty((count, len(self._family.names), LANES))
        _uniform(self._group.state, uniform.reshape(-1, LANES))
        columns = self._family.sample(np.ascontiguousarray(np.moveaxis(uniform, 1, 0)))
        A, B = contiguous(*self._family.matrices.lanes(columns))
        return A, B

    def _source(self, A: Array, B: Array, drawn: bool = False) -> Source:
        state, inputs, (slope, offset) = self._coefficients
        first = self._family.distributions[0]
        return Source(A, B, drawn, state, inputs, np.array([first.low, first.high - first.low, slope, offset]))


def _lanes(rows: int, columns: int) -> Array:
    """Room for one system in each lane."""
    array: Array = lane_array(rows * columns).reshape((1, rows, columns, LANES))
    return array


def _no_iterates(records: int, trials: int, shape: tuple[int, ...]) -> tuple[Array, NDArray[Any]]:
    return np.empty((records, trials, *shape)), np.full(trials, NEVER, dtype=np.int64)


def descend(
    family: Family,
    gain: Array,
    states: Streams,
    steps: NDArray[np.int64],
    *,
    method: str = "dr",
    batch_size: int = 8,
    step_size: float = 5e-8,
) -> Descent:
    """Run many independent trials of Algorithm 1 ("dr") or of descent on a fixed sample ("sa").

    Parameters
    ----------
    family : the systems to sample from.
    gain : (m, n) first gain of all trials.
    states : (trials, 4) generator states from `random_states`; a trial's result depends on its own alone.
    steps : (records,) increasing numbers of steps after which to record the gains; the last one ends the run.
    method : "dr" for fresh systems at every step, "sa" for one sample.
    batch_size : systems per step, M.
    step_size : eta; the gain moves by eta times the mean gradient.

    Raises
    ------
    ValueError
        If the method is unknown, the batch is empty or the recorded steps do not increase.
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r} is unknown: choose from {', '.join(METHODS)}")
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size} must be at least 1")
    steps = np.asarray(steps, dtype=np.int64)
    if steps.size == 0 or steps[0] < 0 or np.any(np.diff(steps) <= 0):
        raise ValueError("steps must be increasing numbers of steps, the first at least 0")
    (gain,) = contiguous(gain)
    trials = len(states)
    gains, fail_step = _no_iterates(len(steps), trials, gain.shape)
    descent = _GroupDescent(family, batch_size, method == "dr", step_size / batch_size)
    for first in range(0, trials, LANES):
        count = min(LANES, trials - first)
        # spare lanes repeat the last trial
        found = descent.run(gain, states[np.minimum(first + np.arange(LANES), trials - 1)], steps)
        gains[:, first : first + count] = found.gains[:, :count]
        fail_step[first : first + count] = found.fail_step[:count]
    return Descent(gains, fail_step)
