"""`lqrpg export`: saved tables to CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lqrpg.checks import SettingError
from lqrpg.cli.complete import choices
from lqrpg.cli.console import say
from lqrpg.cli.plot import MISSING_TABLES
from lqrpg.experiments.registry import suggestion
from lqrpg.results.atomic import DamagedFileError, write_atomically
from lqrpg.results.lookup import FinishedRun, find_run


def export(experiments: Sequence[str], results: Path, run_name: str | None, out: Path) -> int:
    """Write `out/<experiment>/<run>/<table>.csv` for the wanted experiments, or for all; return the exit code."""
    known = choices("experiment")
    for wanted in experiments:
        if wanted not in known:
            raise SettingError(f"unknown experiment {wanted!r}: {suggestion(wanted, known)}")
    missing = False
    for name in dict.fromkeys(experiments or known):
        run = find_run(results, name, run_name)
        if run is None:
            missing = True
            which = f" named {run_name!r}" if run_name else ""
            say(f"lqrpg: no finished run{which} of {name} in {results}: lqrpg run experiment={name}", err=True)
            continue
        _write(run, out / name / run.name)
    return MISSING_TABLES if missing else 0


def _write(run: FinishedRun, folder: Path) -> None:
    """All tables of a run. Python's shortest digits read back as the same number; a missing one is NaN."""
    for name in run.provenance["tables"]:
        try:
            table = run.table(name)
        except DamagedFileError as error:
            raise SettingError(f"{error}: the command that made the run computes it again") from None
        folder.mkdir(parents=True, exist_ok=True)
        text = table.to_csv(index=False, na_rep="NaN", lineterminator="\n")
        write_atomically(folder / f"{name}.csv", text.encode())
        say(str(folder / f"{name}.csv"))
