"""Normal numbers in vector lanes: 32 streams of `xoshiro` side by side and a ziggurat of 256 layers.

A simulation step of a small plant costs less than the noise that drives it, so the noise is drawn where it is
used, in the same lanes. A run owns its streams, seeded through `numpy.random.SeedSequence`: what it draws
depends on its seed alone. The ziggurat covers the density with layers of equal area; 98.8 % of the numbers
fall into the rectangle inside their layer and need one multiplication, the rest are settled lane by lane from
the lane's own stream.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lqrpg.compiler.jit import njit_borrowing
from lqrpg.kernels import xoshiro
from lqrpg.kernels.xoshiro import TO_UNIT, Streams, next_word, upper_bits
from lqrpg.lqr.plant import Array

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

_BUFFERED = 8
_8, _ONE, _LAYER_MASK = np.uint64(8), np.uint64(1), np.uint64(LAYERS - 1)


def seed_streams(seed: np.random.SeedSequence | int) -> Streams:
    """The state of a run's streams, shape (4, LANES), from its seed sequence (or an integer seed)."""
    return xoshiro.seed_streams(seed, LANES)


@njit_borrowing
def _uniform(state, lane):
    """A number in (0, 1]: its logarithm is finite."""
    return (upper_bits(next_word(state, lane)) + 1) * TO_UNIT


@njit_borrowing
def _tail(state, lane):
    """A normal number beyond `TAIL_START`, by Marsaglia's exponential rejection."""
    while True:
        beyond = -np.log(_uniform(state, lane)) / TAIL_START
        if -2.0 * np.log(_uniform(state, lane)) > beyond * beyond:
            return TAIL_START + beyond


@njit_borrowing
def _settle(state, lane, word):
    """The normal number of a word that missed its layer's rectangle: wedge, tail, or a fresh word."""
    while True:
        layer = np.int64(word & _LAYER_MASK)
        sign = 1.0 - 2.0 * np.int64((word >> _8) & _ONE)
        x = upper_bits(word) * TO_UNIT * EDGES[layer]
        if x < EDGES[layer + 1]:
            return sign * x
        if layer == 0:
            return sign * _tail(state, lane)
        height = DENSITY[layer] + _uniform(state, lane) * (DENSITY[layer + 1] - DENSITY[layer])
        if height < np.exp(-0.5 * x * x):
            return sign * x
        word = next_word(state, lane)


@njit_borrowing
def fill_normals(state, words, out):
    """Fill `out`, shape (rows, LANES), with standard normal numbers.

    `state` is advanced in place; `words`, (LANES,), is scratch.
    """
    for row in range(out.shape[0]):
        for lane in range(LANES):
            words[lane] = next_word(state, lane)
        missed = np.int64(0)
        for lane in range(LANES):
            word = words[lane]
            layer = np.int64(word & _LAYER_MASK)
            x = upper_bits(word) * TO_UNIT * EDGES[layer]
            out[row, lane] = (1.0 - 2.0 * np.int64((word >> _8) & _ONE)) * x
            missed += np.int64(x >= EDGES[layer + 1])
        if missed > 0:
            for lane in range(LANES):
                word = words[lane]
                layer = np.int64(word & _LAYER_MASK)
                if abs(out[row, lane]) >= EDGES[layer + 1]:
                    out[row, lane] = _settle(state, lane, word)


class NormalStream(NamedTuple):
    """Normal numbers for loops that draw one at a time.

    Attributes
    ----------
    state : (4, LANES) the generators.
    words : (LANES,) scratch.
    buffer : (8, LANES) numbers, refilled when all are used.
    cursor : (1,) how many are used.
    """

    state: Streams
    words: NDArray[np.uint64]
    buffer: Array
    cursor: NDArray[np.int64]


def normal_stream(seed: np.random.SeedSequence | int) -> NormalStream:
    """A stream of normal numbers that belongs to one seed."""
    buffer = np.zeros((_BUFFERED, LANES))
    return NormalStream(seed_streams(seed), np.zeros(LANES, np.uint64), buffer, np.full(1, buffer.size, np.int64))


def copy_stream(stream: NormalStream) -> NormalStream:
    """A stream that goes on where another is, and shares nothing with it."""
    return NormalStream(stream.state.copy(), stream.words.copy(), stream.buffer.copy(), stream.cursor.copy())


@njit_borrowing
def next_normal(stream):
    """The next standard normal number of a stream, which is advanced in place."""
    cursor = stream.cursor[0]
    if cursor == _BUFFERED * LANES:
        fill_normals(stream.state, stream.words, stream.buffer)
        cursor = 0
    stream.cursor[0] = cursor + 1
    return stream.buffer[cursor // LANES, cursor % LANES]


def normals(state: Streams, rows: int) -> Array:
    """Standard normal numbers, shape (rows, LANES), that advance the streams."""
    out = np.empty((rows, LANES))
    fill_normals(state, np.empty(LANES, np.uint64), out)
    return out
