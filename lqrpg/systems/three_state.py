"""A slightly unstable chain of three states, each with its own input: the plant of Figures 2 and 3 (eq. (55))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lqrpg.ranges import NonNegative, Positive
from lqrpg.systems.scaled_q_start import HeavierStart, Rows

_A = ((1.01, 0.01, 0.0), (0.01, 1.01, 0.01), (0.0, 0.01, 1.01))
_B = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@dataclass(frozen=True)
class ThreeState(HeavierStart):
    """Settings of the chain; three states, three inputs.

    Attributes
    ----------
    kind : `three_state`.
    noise : variance of each entry of the process noise, Sigma = noise I.
    initial_variance : variance of each entry of a rollout's first state.
    state_weight, input_weight : Q = state_weight I, R = input_weight I.
    initial_factor : the gain at which gradients are estimated is the optimum of (initial_factor Q, R).
    """

    A: ClassVar[Rows] = _A
    B: ClassVar[Rows] = _B

    kind: str = "three_state"
    noise: Positive = 1e-4
    initial_variance: NonNegative = 0.1
    state_weight: Positive = 1e-3
    input_weight: Positive = 1.0
    initial_factor: Positive = 50.0


SYSTEM = ThreeState
