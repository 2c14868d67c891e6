"""`lqrpg report`: everything about the results that are there, on one page."""

from __future__ import annotations

import contextlib
import inspect
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from lqrpg.backends.cores import usable_cores
from lqrpg.caches import cache_of
from lqrpg.checks import SettingError
from lqrpg.claims.papers import OTHER, Paper, paper_named_in, paper_of, papers
from lqrpg.claims.registry import Claim, claims
from lqrpg.cli.compose import composer, default_settings, known_defaults
from lqrpg.cli.console import echo
from lqrpg.cli.drawing import in_processes
from lqrpg.cli.report_run import parameters_of, provenance_of, warnings_of
from lqrpg.cli.run_tables import RunTables, drawn
from lqrpg.cli.saved import MISSING_TABLES, command_of, require_writable
from lqrpg.cli.selection import SelectedRuns, chosen
from lqrpg.cli.verdicts import accepted_text, measured_text
from lqrpg.cli.verify import check
from lqrpg.figures.registry import FigureSpec, figures
from lqrpg.figures.style import house_style
from lqrpg.plugins import choices, config_content, config_text
from lqrpg.report.content import KINDS, ClaimPart, ExperimentPart, FigurePart, PaperPart
from lqrpg.report.images import files, image
from lqrpg.report.kept_figures import KeptFigure, kept_figure
from lqrpg.report.page import page
from lqrpg.report.parameters import about
from lqrpg.results.atomic import write_atomically
from lqrpg.results.lookup import FULL_SCALE, FinishedRun, Selection

T = TypeVar("T")


@dataclass(frozen=True)
class _Entry:
    """An experiment of the package, and the run that is shown."""

    name: str
    choice: str
    selection: Selection
    options: str

    @property
    def run(self) -> FinishedRun | None:
        return self.selection.run

    @cached_property
    def tables(self) -> RunTables | None:
        return RunTables(self.run) if self.run else None

    @cached_property
    def text(self) -> str:
        return config_text("experiment", self.choice)

    @property
    def command(self) -> str:
        return f"lqrpg run {self.choice}"

    @property
    def paper(self) -> Paper:
        own = paper_of(self.name)
        return own if own is not OTHER else paper_named_in(about(self.text))


def report(experiments: Sequence[str], results: Path, run_name: str | None, out: Path) -> int:
    """Write the page of the experiments that words name, or of all; return the exit code."""
    found = _choices()
    runs = SelectedRuns(chosen(experiments, [*found]), results, run_name, named=bool(experiments))
    shown = [selection.experiment for selection, _ in runs]
    runs.warn_missing()
    if not shown:
        return MISSING_TABLES
    require_writable(out.parent, "--out ")
    options = "" if results == Path("results") else f" --results {shlex.quote(str(results))}"
    options += f" --run {shlex.quote(run_name)}" if run_name else ""
    entries = [_Entry(each.experiment, found[each.experiment], each, options) for each in runs.selections]
    drew, settings = _all_work(entries)
    with composer(None):
        known_defaults.update(settings)
        parts = [_paper(paper, entries, drew) for paper in (*papers().values(), OTHER)]
    out.parent.mkdir(parents=True, exist_ok=True)
    # a stranger's text may hold half a character, which no encoding has
    write_atomically(out, page([part for part in parts if part.experiments]).encode("utf-8", "backslashreplace"))
    echo(str(out))
    return 0


def _choices() -> dict[str, str]:
    """The YAML file of every experiment, by its name; a variant file of an experiment adds none."""
    found: dict[str, str] = {}
    for choice in choices("experiment"):
        name = str(config_content("experiment", choice).get("name", choice))
        if name not in found or name == choice:
            found[name] = choice
    return found


def _paper(paper: Paper, entries: list[_Entry], drew: Mapping[str, _Drew]) -> PaperPart:
    own = [entry for entry in entries if entry.paper is paper]
    specs = sorted(figures().values(), key=lambda spec: spec.shows.startswith("beyond"))  # the paper's own first
    shown = [_figure(spec, entry, drew) for spec in specs for entry in own if spec.experiment == entry.name]
    judged = [_claim(claim, entry) for entry in own for claim in claims() if claim.experiment == entry.name]
    used = {run.path: run for _, runs in [*shown, *judged] for run in runs}
    return PaperPart(
        paper,
        [figure for figure, _ in shown],
        _told_once([claim for claim, _ in judged]),
        [part for entry in own for part in _experiments(entry, list(used.values()))],
    )


def _told_once(parts: Sequence[ClaimPart]) -> list[ClaimPart]:
    """The claims; of those that share a change all but the first refer to it."""
    first: dict[str, str] = {}
    told = [first.setdefault(part.claim.change, part.claim.name) for part in parts]
    return [replace(part, told_at=at if at != part.claim.name else "") for part, at in zip(parts, told, strict=True)]


_Drew = tuple[KeptFigure | None, str]
"""A figure, or None and why there is none."""


_Work = tuple[dict[str, _Drew], dict[tuple[str, str], dict[str, Any]]]
"""What takes long: figures by name, and default settings by experiment and scale."""


def _all_work(entries: Sequence[_Entry]) -> _Work:
    """The work of all experiments, each in a process of its own where that pays, and here what a process left out."""
    waiting = [entry for entry in entries if entry.run]
    waiting.sort(key=lambda entry: -len(_specs_of(entry)))
    drew: dict[str, _Drew] = {}
    settings: dict[tuple[str, str], dict[str, Any]] = {}
    elsewhere = in_processes(_work_of, waiting) if usable_cores() > 1 and len(waiting) > 1 else ()
    here = (_work_of(entry) for entry in waiting if any(spec.name not in drew for spec in _specs_of(entry)))
    for figures_of_one, defaults in chain(elsewhere, here):
        drew |= figures_of_one
        settings |= defaults
    return drew, settings


def _specs_of(entry: _Entry) -> list[FigureSpec]:
    return [spec for spec in figures().values() if spec.experiment == entry.name]


def _work_of(entry: _Entry) -> _Work:
    """The work of an experiment."""
    with house_style():
        drew = {spec.name: _drew(spec, entry) for spec in _specs_of(entry)}
    with composer(None):
        for scale in {FULL_SCALE, *([entry.run.scale] if entry.run else [])}:
            with contextlib.suppress(SettingError):  # a scale that it does not have
                default_settings(entry.choice, scale)
    return drew, {key: settings for key, settings in known_defaults.items() if key[0] == entry.choice}


def _drew(spec: FigureSpec, entry: _Entry) -> _Drew:
    return _attempt(lambda: _figure_of(spec, entry.selection.meeting(spec.condition)))


def _figure_of(spec: FigureSpec, run: FinishedRun) -> KeptFigure:
    """The figure of a run, drawn now or before."""
    tables = RunTables(run)

    def draw() -> KeptFigure:
        (picture, kept), used = drawn(spec, tables, lambda figure: (image(figure), files(figure, spec.name)))
        return KeptFigure(picture, kept, used)

    return kept_figure(cache_of("figures"), spec.name, run, draw, lambda: tables.asked)


def _figure(spec: FigureSpec, entry: _Entry, drew: Mapping[str, _Drew]) -> tuple[FigurePart, Sequence[FinishedRun]]:
    """The figure, and the runs that it shows."""
    reads = " ".join((inspect.getdoc(spec.draw) or "").partition("\n\n")[0].split())
    command = f"lqrpg plot {spec.name}{entry.options}"
    if entry.run is None:
        return FigurePart(spec.name, spec.shows, reads, command, problem=f"No finished run yet: {entry.command}"), ()
    found, problem = drew[spec.name]
    if found is None:
        return FigurePart(spec.name, spec.shows, reads, command, problem=problem), ()
    for run in found.used:
        if run.path != entry.run.path:
            reads += " " + " ".join([f"From the run {run.name}.", *warnings_of(run)])
    return FigurePart(spec.name, spec.shows, reads, command, found.picture, "", found.files), found.used


def _claim(claim: Claim, entry: _Entry) -> tuple[ClaimPart, Sequence[FinishedRun]]:
    """The claim with what became of it, and the runs of which tables were read."""
    accepted, tables = accepted_text(claim), entry.tables
    if tables is None:
        return ClaimPart(claim, accepted, problem=f"No finished run yet: {entry.command}"), ()
    row, problem = _attempt(lambda: check(claim, tables))
    if row is None:
        return ClaimPart(claim, accepted, problem=problem), ()
    verdict = row["verdict"]
    return ClaimPart(claim, accepted, measured_text(verdict), KINDS[verdict.outcome], verdict.reason), row["used"]


def _attempt(work: Callable[[], T]) -> tuple[T | None, str]:
    """A value, or why there is none: tables may be damaged, of another version, or a stranger's."""
    try:
        return work(), ""
    except Exception as error:
        reason = str(error).partition("\n")[0]
        known = isinstance(error, (LookupError, ValueError)) and not isinstance(error, (KeyError, IndexError))
        return None, reason if known else f"These tables do not fit: {type(error).__name__}: {reason}"


def _experiments(entry: _Entry, used: Sequence[FinishedRun]) -> list[ExperimentPart]:
    """The experiment with the run that is shown, then with others of its runs that figures or claims have used."""
    if entry.run is None:
        return [ExperimentPart(entry.name, about(entry.text), entry.command)]
    own = entry.run
    others = [run for run in used if run.provenance["experiment"] == entry.name and run.path != own.path]
    first = _experiment(entry, own)
    told = {(each.key, each.value) for each in first.parameters}
    parts = [_experiment(entry, run) for run in others]
    return [
        first,
        *(replace(part, parameters=[p for p in part.parameters if (p.key, p.value) not in told]) for part in parts),
    ]


def _experiment(entry: _Entry, run: FinishedRun) -> ExperimentPart:
    return ExperimentPart(
        entry.name,
        about(entry.text),
        command_of(run),
        run.name,
        warnings_of(run),
        parameters_of(run, entry.choice, entry.text),
        provenance_of(run.provenance),
    )
