"""The package's one generator of random words, xoshiro256++ of Blackman and Vigna, with many streams side by side.

The algorithm is that of "Scrambled linear pseudorandom number generators" (2021). NumPy's `SeedSequence` seeds it. A
stream's numbers depend on its own state alone, not on the lane in which it is nor on its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lqrpg.compiler.jit import LANES, njit_borrowing

Streams = NDArray[np.uint64]
"""States of streams, four words each."""

TO_UNIT = 2.0**-53
"""What makes a number in [0, 1) of the upper 53 bits of a word."""

_11, _17, _19, _23, _41, _45 = (np.uint64(shift) for shift in (11, 17, 19, 23, 41, 45))


def seed_streams(seed: np.random.SeedSequence | int, lanes: int) -> Streams:
    """States of as many streams as there are lanes, shape (4, lanes), all from one seed."""
    sequence = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    return np.asarray(sequence.generate_state(4 * lanes, np.uint64), np.uint64).reshape(4, lanes)


def random_states(seeds: Sequence[np.random.SeedSequence]) -> Streams:
    """The state of one stream for each seed sequence, shape (count, 4)."""
    return np.array([seed.generate_state(4, np.uint64) for seed in seeds], dtype=np.uint64).reshape(-1, 4)


@njit_borrowing
def next_word(state, lane):
    """The next 64-bit word of one lane's stream; advances `state`, shape (4, lanes), in place."""
    s0, s1, s2, s3 = state[0, lane], state[1, lane], state[2, lane], state[3, lane]
    total = s0 + s3
    word = ((total << _23) | (total >> _41)) + s0
    shifted = s1 << _17
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= shifted
    s3 = (s3 << _45) | (s3 >> _19)
    state[0, lane], state[1, lane], state[2, lane], state[3, lane] = s0, s1, s2, s3
    return word


@njit_borrowing
def upper_bits(word):
    """The upper 53 bits of a word, as an integer: times `TO_UNIT` a number in [0, 1)."""
    return np.int64(word >> _11)


@njit_borrowing
def uniform_lanes(state, out):
    """Write numbers in [0, 1) to `out`, shape (LANES,), and advance the streams, `state` of shape (4, LANES)."""
    for lane in range(LANES):
        out[lane] = upper_bits(next_word(state, lane)) * TO_UNIT
