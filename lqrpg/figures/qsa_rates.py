"""Figures beyond P3's own: measured against predicted rates, gradient-free optimisation, the linear model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lqrpg.figures.registry import Tables, figure
from lqrpg.figures.style import BAND, COLOURS, DASHES, MARKERS, columns_inside, panel_letters, panels, signed, small

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCALAR = {
    "additive": "additive noise (c = 0)",
    "multiplicative": "correlated, p = 0",
    "multiplicative_quadrature": "in quadrature, p = π/2",
}
PREDICTED: dict[str, Any] = {"color": "black", "lw": 1.2, "ls": (0, (1, 2)), "zorder": 3}


@figure("qsa_rates", "qsa_rates", "beyond P3: measured against predicted rates, all cases")
def rates(tables: Tables) -> Figure:
    """Errors of estimates and of averages against time, and their slopes against the predictions."""
    table, slopes = tables["rates"], tables["slopes"]
    drawn, axes = panels(4, 9.6, 6.2, columns=2)
    large = table["gain"] == table.attrs["settings"]["gain"]
    below = table[(table["case"] == "additive") & (table["rho"] < 1) & large & ~table["averaged"]]
    _errors(axes[0], below, slopes, "rho", "ρ")
    unit = table[(table["case"] == "additive") & (table["rho"] == 1) & ~table["averaged"]]
    _errors(axes[1], unit, slopes, "gain", "g")
    highest = max(table.attrs["settings"]["exponents"])
    averaged = table[table["averaged"] & (table["rho"] == highest) & large]
    _errors(axes[2], averaged, slopes, "case", "")
    _against_prediction(axes[3], slopes[slopes["case"].isin(list(SCALAR))])
    axes[0].set_title("error, ρ < 1, additive noise")
    axes[1].set_title("error, ρ = 1, additive noise")
    axes[2].set_title(f"error of the average, ρ = {highest:g}")
    for axis in axes[:3]:
        axis.set(ylabel="largest error in a bin of time", xlabel="time t (s)")
    panel_letters(axes)
    return drawn


def _errors(axis: Axes, rows: pd.DataFrame, slopes: pd.DataFrame, by: str, symbol: str) -> None:
    """One line for each value of `by`, and its prediction through its last point."""
    fit = _fit_begin(rows)
    for index, (value, line) in enumerate(rows.groupby(by)):
        key = (slopes[list(line.columns[:4])] == line.iloc[0, :4]).all(axis=1)
        slope = slopes[key].iloc[0]
        name = SCALAR[value].split(",")[0].split(" (")[0] if by == "case" else f"{symbol} = {value:g}"
        look: dict[str, Any] = {"color": COLOURS[index + 1], "marker": MARKERS[index], "markevery": (4 * index, 16)}
        axis.loglog(line["t_s"], line["error"], label=f"{name}: slope {signed(slope['slope'], 3)}", **look)
        _power(axis, line["t_s"], line["error"], slope["finite_time"], fit)
    axis.plot([], [], label="predicted", **PREDICTED)
    axis.legend(fontsize=small(), loc="lower left")


def _fit_begin(rows: pd.DataFrame) -> float:
    return float(rows["t_s"].max() * 10.0 ** -rows.attrs["settings"]["fitted_decades"])


def _power(axis: Axes, times: pd.Series, errors: pd.Series, slope: float, begin: float) -> None:
    """A power law through the geometric mean of the fitted points."""
    fitted = times > begin
    centre, level = np.log(times[fitted]).mean(), np.log(errors[fitted]).mean()
    ends = np.array([begin, times.max()])
    axis.plot(ends, np.exp(level + slope * (np.log(ends) - centre)), **PREDICTED)


def _against_prediction(axis: Axes, slopes: pd.DataFrame) -> None:
    from matplotlib.lines import Line2D

    axis.plot([-1.05, -0.2], [-1.05, -0.2], color="#888888", lw=0.9)
    for index, (case, name) in enumerate(SCALAR.items()):
        shift = float(slopes.loc[slopes["case"] == case, "y_bar"].iloc[0])
        label = name if case == "additive" else f"{name} (Ȳ = {signed(shift, 3) if shift else 0})"
        for averaged in (False, True):
            rows = slopes[(slopes["case"] == case) & (slopes["averaged"] == averaged)]
            face = "none" if averaged else COLOURS[index + 1]
            axis.plot(
                rows["predicted"],
                rows["slope"],
                ls="",
                marker=MARKERS[index],
                ms=7 if averaged else 4.5,
                mec=COLOURS[index + 1],
                mfc=face,
                label=label if not averaged else None,
            )
    slow = slopes[(slopes["predicted"] - slopes["finite_time"]).abs() > 0.005]
    axis.plot(slow["predicted"], slow["finite_time"], ls="", marker="_", ms=12, mew=1.2, color="black")
    handles, _ = axis.get_legend_handles_labels()
    handles += [
        Line2D([], [], ls="", marker="o", mfc="none", mec="#444444", ms=7, label="open: averaged"),
        Line2D([], [], ls="", marker="_", color="black", ms=12, label="predicted for this finite time"),
    ]
    axis.legend(handles=handles, fontsize=small(), loc="upper left")
    axis.set(xlabel="predicted slope, t → ∞", ylabel="measured slope", title="all cases")


@figure("qsa_rates_qsgd", "qsa_rates", "beyond P3: qSGD against SPSA, the scaled error, constant gain")
def qsgd(tables: Tables) -> Figure:
    """Gradient-free optimisation with one and two measurements; the scaled error; a constant gain."""
    drawn, axes = panels(4, 9.6, 6.2, columns=2)
    _descents(axes[0], tables["rates"], tables["slopes"])
    _two_measurements(axes[1], tables["rates"])
    _scaled_error(axes[2], tables["paths"])
    _constant_gain(axes[3], tables["paths"])
    panel_letters(axes)
    return drawn


def _descents(axis: Axes, table: pd.DataFrame, slopes: pd.DataFrame) -> None:
    begin = _fit_begin(table)
    rows = table[table["case"].isin(["qsgd", "spsa"])]
    for index, ((case, rho), runs) in enumerate(rows.groupby(["case", "rho"])):
        slope = slopes[(slopes["case"] == case) & (slopes["rho"] == rho)].iloc[0]
        pooled = np.sqrt((runs["error"] ** 2).groupby(runs["t_s"]).mean())
        bounds = runs.groupby("t_s")["error"]
        spread = f" ± {slope['standard_error']:.2f}" if slope["standard_error"] > 5e-3 else ""
        label = f"{'qSGD' if case == 'qsgd' else 'SPSA'}, ρ = {rho:g}: slope {signed(slope['slope'], 2)}{spread}"
        look: dict[str, Any] = {"color": COLOURS[index + 1], "marker": MARKERS[index], "markevery": 12}
        axis.loglog(pooled.index, pooled, label=label, **look)
        axis.fill_between(bounds.min().index, bounds.min(), bounds.max(), color=COLOURS[index + 1], alpha=BAND, lw=0)
        times = pooled.index.to_series()
        _power(axis, times, pooled, slope["predicted"], begin)
    axis.plot([], [], label="predicted: −ρ, and −ρ/2", **PREDICTED)
    last = float(slopes["last_projection_s"].max())
    box = "never active" if last == 0.0 else f"last active at {last:.3g} s"
    title = f"{rows['replicate'].nunique()} replicates: r.m.s., range; box {box}"
    axis.legend(fontsize=small(), loc="lower left", title=title, title_fontsize=small(), alignment="left")
    low, room = float(rows["error"].min()), 30 if columns_inside(axis, 2) == 2 else 1000
    axis.set(xlabel="time t (s)", ylabel="error ‖Θ − θ*‖", title="one measurement", ylim=(low / room, None))


def _two_measurements(axis: Axes, table: pd.DataFrame) -> None:
    epsilon = table.attrs["settings"]["lqr"]["epsilon"]
    for index, (case, factor) in enumerate((("lqr_two_measurement", 1.0), ("lqr_two_measurement_half", 0.5))):
        rows = table[table["case"] == case]
        label = f"ε = {epsilon * factor:g}"
        axis.loglog(rows["t_s"], rows["error"], color=COLOURS[index + 1], ls=DASHES[index], label=label)
    axis.legend(title="half of ε: a quarter of the bias", title_fontsize=small())
    axis.set(xlabel="time t (s)", ylabel="‖K − K*‖ / ‖K*‖", title="two measurements, LQR cost of the plant")


def _scaled_error(axis: Axes, paths: pd.DataFrame) -> None:
    for index, (case, phase) in enumerate((("multiplicative", "p = 0"), ("multiplicative_quadrature", "p = π/2"))):
        rows = paths[paths["case"] == f"scaled_error_{case}"]
        axis.plot(rows["t_s"], rows["value"], color=COLOURS[index + 1], ls=DASHES[0], label=phase)
        axis.plot(rows["t_s"], rows["predicted"], color="black", ls=(0, (1, 2)), lw=1.2)
        axis.axhline(rows["value"].mean(), color=COLOURS[index + 1], lw=0.8, ls=DASHES[3])
    rho = float(rows["rho"].iloc[0])
    axis.plot([], [], color="black", ls=(0, (1, 2)), lw=1.2, label="Ȳ and a sinusoid, predicted")
    axis.plot([], [], color="#444444", lw=0.8, ls=DASHES[3], label="mean")
    axis.legend(ncols=columns_inside(axis, 4), fontsize=small(), loc="upper center", bbox_to_anchor=(0.5, 1.0))
    top, room = float(rows["value"].max()), 0.6 if columns_inside(axis, 2) == 2 else 1.2
    axis.set(
        xlabel="time t (s)", ylabel="(Θ − θ*) / $a_t$", title=f"scaled error (12), ρ = {rho:g}", ylim=(None, top + room)
    )


def _constant_gain(axis: Axes, paths: pd.DataFrame) -> None:
    path, average = (paths[paths["case"] == case] for case in ("constant_gain", "constant_gain_average"))
    part = paths.attrs["settings"]["constant"]["last_part"]
    axis.plot(path["t_s"], path["value"], color=COLOURS[6], lw=1.6, label="estimate")
    axis.plot(path["t_s"], path["predicted"], color="black", ls=(0, (1, 2)), lw=1.0, label="Prop. 2.1")
    axis.plot(
        average["t_s"],
        average["value"],
        color=COLOURS[2],
        ls=DASHES[1],
        label=f"average of the last {100 * part:g} % (23)",
    )
    axis.fill_between(average["t_s"], -average["predicted"], average["predicted"], color=COLOURS[2], alpha=BAND, lw=0)
    axis.legend(fontsize=small(), ncols=columns_inside(axis, 3), loc="upper right", bbox_to_anchor=(1.0, 1.02))
    alpha = float(path["gain"].iloc[0])
    axis.set(
        xlabel="time t (s)", ylabel="error Θ − θ*", title=f"constant gain α = {alpha:g}; band: bound on the average"
    )
