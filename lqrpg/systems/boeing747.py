"""Longitudinal dynamics of a Boeing 747, discretised: the plant of Figures 4 to 6 (eq. (56))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lqrpg.ranges import NonNegative, Positive
from lqrpg.systems.scaled_q_start import HeavierStart, Rows

_A = (
    (1.0, -1.13, -0.65, -0.807, 1.59),
    (0.0, 0.77, 0.32, -0.98, -2.97),
    (0.0, 0.12, 0.02, 0.0, -0.36),
    (0.0, 0.01, 0.01, -0.03, -0.04),
    (0.0, 0.14, -0.09, 0.29, 0.76),
)
_B = (
    (89.20, -50.17, 1.13, -19.35),
    (5.22, 6.36, 0.23, -0.32),
    (-9.47, 5.93, -0.12, 0.99),
    (-0.32, 0.32, -0.01, -0.01),
    (-4.53, 3.21, -0.14, 0.09),
)


@dataclass(frozen=True)
class Boeing747(HeavierStart):
    """Settings of the aircraft; five states, four inputs.

    Attributes
    ----------
    kind : `boeing747`.
    noise : variance of each entry of the process noise, Sigma = noise I.
    initial_variance : variance of each entry of a rollout's first state.
    state_weight, input_weight : Q = state_weight I, R = input_weight I.
    initial_factor : the initial gain is the optimum of the weights (initial_factor Q, R).
    """

    A: ClassVar[Rows] = _A
    B: ClassVar[Rows] = _B

    kind: str = "boeing747"
    noise: Positive = 1e-3
    initial_variance: NonNegative = 1e-6
    state_weight: Positive = 1.0
    input_weight: Positive = 1.0
    initial_factor: Positive = 40.0


SYSTEM = Boeing747
