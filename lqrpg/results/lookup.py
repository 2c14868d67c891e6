"""Finding finished runs in a results folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lqrpg.results.atomic import DamagedFileError
from lqrpg.results.run_directory import read_provenance, read_run_table

Tell = Callable[[str], None]


@dataclass(frozen=True)
class FinishedRun:
    """A run whose tables can be read.

    Attributes
    ----------
    path : its folder.
    provenance : what `provenance.json` holds.
    """

    path: Path
    provenance: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the run: the last part of its folder."""
        return self.path.name

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


def _silently(line: str) -> None:
    pass


def finished_runs(results: Path, experiment: str, tell: Tell = _silently) -> list[FinishedRun]:
    """The finished runs of an experiment, newest first; those that were set aside are left out, and damaged ones told.

    Parameters
    ----------
    results : folder of all experiments.
    experiment : which one.
    tell : called with a line for each run whose record is damaged, or belongs elsewhere.
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
            tell(f"{error}, and the run is left out: the command that made it computes it again")
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


def find_run(results: Path, experiment: str, name: str | None, tell: Tell = _silently) -> FinishedRun | None:
    """The named run of an experiment, or its newest one; None if there is none. For `tell` see `finished_runs`."""
    runs = finished_runs(results, experiment, tell)
    return next((run for run in runs if name in (None, run.name)), None)


class EmptyTableError(LookupError):
    """A table has none of the rows that a figure or a claim reads."""


class MissingRunError(LookupError):
    """A run that a figure or a claim needs beside its own is not there; the message says how to compute it."""


def find_companion(run: FinishedRun, wanted: str) -> FinishedRun:
    """The newest finished run in the same results folder, of the same scale, that answers a short description.

    Parameters
    ----------
    run : the run that it stands beside.
    wanted : an experiment, such as `sgd_indirect`, or one with a setting, such as `sgd_direct?part=adjusted`.

    Raises
    ------
    MissingRunError
        If there is none.
    """
    experiment, _, condition = wanted.partition("?")
    key, _, value = condition.partition("=")
    scale = str(run.provenance["scale"])
    for other in finished_runs(run.path.parent.parent, experiment):
        if other.provenance["scale"] == scale and str(other.provenance["settings"].get(key, "")) == value:
            return other
    command = " ".join(["lqrpg run", f"experiment={experiment}", f"scale={scale}", condition]).strip()
    raise MissingRunError(f"no finished run of {wanted.replace('?', ' ')} of scale {scale}: {command}")
