"""Convergence rates of QSA on a scalar ODE whose answers are known (Chen et al., Sections 2.2 and 3).

.. math:: \\tfrac{d}{dt}\\Theta_t = a_t\\,
          [-(1 + c\\sin(\\omega t + p))\\Theta_t + \\cos\\omega t], \\; \\theta^* = 0

Its linearization is A* = -1. The noise is additive for c = 0. In general Ybar = -c cos(p) / (2 omega): the
excited motion a_t sin(omega t)/omega is rectified by the noise that multiplies it. Theory: |Theta_t| ~ t^-rho
for rho < 1, t^-min(g, 1) for rho = 1; the Ruppert-Polyak average has 1/t if and only if Ybar = 0, and t^-rho
otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lqrpg.compiler.jit import njit
from lqrpg.lqr.plant import Array
from lqrpg.qsa.ode import Gain, require_positive, steps_of

RK4_STABILITY = 2.78  # RK4 is stable for dTheta/dt = -Theta with steps up to this


@dataclass(frozen=True)
class RateCase:
    """One setting of the test ODE.

    Attributes
    ----------
    name : `additive`, or what the user calls it.
    gain : a_t.
    multiplicative : c, the size of the noise that multiplies Theta; zero or more.
    phase : p, in rad.
    """

    name: str
    gain: Gain
    multiplicative: float = 0.0
    phase: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.multiplicative < math.inf:
            raise ValueError(f"multiplicative noise must be finite and not negative, got {self.multiplicative}")

    def y_bar(self, frequency: float = 1.0) -> float:
        """Ybar of eq. (12): zero if and only if averaging reaches the rate 1/t."""
        value = -self.multiplicative * math.cos(self.phase) / (2.0 * frequency)
        return 0.0 if abs(value) < 1e-15 else value

    def predicted_slope(self, averaged: bool, frequency: float = 1.0, window: float = 1.0) -> float:
        """Exponent of the error's envelope that the theory predicts as t grows.

        An average from time 0 cannot forget the transient, whose integral is a constant: 1/t at best. One
        over a last part of the time (`window` below 1) can; what is left is a_t/t from the ends of the window
        and, when the noise multiplies the estimate, the next order a_t^2 of the rectified motion.
        """
        rho, g = self.gain.rho, self.gain.g
        of_transient = -g if rho == 1.0 else -math.inf
        if not averaged:
            return max(-rho, of_transient)
        if window == 1.0:
            of_transient = max(of_transient, -1.0)
        if self.y_bar(frequency) != 0.0:
            return max(-rho, of_transient)
        of_ends = -1.0 - rho if self.multiplicative == 0.0 else -min(1.0 + rho, 2.0 * rho)
        return max(of_ends, of_transient)

    def scaled_error_centre(self, times: Array, frequency: float = 1.0) -> Array:
        """What the scaled error (12) oscillates about at `times`: Ybar as t grows, but slowly for rho near 1.

        .. math:: \\bar Y \\big/ \\big(1 - (\\rho/g)(1 + t)^{\\rho - 1}\\big)

        The gain falls while the estimate lags behind it; the correction is -(a_t^{-1})' Ybar to first order,
        and at rho = 1 it stays: there the matrix I + gA* takes over. Meaningful where the bracket is
        positive.
        """
        lag = self.gain.rho / self.gain.g * (1.0 + times) ** (self.gain.rho - 1.0)
        return np.asarray(self.y_bar(frequency) / (1.0 - lag))

    def rectified_average(self, times: Array, frequency: float = 1.0) -> Array:
        """Leading term of the average from time 0, Ybar times the mean of a_t over [0, t]; rho < 1.

        .. math:: \\bar Y g\\,\\frac{(1 + t)^{1 - \\rho} - 1}{(1 - \\rho)\\,t}

        It tends to Ybar g t^-rho / (1 - rho), but so slowly for rho near 1 (the two differ by a factor of 2
        at t = 1000 for rho = 0.9) that slopes over a finite horizon must be compared with this term's own
        slope.
        """
        remaining = 1.0 - self.gain.rho
        mean_gain = self.gain.g * ((1.0 + times) ** remaining - 1.0) / (remaining * times)
        return np.asarray(self.y_bar(frequency) * mean_gain)

    def finite_time_slope(self, averaged: bool, times: Array, frequency: float = 1.0, window: float = 1.0) -> float:
        """Slope that the leading term has over `times`, where it approaches its power law too slowly.

        These are averages from time 0: the rectified term above, and for rho = 1 the average of the transient
        (1 + t)^-g, which has a log t for g = 1. Otherwise `predicted_slope`.
        """
        if averaged and window == 1.0 and self.gain.rho == 1.0 and self.multiplicative == 0.0:
            remaining = 1.0 - self.gain.g
            integral = np.log1p(times) if remaining == 0.0 else np.expm1(remaining * np.log1p(times)) / remaining
            return envelope_slope(times, integral / times)
        if averaged and window == 1.0 and self.gain.rho < 1.0 and self.y_bar(frequency) != 0.0:
            return envelope_slope(times, np.abs(self.rectified_average(times, frequency)))
        return self.predicted_slope(averaged, frequency, window)


EXPONENTS = (0.6, 0.7, 0.8, 0.9)


def standard_cases(
    exponents: Sequence[float] = EXPONENTS,
    large: float = 2.0,
    small: float = 0.5,
    small_exponents: Sequence[float] = EXPONENTS[:2],
    unit_gains: Sequence[float] = (0.25, 0.5, 1.0, 2.0),
    multiplicative: float = 1.0,
) -> list[RateCase]:
    """Additive noise for all gains, and multiplicative noise in both phases for the large one and rho < 1.

    Parameters
    ----------
    exponents : rho of the large gain.
    large, small : g for rho < 1.
    small_exponents : rho of the small gain, whose transient hides the rate for larger ones.
    unit_gains : g for rho = 1.
    multiplicative : c.
    """
    cases = [RateCase("additive", Gain(large, rho)) for rho in exponents]
    cases += [RateCase("additive", Gain(small, rho)) for rho in small_exponents]
    cases += [RateCase("additive", Gain(g, 1.0)) for g in unit_gains]
    for name, phase in (("multiplicative", 0.0), ("multiplicative_quadrature", math.pi / 2)):
        cases += [RateCase(name, Gain(large, rho), multiplicative, phase) for rho in exponents]
    return cases


class RateRecord(NamedTuple):
    """Errors of many cases; theta* = 0, so an error is the estimate's absolute value.

    Attributes
    ----------
    bin_times : (n_bins,) geometric middles of the bins, in seconds.
    envelope : (n_cases, 2, n_bins) largest error in a bin: of the estimate, and of its average.
    times : (n_kept,) evenly spaced, in seconds.
    theta : (n_cases, n_kept) the estimates.
    averages : (n_cases, n_kept) the Ruppert-Polyak averages.
    """

    bin_times: Array
    envelope: Array
    times: Array
    theta: Array
    averages: Array


@njit
def _integrate(cases, frequency, start, step, edges, keep_every, window):
    """RK4 for all cases side by side: they share the clock and its sines, each has its own gain.

    `cases` are arrays with an entry per case: g, rho and the cap of a_t, then c and the phase of the noise.

    The average runs over the last `window` of the time so far. Its start is followed by a second copy of the
    solution that moves only as often as that start does; for a window of 1 the copy stays at time 0.
    """
    g, rho, cap, c, phase = cases
    lanes = g.shape[0]
    n_steps = edges[-1]
    envelope = np.zeros((lanes, 2, edges.shape[0] - 1))
    theta_kept = np.empty((lanes, n_steps // keep_every))
    average_kept = np.empty((lanes, n_steps // keep_every))
    theta = np.full((2, lanes), start)
    integral = np.zeros((2, lanes))
    now = np.zeros(2, np.int64)
    sin_p, cos_p = np.sin(phase), np.cos(phase)
    bin_now = -1
    for n in range(1, n_steps + 1):
        for copy in range(2):
            target = n if copy == 0 else np.int64(np.floor((1.0 - window) * n))
            while now[copy] < target:
                t0 = now[copy] * step
                tm = (now[copy] + 0.5) * step
                t1 = (now[copy] + 1) * step
                s0, c0 = np.sin(frequency * t0), np.cos(frequency * t0)
                sm, cm = np.sin(frequency * tm), np.cos(frequency * tm)
                s1, c1 = np.sin(frequency * t1), np.cos(frequency * t1)
                l0, lm, l1 = np.log1p(t0), np.log1p(tm), np.log1p(t1)
                for lane in range(lanes):
                    a0 = min(cap[lane], g[lane] * np.exp(-rho[lane] * l0))
                    am = min(cap[lane], g[lane] * np.exp(-rho[lane] * lm))
                    a1 = min(cap[lane], g[lane] * np.exp(-rho[lane] * l1))
                    b0 = 1.0 + c[lane] * (s0 * cos_p[lane] + c0 * sin_p[lane])
                    bm = 1.0 + c[lane] * (sm * cos_p[lane] + cm * sin_p[lane])
                    b1 = 1.0 + c[lane] * (s1 * cos_p[lane] + c1 * sin_p[lane])
                    y0 = theta[copy, lane]
                    k0 = a0 * (c0 - b0 * y0)
                    y1 = y0 + 0.5 * step * k0
                    k1 = am * (cm - bm * y1)
                    y2 = y0 + 0.5 * step * k1
                    k2 = am * (cm - bm * y2)
                    y3 = y0 + step * k2
                    k3 = a1 * (c1 - b1 * y3)
                    theta[copy, lane] = y0 + step / 6.0 * (k0 + 2.0 * k1 + 2.0 * k2 + k3)
                    integral[copy, lane] += step / 6.0 * (y0 + 2.0 * y1 + 2.0 * y2 + y3)
                now[copy] += 1
        span = (n - now[1]) * step
        while bin_now + 1 < edges.shape[0] - 1 and n >= edges[bin_now + 1]:
            bin_now += 1
        if bin_now >= 0:
            for lane in range(lanes):
                error = abs(theta[0, lane])
                average = abs(integral[0, lane] - integral[1, lane]) / span
                if error > envelope[lane, 0, bin_now]:
                    envelope[lane, 0, bin_now] = error
                if average > envelope[lane, 1, bin_now]:
                    envelope[lane, 1, bin_now] = average
        if n % keep_every == 0:
            for lane in range(lanes):
                theta_kept[lane, n // keep_every - 1] = theta[0, lane]
                average_kept[lane, n // keep_every - 1] = (integral[0, lane] - integral[1, lane]) / span
    return envelope, theta_kept, average_kept


def bin_edges(n_steps: int, decades: float, bins_per_decade: int) -> NDArray[np.int64]:
    """Edges, in steps, of logarithmic bins over the last decades of a horizon; strictly increasing."""
    exponents = np.linspace(-decades, 0.0, round(decades * bins_per_decade) + 1)
    return np.unique(np.round(n_steps * 10.0**exponents).astype(np.int64))


def simulate_rates(
    cases: Sequence[RateCase],
    horizon: float = 1e5,
    step: float = 0.02,
    *,
    frequency: float = 1.0,
    start: float = 1.0,
    decades: float = 2.0,
    bins_per_decade: int = 20,
    keep_every: int = 5000,
    window: float = 1.0,
) -> RateRecord:
    """Integrate the test ODE for many cases at once by RK4 and record the envelopes of their errors.

    Parameters
    ----------
    cases : what to integrate.
    horizon, step : in seconds.
    frequency : omega, in rad/s.
    start : Theta_0.
    decades : the envelopes cover this many decades of time before the horizon.
    bins_per_decade : logarithmic bins; each should hold a few periods of the signal.
    keep_every : samples of the paths are kept at this distance, in steps.
    window : the average runs over this last part of the time so far: 1 averages from 0, 0.5 from t/2 (eq.
        (23)).

    Raises
    ------
    ValueError
        If the step does not divide the horizon or is unstable, or a window is outside (0, 1].
    """
    require_positive("frequency", frequency)
    n_steps = steps_of(horizon, step)
    if not 0.0 < window <= 1.0:
        raise ValueError(f"the averaged window must be in (0, 1], got {window}")
    for case in cases:
        stiffness = case.gain.largest * (1.0 + case.multiplicative)
        if step * stiffness > RK4_STABILITY:
            raise ValueError(f"RK4 is unstable with step {step}: take a step below {RK4_STABILITY / stiffness:.3g}")
    edges = bin_edges(n_steps, decades, bins_per_decade)
    rows = [(k.gain.g, k.gain.rho, k.gain.cap, k.multiplicative, k.phase) for k in cases]
    envelope, theta, averages = _integrate(
        tuple(np.array(rows).T.copy()), frequency, start, step, edges, keep_every, window
    )
    middles = np.sqrt(edges[:-1] * edges[1:].astype(np.float64)) * step
    times = keep_every * step * np.arange(1.0, theta.shape[1] + 1)
    return RateRecord(middles, envelope, times, theta, averages)


def envelope_slope(times: Array, envelope: Array) -> float:
    """Slope of log envelope against log time by least squares: the exponent of a power law."""
    return float(np.polyfit(np.log(times), np.log(envelope), 1)[0])


def scaled_errors(record: RateRecord, cases: Sequence[RateCase]) -> Array:
    """a_t^-1 (Theta_t - theta*) at the kept times, shape (n_cases, n_kept); settles around Ybar, eq. (12)."""
    return np.array([theta / case.gain.at(record.times) for case, theta in zip(cases, record.theta, strict=True)])
