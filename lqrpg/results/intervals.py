"""Where a median lies, from a sample: by ranks, so that no shape of a distribution is assumed."""

from __future__ import annotations


def median_ranks(count: int, confidence: float) -> tuple[int, int] | None:
    """Ranks, from 0, of the two of `count` sorted numbers that hold their median with at least this confidence.

    How many numbers lie below the median is binomial. None if there are too few numbers for this confidence.

    Examples
    --------
    >>> median_ranks(100, 0.99)
    (36, 63)
    >>> median_ranks(7, 0.99)
    """
    tail, chance, below = 0.0, 0.5**count, -1
    while tail + chance <= 0.5 * (1.0 - confidence):
        tail, below = tail + chance, below + 1
        chance *= (count - below) / (below + 1)
    return None if below < 0 else (below, count - 1 - below)
