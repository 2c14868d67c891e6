"""Methods on plants: how many targets are reached for how many samples, what 1 % costs, curves, kinds of probing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lqrpg.figures.registry import Tables, figure
from lqrpg.figures.style import (
    BAND,
    canvas,
    counted,
    heading,
    label_first,
    legend_outside,
    look_of,
    note,
    panel_letters,
    panels,
    small,
)
from lqrpg.results.prices import KEYS, entries, geometric_mean, prices, ratios, sampling_methods, short_labels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PER_ENTRY = "plant samples / (n m)"
MAPPED = 0.01
"""The target of the map."""
PANEL, FEWEST = 1.55, 3
"""Width of a panel of the curves, in inches, and columns of them in a narrow figure."""
LEAST = 1e-6
"""Gaps below it are not drawn."""
KINDS = {"rollout_samples": "methods on rollouts", "trajectory_samples": "methods on one trajectory"}


def _looks(tables: Tables) -> dict[str, dict[str, Any]]:
    methods = tables["methods"]
    return {name: look_of(int(place)) for name, place in zip(methods["method"], methods["place"], strict=True)}


@figure("benchmark_profiles", "benchmark", "fraction of targets that are reached on all plants, against samples")
def profiles(tables: Tables) -> Figure:
    """Runtime profiles: every relative gap of `targets` on every plant counts once, for each of the runs.

    Lines are means over the runs, bands their range. Methods on rollouts have the larger budget; a target counts where
    a run first reaches it, whatever becomes of the run. The horizontal axis has samples over the number n m of entries
    of the gain.
    """
    drawn, axes = panels(2, 8.6, 4.3, sharey=True)
    labels, looks = short_labels(tables), _looks(tables)
    sizes, methods = entries(tables), tables["methods"].set_index("method")
    handles = {}
    for axis, (kind, title) in zip(axes, KINDS.items(), strict=True):
        for name in methods.index[methods["budget"] == kind]:
            rows = tables["targets"][tables["targets"]["method"] == name]
            x, fractions = _profile(rows, sizes)
            mean = fractions.mean(axis=0)
            (handles[labels[name]],) = axis.plot(
                x, mean, drawstyle="steps-post", markevery=max(1, len(x) // 6), ms=4, **looks[name]
            )
            axis.fill_between(
                x,
                fractions.min(axis=0),
                fractions.max(axis=0),
                step="post",
                color=looks[name]["color"],
                alpha=BAND,
                lw=0,
            )
        axis.set(xscale="log", xlabel=PER_ENTRY, ylabel="fraction of targets reached", title=title)
        axis.set_ylim(0.0, 1.0)
    panel_letters(axes)
    count, targets = tables["systems"]["system"].nunique(), tables["targets"]["target"].nunique()
    runs = tables["targets"]["replicate"].nunique()
    title = f"{counted(count, 'plant')}, {counted(targets, 'target')} each; means and ranges of {counted(runs, 'run')}"
    legend_outside(drawn, [*handles.values()], [*handles], "lower", 4, title)
    label_first(axes)
    return drawn


def _profile(rows: pd.DataFrame, sizes: pd.Series[int]) -> tuple[np.ndarray, np.ndarray]:
    """Samples over n m at which some run reaches a target, and the part that each run has reached by then."""
    paid = rows["samples"].to_numpy(float) / sizes[rows["system"]].to_numpy(float)
    reached, replicate = ~rows["censored"].to_numpy(bool), rows["replicate"].to_numpy()
    x = np.unique(paid[reached])
    counts = [
        np.searchsorted(np.sort(paid[reached & (replicate == run)]), x, side="right") for run in np.unique(replicate)
    ]
    if len(x) == 0:
        return np.array([1.0]), np.zeros((1, 1))
    return x, np.array(counts) / int((replicate == replicate[0]).sum())


@figure("benchmark_map", "benchmark", "samples to a gap of 1 %, methods on plants, with diverged runs")
def price_map(tables: Tables) -> Figure:
    """What a relative gap of 1 % costs in samples over n m, as a power of ten: medians over the runs.

    A cross marks cells in which some run diverged. Letters stand where fewer than half of the runs reach 1 %, for how
    most of those that do not ended: b with the budget, t by the limit of time, d by divergence, m for want of memory, r
    as the method refuses the plant.
    """
    names, systems = _by_kind(tables), list(tables["systems"].sort_values(["states", "inputs"])["system"])
    if MAPPED not in set(tables["targets"]["target"]) or not names:
        return _empty(f"the map is of the target {MAPPED:g} and of methods that use samples, and the run has none")
    sizes, found, labels = entries(tables), prices(tables), short_labels(tables)
    values = np.full((len(systems), len(names)), np.nan)
    for row, system in enumerate(systems):
        for column, name in enumerate(names):
            values[row, column] = math.log10(max(found[system, name, MAPPED], 1.0) / sizes[system])
    values[~np.isfinite(values)] = np.nan
    drawn = canvas(7.0, 2.9 + 0.2 * len(systems))
    axis = drawn.subplots()
    span = (np.nanmin(values), np.nanmax(values)) if np.isfinite(values).any() else (0.0, 1.0)
    image = axis.imshow(values, cmap="Greys", aspect="auto", vmin=span[0] - 0.3, vmax=span[1] + 1.5)
    ends = _ends(tables)
    size = small() * (0.85 if len(names) > 6 else 1.0)
    for row, system in enumerate(systems):
        for column, name in enumerate(names):
            value, (letter, lost) = values[row, column], ends[system, name]
            text = (letter if np.isnan(value) else f"{value:.1f}") + ("×" if lost else "")
            dark = not np.isnan(value) and value > span[0] + 0.75 * (span[1] - span[0])
            axis.text(column, row, text, ha="center", va="center", fontsize=size, color="white" if dark else "black")
    table = tables["systems"].set_index("system")
    rows = [f"{name.replace('_', ' ')} ({table.loc[name, 'states']}, {table.loc[name, 'inputs']})" for name in systems]
    axis.set_yticks(range(len(systems)), rows, fontsize=size)
    axis.set_xticks(range(len(names)), [labels[name] for name in names], rotation=60, ha="right", fontsize=size)
    axis.tick_params(length=0)
    axis.grid(visible=False)
    bar = drawn.colorbar(image, ax=axis, fraction=0.03, pad=0.02)
    bar.set_label(f"log10 of samples / (n m) to {MAPPED:.0%}", fontsize=size)
    note(
        drawn,
        "(n, m) behind each plant. × some run diverged. Not reached: b with the budget, t in the time, m in the memory "
        "allowed, d as runs diverged, r refused",
    )
    return drawn


def _by_kind(tables: Tables) -> list[str]:
    """The methods that use samples, those on one trajectory first."""
    kinds = tables["methods"].set_index("method")["budget"]
    return sorted(sampling_methods(tables), key=lambda name: kinds[name] != "trajectory_samples")


def _ends(tables: Tables) -> dict[tuple[str, str], tuple[str, bool]]:
    """By system and method: the letter for how most runs that miss the target ended, and whether one was lost."""
    missed = tables["targets"].query("target == @MAPPED and censored").set_index([*KEYS, "replicate"]).index
    final = tables["final"].set_index([*KEYS, "replicate"])["status"].map(_letter)
    found = {}
    for key, letters in final.groupby(level=KEYS, sort=False):
        late = letters[letters.index.isin(missed)].tolist() or letters.tolist()
        found[key] = max(dict.fromkeys(late), key=late.count), "d" in letters.tolist()
    return found


def _letter(status: str) -> str:
    known = {"completed": "b", "out of time": "t", "out of memory": "m"}
    return known.get(status, "r" if status.startswith("refused") else "d")


@figure("benchmark_curves", "benchmark", "the relative gap against samples, plant by plant")
def curves(tables: Tables) -> Figure:
    """Medians over the runs that are left; a line ends where half of them are lost."""
    from matplotlib.ticker import LogLocator, NullLocator

    systems, names = list(tables["systems"]["system"]), sampling_methods(tables)
    labels, looks = short_labels(tables), _looks(tables)
    wide = canvas(12.0, 1.0).get_figwidth()
    columns = min(len(systems), max(FEWEST, int(wide / PANEL)))
    rows = -(-len(systems) // columns)
    drawn = canvas(12.0, 1.4 + (1.35 if columns > FEWEST else 0.8) * rows)
    grid = drawn.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    handles = {}
    for axis, system in zip(grid.flat, systems, strict=False):
        own = tables["paths"][tables["paths"]["system"] == system]
        for name in names:
            x, middle_gap = _median_path(own[own["method"] == name], tables["targets"]["replicate"].nunique())
            every = max(1, len(x) // 3)
            (handles[labels[name]],) = axis.plot(x, middle_gap, lw=0.9, ms=2.5, markevery=every, **looks[name])
        axis.set(xscale="log", yscale="log")
        axis.set_ylim(LEAST, 3.0)
        for side in (axis.xaxis, axis.yaxis):
            side.set_major_locator(LogLocator(numticks=4))
            side.set_minor_locator(NullLocator())
        axis.set_title(system.replace("_", " "), fontsize=0.85 * small(), loc="left", pad=2)
        axis.tick_params(labelsize=small() * 0.85)
    for spare in list(grid.flat)[len(systems) :]:
        spare.remove()
    for above in list(grid.flat)[max(0, len(systems) - columns) : len(systems)]:
        above.tick_params(labelbottom=True)
    drawn.supylabel("(f(K) − f*) / (f(K0) − f*), median", fontsize=small())
    legend_outside(drawn, [*handles.values()], [*handles], "lower", 5, "horizontal axes: plant samples")
    return drawn


def _median_path(rows: pd.DataFrame, runs: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples, and the median gap over all runs, lost ones infinite, as far as it is finite."""
    if len(rows) == 0:
        return np.zeros(0), np.zeros(0)
    wide = rows.pivot_table(index="samples", columns="replicate", values="gap", aggfunc="last").to_numpy(float)
    full = np.full((len(wide), max(runs, wide.shape[1])), np.inf)
    full[:, : wide.shape[1]] = np.where(np.isnan(wide), np.inf, wide)
    found = np.percentile(full, 50, axis=1, method="higher")
    samples = np.unique(rows["samples"].to_numpy(float))
    kept = np.isfinite(found) & (samples > 0)
    return samples[kept], np.maximum(found[kept], LEAST / 10)


@figure("benchmark_probing", "benchmark", "samples of random over those of deterministic probing directions")
def probing(tables: Tables) -> Figure:
    """The same two-point estimates, with directions that are random or a deterministic basis in turn, both tuned.

    Above 1, deterministic directions need fewer samples. Each iteration has equally many rollouts of both kinds.
    """
    found = ratios(tables, "two_point", "deterministic_probing")
    if len(found) == 0:
        names = ("two_point", "deterministic_probing")
        absent = [name for name in names if name not in set(tables["methods"]["method"])]
        why = (
            f"{' and '.join(absent)} took no part"
            if absent
            else f"no plant on which {' and '.join(names)} reach one target"
        )
        return _empty(why)
    systems = [each for each in tables["systems"].sort_values(["states", "inputs"])["system"] if each in found.index]
    from matplotlib.ticker import LogLocator, NullFormatter

    targets = sorted(found.index.get_level_values("target").unique(), reverse=True)
    drawn = canvas(7.0, 1.6 + 0.2 * len(systems))
    axis: Axes = drawn.subplots()
    for place, target in enumerate(targets):
        rows = found[found.index.get_level_values("target") == target].droplevel("target")
        kept = [each for each in systems if each in rows.index]
        look = {**look_of(place), "ls": "none"}
        axis.plot([rows[each] for each in kept], [systems.index(each) for each in kept], label=f"{target:g}", **look)
    low, mean, high = geometric_mean(found)
    if len(systems) > 1:
        axis.axvspan(low, high, color="#BBBBBB", alpha=0.4, lw=0)
    axis.axvline(mean, color="#555555", lw=1.0, ls="--")
    axis.axvline(1.0, color="black", lw=0.8)
    axis.set_yticks(range(len(systems)), [each.replace("_", " ") for each in systems], fontsize=small())
    axis.set(xscale="log", xlabel="samples: random / deterministic directions")
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_ylim(len(systems) - 0.5, -0.5)
    handles, labels = axis.get_legend_handles_labels()
    legend_outside(drawn, handles, labels, "lower", 6, "relative gap")
    interval = f", 95 % interval {low:.2f} to {high:.2f} over plants (shaded)" if len(systems) > 1 else ""
    heading(drawn, f"geometric mean {mean:.2f}{interval}")
    return drawn


def _empty(text: str) -> Figure:
    """An empty panel, and why nothing is drawn."""
    drawn = canvas(7.0, 2.0)
    drawn.subplots()
    heading(drawn, text)
    return drawn
