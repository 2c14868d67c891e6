"""`lqrpg list`: a line for each experiment with its runs; `list EXPERIMENT`: all of one; `list systems`: plants."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import click

from lqrpg.checks import SettingError
from lqrpg.claims.papers import paper_named_in
from lqrpg.cli.console import plain, text_width
from lqrpg.cli.saved import is_outdated, warn, warn_no_folder
from lqrpg.figures.registry import FigureSpec, figures
from lqrpg.plugins import choices, config_content, config_text
from lqrpg.report.parameters import about
from lqrpg.results.lookup import ABSENT, FinishedRun, differing, finished_runs
from lqrpg.results.run_directory import damaged_tables
from lqrpg.runner.registry import methods_declared, suggestion

_FEW = 3
"""Settings that are named where a run differs in them from the defaults."""
SYSTEMS = "systems"
"""What is listed by this word in the place of an experiment: the plants of the collection."""


def listing(names: Sequence[str], results: Path, *, as_json: bool) -> int:
    """Print what there is; return the exit code."""
    known = choices("experiment")
    if list(names) == [SYSTEMS]:
        from lqrpg.cli import plants

        for line in [json.dumps(plants.entries(), indent=1)] if as_json else plants.table():
            click.echo(line)
        return 0
    for name in names:
        if name not in known:
            raise SettingError(f"unknown experiment {name!r}: {suggestion(name, [*known, SYSTEMS])}")
    if as_json:
        from lqrpg.cli.compose import composer

        with composer(None):
            click.echo(json.dumps([_entry(name, results) for name in names or known], indent=1))
        return 0
    if names:
        from lqrpg.cli.description import describe

        for name in names:
            for line in describe(name, _runs_of(name, results)):
                click.echo(line)
        return 0
    for line in _table(known, results):
        click.echo(line)
    return 0


def _entry(name: str, results: Path) -> dict[str, Any]:
    content = content_of(name)
    return {
        "experiment": name,
        "command": f"lqrpg run experiment={name}",
        "figures": {figure.name: figure.shows for figure in figures_of(name)},
        "methods": methods_of(name),
        "scales": {scale: sizes["expected"] for scale, sizes in content["scales"].items()},
        "results": [_run(run) for run in _runs_of(name, results)],
    }


@cache
def content_of(choice: str) -> dict[str, Any]:
    """The YAML file of an experiment."""
    return config_content("experiment", choice)


def figures_of(choice: str) -> list[FigureSpec]:
    """The figures of an experiment, those of its paper first."""
    own = [figure for figure in figures().values() if figure.experiment == content_of(choice)["name"]]
    return sorted(own, key=lambda figure: (figure.shows.startswith("beyond"), figure.name))


def methods_of(choice: str) -> list[str]:
    """The methods that an experiment compares, or could: its own, then those of other packages."""
    content = content_of(choice)
    return list(dict.fromkeys([*content["methods"], *methods_declared()])) if "methods" in content else []


def _runs_of(choice: str, results: Path) -> list[FinishedRun]:
    return finished_runs(results, content_of(choice)["name"], warn)


def _run(run: FinishedRun) -> dict[str, Any]:
    return {
        "name": run.name,
        "path": str(run.path),
        "state": state(run),
        "differs": differences(run),
        "finished": run.provenance["finished"],
        "seconds": run.provenance["seconds"],
        "busy_seconds": run.provenance.get("busy_seconds"),
        "rows": {table: entry["rows"] for table, entry in run.provenance["tables"].items()},
    }


def state(run: FinishedRun) -> str:
    """Whether its tables are what the present settings and code would give: current, or why not; needs a `composer`."""
    found = state_of_files(run)
    if found or run.name != run.provenance["scale"]:
        return found or "current"
    from lqrpg.cli.compose import default_settings

    settings = run.provenance["settings"]
    try:
        now = default_settings(settings["name"], run.name)
    except SettingError:
        return "outdated"
    return "current" if now == settings else "outdated"


def state_of_files(run: FinishedRun) -> str:
    """What is wrong with a run as far as its files and the code's say it; empty if nothing is."""
    if damaged_tables(run.path, run.provenance):
        return "damaged"
    if run.provenance["trials"]["lost"]:
        return "incomplete"
    return "outdated" if is_outdated(run) else ""


def differences(run: FinishedRun) -> str:
    """The settings in which a run differs from the defaults, as one types them; empty if it is one with the defaults.

    They are those that differ from the default run beside it, if there is one and they are few, else what was typed.
    """
    if run.has_default_settings:
        return ""
    others = finished_runs(run.path.parent.parent, run.provenance["experiment"])
    default = next((each for each in others if each.name == run.scale), None)
    if default is not None:
        changed = differing(run.provenance["settings"], default.provenance["settings"])
        found = [f"{key}={value}" for key, (value, _) in changed.items() if value != ABSENT]
        if len(found) <= _FEW:
            return " ".join(found)
    typed = run.provenance.get("argv")
    words = [str(word) for word in typed] if isinstance(typed, list) and typed[:2] == ["lqrpg", "run"] else []
    return " ".join(word for word in words if "=" in word and word.partition("=")[0] not in _UNTOLD)


_UNTOLD = ("experiment", "scale", "backend", "chunk", "joblib_backend", "results_dir", "workers")


def _table(names: Sequence[str], results: Path) -> Iterator[str]:
    """A line for each experiment, and one on what to type next."""
    width = max(len(name) for name in names)
    shown = {name: _shown(name) for name in names}
    wide = max(map(len, shown.values()))
    yield click.style(f"{'experiment':<{width}}  {'figures':<{wide}}  time  runs in {plain(results)}/", bold=True)
    for name in names:
        scale, sizes = list(content_of(name)["scales"].items())[-1]
        head = f"{name:<{width}}  {shown[name]:<{wide}}  {sizes['expected']:>4}  "
        runs = ", ".join(_named(run) for run in reversed(_runs_of(name, results))) or "-"
        lines = textwrap.wrap(plain(runs), max(text_width() - len(head), 24), break_on_hyphens=False)
        yield head + lines[0]
        yield from (" " * len(head) + line for line in lines[1:])
    yield ""
    yield f"time: scale={scale} on two cores, without compilation"
    yield f"One experiment: lqrpg list {names[0]}    Run it: lqrpg run {names[0]} scale=smoke"
    yield f"Plants to run it on: lqrpg list {SYSTEMS}"
    yield "Figures: lqrpg plot NAME    Claims: lqrpg verify    On a page: lqrpg report"
    if not results.is_dir():
        warn_no_folder(results)


def _shown(name: str) -> str:
    """Which figures of its paper an experiment makes, and how many more: `P1 Figs. 1 2 3, 3 more`."""
    own = figures_of(name)
    paper = paper_named_in(about(config_text("experiment", name))).key
    numbers = [
        figure.shows.partition("Fig. ")[2].partition(":")[0] for figure in own if f"{paper} Fig. " in figure.shows
    ]
    parts = [f"Fig{'s' if len(numbers) > 1 else ''}. {' '.join(numbers)}"] if paper and numbers else []
    if others := len(own) - len(parts and numbers):
        parts.append(f"{others} {'more' if parts else 'beyond the paper' if paper else 'of its own'}")
    return " ".join([*([paper] if paper else []), ", ".join(parts)])


def _named(run: FinishedRun) -> str:
    """A run's name with what differs from the default, and what is wrong with it."""
    notes = [note for note in (differences(run), state_of_files(run)) if note]
    return f"{run.name} ({'; '.join(notes)})" if notes else run.name
