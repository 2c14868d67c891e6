"""Finding finished runs in a results folder, and selecting the one that a command takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lqrpg.plugins import config_content
from lqrpg.results.atomic import DamagedFileError
from lqrpg.results.run_directory import read_provenance, read_run_table

if TYPE_CHECKING:
    import pandas as pd

Warn = Callable[[str], None]
Condition = Mapping[str, Sequence[str]]
"""Values that settings of a run may have, the preferred one first."""
SCALES = ("smoke", "small", "paper")
"""Those of the package's experiments, from small to large."""
FULL_SCALE = SCALES[-1]
"""The papers' sizes, for which their claims are stated."""
Differing = dict[str, tuple[Any, Any]]
"""Values of both runs by dotted key."""
ABSENT = "(absent)"


@dataclass(frozen=True)
class FinishedRun:
    """A run whose tables can be read.

    Attributes
    ----------
    path : its folder.
    provenance : what `provenance.json` holds.
    """

    path: Path
    provenance: dict[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        """Name of the run: the last part of its folder."""
        return self.path.name

    @property
    def scale(self) -> str:
        """Its scale, such as `paper`."""
        return str(self.provenance["scale"])

    @property
    def has_default_settings(self) -> bool:
        """Whether it has the settings of its scale, of which its name is then the scale alone."""
        return self.name == self.scale

    def meets(self, condition: Condition) -> bool:
        """Whether its settings have one of the values of a condition."""
        settings = self.provenance["settings"]
        return all(str(settings.get(key, "")) in values for key, values in condition.items())

    def differs_only_in(self, keys: Sequence[str], other: FinishedRun) -> bool:
        """Whether two runs of an experiment have the same scale, and the same settings but for these."""
        one, two = (
            {key: value for key, value in run.provenance["settings"].items() if key not in keys}
            for run in (self, other)
        )
        return self.scale == other.scale and one == two

    def table(self, name: str) -> pd.DataFrame:
        """One of its tables, checked against the digest that was noted when it was written.

        Raises
        ------
        DamagedFileError
            If the file is missing or not as it was written.
        """
        try:
            return read_run_table(self.path, self.provenance, name)
        except DamagedFileError:
            if self._is_as_it_was():
                raise
            raise DamagedFileError(f"{self.path} is being computed again at this moment") from None

    def _is_as_it_was(self) -> bool:
        try:
            return read_provenance(self.path) == self.provenance
        except (FileNotFoundError, DamagedFileError):
            return False


def differing(a: Mapping[str, Any], b: Mapping[str, Any], prefix: str = "") -> Differing:
    """What differs between nested settings, `ABSENT` where only the others have a key."""
    found: Differing = {}
    for key in dict.fromkeys([*a, *b]):
        one, other = a.get(key, ABSENT), b.get(key, ABSENT)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found |= differing(one, other, f"{prefix}{key}.")
        elif one != other:
            found[f"{prefix}{key}"] = one, other
    return found


def silently(line: str) -> None:
    """Say nothing."""


def finished_runs(results: Path, experiment: str, warn: Warn = silently) -> list[FinishedRun]:
    """The finished runs of an experiment, newest first; those that were set aside are left out, and warned of.

    Parameters
    ----------
    results : folder of all experiments.
    experiment : which one.
    warn : called with a line for each run whose record is damaged, or belongs elsewhere.
    """
    runs = []
    for file in sorted((results / experiment).glob("*/provenance.json")):
        if file.parent.suffix == ".previous":
            continue
        try:
            run = open_run(file.parent)
            if run.provenance["experiment"] != experiment:
                raise DamagedFileError(f"{file} is the record of a run of {run.provenance['experiment']}")
            runs.append(run)
        except DamagedFileError as error:
            warn(f"{error}, and the run is left out: the command that made it computes it again")
        except OSError:
            continue
    return sorted(runs, key=lambda run: str(run.provenance["finished"]), reverse=True)


def open_run(path: Path) -> FinishedRun:
    """The finished run in a folder, which may be a stranger's.

    Raises
    ------
    FileNotFoundError
        If the run is not finished.
    DamagedFileError
        If its record is not as it was written, or is none of ours.
    """
    return FinishedRun(path, read_provenance(path))


def select(results: Path, experiment: str, name: str | None = None, warn: Warn = silently) -> Selection:
    """Select a finished run of an experiment.

    Parameters
    ----------
    results : folder of all experiments.
    experiment : whose runs.
    name : name of a run; without it the run with default settings of the largest scale is taken, or if there is no
        such run, the newest.
    warn : see `finished_runs`.
    """
    runs = finished_runs(results, experiment, warn)
    if name is not None:
        named = next((run for run in runs if run.name == name), None)
        return Selection(experiment, results, name, tuple(runs), named)
    scales = _scales(experiment)
    default = [run for run in runs if run.has_default_settings]
    largest = max(default, key=lambda run: scales.index(run.scale) if run.scale in scales else -1, default=None)
    return Selection(experiment, results, None, tuple(runs), largest or next(iter(runs), None))


@dataclass(frozen=True)
class Selection:
    """Which finished run of an experiment is read: every command and function that reads tables asks `select`.

    Attributes
    ----------
    experiment : whose runs.
    results : folder of all experiments.
    name : the name that was asked for, or None.
    runs : all finished runs, newest first.
    run : the one that is taken; None if there is none.
    """

    experiment: str
    results: Path
    name: str | None
    runs: tuple[FinishedRun, ...]
    run: FinishedRun | None

    def taking(self, name: str) -> Selection:
        """The same runs, with the one of that name taken."""
        return replace(self, run=next((run for run in self.runs if run.name == name), None))

    def meeting(self, condition: Condition) -> FinishedRun:
        """The run for what needs certain settings: `run` itself, else one that differs in these alone, else the newest.

        A run that was asked for by name is taken as it is.

        Raises
        ------
        MissingRunError
            If no run of the same scale has the settings; the message says how to compute it.
        """
        if self.run is None:
            raise MissingRunError(self.missing)
        if self.name is not None or self.run.meets(condition):
            return self.run
        found = sorted(
            (run for run in self.runs if run.scale == self.run.scale and run.meets(condition)),
            key=lambda run: (not self.is_beside(run, condition), self._preference(run, condition)),
        )
        if found:
            return found[0]
        wanted, scale = " ".join(f"{key}={values[0]}" for key, values in condition.items()), self.run.scale
        where, command = f"of scale {scale} in {self.results}", _command(self.run, self.experiment, wanted)
        raise MissingRunError(no_run(f"of {self.experiment} {wanted}", where, command))

    def is_full_size(self, run: FinishedRun, condition: Condition) -> bool:
        """Whether a run has the largest scale and default settings, but for a condition; not if asked for by name."""
        if self.name is not None or self.run is None or self.run.name != _scales(self.experiment)[-1]:
            return False
        return run.path == self.run.path or self.is_beside(run, condition)

    @property
    def newer(self) -> list[FinishedRun]:
        """The runs that have finished after the one that is taken."""
        return [] if self.run is None else list(self.runs[: self.runs.index(self.run)])

    @property
    def missing(self) -> str:
        """What to say where there is no run."""
        if self.name is None:
            return no_run(f"of {self.experiment}", f"in {self.results}", f"lqrpg run experiment={self.experiment}")
        known = ", ".join(run.name for run in self.runs) or "none"
        return f"no finished run named {self.name!r} of {self.experiment} in {self.results}: --run takes {known}"

    def is_beside(self, run: FinishedRun, condition: Condition) -> bool:
        """Whether a run differs from the one that is taken in the settings of a condition alone."""
        return self.run is not None and run.meets(condition) and run.differs_only_in([*condition], self.run)

    @staticmethod
    def _preference(run: FinishedRun, condition: Condition) -> list[int]:
        settings = run.provenance["settings"]
        return [list(values).index(str(settings.get(key, ""))) for key, values in condition.items()]


def _scales(experiment: str) -> list[str]:
    """The scales of an experiment from small to large, as its YAML file lists them."""
    return [str(scale) for scale in config_content("experiment", experiment).get("scales") or SCALES]


class EmptyTableError(LookupError):
    """A table has none of the rows that a figure or a claim reads."""


class MissingRunError(LookupError):
    """A run that a figure or a claim needs beside its own is not there; the message says how to compute it."""


def no_run(which: str, where: str, command: str) -> str:
    """What is said of a run that is not there, with the command that makes it."""
    return " ".join(filter(None, ["no finished run", which, f"{where}: {command}"]))


def find_companion(run: FinishedRun, wanted: str) -> FinishedRun:
    """The run in the same results folder, of the same scale, that is read beside another.

    Of the same experiment it differs from the run in the setting that is wanted alone. Of another experiment it has the
    same plant, and beside a run with default settings it has those, too, but for the setting that is wanted.

    Parameters
    ----------
    run : the run that it stands beside.
    wanted : an experiment, such as `sgd_indirect`, or one with a setting, such as `sgd_direct?part=baseline`.

    Raises
    ------
    MissingRunError
        If there is none.
    """
    experiment, _, setting = wanted.partition("?")
    key, _, value = setting.partition("=")
    condition = {key: [value]} if key else {}
    runs = finished_runs(run.path.parent.parent, experiment)
    if experiment == run.provenance["experiment"]:
        origin: FinishedRun | None = run
    else:
        runs = [other for other in runs if _plant(other) == _plant(run)]
        origin = next((other for other in runs if run.has_default_settings and other.name == run.scale), None)
    for other in runs:
        same = other.differs_only_in([key], origin) if origin else other.scale == run.scale
        if same and other.meets(condition):
            return other
    named, command = wanted.replace("?", " "), _command(run, experiment, setting)
    raise MissingRunError(no_run(f"of {named}", _beside(run, experiment), command))


def _plant(run: FinishedRun) -> Any:
    return run.provenance["settings"].get("system")


def _beside(run: FinishedRun, experiment: str) -> str:
    if run.has_default_settings or experiment != run.provenance["experiment"]:
        return f"of scale {run.scale}"
    return f"with the other settings of {run.path}"


def _command(run: FinishedRun, experiment: str, setting: str) -> str:
    """The command that makes a companion of a run: as the run's own was typed, where that has settings to repeat.

    Another experiment takes of these what says which plant it is, and where the results are.
    """
    typed = run.provenance.get("argv")
    plain = ["lqrpg", "run", f"experiment={experiment}", f"scale={run.scale}"]
    if run.has_default_settings or not isinstance(typed, list) or typed[:2] != ["lqrpg", "run"]:
        return shlex.join([*plain, *filter(None, [setting])])
    words = [str(word) for word in typed if word != "--force"]
    if experiment == run.provenance["experiment"]:
        kept = [word for word in words if not word.startswith(f"{setting.partition('=')[0]}=")]
    else:
        kept = plain + [word for word in words if re.match(r"\+*(system[.=]|results_dir=)", word)]
    return shlex.join([*kept, *filter(None, [setting])])
