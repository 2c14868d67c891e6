"""Two-point estimates along deterministic directions: orthogonal sinusoids, in turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lqrpg.lqr.plant import Array, Plant
from lqrpg.methods.base import State, Status
from lqrpg.methods.oracles.direct import Rollouts
from lqrpg.methods.sampled_rollouts import PerturbedRollouts, pairs_of


class _Probing(NamedTuple):
    """The random streams, and how many pairs there were so far."""

    rollouts: Rollouts
    pairs: int


@dataclass(frozen=True)
class DeterministicProbing(PerturbedRollouts):
    """`TwoPointZerothOrder` with directions that are not random: pair k of a run takes U_k from a fixed basis.

    .. math:: \\hat g = \\frac{mn}{2Nv^2} \\sum_k (\\hat C(K + U_k) - \\hat C(K - U_k))\\, U_k, \\qquad
        (U_k)_j = v \\sqrt{2 / d}\\, \\cos\\bigl(\\pi (j + 1/2) (k \\bmod d) / d\\bigr)

    for the d = m n entries j of the gain, row by row, and 1 / sqrt(2) of it where k mod d = 0: the discrete cosine
    basis. All U_k lie on the Frobenius sphere of radius v, and any d in a row are orthogonal, so that after d pairs the
    directions have no variance left, and the error is that of central differences and of the noise. Of a random
    direction, m n U U' / v^2 is the identity in the mean alone. Rollouts are those of `TwoPointZerothOrder`, with
    common random numbers. Finite differences along orthogonal instead of independent directions are studied by Kozak,
    Molinari, Rosasco, Tenorio, Villa (2022), sinusoids instead of noise in quasi-stochastic approximation (P3). The
    basis is a choice of this package.

    Attributes
    ----------
    step_size : the step size.
    radius : Frobenius norm of the perturbations.
    rollouts : rollouts an iteration, an even number; best twice a multiple of m n. With less than 2 m n an iteration
        sees some of the directions, and the next iteration goes on with those that follow.
    length : steps of a rollout.

    Each is a number or a schedule.

    Examples
    --------
    >>> import numpy as np
    >>> from lqrpg import DeterministicProbing, Plant, minimise
    >>> plant = Plant(A=np.eye(3), B=np.eye(3), Q=np.eye(3), R=np.eye(3), Sigma=np.eye(3), sample_time=1)
    >>> method = DeterministicProbing(step_size=0.05, radius=0.05, rollouts=18)
    >>> found = minimise(method, plant, 0.3 * np.eye(3), steps=200, seed=1)
    >>> bool(found.history["gap"].iloc[-1] < 0.1 * found.history["gap"].iloc[0])
    True
    """

    given: ClassVar[str] = "a simulator with common random numbers"
    label: ClassVar[str] = "two-point, deterministic directions"

    @classmethod
    def for_comparison(cls, step_size: float, settings: Any) -> DeterministicProbing:
        """With rollouts and the two-point radius of a comparison."""
        return cls(step_size, settings.pair_radius, settings.rollouts, settings.rollout_length)

    @property
    def name(self) -> str:
        """A short name for tables and legends."""
        return "deterministic probing"

    def begin(self, plant: Plant, gain: Array, initial_covariance: Array, seed: np.random.SeedSequence) -> _Probing:
        """The random numbers of rollouts, and the first direction."""
        return _Probing(super().begin(plant, gain, initial_covariance, seed), 0)

    def estimate(self, state: State, memory: _Probing) -> Array:
        """The estimate from the rollouts of an iteration, (m, n); the streams go on in place."""
        i, shape = state.iteration, state.gain.shape
        pairs = np.arange(memory.pairs, memory.pairs + self.number("rollouts", i))
        offsets = self.value("radius", i) * cosine_directions((shape[0], shape[1]), pairs)
        return pairs_of(state, offsets, self.number("length", i), memory.rollouts, common=True).gradient

    def update(self, state: State) -> tuple[Array, _Probing] | Status:
        """A step along the estimate."""
        rollouts, pairs = state.memory
        memory = _Probing(rollouts.copy(), pairs)
        estimate = self.estimate(state, memory)
        return self.descended(state, estimate, memory._replace(pairs=pairs + self.number("rollouts", state.iteration)))


def cosine_directions(shape: tuple[int, int], pairs: NDArray[np.int64]) -> Array:
    """The directions of some pairs, (count, m, n), of unit Frobenius norm; any m n in a row are orthogonal."""
    size = shape[0] * shape[1]
    turn = (pairs % size)[:, None]
    directions = np.sqrt(2.0 / size) * np.cos(np.pi * (np.arange(size) + 0.5) * turn / size)
    directions[turn[:, 0] == 0] = np.sqrt(1.0 / size)
    return np.asarray(directions.reshape(-1, *shape))


METHOD = DeterministicProbing
