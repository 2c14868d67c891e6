"""Least-squares policy iteration from one trajectory that sinusoids probe (P3, Section 2.3, in discrete time).

Evaluations are LSTD-Q (Bradtke and Barto, 1996), with improvement LSPI (Lagoudakis and Parr, 2003).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from lqrpg.checks import require, require_memory
from lqrpg.kernels.normals import NormalStream, copy_stream, normal_stream
from lqrpg.lqr.definite import covariance_root
from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.base import Method, State, Status, require_positive, require_whole
from lqrpg.methods.lstd import Moments, evaluate_policy, no_samples, probe
from lqrpg.qsa.bellman import basis_pairs, improved_gain
from lqrpg.qsa.probing import Sinusoids, random_sinusoids

_LEAST, _MOST = 1024, 16384  # samples worked on at a time
_CACHED, _MOST_ENTRIES = 1 << 18, 10_000_000  # their monomials: so many stay in a cache, and there may be so many
_HELD = 6  # matrices of the unknowns' order that an evaluation holds


class _Trajectory(NamedTuple):
    """The exploring policy and its probing signal, where the plant is, and the sums over what was seen."""

    exploring: Array
    noise_root: Array
    signal: Sinusoids
    x: Array
    source: NormalStream
    moments: Moments

    def copy(self) -> _Trajectory:
        return self._replace(x=self.x.copy(), source=copy_stream(self.source))


@dataclass(frozen=True)
class LeastSquaresPolicyIteration(Method):
    """Policy iteration whose evaluations are least squares on one trajectory; no step size.

    The first gain explores for ever, u = -K0 x + xi with a mixture of sinusoids xi. Every iteration takes some more
    samples, evaluates the current policy from all samples so far, and improves it; see `lqrpg.methods.lstd`.

    Attributes
    ----------
    samples_per_step : samples an iteration.
    sinusoids : unit sinusoids an input, with random phases, and frequencies uniform on [0, pi] a step.
    amplitude : factor of the mixture, whose standard deviation is amplitude * sqrt(sinusoids / 2).

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import LeastSquaresPolicyIteration, Plant, minimise, optimal_gain
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=1e-6 * np.eye(3), sample_time=1)
    >>> found = minimise(LeastSquaresPolicyIteration(), plant, 0.3 * np.eye(3), steps=8, seed=1)
    >>> bool(np.allclose(found.gain, optimal_gain(plant), atol=1e-3))
    True
    """

    given: ClassVar[str] = "one trajectory"
    label: ClassVar[str] = "least-squares policy iteration"
    budget: ClassVar[str] = "trajectory_samples"
    settings_used: ClassVar[str] = "samples_per_policy, excitation, sinusoids"
    compiled: ClassVar[bool] = True  # the samples; their sums are matrix products

    samples_per_step: int = 1000
    sinusoids: int = 24
    amplitude: float = 1.0

    def __post_init__(self) -> None:
        require_whole(samples_per_step=self.samples_per_step, sinusoids=self.sinusoids)
        require_positive(amplitude=self.amplitude)

    @classmethod
    def for_comparison(cls, step_size: float, settings: Any) -> LeastSquaresPolicyIteration:
        """With the samples of a comparison; the variance of the mixture is that of its dither."""
        amplitude = settings.excitation * math.sqrt(2.0 / settings.sinusoids)
        return cls(settings.samples_per_policy, settings.sinusoids, amplitude)

    @classmethod
    def expected_microseconds(cls, settings: Any) -> float:
        """Expected of an iteration in a comparison with these settings."""
        return float(0.5 * settings.samples_per_policy)

    @property
    def name(self) -> str:
        """A short name for tables and legends."""
        return "least-squares policy iteration"

    def samples(self, iteration: int) -> int:
        """Interactions with the plant from the start until an iteration."""
        return iteration * self.samples_per_step

    def require_fit(self, plant: Plant) -> None:
        """Refuse fewer samples between two improvements than there are unknowns."""
        unknowns = len(basis_pairs(*plant.B.shape)) + 1
        expected = f"at least {unknowns}, the number of unknowns"
        require(self.samples_per_step >= unknowns, "samples_per_step", self.samples_per_step, expected)
        require_memory("plant", self.memory(plant), f"policy iteration with {unknowns} unknowns")

    def memory(self, plant: Plant) -> float:
        """Bytes of the sums over the samples, whose order is the number of unknowns, and of what solves for these."""
        unknowns = len(basis_pairs(*plant.B.shape)) + 1
        return 8.0 * unknowns * (_HELD * unknowns + 4 * _block(unknowns))

    def begin(self, plant: Plant, gain: Array, initial_covariance: Array, seed: np.random.SeedSequence) -> _Trajectory:
        """A trajectory without samples."""
        n, m = plant.B.shape
        noise, phases = (np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, child)) for child in range(2))
        signal = random_sinusoids(np.random.default_rng(phases), self.sinusoids, math.pi, m)
        first = np.random.default_rng(phases).spawn(1)[0].standard_normal(n)
        x = covariance_root(initial_covariance) @ first
        return _Trajectory(gain.copy(), covariance_root(plant.Sigma), signal, x, normal_stream(noise), no_samples(n, m))

    def update(self, state: State) -> tuple[Array, _Trajectory] | Status:
        """More samples, the evaluation of the current gain, the greedy one."""
        seen = self._more(state.plant, state.memory.copy())
        try:
            theta, _ = evaluate_policy(seen.moments, state.gain)
            return improved_gain(theta, state.plant.n_states, state.plant.n_inputs), seen
        except np.linalg.LinAlgError:
            return Status.SINGULAR

    def _more(self, plant: Plant, seen: _Trajectory) -> _Trajectory:
        """Probe the plant for the samples of one iteration; x and the source go on in place."""
        before = round(seen.moments.now[-1, -1])  # the sum of the constant entry is the number of samples
        moments = seen.moments
        last, block = before + self.samples_per_step, _block(len(moments.now))
        for first in range(before, last, block):
            signal = self.amplitude * seen.signal.from_second(first, min(block, last - first))
            samples = probe(plant, seen.exploring, seen.noise_root, signal, seen.x, seen.source)
            moments = moments.with_samples(*samples)
        return seen._replace(moments=moments)


def _block(unknowns: int) -> int:
    """Samples whose sums are taken at a time; it changes the rounding of a result."""
    return max(1, min(_MOST, max(_LEAST, _CACHED // unknowns), _MOST_ENTRIES // unknowns))


QsaPolicyIteration = LeastSquaresPolicyIteration
"""The class under its former name."""
METHOD = LeastSquaresPolicyIteration
