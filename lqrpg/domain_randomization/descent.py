"""Policy gradient on a randomised family: fresh systems at every step, or gradient descent on a fixed sample.

Algorithm 1 of Nguyen-Le et al. (Section II) samples M systems at every step and moves along their mean
gradient; the sample-average method draws M systems once. Many independent trials run side by side, one in a
lane, and the whole loop is compiled. A trial that meets a system which its gain does not stabilise has no
gradient: it is frozen there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lqrpg.compiler.jit import LANES, njit, njit_borrowing, size_of
from lqrpg.compiler.lanes import all_greater, read, splat, where_greater, write
from lqrpg.domain_randomization.descent_lanes import RUNNING, Descent, accumulate, lane_group, move
from lqrpg.domain_randomization.family_descent import descend_family
from lqrpg.kernels.discrete_kernel import cost_and_gradient, workspace
from lqrpg.kernels.xoshiro import State, uniform_lanes
from lqrpg.lqr.plant import Array, contiguous
from lqrpg.systems.families.length import LengthFamily, family_lanes
from lqrpg.systems.families.parameters import ParameterFamily

METHODS = ("dr", "sa")


@njit_borrowing
def _draw_system(family, state, place, A, B, entries, degrees):
    """Sample a length in each lane and write its system; `place` holds the family's variable afterwards."""
    span = family.span
    uniform_lanes(state, place)
    length = read(place, ()) * (span[1] - span[0]) + span[0]
    write(place, (), span[2] / length + span[3])
    family_lanes(family.A, place, A, entries[0], degrees)
    family_lanes(family.B, place, B, entries[1], degrees)


@njit_borrowing
def _run_group(family, group, work, batch, fresh, rate, steps, first, gains, fail_step, size, inputs, entries, degrees):
    """All steps of a lane group whose generators and first gain are set."""
    half, step, occupied = splat(0.5), 0, min(LANES, gains.shape[1] - first)
    write(group.alive, (), splat(1.0))
    for record in range(len(steps)):
        while step < steps[record]:
            for sample in range(batch):
                kept = 0 if fresh else sample
                a, b = group.A[kept], group.B[kept]
                if fresh or step == 0:
                    _draw_system(family, group.state, group.place, a, b, entries, degrees)
                cost_and_gradient(
                    *(a, b, group.K, family.Q, family.R, family.Sigma, work),
                    *(group.cost, group.gradient, group.stable, size, inputs),
                )
                accumulate(group.total, group.gradient, sample == 0, size, inputs)
                write(group.alive, (), where_greater(read(group.stable, ()), half, read(group.alive, ()), splat(0.0)))
            if not all_greater(read(group.alive, ()), half):
                for lane in range(occupied):
                    if group.alive[lane] == 0.0 and fail_step[first + lane] == RUNNING:
                        fail_step[first + lane] = step
            move(group.K, group.total, group.alive, rate, size, inputs)
            step += 1
        for lane in range(occupied):
            for p in range(len(inputs)):
                for j in range(len(size)):
                    gains[record, first + lane, p, j] = group.K[p, j, lane]


@njit
def _buffers(family, kept, size, inputs):
    return lane_group(kept, size, inputs), workspace(family.Sigma, size, inputs)


def _descend(
    family: LengthFamily,
    gain: Array,
    states: State,
    batch: int,
    fresh: bool,
    rate: float,
    steps: NDArray[np.int64],
    size: Any,
    inputs: Any,
) -> Descent:
    """Lane group after lane group; spare lanes repeat the last trial."""
    group, work = _buffers(family, 1 if fresh else batch, size, inputs)
    n, m = len(size), len(inputs)
    shape = size, inputs, (size_of(n * n), size_of(n * m)), size_of(len(family.A) - 1)
    trials = len(states)
    gains, fail_step = np.empty((len(steps), trials, *gain.shape)), np.full(trials, RUNNING)
    for first in range(0, trials, LANES):
        group.state[:] = states[np.minimum(first + np.arange(LANES), trials - 1)].T
        group.K[:] = gain[:, :, None]
        _run_group(family, group, work, batch, fresh, rate, steps, first, gains, fail_step, *shape)
    return Descent(gains, fail_step)


def descend(
    family: LengthFamily | ParameterFamily,
    gain: Array,
    states: State,
    steps: NDArray[np.int64],
    *,
    method: str = "dr",
    batch_size: int = 8,
    step_size: float = 5e-8,
) -> Descent:
    """Run many independent trials of Algorithm 1 ("dr") or of descent on a fixed sample ("sa").

    Parameters
    ----------
    family : the systems to sample from: lengths uniform on their range, or parameters with their distributions.
    gain : (m, n) first gain of all trials.
    states : (trials, 4) generator states from `random_states`; a trial's result depends on its own alone.
    steps : (records,) increasing numbers of steps after which to record the gains; the last one ends the run.
    method : "dr" for fresh systems at every step, "sa" for one sample.
    batch_size : systems a step, M.
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
    rate = step_size / batch_size
    if isinstance(family, ParameterFamily):
        return descend_family(family, gain, states, batch_size, method == "dr", rate, steps)
    family = LengthFamily(*contiguous(*family))
    n, m = family.B.shape[1:]
    sizes = size_of(n), size_of(m)
    return _descend(family, gain, states, batch_size, method == "dr", rate, steps, *sizes)
