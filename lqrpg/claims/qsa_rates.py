"""What P3 claims of rates (Chen, Devraj, Bernstein, Meyn, quasi-stochastic approximation): the scalar ODE, and qSGD."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lqrpg.claims.extremes import farthest, largest
from lqrpg.claims.needs import (
    NORMAL_REPLICATES,
    computed,
    setting,
    settings_of,
)
from lqrpg.claims.registry import Need, Tables, claim

_NEXT_ORDER = (
    "a bound: the next order, a_t and (rho/g)(1+t)^(rho-1) relative to the first, moves a slope by at most 0.02 "
    "over the last two decades before 1e5"
)
_INFERRED = (
    "not a formula of the text at hand, which lacks (15) and (56): the form is [inferred], its parameters and the "
    "predicted slope are [chosen]"
)


def _fit_begins(tables: Tables) -> float:
    """The time at which the fit of slopes begins."""
    settings = settings_of(tables)
    return float(settings["horizon_s"] * 10.0 ** -settings["fitted_decades"])


_FIT_BEGINS = computed(
    _fit_begins, 999.9, "s as the time at which the fit begins", "the next order is bounded from there on"
)
_DECADE = setting("fitted_decades", 1, "slopes of less time are those of single periods")
_ASYMPTOTIC: tuple[Need, ...] = (
    _FIT_BEGINS,
    setting("fitted_decades", 2, "the next order is bounded over two decades"),
)
_JACKKNIFE = setting("descent.seeds", NORMAL_REPLICATES, "with fewer, chance leaves the range more than once in 50")


@claim(
    "qsa_rate_of_estimates",
    "qsa_rates",
    "P3, Section 2.2 and Theorem on vanishing gains",
    "The error is of order t^-rho for rho < 1 and any gain, and t^-min(g, 1) for rho = 1 and additive noise.",
    measures="slope farthest from its prediction, all cases without averaging, as a difference",
    accepted=(-0.02, 0.02),
    because=_NEXT_ORDER,
    needs=_ASYMPTOTIC,
)
def rate_of_estimates(tables: Tables) -> float:
    """The difference of slope and prediction that is farthest from zero."""
    rows = _slopes(tables, averaged=False)
    return farthest(rows["slope"] - rows["predicted"], 0.0)


@claim(
    "qsa_optimal_rate_needs_gain",
    "qsa_rates",
    "P3, Section 2.2: I + g A* must be Hurwitz",
    "With rho = 1 the optimal rate 1/t is lost for gains below 1.",
    measures="largest |slope + g| over the gains below 1",
    accepted=(0.0, 0.02),
    because=_NEXT_ORDER,
    needs=_ASYMPTOTIC,
)
def optimal_rate_needs_gain(tables: Tables) -> float:
    """Distance of the slopes from -g."""
    rows = _slopes(tables, averaged=False)
    rows = rows[(rows["rho"] == 1.0) & (rows["gain"] < 1.0)]
    return largest((rows["slope"] + rows["gain"]).abs())


@claim(
    "qsa_averaging_is_optimal",
    "qsa_rates",
    "P3, Section 2.2, averaging",
    "Averaging gives 1/t for additive noise and rho < 1.",
    measures="slope of the average farthest from -1, as a difference",
    accepted=(-0.02, 0.02),
    because=_NEXT_ORDER,
    needs=_ASYMPTOTIC,
)
def averaging_is_optimal(tables: Tables) -> float:
    """The difference from -1 that is farthest from zero."""
    rows = _slopes(tables, averaged=True)
    return farthest(rows.loc[(rows["case"] == "additive") & (rows["rho"] < 1.0), "slope"] + 1.0, 0.0)


@claim(
    "qsa_averaging_fails",
    "qsa_rates",
    "P3, Section 2.2: only if Ybar = 0",
    "Averaging does not give 1/t when the noise is correlated with the estimate (Ybar = -1/2): it stays at t^-rho.",
    measures="slope farthest from that of Ybar times the mean of a_t, as a difference",
    accepted=(-0.05, 0.05),
    because="a bound: the remainder, t^(rho-1) of the term, moves the slope by (1-rho) t^(rho-1), at most 0.05 from "
    "t = 1000; a slope of -1 would be 0.17 or more away",
    caveat="at 1e5 the slopes are not yet -rho (-0.82 for rho = 0.9): the mean of a_t over [0, t] is itself not",
    needs=(_FIT_BEGINS, _DECADE),
)
def averaging_fails(tables: Tables) -> float:
    """The difference from the finite-time prediction that is farthest from zero."""
    rows = _slopes(tables, averaged=True)
    rows = rows[rows["case"] == "multiplicative"]
    return farthest(rows["slope"] - rows["finite_time"], 0.0)


@claim(
    "qsa_averaging_works_in_quadrature",
    "qsa_rates",
    "P3, Section 2.2: if Ybar = 0",
    "Averaging gives 1/t again when the same noise is in quadrature (p = pi/2, Ybar = 0).",
    measures="slope of the average farthest from -1, as a difference",
    accepted=(-0.1, 0.1),
    because="a bound: the next order, C t^(1-2 rho) of the term, moves the slope by C (2 rho - 1) t^(1-2 rho), at most "
    "0.05 C from t = 1000, with C up to 2",
    needs=(_FIT_BEGINS, _DECADE),
)
def averaging_works_in_quadrature(tables: Tables) -> float:
    """The difference from -1 that is farthest from zero."""
    rows = _slopes(tables, averaged=True)
    return farthest(rows.loc[rows["case"] == "multiplicative_quadrature", "slope"] + 1.0, 0.0)


@claim(
    "qsa_scaled_error",
    "qsa_rates",
    "P3, eq. (12)",
    "The scaled error settles to Ybar plus a bounded signal of zero mean.",
    measures="largest difference of scaled error and prediction, both phases, over 2 a_T",
    accepted=(0.0, 1.0),
    because="a bound: the next order is C a_t, with C up to 2 for noise as large as the mean",
    caveat="Ybar is divided by 1 - (rho/g) t^(rho-1), 4 % at this time: the estimate lags behind the falling gain",
)
def scaled_error(tables: Tables) -> float:
    """Largest difference in units of twice the gain."""
    paths = tables["paths"]
    rows = paths[paths["case"].str.startswith("scaled_error")]
    gain = rows["gain"] * (1.0 + rows["t_s"].max()) ** -rows["rho"]
    return largest((rows["value"] - rows["predicted"]).abs() / (2.0 * gain))


@claim(
    "qsa_constant_gain",
    "qsa_rates",
    "P3, Section 2.2, Proposition 2.1",
    "With a constant gain the error is an exponential transient plus the predicted sinusoid.",
    measures="largest difference of simulation and closed form",
    accepted=(0.0, 1e-5),
    because="a bound: RK4's error, of order h^4, is below 1e-6 for the step 0.02",
)
def constant_gain(tables: Tables) -> float:
    """Largest difference of the path and its closed form."""
    rows = _paths(tables, "constant_gain")
    return largest((rows["value"] - rows["predicted"]).abs())


@claim(
    "qsa_constant_gain_average",
    "qsa_rates",
    "P3, eq. (23)",
    "Averaging the last 20 % removes most of the steady sinusoid.",
    measures="largest average over the last quarter of the time, over the sinusoid's amplitude",
    accepted=(0.0, 0.5),
    because="the paper's word ('most'): less than half is left",
)
def constant_gain_average(tables: Tables) -> float:
    """What averaging leaves, relative to the steady sinusoid."""
    steady, average = _paths(tables, "constant_gain"), _paths(tables, "constant_gain_average")
    left, whole = (
        largest(rows.loc[rows["t_s"] >= 0.75 * rows["t_s"].max(), "value"].abs()) for rows in (average, steady)
    )
    return left / whole


@claim(
    "qsgd_rate",
    "qsa_rates",
    "beyond P3: gradient-free optimisation, qSGD",
    "The error of one-measurement qSGD is of order t^-rho.",
    measures="slope farthest from -rho, as a difference",
    accepted=(-0.02, 0.02),
    because=_NEXT_ORDER,
    caveat=_INFERRED,
    needs=_ASYMPTOTIC,
)
def qsgd_rate(tables: Tables) -> float:
    """The difference from -rho that is farthest from zero."""
    rows = _case(tables, "qsgd")
    return farthest(rows["slope"] - rows["predicted"], 0.0)


@claim(
    "spsa_rate",
    "qsa_rates",
    "beyond P3: gradient-free optimisation, SPSA",
    "The error of SPSA, with random signs, is only of order t^(-rho/2).",
    measures="standard errors between slope and finite-time prediction, the farthest",
    accepted=(-3.0, 3.0),
    because="Monte Carlo: three standard errors (jackknife over the seeds)",
    caveat=f"{_INFERRED}. Slopes of single runs scatter by about 0.1; the finite-time prediction is steeper by 0.01",
    needs=(_FIT_BEGINS, _DECADE, _JACKKNIFE),
)
def spsa_rate(tables: Tables) -> float:
    """The difference from the prediction, in standard errors, that is farthest from zero."""
    rows = _case(tables, "spsa")
    return farthest((rows["slope"] - rows["finite_time"]) / rows["standard_error"], 0.0)


@claim(
    "qsgd_projection",
    "qsa_rates",
    "beyond P3: gradient-free optimisation, projection on a box",
    "The projection that keeps the one-measurement form from diverging does not act in the fitted decades.",
    measures="last time at which the box was active, over the time at which the fit begins",
    accepted=(0.0, 1.0),
    because="a bound: later projections would change the slope",
    caveat=_INFERRED,
)
def qsgd_projection(tables: Tables) -> float:
    """When the box was active last, relative to the start of the fit."""
    return float(tables["slopes"]["last_projection_s"].max() / _fit_begins(tables))


@claim(
    "qsgd_two_measurements",
    "qsa_rates",
    "beyond P3: gradient-free optimisation, two measurements",
    "Two-measurement qSGD finds the optimal gain of the plant up to a bias of order epsilon^2.",
    measures="log2 of the median errors in the last decade, epsilon over half of it",
    accepted=(1.7, 2.3),
    because="a bound: exactly 2 to leading order; the next order is (epsilon / k)^2, relative: 0.07 here, twice",
    caveat=_INFERRED,
)
def two_measurements(tables: Tables) -> float:
    """Order in epsilon of the error that is left."""
    rates = tables["rates"]
    whole, half = (
        rows.loc[rows["t_s"] >= rows["t_s"].max() / 10.0, "error"].median()
        for rows in (rates[rates["case"] == f"lqr_two_measurement{end}"] for end in ("", "_half"))
    )
    return float(np.log2(whole / half))


def _slopes(tables: Tables, *, averaged: bool) -> pd.DataFrame:
    """Rows of the scalar ODE."""
    table = tables["slopes"]
    scalar = table["case"].isin(["additive", "multiplicative", "multiplicative_quadrature"])
    return table[scalar & (table["averaged"] == averaged)]


def _case(tables: Tables, case: str) -> pd.DataFrame:
    return tables["slopes"][tables["slopes"]["case"] == case]


def _paths(tables: Tables, case: str) -> pd.DataFrame:
    return tables["paths"][tables["paths"]["case"] == case]
