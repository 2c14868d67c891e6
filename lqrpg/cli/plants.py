"""`lqrpg list systems`: a line for each plant of the collection, `conf/system/collection`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import click
import numpy as np

from lqrpg.plugins import COLLECTION, choices, config_content, config_text
from lqrpg.runner.registry import system_class

CERTAIN = 1e-6
"""By which the spectral radius of a stable plant is below 1: more than rounding of a repeated eigenvalue."""


class Listed(NamedTuple):
    """A plant of the collection.

    Attributes
    ----------
    name : behind `system=collection/`.
    states, inputs : n and m.
    time : `continuous` or `discrete`, as its source has it.
    sample_time : s between samples of the plant as it is run; 1 where the source's time has no unit.
    spectral_radius : largest modulus of an eigenvalue between two samples, with K = 0.
    source : in a few words.
    """

    name: str
    states: int
    inputs: int
    time: str
    sample_time: float
    spectral_radius: float
    source: str

    @property
    def is_stable(self) -> bool:
        """Whether it is stable with K = 0."""
        return self.spectral_radius < 1.0 - CERTAIN


def plants() -> list[Listed]:
    """The plants of the collection, by name; no equation is solved."""
    return [_listed(name) for name in choices(f"system/{COLLECTION}")]


def entries() -> list[dict[str, Any]]:
    """The plants for machines."""
    return [{**plant._asdict(), "name": f"{COLLECTION}/{plant.name}", "stable": plant.is_stable} for plant in plants()]


def table() -> Iterator[str]:
    """A line for each plant, and one on what to type next."""
    heading = f"system={COLLECTION}/"
    yield click.style(f"{heading:<19}   n   m  time        sample  radius stable  source", bold=True)
    for plant in plants():
        size = f"{plant.states:>3} {plant.inputs:>3}  {plant.time:<10} {plant.sample_time:>5g} s"
        stable = "yes" if plant.is_stable else "no"
        yield f"{plant.name:<19} {size}  {plant.spectral_radius:6.4f} {stable:<6}  {plant.source}"
    yield f"Run one: lqrpg run shootout system={COLLECTION}/NAME    More: docs/collection.md"


def _listed(name: str) -> Listed:
    content = config_content(f"system/{COLLECTION}", name)
    if content["kind"] != "custom":  # a paper's plant
        content = system_class(content["kind"])(**config_content("system", content["kind"])).plant()._asdict()
    A = np.array(content["A"], dtype=np.float64, ndmin=2)
    given, sample_time = content["sample_time"], content.get("convert_to") or content["sample_time"]
    eigenvalues = np.linalg.eigvals(A)
    radius = np.exp(eigenvalues.real * sample_time) if given == 0 else np.abs(eigenvalues)
    source = re.search(r"^# Source: (.*?): ", config_text(f"system/{COLLECTION}", name), re.MULTILINE)
    return Listed(
        name,
        states=len(A),
        inputs=np.size(content["B"]) // len(A),
        time="continuous" if given == 0 else "discrete",
        sample_time=sample_time,
        spectral_radius=float(radius.max()),
        source=source[1] if source else "",
    )
