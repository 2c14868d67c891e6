"""Which experiments the words of a command name, and which of their runs it reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lqrpg.checks import SettingError
from lqrpg.claims.papers import paper_of, papers
from lqrpg.cli.console import echo
from lqrpg.cli.saved import warn, warn_lost, warn_no_folder, warn_outdated
from lqrpg.figures.registry import figures
from lqrpg.results.lookup import FULL_SCALE, FinishedRun, Selection, Warn, no_run, select
from lqrpg.runner.registry import suggestion


def chosen(words: Sequence[str], known: Sequence[str], others: Iterable[str] = ()) -> list[str]:
    """The known experiments that words name, each once, in the known order: all where there are no words.

    Parameters
    ----------
    words : names of experiments, their beginnings, or papers such as `P1`.
    known : names of experiments.
    others : other names that might be meant, for the suggestion.

    Raises
    ------
    SettingError
        If a word names none.
    """
    named: set[str] = set()
    for word in words:
        found = {name for name in known if _names(word, name)}
        if not found:
            what = "experiment, paper or claim" if others else "experiment or paper"
            hint = suggestion(word, [*known, *papers(), *others])
            if others and hint.startswith("known"):  # every claim by name is more than a line
                hint = f"known: {', '.join([*papers(), *known])}; claims by name: lqrpg verify --long"
            raise SettingError(f"unknown {what} {word!r}: {hint}")
        named |= found
    return [name for name in known if name in named or not words]


def run_options(name: str, results: str) -> list[str]:
    """The options that name a run and the folder of all results to commands; none for those that they take anyway."""
    options = [] if name == FULL_SCALE else ["--run", name]
    return options if results == "results" else [*options, "--results", results]


class SelectedRuns:
    """The runs that a command reads: of each experiment the one that `select` takes.

    Parameters
    ----------
    experiments : their names.
    results : folder of all experiments.
    name : name of the runs; without it those with default settings of the largest scale.
    damaged : called with a line for each run that cannot be read.
    says_from : whether to say which runs are read.
    named : whether the experiments were named; where all are taken, those without a run are left out.
    """

    def __init__(
        self,
        experiments: Sequence[str],
        results: Path,
        name: str | None,
        damaged: Warn = warn,
        *,
        says_from: bool = True,
        named: bool = True,
    ) -> None:
        self.selections = [select(results, experiment, name, damaged) for experiment in experiments]
        self._says_from, self._named = says_from, named

    def __iter__(self) -> Iterator[tuple[Selection, FinishedRun]]:
        """Each run that is there, after what a reader should know of it: newer ones, changed code, lost trials."""
        taken = [(selection, selection.run) for selection in self.selections if selection.run is not None]
        if taken and self._says_from:
            echo(f"from {_common([run.path for _, run in taken])}", err=True)
        newer = [run.path for selection, _ in taken if selection.name is None for run in _untaken(selection)]
        if newer:
            echo(f"newer, not taken without --run: {', '.join(map(str, newer))}", err=True)
        for selection, run in taken:
            warn_outdated(run)
            warn_lost(run)
            yield selection, run

    @property
    def missing(self) -> list[Selection]:
        """The experiments without such a run."""
        return [selection for selection in self.selections if selection.run is None]

    @property
    def is_lacking(self) -> bool:
        """Whether a run is missing that was asked for: any of those that were named, or all of all."""
        return bool(self.missing) and (self._named or len(self.missing) == len(self.selections))

    def warn_missing(self) -> None:
        """Say on one line of which experiments there is no run that was asked for."""
        missing = self.missing
        if not self.is_lacking:
            return
        if len(missing) == 1:
            return warn(missing[0].missing)
        results, name = missing[0].results, missing[0].name
        if not results.is_dir():
            return warn_no_folder(results)
        which = f"named {name!r} " if name else ""
        which += "" if len(missing) == len(self.selections) else f"of {', '.join(each.experiment for each in missing)}"
        return warn(no_run(which.strip(), f"in {results}", "lqrpg run NAME makes one, lqrpg reproduce all"))


def _untaken(selection: Selection) -> list[FinishedRun]:
    """The runs that are newer than the one that is taken, those left out that its figures and claims read beside it."""
    conditions = [
        condition
        for figure in figures().values()
        if figure.experiment == selection.experiment
        for condition in (figure.condition, figure.beside)
        if condition
    ]
    beside = [run for condition in conditions for run in selection.newer if selection.is_beside(run, condition)]
    return [run for run in selection.newer if run not in beside]


def _common(paths: Sequence[Path]) -> str:
    """Folders of runs on one line; where they have one name, that stands once."""
    if len(paths) > 1 and len({path.name for path in paths}) == 1:
        return f"{paths[0].parent.parent}: {', '.join(path.parent.name for path in paths)}, runs named {paths[0].name}"
    return ", ".join(map(str, paths))


def _names(word: str, experiment: str) -> bool:
    if word.upper() in papers():
        return paper_of(experiment).key == word.upper()
    return bool(word) and experiment.startswith(word)
