"""What P3 claims (Chen, Devraj, Bernstein, Meyn, quasi-stochastic approximation)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lqrpg.claims.extremes import farthest, largest
from lqrpg.claims.needs import (
    NORMAL_REPLICATES,
    RANKED_REPLICATES,
    computed,
    distinct,
    present,
    setting,
    settings_of,
)
from lqrpg.claims.registry import Need, Tables, claim

_GRID = "Euler's left points have a mean of their own, 0.014 from the integral; estimates converge to that"
_NORMALISATION = (
    "the order depends on how the noise is normalised: with the same variance at every step its density in the band is "
    "63 times below xi's; with equal density SA is ahead in the median (qsa_order_depends_on_normalisation). The "
    "spread of QSA over random frequencies is large, and another set of seeds moves its median: the claim is on medians"
)
_NEXT_ORDER = (
    "a bound: the next order, a_t and (rho/g)(1+t)^(rho-1) relative to the first, moves a slope by at most 0.02 "
    "over the last two decades before 1e5"
)
_INFERRED = (
    "not a formula of the text at hand, which lacks (15) and (56): the form is [inferred], its parameters and the "
    "predicted slope are [chosen]"
)

_HUNDRED_SECONDS = setting("horizon_s", 100, "as long as the paper's figures")
_BOTH_GAINS = present("variance", "gain", [1.0, 2.0], "estimates with g =")
_VARIANCES = setting(
    "runs", 28, "three standard errors of log10 of a ratio of variances, 2.6 / sqrt(runs), are then 0.5"
)
_RANKED = distinct(
    "evaluation",
    "replicate",
    RANKED_REPLICATES,
    "replicates",
    "medians of fewer have no bounds of three standard errors",
)


def _exact_error(tables: Tables) -> float:
    """How far below 1 % the exact policy iteration comes, as a factor."""
    table = tables["iteration"]
    return 0.01 / float(table.loc[table["method"] == "exact", "gain_error"].min())


_EXACT_CONVERGES = computed(
    _exact_error, 1, "as the factor by which the exact iteration is below an error of 1 %", "QSA cannot be faster"
)
_TRANSIENT_OVER = setting(
    "horizon_s", 5, "the exploring loop has a time constant of 1 s, and its transient has to die out"
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


# -- quasi Monte Carlo ------------------------------------------------------------------------------------------------


@claim(
    "qsa_slow_for_small_gains",
    "qsa_monte_carlo",
    "P3, Section 2.1, Fig. 1",
    "Convergence is very slow for gains well below 1.",
    measures="share of the initial error that the least gain leaves at the end",
    accepted=(0.5, 1.0),
    because="the paper's words ('very slow'), read as: half of the error is left after 100 periods; theory: T^-g",
    caveat=_GRID,
    needs=(_HUNDRED_SECONDS,),
)
def slow_for_small_gains(tables: Tables) -> float:
    """Error at the end over the error at the start, for the least gain."""
    paths = tables["paths"]
    mean = _final(paths, "average", paths["gain"].min())
    qsa = paths[paths["method"] == "qsa"]
    slowest = qsa[qsa["gain"] == qsa["gain"].min()].sort_values("t_s")["estimate"]
    return float((slowest.iloc[-1] - mean) / (slowest.iloc[0] - mean))


@claim(
    "qsa_unit_gain_is_the_average",
    "qsa_monte_carlo",
    "P3, Section 2.1, Fig. 1",
    "With g = 1 the estimate is very close to the running average (17).",
    measures="difference of the two at the end, over the estimate's distance from the average at the start",
    accepted=(0.0, 0.02),
    because="the paper's words ('very similar'), read as: within 2 % of the range of the figure; theory: 1 / (1 + t)",
    caveat="from Theta_0 = 10 that still is 0.10 at t = 100, more than what separates the average from its limit",
    needs=(_HUNDRED_SECONDS, present("paths", "gain", [1.0], "path with g =")),
)
def unit_gain_is_the_average(tables: Tables) -> float:
    """Final difference in units of the first."""
    paths = tables["paths"]
    qsa = paths[(paths["method"] == "qsa") & (paths["gain"] == 1.0)]
    if qsa.empty:
        return float("nan")
    both = qsa.merge(paths[paths["method"] == "average"], on="t_s", suffixes=("", "_average"))
    last = both.sort_values("t_s").iloc[-1]
    start = float(qsa.sort_values("t_s")["estimate"].iloc[0])
    return float(abs(last["estimate"] - last["estimate_average"]) / abs(start - last["estimate_average"]))


@claim(
    "qsa_variance_falls",
    "qsa_monte_carlo",
    "P3, Section 2.1, Fig. 2",
    "The variance over runs falls by four orders of magnitude from g = 1 to g = 2.",
    measures="log10 of the ratio of the variances",
    accepted=(3.5, 4.5),
    because="the paper's words ('four orders of magnitude'), rounded to whole orders; theory: (alpha_1 / alpha_2)^2",
    caveat="the random start with a fixed phase is inferred: it alone gives the ratio",
    needs=(_HUNDRED_SECONDS, _BOTH_GAINS, _VARIANCES),
)
def variance_falls(tables: Tables) -> float:
    """Orders of magnitude between the variances."""
    variance = tables["variance"].set_index(["method", "gain"])["variance"]
    if ("qsa", 1.0) not in variance or ("qsa", 2.0) not in variance:
        return float("nan")
    return float(np.log10(variance["qsa", 1.0] / variance["qsa", 2.0]))


@claim(
    "qsa_mean",
    "qsa_monte_carlo",
    "P3, Section 2.1",
    "The mean of y is about -0.5.",
    measures="mean of the estimates with g = 2",
    accepted=(-0.55, -0.45),
    because="the paper's words ('about -0.5'), rounded to one digit",
    caveat=f"{_GRID}. y is inferred, from this very mean: the claim checks the estimates, not the formula",
    needs=(_HUNDRED_SECONDS, _BOTH_GAINS),
)
def mean(tables: Tables) -> float:
    """Mean over runs with the larger gain."""
    rows = tables["variance"]
    chosen = rows[(rows["method"] == "qsa") & (rows["gain"] == 2.0)]["mean"]
    return float(chosen.iloc[0]) if len(chosen) else float("nan")


def _final(paths: pd.DataFrame, method: str, gain: float) -> float:
    rows = paths[(paths["method"] == method) & (paths["gain"] == gain)]
    return float(rows.sort_values("t_s")["estimate"].iloc[-1])


# -- policies ---------------------------------------------------------------------------------------------------------


@claim(
    "qsa_evaluates_faster",
    "qsa_policy_evaluation",
    "P3, Section 2.3, Fig. 3",
    "QSA evaluates the policy faster than stochastic approximation with white noise.",
    measures="median final error of SA (equal variance) over that of QSA",
    accepted=(1.0, np.inf),
    because="the paper's word ('faster'): a ratio above 1",
    caveat=_NORMALISATION,
    needs=(_HUNDRED_SECONDS, _RANKED),
)
def evaluates_faster(tables: Tables) -> float:
    """Ratio of the medians at the end."""
    medians = _final_medians(tables)
    return float(medians["sa_equal_variance"] / medians["qsa"])


@claim(
    "qsa_order_depends_on_normalisation",
    "qsa_policy_evaluation",
    "beyond P3: the caveat to Fig. 3",
    "With noise of equal spectral density the order is the other way round.",
    measures="median final error of QSA over that of SA (equal density)",
    accepted=(1.0, np.inf),
    because="the caveat's wording: a ratio above 1",
    needs=(_HUNDRED_SECONDS, _RANKED),
)
def order_depends_on_normalisation(tables: Tables) -> float:
    """Ratio of the medians at the end."""
    medians = _final_medians(tables)
    return float(medians["qsa"] / medians["sa_equal_density"])


def _final_medians(tables: Tables) -> pd.Series:
    table = tables["evaluation"]
    final: pd.Series = table[table["t_s"] == table["t_s"].max()].groupby("method")["relative_error"].median()
    return final


@claim(
    "qsa_policy_iteration_converges",
    "qsa_policy_iteration",
    "P3, Section 2.3, Fig. 4",
    "Policy iteration with QSA converges to the optimal gain.",
    measures="largest final gain error over replicates, in per cent",
    accepted=(0.0, 1.0),
    because="the paper's word ('converges'), as a figure shows it: within a hundredth, every seed",
    needs=(_EXACT_CONVERGES, _TRANSIENT_OVER),
)
def policy_iteration_converges(tables: Tables) -> float:
    """Largest relative error of the last gain, in per cent."""
    table = tables["iteration"]
    last = table[(table["iteration"] == table["iteration"].max()) & (table["method"] == "qsa")]
    return 100.0 * largest(last["gain_error"])


@claim(
    "qsa_policy_iteration_quadratic",
    "qsa_policy_iteration",
    "P3, Section 2.3, Fig. 4 and the policy iteration algorithm",
    "The iteration is as fast as the exact one: Newton's, until the accuracy of the evaluation is reached.",
    measures="iterations that the median seed of QSA needs to a gain error of 1 %, more than the exact iteration",
    accepted=(0.0, 0.0),
    because="a bound: while the evaluation errs by less than the step, both need the same number",
    needs=(_EXACT_CONVERGES, _TRANSIENT_OVER),
)
def policy_iteration_quadratic(tables: Tables) -> float:
    """Difference of the numbers of iterations to a gain error of one per cent."""
    table = tables["iteration"]
    medians = table.groupby(["method", "iteration"])["gain_error"].median()
    reached = medians[medians < 0.01].reset_index().groupby("method")["iteration"].min()
    return float(reached.get("qsa", np.nan) - reached.get("exact", np.nan))


# -- theorems ---------------------------------------------------------------------------------------------------------


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
