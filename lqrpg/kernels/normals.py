"""Normal numbers in vector lanes: 32 xoshiro256++ streams side by side and a ziggurat of 256 layers.

A simulation step of a small plant costs less than the noise that drives it, so the noise is drawn where it is
used, in the same lanes. A run owns its streams, seeded through `numpy.random.SeedSequence`: what it draws
depends on its seed alone. The ziggurat covers the density with layers of equal area; 98.8 % of the numbers
fall into the rectangle inside their layer and need one multiplication, the rest are settled lane by lane from
the lane's own stream.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lqrpg.compiler.jit import njit
from lqrpg.lqr.plant import Array

State = NDArray[np.uint64]

LANES = 32
"""Streams, and simulations, side by side.

With 16 the compiler unrolls the short lane loops of a simulation step before it can vectorise them: a quarter
of the speed.
"""

LAYERS = 256
TAIL_START = 3.6541528853610088  # where the tail begins for 256 layers of equal area


def _layers() -> tuple[Array, Array]:
    """Right edges of the layers, (257,), widest first, and the density exp(-x^2/2) there."""
    area = TAIL_START * math.exp(-0.5 * TAIL_START**2)
    area += math.sqrt(math.pi / 2.0) * math.erfc(TAIL_START / math.sqrt(2.0))
    edges = np.zeros(LAYERS + 1)
    edges[0] = area * math.exp(0.5 * TAIL_START**2)  # the bottom layer as a rectangle of the same area
    edges[1] = TAIL_START
    for i in range(1, LAYERS - 1):
        edges[i + 1] = math.sqrt(-2.0 * math.log(area / edges[i] + math.exp(-0.5 * edges[i] ** 2)))
    return edges, np.exp(-0.5 * edges**2)


EDGES, DENSITY = _layers()

_STOCK = 8
_UNIT = 2.0**-53
_11, _17, _19, _23, _41, _45 = (np.uint64(shift) for shift in (11, 17, 19, 23, 41, 45))
_8, _ONE, _LAYER_MASK = np.uint64(8), np.uint64(1), np.uint64(LAYERS - 1)


def seed_streams(seed: np.random.SeedSequence | int) -> State:
    """The state of a run's streams, shape (4, LANES), from its seed sequence (or an integer seed)."""
    sequence = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    return np.asarray(sequence.generate_state(4 * LANES, np.uint64), np.uint64).reshape(4, LANES)


@njit
def _next(state, lane):  # type: ignore[no-untyped-def]
    """One 64-bit word of one lane's xoshiro256++ stream (Blackman and Vigna)."""
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


@njit
def _uniform(state, lane):  # type: ignore[no-untyped-def]
    """A number in (0, 1]: its logarithm is finite."""
    return (np.int64(_next(state, lane) >> _11) + 1) * _UNIT


@njit
def _tail(state, lane):  # type: ignore[no-untyped-def]
    """A normal number beyond `TAIL_START`, by Marsaglia's exponential rejection."""
    while True:
        beyond = -np.log(_uniform(state, lane)) / TAIL_START
        if -2.0 * np.log(_uniform(state, lane)) > beyond * beyond:
            return TAIL_START + beyond


@njit
def _settle(state, lane, word):  # type: ignore[no-untyped-def]
    """The normal number of a word that missed its layer's rectangle: wedge, tail, or a fresh word."""
    while True:
        layer = np.int64(word & _LAYER_MASK)
        sign = 1.0 - 2.0 * np.int64((word >> _8) & _ONE)
        x = np.int64(word >> _11) * _UNIT * EDGES[layer]
        if x < EDGES[layer + 1]:
            return sign * x
        if layer == 0:
            return sign * _tail(state, lane)
        height = DENSITY[layer] + _uniform(state, lane) * (DENSITY[layer + 1] - DENSITY[layer])
        if height < np.exp(-0.5 * x * x):
            return sign * x
        word = _next(state, lane)


@njit
def fill_normals(state, words, out):  # type: ignore[no-untyped-def]
    """Fill `out`, shape (rows, LANES), with standard normal numbers; `words` is a buffer of LANES uint64."""
    for row in range(out.shape[0]):
        for lane in range(LANES):
            words[lane] = _next(state, lane)
        missed = np.int64(0)
        for lane in range(LANES):
            word = words[lane]
            layer = np.int64(word & _LAYER_MASK)
            x = np.int64(word >> _11) * _UNIT * EDGES[layer]
            out[row, lane] = (1.0 - 2.0 * np.int64((word >> _8) & _ONE)) * x
            missed += np.int64(x >= EDGES[layer + 1])
        if missed > 0:
            for lane in range(LANES):
                word = words[lane]
                layer = np.int64(word & _LAYER_MASK)
                if abs(out[row, lane]) >= EDGES[layer + 1]:
                    out[row, lane] = _settle(state, lane, word)


class Source(NamedTuple):
    """A stock of normal numbers for loops that draw one at a time.

    Attributes
    ----------
    state : (4, LANES) the streams.
    words : (LANES,) buffer.
    stock : (8, LANES) numbers, refilled when all are used.
    used : (1,) how many are used.
    """

    state: State
    words: NDArray[np.uint64]
    stock: Array
    used: NDArray[np.int64]


def make_source(seed: np.random.SeedSequence | int) -> Source:
    """A source of normal numbers that belongs to one seed."""
    stock = np.zeros((_STOCK, LANES))
    return Source(seed_streams(seed), np.zeros(LANES, np.uint64), stock, np.full(1, stock.size, np.int64))


def copied(source: Source) -> Source:
    """A source that goes on where another is, and shares nothing with it."""
    return Source(source.state.copy(), source.words.copy(), source.stock.copy(), source.used.copy())


@njit
def next_normal(source):  # type: ignore[no-untyped-def]
    """The next standard normal number of a source."""
    used = source.used[0]
    if used == _STOCK * LANES:
        fill_normals(source.state, source.words, source.stock)
        used = 0
    source.used[0] = used + 1
    return source.stock[used // LANES, used % LANES]


def normals(state: State, rows: int) -> Array:
    """Standard normal numbers, shape (rows, LANES), that advance the streams."""
    out = np.empty((rows, LANES))
    fill_normals(state, np.empty(LANES, np.uint64), out)
    return out
