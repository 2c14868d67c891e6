"""Two-point zeroth-order gradient estimates in continuous time (Sha et al., eq. (5) and Algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lqrpg.lqr.definite import covariance_root
from lqrpg.lqr.plant import Array, Plant

Tickets = NDArray[np.int64]
RolloutCosts = Callable[[Array, Array], Array]
"""Costs of rollouts, (count,), from gains, (count, m, n), and initial states, (count, n)."""

TICKETS_A_BLOCK = 256


class TicketSamples:
    """The perturbation U and the initial state x0 of each ticket: a function of the stream and the ticket alone.

    Workers draw nothing: they look up the ticket that came with the gain. A run's numbers therefore do not depend on
    which worker did the work, and fleets of any size see the same samples.

    Parameters
    ----------
    plant : gives the shapes, and the covariance of the initial state.
    stream : the random stream; blocks of tickets are its children.
    """

    def __init__(self, plant: Plant, stream: np.random.SeedSequence) -> None:
        self._shape = (plant.n_inputs, plant.n_states)
        self._stream = stream
        self._spread = covariance_root(plant.Sigma)
        self._drawn = self._blocks(0, 1)

    def _block(self, index: int) -> tuple[Array, Array]:
        m, n = self._shape
        key = np.random.SeedSequence(self._stream.entropy, spawn_key=(*self._stream.spawn_key, index))
        normal = np.random.Generator(np.random.PCG64(key)).standard_normal((TICKETS_A_BLOCK, m * n + n))
        raw, start = normal[:, : m * n], normal[:, m * n :]
        directions = raw * (np.sqrt(m * n) / np.linalg.norm(raw, axis=1, keepdims=True))
        return directions.reshape(-1, m, n), (self._spread @ start[:, :, None])[:, :, 0]

    def _blocks(self, first: int, last: int) -> tuple[Array, Array]:
        directions, starts = zip(*(self._block(index) for index in range(first, last)), strict=True)
        return np.concatenate(directions), np.concatenate(starts)

    def _up_to(self, tickets: int) -> tuple[Array, Array]:
        """All samples up to a ticket. Threads may call this at once: each works on what it saw, and all is right."""
        directions, starts = self._drawn
        if tickets > len(starts):
            known = len(starts) // TICKETS_A_BLOCK
            more = self._blocks(known, max(-(-tickets // TICKETS_A_BLOCK), 2 * known))
            directions, starts = np.concatenate([directions, more[0]]), np.concatenate([starts, more[1]])
            self._drawn = directions, starts
        return directions, starts

    def __call__(self, tickets: Tickets) -> tuple[Array, Array]:
        """Perturbations (count, m, n), uniform on the sphere of radius sqrt(m n), and initial states (count, n)."""
        directions, starts = self._up_to(int(tickets.max()) + 1)
        return directions[tickets], starts[tickets]


@dataclass(frozen=True)
class TicketEstimator:
    """One estimate from a ticket and a gain: what a worker computes on a real clock.

    Attributes
    ----------
    samples : perturbations and initial states of the tickets.
    rollout_costs : costs of rollouts; picklable if workers are processes.
    radius : smoothing radius r.
    """

    samples: TicketSamples
    rollout_costs: RolloutCosts
    radius: float

    def __call__(self, ticket: int, gain: Array) -> Array:
        """The estimate, (m, n)."""
        directions, starts = self.samples(np.array([ticket]))
        return np.asarray(two_point_estimates(self.rollout_costs, gain[None], directions, starts, self.radius)[0])


def two_point_estimates(
    rollout_costs: RolloutCosts, gains: Array, directions: Array, starts: Array, radius: float
) -> Array:
    """Gradient estimates (f_tau(K + rU) - f_tau(K - rU)) / (2r) U, each pair from one initial state.

    Parameters
    ----------
    rollout_costs : costs of rollouts from gains and initial states.
    gains : (count, m, n) the gains K, one an estimate.
    directions : (count, m, n) the perturbations U.
    starts : (count, n) the initial states, shared by both rollouts of an estimate.
    radius : smoothing radius r.

    Returns
    -------
    (count, m, n) estimates; not finite where a rollout's cost is infinite or overflows.
    """
    offsets = radius * directions
    costs = rollout_costs(np.concatenate([gains + offsets, gains - offsets]), np.concatenate([starts, starts]))
    with np.errstate(over="ignore", invalid="ignore"):
        slopes = (costs[: len(gains)] - costs[len(gains) :]) / (2.0 * radius)
    return np.asarray(slopes[:, None, None] * directions)
