"""P1, asynchronous parallel policy gradient: fleets, both cases, the staleness study, the synchronous baselines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd

from lqrpg.azopg.master import Master
from lqrpg.azopg.replay import Replay, Schedule, replay, slowed_workers, virtual_schedule
from lqrpg.azopg.synchronous import SCHEMES, time_per_update
from lqrpg.azopg.two_point import TicketEstimator, TicketSamples
from lqrpg.experiments.azopg_automatic import FINDERS
from lqrpg.experiments.azopg_real import require_same_gains, run_real, wall_clock_columns
from lqrpg.experiments.azopg_settings import AzopgSettings
from lqrpg.experiments.azopg_tables import outcome_columns, tables_of
from lqrpg.experiments.gains import COMPLETED, gain_rows, user_optimum
from lqrpg.experiments.plants import working_plant
from lqrpg.lqr.plant import Array
from lqrpg.results.rows import Columns, Rows, stacked
from lqrpg.runner.automatic import Finders
from lqrpg.runner.experiment import Parts, Trial, generator, repeated, stream


@dataclass(frozen=True)
class Azopg(AzopgSettings):
    """The experiment `azopg`: its trials, and what each of them does."""

    FINDERS: ClassVar[Finders] = FINDERS

    def pilot(self, number: int, case: str, updates: int, tolerance: float = 0.0) -> Array:
        """Gaps of a run of the largest fleet on streams of its own; one that is lost ends with an infinite gap.

        It ends after so many updates, or when it meets the tolerance.
        """
        times = generator(self.seed, self.name, "service", "pilot", number)
        workers = slowed_workers(max(self.fleets), case)
        schedule = virtual_schedule(workers, self.batch_size, min(updates, self.max_updates), self._service, times)
        result = self._replay(schedule, stream(self.seed, self.name, "pilot", number), tolerance)
        return result.gaps if result.fail_step < 0 else np.append(result.gaps, np.inf)

    def trials(self) -> list[Trial]:
        """Fleets on tickets and on independent streams, the staleness study, the baselines, the timeline."""
        if self.clock != "virtual":
            return [*self._real_fleets(), *self._throughput_trials(), Trial("timeline", kind="timeline")]
        fleets = [
            self._fleet(streams, *fleet, replicate)
            for streams in ("tickets", "independent")
            for fleet in self._fleets()
            for replicate in range(self.replicates)
        ]
        return fleets + self._scaling_trials() + [Trial(kind, kind=kind) for kind in ("barrier", "timeline")]

    def _fleets(self) -> list[tuple[str, int]]:
        normal = [("normal", workers) for workers in self.fleets]
        return normal + [("slow", workers) for workers in self.fleets if workers % 2 == 0]

    def _fleet(self, streams: str, case: str, workers: int, replicate: int) -> Trial:
        values = {"streams": streams, "case": case, "workers": workers, "replicate": replicate}
        return Trial(f"fleet-{streams}-{case}-{workers}-{replicate}", values, cost=float(self.batch_size), kind="fleet")

    def _real_fleets(self) -> list[Trial]:
        """Fleets that run to the tolerance, with the seconds that they take if 50 updates divide the gap by e."""
        times, fleets = self.real_clock, [self._fleet("tickets", *fleet, 0) for fleet in self._fleets()]
        alone_s = 50.0 * np.log(1.0 / times.tolerance) * times.batch_size * 2.0 * times.rollout_s
        return [replace(trial, cost=float(min(times.limit_s, alone_s / trial.values["workers"]))) for trial in fleets]

    def _throughput_trials(self) -> list[Trial]:
        seconds = self.real_clock.throughput_s
        return [
            Trial(
                f"throughput-{case}-{workers}-{repeat}",
                {"case": case, "workers": workers, "repeat": repeat},
                cost=seconds,
                kind="throughput",
            )
            for case, workers in self._fleets()
            for repeat in range(self.real_clock.repeats)
        ]

    def _scaling_trials(self) -> list[Trial]:
        return [
            Trial(
                f"scaling-{batch_size}-{workers}-{replicate}",
                {"batch_size": batch_size, "workers": workers, "replicate": replicate},
                cost=1.5 * batch_size,
                kind="scaling",
            )
            for batch_size in self.scaling.batch_sizes
            for workers in self.scaling.fleets
            for replicate in range(self.scaling.replicates)
        ]

    def compile(self) -> None:
        """Compile the rollout kernels by a replay of one update."""
        service = self._service
        schedule = virtual_schedule(slowed_workers(1, "normal"), 1, 1, service, generator(0))
        self._replay(schedule, stream(0), tolerance=0.5)

    def run(self, trial: Trial) -> Rows:
        """The rows of a trial; see `trials`."""
        runners: dict[str, Callable[..., Rows]] = {
            "fleet": self._run_fleet if self.clock == "virtual" else self._run_real_fleet,
            "throughput": self._run_throughput,
            "scaling": self._run_scaling,
            "barrier": self._run_barrier,
            "timeline": self._run_timeline,
        }
        return runners[trial.kind](**trial.values)

    def _run_fleet(self, streams: str, case: str, workers: int, replicate: int) -> Rows:
        times = generator(self.seed, self.name, "service", streams, case, workers, replicate)
        schedule = virtual_schedule(
            slowed_workers(workers, case), self.batch_size, self.max_updates, self._service, times
        )
        own = () if streams == "tickets" else (case, workers)
        result = self._replay(schedule, stream(self.seed, self.name, "samples", replicate, *own), self.tolerance)
        return self._fleet_rows(streams, case, workers, replicate, schedule, result)

    def _run_real_fleet(self, streams: str, case: str, workers: int, replicate: int) -> Rows:
        times = self.real_clock
        master = self._record(case, workers, replicate, times.batch_size, times.tolerance, times.limit_s)
        schedule = master.schedule()
        result = self._replay(schedule, stream(self.seed, self.name, "samples", replicate), times.tolerance)
        require_same_gains(result, master)
        return self._fleet_rows(streams, case, workers, replicate, schedule, result)

    def _run_throughput(self, case: str, workers: int, repeat: int) -> Rows:
        times = self.real_clock
        master = self._record(case, workers, 0, times.batch_size, 0.0, times.throughput_s)
        result = self._replay(master.schedule(), stream(self.seed, self.name, "samples", 0), 0.0)
        require_same_gains(result, master)
        timing = wall_clock_columns(master, self._service, slowed_workers(workers, case))
        return {"wall_clock": repeated(1, case=case, workers=workers, replicate=0, repeat=repeat, **timing)}

    def _record(
        self, case: str, workers: int, replicate: int, batch_size: int, tolerance: float, limit_s: float
    ) -> Master:
        """Run a fleet in real time; its master knows what happened."""
        plant, service = self.objective.plant, self._service
        samples = TicketSamples(plant, stream(self.seed, self.name, "samples", replicate))
        estimator = TicketEstimator(samples, self._rollout_costs, self.radius)
        estimate_s = 2.0 * service.rollout_s + service.waits(slowed_workers(workers, case))
        master = Master(self.objective, batch_size, self.step_size, tolerance, limit_s)
        return run_real(self.clock, master, estimator, estimate_s.tolist())

    def _replay(self, schedule: Schedule, samples: np.random.SeedSequence, tolerance: float) -> Replay:
        return replay(
            self.objective,
            schedule,
            TicketSamples(self.objective.plant, samples),
            self._rollout_costs,
            step_size=self.step_size,
            radius=self.radius,
            tolerance=tolerance,
        )

    def _fleet_rows(
        self, streams: str, case: str, workers: int, replicate: int, schedule: Schedule, result: Replay
    ) -> Rows:
        updates = len(result.gaps) - 1
        gain = working_plant(self.system).outward(result.gains[-1])
        status = COMPLETED if result.fail_step < 0 else "diverged"
        rows: Rows = {
            "gains": gain_rows(
                f"{streams}-{case}-{workers}", [replicate], gain[None], user_optimum(self.system), [status]
            ),
            "speedup": repeated(
                1,
                streams=streams,
                case=case,
                workers=workers,
                replicate=replicate,
                rollouts=2 * updates * schedule.batch_size,
                ideal_speedup=self._service.ideal_speedup(slowed_workers(workers, case)),
                **outcome_columns(schedule, result, workers),
            ),
        }
        if streams == "tickets":
            shown = np.unique(np.linspace(0, updates, self.curve_points).round().astype(np.int64))
            rows["curves"] = repeated(
                len(shown),
                case=case,
                workers=workers,
                replicate=replicate,
                update=shown,
                time_s=np.concatenate([[0.0], schedule.update_s])[shown],
                gap=result.gaps[shown],
            )
        return rows

    def _run_scaling(self, batch_size: int, workers: int, replicate: int) -> Rows:
        times = generator(self.seed, self.name, "service", "scaling", batch_size, workers, replicate)
        slowed = slowed_workers(workers, "normal")
        schedule = virtual_schedule(slowed, batch_size, self.max_updates, self._service, times)
        result = self._replay(schedule, stream(self.seed, self.name, "samples", replicate), self.tolerance)
        used = schedule.first(len(result.gaps) - 1)
        columns = repeated(
            1,
            batch_size=batch_size,
            workers=workers,
            replicate=replicate,
            mean_delay=float(used.delays.mean()),
            counted_delay_bound=used.counted_delay_bound(workers),
            **outcome_columns(schedule, result, workers),
        )
        return {"scaling": columns}

    def _run_barrier(self) -> Rows:
        return {
            "barrier": stacked([self._barrier_row(scheme, *fleet) for scheme in SCHEMES for fleet in self._fleets()])
        }

    def _barrier_row(self, scheme: str, case: str, workers: int) -> Columns:
        times = generator(self.seed, self.name, "service", scheme, case, workers)
        slowed = slowed_workers(workers, case)
        mean_s = time_per_update(scheme, slowed, self.batch_size, self.barrier.updates, self._service, times)
        return repeated(1, scheme=scheme, case=case, workers=workers, time_per_update_s=mean_s)

    def _run_timeline(self) -> Rows:
        cases = ("normal", "slow") if self.timeline.workers > 1 else ("normal",)
        return {"events": stacked([self._timeline_rows(case) for case in cases])}

    def _timeline_rows(self, case: str) -> Columns:
        shape = self.timeline
        if self.clock == "virtual":
            times = generator(self.seed, self.name, "service", "timeline", case)
            slowed = slowed_workers(shape.workers, case)
            schedule = virtual_schedule(slowed, shape.batch_size, shape.updates, self._service, times)
        else:
            longest_s = 2.0 * (self.real_clock.rollout_s + self.real_clock.slow_wait_s)
            limit_s = longest_s * (shape.updates * shape.batch_size / shape.workers + 2)
            master = self._record(case, shape.workers, 0, shape.batch_size, 0.0, limit_s)
            schedule = master.schedule().first(shape.updates)
        return repeated(
            len(schedule.worker),
            case=case,
            workers=shape.workers,
            worker=schedule.worker,
            ticket=schedule.ticket,
            pulled_s=schedule.pulled_s,
            pushed_s=schedule.pushed_s,
            version=schedule.version,
            update=np.arange(len(schedule.worker)) // shape.batch_size,
        )

    def tables(self, parts: Parts) -> dict[str, pd.DataFrame]:
        """All tables; speedups refer to the normal single worker of the same streams and seed."""
        return tables_of(parts, self.TABLES)


EXPERIMENT = Azopg
