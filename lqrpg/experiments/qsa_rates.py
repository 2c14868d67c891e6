"""P3, the theorems: rates of convergence against their predictions, averaging, gradient-free optimisation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lqrpg.experiments.plants import working_plant
from lqrpg.experiments.qsa_rates_settings import QsaRatesSettings
from lqrpg.kernels.rollout import infinite_horizon_costs
from lqrpg.lqr.continuous import optimal_gain
from lqrpg.lqr.plant import Array
from lqrpg.qsa.constant_gain import ConstantGain
from lqrpg.qsa.ode import Gain, ruppert_polyak
from lqrpg.qsa.probing import Sinusoids
from lqrpg.qsa.qsgd import OneMeasurement, one_measurement, predicted_slope, stochastic_error, two_measurement
from lqrpg.qsa.rates import RateCase, envelope_slope, scaled_errors, simulate_rates
from lqrpg.results.rows import Rows, stacked
from lqrpg.runner.experiment import Parts, Trial, collect, generator, repeated, stream

DESCENTS = ("qsgd", "spsa")
TWO_MEASUREMENTS = {"lqr_two_measurement": 1.0, "lqr_two_measurement_half": 0.5}
_BINS_PER_DECADE = 20


@dataclass(frozen=True)
class QsaRates(QsaRatesSettings):
    """The experiment `qsa_rates`: its trials, and what each of them does."""

    def trials(self) -> list[Trial]:
        """The scalar ODE with both kinds of noise, the descents, and the paths."""
        scalar = [
            Trial(f"scalar-{noise}", {"multiplicative": noise == "multiplicative"}, cost=8.0, kind="scalar")
            for noise in ("additive", "multiplicative")
        ]
        descents = [
            Trial(f"descent-{method}-{index}", {"method": method, "rho": rho}, cost=2.0, kind="descent")
            for method in DESCENTS
            for index, rho in enumerate(self.descent.exponents)
        ]
        lqr = [Trial(f"lqr-{case}", {"case": case}, cost=2.0, kind="lqr") for case in TWO_MEASUREMENTS]
        return [*scalar, *descents, *lqr, Trial("paths", cost=0.5, kind="paths")]

    def compile(self) -> None:
        """Compile all kernels."""
        simulate_rates(self._cases[:1], 2.0, step=0.1, keep_every=1)
        for method in DESCENTS:
            one_measurement(method, OneMeasurement(), Gain(1.0, 0.7, 0.2), 0.2, [0], keep_every=1)
        infinite_horizon_costs(working_plant(self.system).plant, np.array([[self.lqr.start]]))

    def run(self, trial: Trial) -> Rows:
        """The rows of a trial; see `trials`."""
        runners: dict[str, Callable[..., Rows]] = {
            "scalar": self._run_scalar,
            "descent": self._run_descent,
            "lqr": self._run_lqr,
            "paths": self._run_paths,
        }
        return runners[trial.kind](**trial.values)

    def _run_scalar(self, multiplicative: bool) -> Rows:
        cases = [case for case in self._cases if (case.multiplicative > 0.0) == multiplicative]
        record = simulate_rates(
            cases,
            self.horizon_s,
            self.step_s,
            frequency=self.frequency_rad_s,
            start=self.start,
            decades=self.shown_decades,
            bins_per_decade=_BINS_PER_DECADE,
            window=self.window,
        )
        pieces = [
            self._scalar_rows(case, averaged, record.bin_times, record.envelope[index, int(averaged)])
            for index, case in enumerate(cases)
            for averaged in (False, True)
        ]
        return _joined(pieces)

    def _scalar_rows(self, case: RateCase, averaged: bool, times: Array, errors: Array) -> Rows:
        fitted = self._fitted(times)
        slope = {
            "slope": envelope_slope(times[fitted], errors[fitted]),
            "predicted": case.predicted_slope(averaged, self.frequency_rad_s, self.window),
            "finite_time": case.finite_time_slope(averaged, times[fitted], self.frequency_rad_s, self.window),
            "y_bar": case.y_bar(self.frequency_rad_s),
        }
        return _rows(case.name, case.gain, averaged, times, errors[None], slope)

    def _fitted(self, times: Array) -> Any:
        return times > times[-1] * 10.0**-self.fitted_decades

    def _run_descent(self, method: str, rho: float) -> Rows:
        gain, problem = self.descent.a(rho), self.descent.problem
        record = one_measurement(
            method,
            problem,
            gain,
            self.horizon_s,
            range(self.descent.seeds),
            seed=self.seed,
            spawn_key=stream(self.seed, self.name, method).spawn_key,
            decades=self.shown_decades,
            bins_per_decade=_BINS_PER_DECADE,
            keep_every=round(self.horizon_s / problem.step),
        )
        times, fitted = record.bin_times, self._fitted(record.bin_times)
        predicted = predicted_slope(method, gain)
        finite = predicted
        if method == "spsa":
            finite = envelope_slope(times[fitted], stochastic_error(problem, gain, times[fitted]))
        slope, error = _pooled_slope(times[fitted], record.rms[:, fitted])
        outcome = {"slope": slope, "predicted": predicted, "finite_time": finite, "standard_error": error}
        outcome["last_projection_s"] = float(record.last_projection.max())
        return _rows(method, gain, False, times, record.rms, outcome)

    def _run_lqr(self, case: str) -> Rows:
        settings, model = self.lqr, working_plant(self.system)
        gain = Gain(settings.gain, settings.rho, settings.largest_gain)
        phases = generator(self.seed, self.name, "lqr").uniform(0.0, 2.0 * math.pi, 2)
        frequencies = np.array([3.0, 3.0 * math.sqrt(3.0)])
        times, path = two_measurement(
            lambda gains: infinite_horizon_costs(model.plant, model.inward(gains[:, None, :])),
            np.array(settings.start),
            gain,
            Sinusoids(math.sqrt(2.0) * np.eye(2), frequencies, phases),
            epsilon=settings.epsilon * TWO_MEASUREMENTS[case],
            step=settings.step_s,
            n_steps=round(settings.horizon_s / settings.step_s),
            box=(np.array(settings.lowest), np.array(settings.highest)),
        )
        best = model.outward(optimal_gain(model.plant))[0]
        errors = np.linalg.norm(path - best, axis=1) / np.linalg.norm(best)
        shown = np.unique(np.geomspace(1, len(errors) - 1, 200).astype(np.int64))
        fitted = shown[shown >= (len(errors) - 1) / 10]
        slope = {"slope": envelope_slope(times[fitted], errors[fitted]), "predicted": 0.0, "finite_time": 0.0}
        return _rows(case, gain, False, times[shown], errors[shown][None], slope)

    def _run_paths(self) -> Rows:
        return _joined([self._scaled_rows(), *self._constant_rows()])

    def _scaled_rows(self) -> Rows:
        """The scaled error (12) at the end of a horizon, next to Ybar plus the integral of cos."""
        rho, w = self.exponents[min(1, len(self.exponents) - 1)], self.frequency_rad_s
        cases = [case for case in self._cases if case.multiplicative > 0.0 and case.gain.rho == rho]
        every = max(1, round(0.05 / self.step_s))
        record = simulate_rates(
            cases, self.scaled_horizon_s, self.step_s, frequency=w, start=self.start, keep_every=every
        )
        late = record.times > self.scaled_horizon_s - self.shown_s
        times = record.times[late]
        return _joined(
            [
                _path(
                    f"scaled_error_{case.name}",
                    case.gain.rho,
                    case.gain.g,
                    times,
                    values[late],
                    case.scaled_error_centre(times, w) + np.sin(w * times) / w,
                )
                for case, values in zip(cases, scaled_errors(record, cases), strict=True)
            ]
        )

    def _constant_rows(self) -> list[Rows]:
        """The error with a constant gain, next to Prop. 2.1; and the average of its last part, next to a bound."""
        settings, w = self.constant, self.frequency_rad_s
        model = ConstantGain(-np.eye(1), np.ones(1), settings.alpha, w, 0.5 * math.pi)
        path = model.simulate(np.array([self.start]), self.step_s, round(settings.horizon_s / self.step_s))
        times = self.step_s * np.arange(len(path), dtype=np.float64)
        shown = np.arange(0, len(path), max(1, round(0.1 / self.step_s)))
        exact = model.exact(np.array([self.start]), times[shown])[:, 0]
        ends = shown[times[shown] >= 1.0]
        averages = np.array([ruppert_polyak(path[: end + 1], settings.last_part)[0] for end in ends])
        bounds = self._average_bound(model, times[ends])
        name = "constant_gain"
        return [
            _path(name, 0.0, settings.alpha, times[shown], path[shown, 0], exact),
            _path(f"{name}_average", 0.0, settings.alpha, times[ends], averages, bounds),
        ]

    def _average_bound(self, model: ConstantGain, times: Array) -> Array:
        """Largest mean of transient and sinusoid over the last part of [0, t]."""
        part, excess = self.constant.last_part, abs(self.start - float(np.imag(model.phasor[0])))
        span, decay = part * times, np.exp(-model.alpha * (1.0 - part) * times)
        transient = excess * decay * -np.expm1(-model.alpha * span) / (model.alpha * span)
        return np.asarray(transient + abs(model.phasor[0]) * np.minimum(1.0, 2.0 / (self.frequency_rad_s * span)))

    def tables(self, parts: Parts) -> dict[str, pd.DataFrame]:
        """All tables."""
        case = ("case", "rho", "gain")
        keys = {
            "rates": (*case, "averaged", "replicate", "t_s"),
            "slopes": (*case, "averaged"),
            "paths": (*case, "t_s"),
        }
        return {name: collect(parts, name, columns, keys[name]) for name, columns in self.TABLES.items()}


def _pooled_slope(times: Array, rms: Array) -> tuple[float, float]:
    """Slope of the root mean square over runs, and its standard error by the jackknife; rms (runs, bins)."""
    squares = rms**2
    slopes = [
        envelope_slope(times, np.sqrt(np.delete(squares, run, axis=0).mean(axis=0))) for run in range(len(squares))
    ]
    error = math.sqrt((len(slopes) - 1) * float(np.var(slopes)))
    return envelope_slope(times, np.sqrt(squares.mean(axis=0))), error


def _rows(case: str, gain: Gain, averaged: bool, times: Array, errors: Array, slope: Mapping[str, float]) -> Rows:
    """Rows of `rates` for errors of shape (seeds, times), and the row of `slopes`."""
    seeds, count = errors.shape
    key: dict[str, Any] = {"case": case, "rho": gain.rho, "gain": gain.g, "averaged": averaged}
    outcome = {"standard_error": 0.0, "last_projection_s": 0.0, "y_bar": 0.0, **slope}
    return {
        "rates": repeated(
            seeds * count,
            **key,
            replicate=np.repeat(np.arange(seeds), count),
            t_s=np.tile(times, seeds),
            error=errors.ravel(),
        ),
        "slopes": repeated(1, **key, **outcome),
    }


def _path(case: str, rho: float, gain: float, times: Array, values: Array, predicted: Array) -> Rows:
    columns = repeated(len(times), case=case, rho=rho, gain=gain, t_s=times, value=values, predicted=predicted)
    return {"paths": columns}


def _joined(pieces: Sequence[Rows]) -> Rows:
    """The rows of pieces that have the same tables, one after another."""
    return {name: stacked([piece[name] for piece in pieces]) for name in pieces[0]}


EXPERIMENT = QsaRates
