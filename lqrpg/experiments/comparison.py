"""Settings that every comparison of methods has: `shootout` on one plant, the benchmark and the study of dimension."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from lqrpg.experiments.sgd_settings import BASELINES, Points
from lqrpg.experiments.shootout_methods import require_known
from lqrpg.ranges import Entries, Fraction, OneOf, Range
from lqrpg.runner.experiment import Experiment

MOST_PILOTS = 1000
"""Pilot runs at each step size."""


@dataclass(frozen=True)
class Comparison(Experiment):
    """Which methods, how often, and how their step sizes are found.

    Attributes
    ----------
    methods : the methods, by name.
    replicates : independent runs of each.
    pilots : pilot runs at each step size that is tried.
    points : recorded iterations of a run.
    targets : relative gaps for which it is reported what runs need.
    baseline : of one-point estimates: `none`, or `mean` of the other rollouts' costs.
    samples_per_step : of methods on one trajectory, between two updates.
    sinusoids : of the probing signal, for each input.
    """

    methods: Annotated[list[str], Entries(distinct=True)]
    replicates: Annotated[int, Range(1, 10_000)]
    pilots: Annotated[int, Range(1, MOST_PILOTS)]
    points: Points
    targets: Annotated[list[Fraction], Entries(distinct=True)]
    baseline: Annotated[str, OneOf(BASELINES)]
    samples_per_step: Annotated[int, Range(1, 10**6)]
    sinusoids: Annotated[int, Range(1, 1000)]

    def __post_init__(self) -> None:
        super().__post_init__()
        require_known(self.methods)
