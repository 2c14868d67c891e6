"""Plants by name, several at once: those of the collection, other systems, and files of the user's own."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from lqrpg.checks import SettingError, SettingWarning, require, warn
from lqrpg.lqr import continuous
from lqrpg.lqr.cross_weight import working
from lqrpg.lqr.plant import Plant
from lqrpg.paths import expanded
from lqrpg.plugins import COLLECTION, config_content
from lqrpg.systems.custom import Custom
from lqrpg.systems.plant_files import ENDINGS, read_plant

Content = dict[str, Any]
FASTEST, SLOWEST = 10.0, 300.0
"""Samples within the fastest time constant of the optimal loop, but no more than so many within the slowest."""
_FOLDER, _HERE = f"{COLLECTION}/", "@_here_"


def contents(names: Sequence[str], others: Callable[[str], Mapping[str, Any]]) -> dict[str, Content]:
    """The settings of plants, by their short names, as their files have them; one in continuous time is sampled.

    Parameters
    ----------
    names : of a plant of the collection, with or without `collection/`; of another system; or of a plant's file.
    others : from the name of a system that is in no package to its settings, or a refusal.

    Raises
    ------
    SettingError
        If there is no such plant, or two have the same short name.
    """
    found: dict[str, Content] = {}
    for name in names:
        short = PurePath(name).name if _is_file(name) else name.removeprefix(_FOLDER)
        require(short not in found, "systems", list(names), f"distinct plants: {short} is among them twice")
        try:
            found[short] = _complete(short, _content(name, others))
        except SettingError as error:
            raise SettingError(f"systems: {name}: {error}") from None
    return found


def natural_sample_time(plant: Plant) -> float:
    """Seconds between samples that suit a plant in continuous time, rounded to one digit (docs/collection.md).

    A tenth of the fastest time constant of its optimal loop, or a 300th of the slowest if that is longer.
    """
    model = working(plant).plant
    rates = np.linalg.eigvals(model.closed_loop(continuous.optimal_gain(model)))
    seconds = max(1.0 / (FASTEST * np.abs(rates).max()), 1.0 / (SLOWEST * (-rates.real).min()))
    return float(f"{seconds:.0e}")


def _is_file(name: str) -> bool:
    return PurePath(name).suffix.lower() in ENDINGS


def _content(name: str, others: Callable[[str], Mapping[str, Any]]) -> Content:
    """What the file of that name holds, or of the first system of that name."""
    if _is_file(name):
        return {"file": name}
    groups = [f"system/{COLLECTION}", "system"]
    found = next((content for group in groups if (content := config_content(group, name.removeprefix(_FOLDER)))), None)
    return _with_defaults(found) if found else dict(others(name))


def _with_defaults(content: Content) -> Content:
    """A file's own settings over those of the files that it builds on."""
    found: Content = {}
    for entry in content.pop("defaults", ["_self_"]):
        if entry == "_self_":
            found |= content
        else:
            found |= _with_defaults(config_content("system", str(entry).removeprefix("/system/").removesuffix(_HERE)))
    return found


def _complete(short: str, content: Content) -> Content:
    """With what another file holds that it names, and a plant of the user's own in continuous time sampled."""
    if content.get("file") is not None:
        given = {key: value for key, value in content.items() if value is not None and key != "file"}
        content = {"kind": "custom", **read_plant(expanded(str(content["file"]), f"systems: {short}")), **given}
    is_sampled = content.get("convert_to") is not None or content.get("sample_time") != 0
    if content.get("kind") != "custom" or is_sampled:
        return content
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SettingWarning)  # about a first gain in continuous time
        plant = Custom(**Custom.expand({key: value for key, value in content.items() if key != "K0"})).plant()
    seconds = natural_sample_time(plant)
    warn(f"systems: {short} is in continuous time: sampled every {seconds:g} s (docs/collection.md#the-sampling-rule)")
    return {**content, "convert_to": seconds}
