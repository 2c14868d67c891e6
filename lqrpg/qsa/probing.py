"""Probing signals of quasi-stochastic approximation: deterministic, and exact at any integer time.

A clock that adds up a step of 0.001 drifts, and a sawtooth turns a drift of one rounding into a jump. Signals
are therefore asked for at whole numbers of steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lqrpg.lqr.plant import Array

_TOGETHER = 64  # seconds that share one sine and cosine of each sinusoid


class Probing(Protocol):
    """A signal xi_t that can be sampled on the grid of an integrator."""

    def at_steps(self, indices: NDArray[np.int64], step: float) -> Array:
        """xi at the times indices * step; shape (len(indices), p)."""
        ...


def steps_in_period(step: float) -> int:
    """How many steps make one period (1 s) of the sawtooth.

    Raises
    ------
    ValueError
        If the step is not 1/N for a whole number N.
    """
    if not 0.0 < step <= 1.0:
        raise ValueError(f"step must be in (0, 1], got {step}")
    count = round(1.0 / step)
    if abs(count * step - 1.0) > 1e-9:
        raise ValueError(f"step must divide the sawtooth's period of 1 s, got {step}")
    return count


@dataclass(frozen=True)
class Sawtooth:
    """xi_t = t modulo 1 (Chen et al., Section 2.1).

    Attributes
    ----------
    offset : part of a step at which each step samples the signal: 0 for the left point, as Euler's method
        does, and 0.5 for the midpoint.
    """

    offset: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.offset < 1.0:
            raise ValueError(f"offset must be in [0, 1), got {self.offset}")

    def period(self, step: float) -> Array:
        """All values of one period, shape (1/step,)."""
        count = steps_in_period(step)
        return np.asarray((np.arange(count) + self.offset) / count)

    def at_steps(self, indices: NDArray[np.int64], step: float) -> Array:
        """xi at the times indices * step; shape (len(indices), 1)."""
        count = steps_in_period(step)
        return ((np.asarray(indices) % count + self.offset) / count)[:, None]


@dataclass(frozen=True)
class Sinusoids:
    """xi_t = sum_i v_i sin(omega_i t + phi_i) (Chen et al., eq. (7b)), in rad/s and rad.

    Attributes
    ----------
    amplitudes : (k, p) vectors v_i.
    frequencies : (k,) omega_i, in rad/s.
    phases : (k,) phi_i, in rad.
    """

    amplitudes: Array
    frequencies: Array
    phases: Array

    def __post_init__(self) -> None:
        shape = (len(self.frequencies),)
        if self.amplitudes.ndim != 2 or self.amplitudes.shape[:1] != shape or self.phases.shape != shape:
            raise ValueError("amplitudes (k, p), frequencies (k,) and phases (k,) must have the same k")

    @property
    def variance(self) -> Array:
        """Mean of xi_i^2 over all time for distinct frequencies, shape (p,)."""
        return np.asarray(0.5 * np.sum(self.amplitudes**2, axis=0))

    def at_times(self, times: Array) -> Array:
        """xi at `times` (count,), in seconds; shape (count, p)."""
        return np.sin(np.multiply.outer(times, self.frequencies) + self.phases) @ self.amplitudes

    def at_steps(self, indices: NDArray[np.int64], step: float) -> Array:
        """xi at the times indices * step; shape (len(indices), p)."""
        return self.at_times(np.asarray(indices, dtype=np.float64) * step)

    def from_second(self, first: int, count: int) -> Array:
        """xi at `count` whole seconds, one at least, from `first` on; shape (count, p).

        Agrees with `at_times` up to rounding. Sines and cosines are taken at every 64th second and of the offsets
        from there,

        .. math:: \\sin(\\theta + \\omega s) = \\sin\\theta \\cos\\omega s + \\cos\\theta \\sin\\omega s,

        and the sum over the sinusoids is one matrix product: a tenth of the time, or less.
        """
        between = np.multiply.outer(np.arange(min(_TOGETHER, count)), self.frequencies)
        starts = np.arange(first, first + count, _TOGETHER, dtype=np.float64)
        angles = np.multiply.outer(self.frequencies, starts) + self.phases[:, None]
        parts = np.concatenate([np.sin(angles), np.cos(angles)])
        amplitudes = np.concatenate([self.amplitudes, self.amplitudes])
        factors = (parts[:, :, None] * amplitudes[:, None, :]).reshape(len(parts), -1)
        values = np.concatenate([np.cos(between), np.sin(between)], axis=1) @ factors
        p = amplitudes.shape[1]
        return np.asarray(values.reshape(len(between), -1, p).swapaxes(0, 1).reshape(-1, p)[:count])


def random_sinusoids(rng: np.random.Generator, count: int, highest: float, n_inputs: int = 1) -> Sinusoids:
    """Unit sinusoids with phases uniform on the circle and frequencies uniform on [0, highest] rad/s.

    Each input gets `count` sinusoids of its own, hence a variance of count / 2.
    """
    if count < 1:
        raise ValueError(f"a mixture needs at least one sinusoid, got {count}")
    if not 0.0 < highest < math.inf:
        raise ValueError(f"the highest frequency must be finite and greater than 0, got {highest}")
    total = count * n_inputs
    phases, frequencies = rng.uniform(0.0, 2.0 * math.pi, total), rng.uniform(0.0, highest, total)
    amplitudes = np.asarray(np.kron(np.eye(n_inputs), np.ones((count, 1))), dtype=np.float64)
    return Sinusoids(amplitudes, frequencies, phases)
