"""The settings of `azopg`: its keys, in groups with their own ranges, what is checked, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Annotated, ClassVar

import pandas as pd

from lqrpg.azopg.replay import Objective, ServiceTimes
from lqrpg.azopg.two_point import RolloutCosts
from lqrpg.checks import require
from lqrpg.experiments.azopg_real import REAL_CLOCKS, WALL_CLOCK
from lqrpg.experiments.gains import GAINS
from lqrpg.experiments.plants import require_optimum, require_start, require_time, working_gain, working_plant
from lqrpg.kernels.rollout import finite_horizon_costs
from lqrpg.lqr import continuous
from lqrpg.lqr.simulate import simulated_plant_costs
from lqrpg.ranges import Entries, Fraction, NonNegative, OneOf, Positive, Range
from lqrpg.runner.experiment import Experiment
from lqrpg.systems.system import System

CLOCKS = ("virtual", *REAL_CLOCKS)
ROLLOUTS = ("exact", "step")
MOST_UPDATES = 1_000_000
BatchSize = Annotated[int, Range(1, 4096)]
Fleets = Annotated[list[Annotated[int, Range(1, 65536)]], Entries(distinct=True)]
"""Numbers of workers."""


def require_single_worker(key: str, fleets: Sequence[int]) -> None:
    """Refuse fleets to which no speedup can refer."""
    require(1 in fleets, key, list(fleets), "1 among the numbers of workers, as speedups refer to it")


@dataclass(frozen=True)
class Service:
    """Times of the virtual clock, in seconds; see `ServiceTimes`."""

    rollout_s: Positive
    variation: Annotated[float, Range(0, 10)]
    slow_wait_s: NonNegative


@dataclass(frozen=True)
class RealClock:
    """What differs when the clock is real: emulated times in seconds, and sizes that spare real time."""

    rollout_s: Annotated[float, Range(1e-4, 60)]
    slow_wait_s: Annotated[float, Range(0, 60)]
    batch_size: BatchSize
    tolerance: Fraction
    limit_s: Annotated[float, Range(above=0, high=86400)]
    throughput_s: Annotated[float, Range(above=0, high=3600)]
    repeats: Annotated[int, Range(1, 1000)]


@dataclass(frozen=True)
class Scaling:
    """The staleness study: batch sizes, fleets and replicates."""

    batch_sizes: Annotated[list[BatchSize], Entries()]
    fleets: Fleets
    replicates: Annotated[int, Range(1, 1000)]


@dataclass(frozen=True)
class Barrier:
    """The comparison with synchronous updates: how many updates to average over."""

    updates: Annotated[int, Range(1, 100_000)]


@dataclass(frozen=True)
class Timeline:
    """The short schedule of the picture of pulls and pushes."""

    workers: Annotated[int, Range(1, 16)]
    batch_size: Annotated[int, Range(1, 64)]
    updates: Annotated[int, Range(1, 64)]


@dataclass(frozen=True)
class AzopgSettings(Experiment):
    """Settings of the experiment `azopg`; `conf/experiment/azopg.yaml` says what each key is and where it is from."""

    replicates: Annotated[int, Range(1, 10_000)]
    step_size: Positive
    radius: Annotated[float, Range(1e-100, 1e100)]
    horizon_s: Annotated[float, Range(above=0, high=1e6)]
    batch_size: BatchSize
    tolerance: Fraction
    fleets: Fleets
    max_updates: Annotated[int, Range(1, MOST_UPDATES)]
    curve_points: Annotated[int, Range(2, 100_000)]
    rollout: Annotated[str, OneOf(ROLLOUTS)]
    rollout_step_s: Annotated[float, Range(1e-6, 1)]
    clock: Annotated[str, OneOf(CLOCKS)]
    service: Service
    real_clock: RealClock
    scaling: Scaling
    barrier: Barrier
    timeline: Timeline
    system: System

    TABLES: ClassVar[Mapping[str, Sequence[str]]] = {
        "curves": ("case", "workers", "replicate", "update", "time_s", "gap"),
        "speedup": (
            *("streams", "case", "workers", "replicate", "updates", "rollouts", "time_to_tol_s", "speedup"),
            "ideal_speedup",
            *("max_delay", "delay_bound", "censored", "fail_step"),
        ),
        "events": ("case", "workers", "worker", "ticket", "pulled_s", "pushed_s", "version", "update"),
        "scaling": (
            *("batch_size", "workers", "replicate", "updates", "time_to_tol_s", "speedup", "efficiency"),
            *("mean_delay", "max_delay", "delay_bound", "counted_delay_bound", "censored", "fail_step"),
        ),
        "barrier": ("scheme", "case", "workers", "time_per_update_s", "speedup"),
        "wall_clock": WALL_CLOCK,
        "gains": GAINS,
    }

    ranks_for: ClassVar[str] = "clock=mpi needs a rank for each worker of the largest fleet"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_single_worker("fleets", self.fleets)
        require_single_worker("scaling.fleets", self.scaling.fleets)
        require_time(self.system, "continuous")
        expected = "a covariance of the first state that is not zero, or every gain costs nothing"
        require(bool(self.system.plant().Sigma.any()), "system.first_state", 0, expected)
        require_optimum(self.system)
        stabilises = continuous.is_stabilising(working_plant(self.system).plant, working_gain(self.system))
        require(stabilises, "system.kind", self.system.kind, "a plant that its initial gain stabilises")
        require_start(self.system)

    @property
    def exclusive(self) -> bool:
        """Real time must not be shared: on a real clock trials run one at a time."""
        return self.clock != "virtual"

    @property
    def ranks(self) -> int:
        """Ranks that a run needs beside the master's, whatever the backend: those of the largest fleet."""
        return max(*self.fleets, self.timeline.workers) if self.clock == "mpi" else 0

    @cached_property
    def objective(self) -> Objective:
        """The working plant, the first gain, and the gap between their cost and the optimal one."""
        return Objective.of(working_plant(self.system).plant, working_gain(self.system))

    def shortfall(self, tables: Mapping[str, pd.DataFrame]) -> list[str]:
        """What to say if no run met the tolerance, though none diverged."""
        ended, curves = tables["speedup"], tables["curves"]
        if not ended["censored"].all() or (ended["fail_step"] >= 0).any():
            return []
        least, more = float(curves["gap"].min()), min(MOST_UPDATES, 10 * self.max_updates)
        return [
            f"no run met tolerance={self.tolerance:g} within max_updates={self.max_updates}: least gap {least:.2g}",
            "a gradient step that is small enough where the cost is steep is short elsewhere: try a first gain nearer "
            f"to the optimum (system.K0) or max_updates={more}",
        ]

    @property
    def advice(self) -> str:
        """What to try where runs diverge."""
        return f"try a smaller step: step_size={self.step_size / 10:g}"

    @property
    def _rollout_costs(self) -> RolloutCosts:
        plant = self.objective.plant
        if self.rollout == "exact":
            return partial(finite_horizon_costs, plant, horizon=self.horizon_s)
        return partial(simulated_plant_costs, plant, horizon=self.horizon_s, step=self.rollout_step_s)

    @property
    def _service(self) -> ServiceTimes:
        times = self.service if self.clock == "virtual" else self.real_clock
        return ServiceTimes(times.rollout_s, self.service.variation, times.slow_wait_s)
