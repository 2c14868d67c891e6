"""Compute the reference tables again and say what changes; write them only if told so.

make references                  # what would change
make references WRITE=--write    # change it
"""

from __future__ import annotations

import argparse
import shutil

import numpy as np
import pandas as pd

from lqrpg.results.comparison import table_difference
from tests.reference.comparison import deviations, table_deviations
from tests.reference.runs import FOLDER, RENEW, Tables, compute, experiment_of, load, runs, store


def changes(run: str, kept: Tables, found: Tables, experiment: str) -> list[str]:
    """One line for each table, and one for each column that differs."""
    lines = []
    for name in dict.fromkeys([*kept, *found]):
        if name not in kept or name not in found:
            lines.append(f"{run}/{name}: {'new' if name in found else 'removed'}")
        else:
            lines += _table_changes(f"{run}/{name}", f"{experiment}/{name}", kept[name], found[name])
    return lines


def _table_changes(title: str, table: str, kept: pd.DataFrame, found: pd.DataFrame) -> list[str]:
    difference = table_difference(table, kept, found)
    if not difference.differs:
        return [f"{title}: unchanged"]
    verdict = "CHANGED" if table_deviations(table, kept, found) else "differs by rounding"
    lines = [f"{title}: {verdict}" + "".join(f"; {note}" for note in difference.notes)]
    for column in difference.columns:
        size = "" if np.isnan(column.relative) else f", relative difference up to {column.relative:.2g}"
        lines.append(f"    {column.column}: {column.rows} rows{size}")
    return lines


def main() -> None:
    """Compare every run with what is kept of it; `--write` keeps new tables where more than rounding differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="keep the new tables")
    write = parser.parse_args().write
    changed = [run for run, overrides in runs().items() if _renew(run, overrides, write=write)]
    changed += _drop_old(write=write)
    if changed:
        print(f"written: {', '.join(changed)}" if write else f"nothing written; to keep these tables: {RENEW}")


def _renew(run: str, overrides: list[str], *, write: bool) -> bool:
    """Report on a run; true if more than rounding differs, and only then it is written."""
    experiment = experiment_of(overrides)
    kept, found = load(run), compute(experiment)
    print("\n".join(changes(run, kept, found, experiment.name)), flush=True)
    changed = bool(deviations(kept, found, experiment.name))
    if changed and write:
        store(run, found)
    return changed


def _drop_old(*, write: bool) -> list[str]:
    """Folders of runs that are no longer made."""
    old = [folder for folder in sorted(FOLDER.iterdir()) if folder.name not in runs()]
    for folder in old:
        print(f"{folder.name}: removed")
        if write:
            shutil.rmtree(folder)
    return [folder.name for folder in old]


if __name__ == "__main__":
    main()
