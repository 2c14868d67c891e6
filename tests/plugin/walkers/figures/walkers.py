"""Paths against steps."""

from matplotlib.figure import Figure

from lqrpg.figures.registry import figure


@figure("walkers_paths", "walkers_walk", "paths of the walkers")
def paths(tables):
    """A line a walker."""
    canvas = Figure(figsize=(4, 3))
    axis = canvas.add_subplot()
    for number, path in tables["paths"].groupby("walker"):
        axis.plot(path["step"], path["place"], label=f"walker {number}")
    axis.set(xlabel="step", ylabel="place")
    axis.legend()
    return canvas
