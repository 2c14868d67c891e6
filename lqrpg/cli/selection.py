"""Which experiments the words of a command name, and which of their runs it reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from lqrpg.checks import SettingError
from lqrpg.claims.papers import paper_of, papers
from lqrpg.cli.console import echo
from lqrpg.cli.saved import warn, warn_lost, warn_outdated
from lqrpg.results.lookup import FinishedRun, Selection, Warn, no_run, select
from lqrpg.runner.registry import suggestion


def chosen(words: Sequence[str], known: Sequence[str]) -> list[str]:
    """The known experiments that words name, each once, in the known order: all where there are no words.

    Parameters
    ----------
    words : names of experiments, their beginnings, or papers such as `P1`.
    known : names of experiments.

    Raises
    ------
    SettingError
        If a word names none.
    """
    named: set[str] = set()
    for word in words:
        found = {name for name in known if _names(word, name)}
        if not found:
            raise SettingError(f"unknown experiment or paper {word!r}: {suggestion(word, [*known, *papers()])}")
        named |= found
    return [name for name in known if name in named or not words]


class SelectedRuns:
    """The runs that a command reads: of each experiment the one that `select` takes.

    Parameters
    ----------
    experiments : their names.
    results : folder of all experiments.
    name : name of the runs; without it those with default settings of the largest scale.
    damaged : called with a line for each run that cannot be read.
    """

    def __init__(self, experiments: Sequence[str], results: Path, name: str | None, damaged: Warn = warn) -> None:
        self.selections = [select(results, experiment, name, damaged) for experiment in experiments]

    def __iter__(self) -> Iterator[tuple[Selection, FinishedRun]]:
        """Each run that is there, after what a reader should know of it: newer ones, changed code, lost trials."""
        for selection in self.selections:
            if selection.run is not None:
                newer = ", ".join(run.name for run in selection.newer)
                hint = f"; newer, not taken without --run: {newer}" if newer and selection.name is None else ""
                echo(f"{selection.experiment}: from {selection.run.path}{hint}", err=True)
                warn_outdated(selection.run)
                warn_lost(selection.run)
                yield selection, selection.run

    @property
    def missing(self) -> list[Selection]:
        """The experiments without such a run."""
        return [selection for selection in self.selections if selection.run is None]

    def warn_missing(self) -> None:
        """Say of which experiments there is no run: on one line if there is none of several."""
        missing = self.missing
        if len(missing) == len(self.selections) > 1:
            named = f"named {missing[0].name!r}" if missing[0].name else ""
            makes = "lqrpg run experiment=NAME makes one, lqrpg reproduce all, --results names another folder"
            warn(no_run(named, f"in {missing[0].results}", makes))
            return
        for selection in missing:
            warn(selection.missing)


def _names(word: str, experiment: str) -> bool:
    if word.upper() in papers():
        return paper_of(experiment).key == word.upper()
    return bool(word) and experiment.startswith(word)
