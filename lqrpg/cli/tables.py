"""The tables of a finished run as a dictionary that is shown by a summary of the run, not by all of their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lqrpg.cli.shown import Shown, Summary
from lqrpg.results.lookup import FinishedRun

if TYPE_CHECKING:
    import pandas as pd


class Tables(Shown, dict[str, "pd.DataFrame"]):
    """The tables of a finished run by name, read and checked at once.

    Parameters
    ----------
    run : the run.

    Raises
    ------
    lqrpg.results.atomic.DamagedFileError
        If a file is missing or not as it was written.
    """

    def __init__(self, run: FinishedRun) -> None:
        super().__init__({name: run.table(name) for name in run.provenance["tables"]})
        self.run = run

    def _summary(self) -> Summary:
        record = self.run.provenance
        lost = len(record["trials"]["lost"])
        facts = [
            ("folder", str(self.run.path)),
            ("scale", self.run.scale),
            ("seed", str(record["settings"].get("seed", ""))),
            ("version", str(record.get("version", ""))),
            ("lost", f"{lost} trial(s) have no result" if lost else ""),
        ]
        rows = [[name, str(len(table)), ", ".join(map(str, table.columns))] for name, table in self.items()]
        title = f"Run {self.run.name} of {record['experiment']}"
        return Summary(title, [fact for fact in facts if fact[1]], ("table", "rows", "columns"), rows)
