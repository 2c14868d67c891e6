"""What a compiled descent reports, and how it looks at each of its iterations.

Iteration i has the gain after i updates. Every loop first looks at that gain: it ends when the gain has left the
stabilising set, and records it at chosen iterations. Loops that are watched know their gap at every iteration.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lqrpg.compiler.jit import njit_borrowing
from lqrpg.kernels.discrete_small import Reference, factorise, gap_of
from lqrpg.lqr.plant import Array
from lqrpg.lqr.products import copy_to

RUNNING, GAIN_LOST, MODEL_LOST = 0, 1, 2
"""How a loop ended: it has made all its updates, or K does not stabilise the plant, or not the estimated model."""


class Recorder(NamedTuple):
    """The iterations to record, and what was found there.

    Attributes
    ----------
    marks : (count,) increasing iterations at which to record.
    first, last : iterations at which the loop begins and ends.
    gains : (count, m, n) gains at the marks that were reached.
    gaps : (count,) gaps tr(P_K - P*) / tr(P*) there, nan beyond; all nan if the loop is not watched.
    extremes : (2,) gap of the last gain, and least gap of all iterations; infinite if the loop is not watched.
    recorded : (1,) number of marks that were reached.
    watched : whether the gap is computed at every iteration.
    optimum : what gaps are relative to; read only if watched.
    """

    marks: NDArray[np.int64]
    first: int
    last: int
    gains: Array
    gaps: Array
    extremes: Array
    recorded: NDArray[np.int64]
    watched: bool
    optimum: Reference


def make_recorder(
    marks: NDArray[np.int64], first: int, last: int, shape: tuple[int, ...], optimum: Reference | None
) -> Recorder:
    """An empty report on gains of a shape (m, n), of a loop that is watched if there is an optimum."""
    nothing = Reference(1.0, np.zeros((0, 0)), np.zeros((0, 0)))
    gains, gaps, extremes = np.empty((len(marks), *shape)), np.full(len(marks), np.nan), np.full(2, np.inf)
    return Recorder(
        marks, first, last, gains, gaps, extremes, np.zeros(1, np.int64), optimum is not None, optimum or nothing
    )


@njit_borrowing
def observe(plant, K, i, recorder, loop, size):
    """Close the loop of the gain K of iteration i, and record it; false if K does not stabilise the plant.

    Changes `recorder` and `loop`; if the loop is watched, `loop.P` holds P_K.
    """
    A, B, Q, R, _ = plant
    if not factorise(A, B, Q, R, K, loop, size):
        return False
    gap = np.nan
    if recorder.watched:
        gap = gap_of(K, recorder.optimum, loop, size)
        recorder.extremes[0] = gap
        recorder.extremes[1] = min(gap, recorder.extremes[1])
    place = recorder.recorded[0]
    if place < len(recorder.marks) and recorder.marks[place] == i:
        copy_to(K, recorder.gains[place])
        recorder.gaps[place] = gap
        recorder.recorded[0] = place + 1
    return True


@njit_borrowing
def descend(K, step, G):
    """K -= step G, in place."""
    for p in range(K.shape[0]):
        for j in range(K.shape[1]):
            K[p, j] -= step * G[p, j]
