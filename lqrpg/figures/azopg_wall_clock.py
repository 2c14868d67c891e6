"""P1 on a real clock: the speedup that was measured, and the one that the virtual clock predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lqrpg.figures.azopg import CASE_NAMES, slowed_line
from lqrpg.figures.registry import Tables, figure
from lqrpg.figures.style import COLOURS, counted, note, panel_letters, panels, small

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CLOCKS = {"mpi": "MPI ranks", "threads": "threads"}


@figure(
    "azopg_wall_clock",
    "azopg",
    "P1 in real time (clock=mpi): wall-clock speedup against the prediction",
    condition={"clock": ("mpi", "threads")},
)
def wall_clock(tables: Tables) -> Figure:
    """Updates a second over those of one worker, and how far the virtual clock's prediction is off."""
    table = tables["wall_clock"]
    settings = table.attrs["settings"]
    drawn, (left, right) = panels(2, 7.6, 3.7, ratios=[3, 2])
    _speedups(left, table, settings)
    _errors(right, table)
    for axis in (left, right):
        axis.set_xlabel("number of workers M")
        axis.set_xlim(0, int(table["workers"].max()) + 0.4)
    panel_letters([left, right])
    note(drawn, _what_was_emulated(settings))
    return drawn


def _what_was_emulated(settings: dict[str, Any]) -> str:
    times = settings["real_clock"]
    return (
        f"Emulated: each rollout lasts {1e3 * times['rollout_s']:g} ms, as a plant would, and its worker sleeps "
        f"meanwhile; slowed workers sleep {1e3 * times['slow_wait_s']:g} ms more after each. "
        f"Real: the {_CLOCKS[settings['clock']]}, their messages, the numerics, the clock."
    )


def _speedups(axis: Axes, table: pd.DataFrame, settings: dict[str, Any]) -> None:
    top = int(table["workers"].max())
    axis.plot([1, top], [1, top], color="#888888", lw=0.9, label="ideal lines")
    slowed_line(axis, table)
    axis.annotate("M ", (top * 0.62, top * 0.62), ha="right", va="bottom", fontsize=small())
    predicted = _predicted_speedup(table)
    for case, colour, marker in (("normal", COLOURS[1], "o"), ("slow", COLOURS[2], "s")):
        rows = table["case"] == case
        runs = table[rows].groupby("workers")["throughput_speedup"]
        median, least, most = runs.median(), runs.min(), runs.max()
        bars = [median - least, most - median]
        axis.errorbar(median.index, median, bars, fmt=marker, color=colour, ms=4, lw=0.9, label=CASE_NAMES[case])
        forecast = predicted[rows].groupby(table["workers"]).median()
        axis.plot(forecast.index, forecast, ls="", marker=marker, ms=9, mfc="none", mec=colour, mew=0.8)
    axis.plot([], [], ls="", marker="o", ms=9, mfc="none", mec="#444444", mew=0.8, label="virtual-clock prediction")
    axis.set(ylabel="updates/s, relative to one worker", ylim=(0, 1.35 * top))
    axis.set_title(f"speedup of {_CLOCKS[settings['clock']]} in wall-clock time")
    title = f"{counted(table['repeat'].nunique(), 'run')} each: median, range"
    axis.legend(loc="upper left", fontsize=small(), title=title, title_fontsize=small(), alignment="left")


def _predicted_speedup(table: pd.DataFrame) -> pd.Series[float]:
    """Predicted updates a second over those of one worker that nothing slows."""
    rate = table["updates"] / table["predicted_s"]
    return rate / rate[(table["workers"] == 1) & (table["case"] == "normal")].median()


def _errors(axis: Axes, table: pd.DataFrame) -> None:
    errors = 100.0 * (table["time_s"] / table["predicted_s"] - 1.0)
    for case, colour, marker in (("normal", COLOURS[1], "o"), ("slow", COLOURS[2], "s")):
        rows = table["case"] == case
        axis.plot(table.loc[rows, "workers"], errors[rows], ls="", marker=marker, color=colour, ms=4)
    axis.axhline(0.0, color="#888888", lw=0.9)
    axis.set(ylabel="time beyond the prediction (%)", ylim=(min(0.0, 1.2 * errors.min()), max(1.0, 1.3 * errors.max())))
    overhead = table["master_overhead_us"].median()
    axis.set_title("what the virtual clock leaves out")
    told = f"push-pull round trip: {overhead / 1e3:.2g} ms"
    axis.text(0.97, 0.96, told, transform=axis.transAxes, ha="right", va="top", fontsize=small())
