"""`lqrpg compare`: what differs between two runs of an experiment."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lqrpg.checks import SettingError
from lqrpg.cli.console import echo, plain
from lqrpg.results.atomic import DamagedFileError
from lqrpg.results.comparison import (
    TIMINGS,
    TableDifference,
    differing_settings,
    differing_tables,
    differing_versions,
    table_difference,
)
from lqrpg.results.lookup import Differing, FinishedRun, differing, open_run
from lqrpg.results.tables import read_table


def compare(path_a: Path, path_b: Path, figures: Path | None) -> int:
    """Print how the runs differ, and with a folder draw their figures into it; return the exit code.

    In the place of the second one a single table will do.
    """
    if path_b.suffix == ".parquet":
        return _compare_table(_open(path_a), path_b)
    a, b = _open(path_a), _open(path_b)
    if a.provenance["experiment"] != b.provenance["experiment"]:
        names = " and ".join(str(run.provenance["experiment"]) for run in (a, b))
        raise SettingError(f"these are runs of different experiments, {names}")
    try:
        tables = differing_tables(a, b)
    except DamagedFileError as error:
        raise SettingError(f"{error}: the command that made the run computes it again") from None
    settings = differing_settings(a, b)
    _print_head(a, b)
    _print_values("parameters", settings)
    _print_values("versions", differing_versions(a, b))
    _print_tables(tables)
    if figures is not None:
        from lqrpg.cli.side_by_side import draw

        draw(a, b, figures)
    return 1 if settings or any(each.table not in TIMINGS for each in tables) else 0


def _compare_table(run: FinishedRun, file: Path) -> int:
    """The same for a table that came alone, against that of a run; it carries the settings of its own run."""
    try:
        table = read_table(file, None)
        own = run.table(file.stem) if file.stem in run.provenance["tables"] else None
    except DamagedFileError as error:
        raise SettingError(str(error)) from None
    settings, experiment = table.attrs.get("settings"), run.provenance["experiment"]
    if own is None or table.attrs.get("experiment") != experiment or not isinstance(settings, dict):
        names = ", ".join(f"{name}.parquet" for name in sorted(run.provenance["tables"]))
        raise SettingError(f"{file}: expected a table of a run of {experiment}, under its own name: {names}")
    differing_ones = differing(run.provenance["settings"], settings)
    difference = table_difference(file.stem, own, table)
    echo(f"A: {run.path}, finished {run.provenance['finished']}")
    echo(f"B: {file}, {len(table)} rows")
    _print_values("parameters", differing_ones)
    _print_tables([difference] if difference.differs else [])
    return 1 if differing_ones or (difference.differs and file.stem not in TIMINGS) else 0


def _open(path: Path) -> FinishedRun:
    try:
        return open_run(path)
    except (FileNotFoundError, NotADirectoryError):
        raise SettingError(f"{path}: not the folder of a finished run, such as results/azopg/paper") from None
    except DamagedFileError as error:
        raise SettingError(str(error)) from None


def _print_head(a: FinishedRun, b: FinishedRun) -> None:
    for letter, run in (("A", a), ("B", b)):
        echo(f"{letter}: {run.path}, finished {run.provenance['finished']}")


def _print_values(title: str, values: Differing) -> None:
    echo(f"{title}: " + (f"{len(values)} differ" if values else "equal"))
    rows = [(plain(key), _text(one), _text(other)) for key, (one, other) in values.items()]
    _print_columns([("", "A", "B"), *rows] if rows else [])


def _text(value: Any) -> str:
    if isinstance(value, dict) and "kind" in value:
        return "a plant"  # that only one of the runs has
    return plain(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _print_tables(tables: Sequence[TableDifference]) -> None:
    echo("tables: " + (f"{len(tables)} differ" if tables else "equal"))
    for each in tables:
        timing = " (measured times: they do not count)" if each.table in TIMINGS else ""
        echo(f"  {each.table}{timing}" + "".join(f"; {note}" for note in each.notes))
        rows = [
            (plain(each.column), str(each.rows), _number(each.absolute), _number(each.relative))
            for each in each.columns
        ]
        _print_columns([("column", "rows", "largest difference", "relative"), *rows] if rows else [], indent=4)


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}"


def _print_columns(rows: Sequence[tuple[str, ...]], indent: int = 2) -> None:
    if not rows:
        return
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    for row in rows:
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        echo(" " * indent + cells.rstrip())
