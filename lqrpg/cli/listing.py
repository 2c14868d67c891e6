"""`lqrpg list`: experiments, their figures and scales, and the results that are there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import yaml

from lqrpg.checks import SettingError
from lqrpg.cli.compose import composer, request
from lqrpg.cli.console import plain
from lqrpg.cli.saved import is_outdated, warn
from lqrpg.figures.registry import figures
from lqrpg.plugins import choices, config_text
from lqrpg.results.lookup import FinishedRun, finished_runs
from lqrpg.results.run_directory import damaged_tables
from lqrpg.runner.registry import methods_declared


def listing(results: Path, *, as_json: bool) -> int:
    """Print what there is; return the exit code."""
    with composer(None):
        entries = [_entry(name, results) for name in choices("experiment")]
    if as_json:
        click.echo(json.dumps(entries, indent=1))
    else:
        _print(entries, results)
    return 0


def _entry(name: str, results: Path) -> dict[str, Any]:
    content = yaml.safe_load(config_text("experiment", name))
    return {
        "experiment": name,
        "command": f"lqrpg run experiment={name}",
        "figures": {figure.name: figure.shows for figure in figures().values() if figure.experiment == content["name"]},
        "methods": list(dict.fromkeys([*content["methods"], *methods_declared()])) if "methods" in content else [],
        "scales": {scale: sizes["expected"] for scale, sizes in content["scales"].items()},
        "results": [_run(run) for run in finished_runs(results, content["name"], warn)],
    }


def _run(run: FinishedRun) -> dict[str, Any]:
    return {
        "name": run.name,
        "path": str(run.path),
        "state": state(run),
        "finished": run.provenance["finished"],
        "seconds": run.provenance["seconds"],
        "busy_seconds": run.provenance.get("busy_seconds"),
        "rows": {table: entry["rows"] for table, entry in run.provenance["tables"].items()},
    }


def state(run: FinishedRun) -> str:
    """Whether its tables are what the present settings and code would give: current, or why not."""
    if damaged_tables(run.path, run.provenance):
        return "damaged"
    if run.provenance["trials"]["lost"]:
        return "incomplete"
    if is_outdated(run):
        return "outdated"
    settings = run.provenance["settings"]
    if run.name == run.provenance["scale"]:
        try:
            now = request([f"experiment={settings['name']}", f"scale={run.name}"])
        except SettingError:
            return "outdated"
        return "current" if now.job.settings == settings else "outdated"
    return "current"


def _print(entries: list[dict[str, Any]], results: Path) -> None:
    from rich.table import Table
    from rich.text import Text

    from lqrpg.cli.console import table_console

    console = table_console()
    for entry in entries:
        scales = ", ".join(f"{scale} ({expected})" for scale, expected in entry["scales"].items())
        console.print(f"[bold]{entry['experiment']}[/bold]    {entry['command']}    scales: {scales}")
        table = Table(box=None, show_header=False, pad_edge=True)
        for name, shows in entry["figures"].items():
            table.add_row(name, shows)
        console.print(table)
        if entry["methods"]:
            console.print(Text(plain(f"  methods: {', '.join(entry['methods'])}")))
        if not entry["results"]:
            console.print(Text(plain(f"  no results in {results}")))
        for run in entry["results"]:
            work = run["seconds"] if run["busy_seconds"] is None else run["busy_seconds"]
            ended = f"finished {run['finished']}, {work:.0f} s of work"
            console.print(Text(plain(f"  {run['path']}: {run['state']}, {ended}")))
