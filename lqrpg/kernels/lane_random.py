"""Uniform random numbers in lanes: one xoshiro256++ generator for every trial, seeded by NumPy's
SeedSequence.

The algorithm is that of Blackman and Vigna, "Scrambled linear pseudorandom number generators" (2021). A trial
owns its state, so its numbers do not depend on which lane it sits in, nor on its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lqrpg.compiler.jit import LANES, njit_borrowing

TO_UNIT = 2.0**-53

State = NDArray[np.uint64]


def random_states(seeds: Sequence[np.random.SeedSequence]) -> State:
    """One generator state for each seed sequence, shape (count, 4)."""
    return np.array([seed.generate_state(4, np.uint64) for seed in seeds], dtype=np.uint64).reshape(-1, 4)


@njit_borrowing
def _rotate(word, by):  # type: ignore[no-untyped-def]
    return (word << np.uint64(by)) | (word >> np.uint64(64 - by))


@njit_borrowing
def uniform_lanes(state, out):  # type: ignore[no-untyped-def]
    """Advance the generators, state of shape (4, LANES), and write numbers in [0, 1) to `out`, shape
    (LANES,).
    """
    for lane in range(LANES):
        s0, s1, s2, s3 = state[0, lane], state[1, lane], state[2, lane], state[3, lane]
        word = _rotate(s0 + s3, 23) + s0
        shifted = s1 << np.uint64(17)
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= shifted
        s3 = _rotate(s3, 45)
        state[0, lane], state[1, lane], state[2, lane], state[3, lane] = s0, s1, s2, s3
        out[lane] = np.float64(word >> np.uint64(11)) * TO_UNIT
