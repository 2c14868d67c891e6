"""What became of a run's gains, in its last lines: where they are, and which methods lost all of their runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lqrpg.cli.hints import TABLES, hints, leave_out
from lqrpg.experiments.gains import COMPLETED, TABLE
from lqrpg.plugins import OWN, module_of
from lqrpg.runner.settings import Job

if TYPE_CHECKING:
    import pandas as pd

DIVERGED = 4
"""Exit code of a run on a plant of the user's own of which a method lost all of its runs."""
_OWN_PLANTS = ("custom", "custom_family")
_NAMED = 3


def report_gains(job: Job, folder: Path) -> tuple[list[str], int]:
    """The last lines of a finished run, and its exit code; none, and 0, for an experiment that changes no gains."""
    if TABLE not in job.experiment.TABLES:
        return [], 0
    from lqrpg.results.lookup import open_run

    run = open_run(folder)
    tables = {name: run.table(name) for name in job.experiment.TABLES}
    gains = tables[TABLE]
    lines = [f"the gain K of u = -Kx of every run, and the optimal one: {folder / (TABLE + '.parquet')}"]
    lost, system = diverged_methods(gains), job.settings.get("system") or {}
    concerned = lost or partly_lost_methods(gains)
    own = bool(system) and _is_own(str(system["kind"]))
    compares = own and set(TABLES) <= set(tables)
    what_first = hints(job, tables, lost) if compares else []
    if not concerned or (what_first and lost):
        advice = ""
    elif own and job.given:
        advice = f"{leave_out(job.given)} (docs/plants.md)"
    else:
        advice = job.experiment.advice_for(concerned)
    if not lost:
        lines += job.experiment.shortfall(tables)
        return [*lines, *(partly_lost_lines(gains, advice) if own else []), *what_first], 0
    return [*lines, *divergence_lines(gains, lost, advice), *what_first], DIVERGED if own else 0


def diverged_methods(gains: pd.DataFrame) -> list[str]:
    """Methods none of whose runs is completed."""
    completed = gains["status"].eq(COMPLETED).groupby(gains["method"], sort=False).any()
    return [str(method) for method in completed.index[~completed]]


def partly_lost_methods(gains: pd.DataFrame) -> list[str]:
    """Methods some of whose runs are not completed."""
    return [str(method) for method in gains.loc[gains["status"] != COMPLETED, "method"].drop_duplicates()]


def divergence_lines(gains: pd.DataFrame, lost: Sequence[str], advice: str) -> list[str]:
    """A line for each reason of the methods that lost all runs, and one on what helps."""
    runs = gains[gains["method"].isin(list(lost))].drop_duplicates(["method", "replicate"])
    reasons = runs.groupby("method", sort=False)["status"].agg(lambda statuses: str(statuses.mode().iloc[0]))
    every = len(lost) == gains["method"].nunique() and len(set(reasons)) == 1
    lines = []
    for reason, names in reasons.groupby(reasons, sort=False).groups.items():
        rows, of = runs[runs["method"].isin(list(names))], "" if every else f" of {_listed(list(names))}"
        lines.append(f"all {len(rows)} runs{of} diverged{_because(str(reason))}")
    return [*lines, *([advice] if advice else [])]


def partly_lost_lines(gains: pd.DataFrame, advice: str) -> list[str]:
    """One line on the methods that lost some of their runs, if there are any, and one on what helps."""
    names = partly_lost_methods(gains)
    if not names:
        return []
    runs = gains.drop_duplicates(["method", "replicate"])
    lost = runs[runs["status"] != COMPLETED]
    total = int(runs["method"].isin(names).sum())
    reason = " or ".join(dict.fromkeys(lost["status"].astype(str)))
    return [
        f"{len(lost)} of {total} runs of {_listed(names)} diverged{_because(reason)}",
        *([advice] if advice else []),
    ]


def _because(reason: str) -> str:
    """The reason behind `diverged`, unless it says no more."""
    return "" if reason == "diverged" else f": {reason}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _is_own(kind: str) -> bool:
    """Whether a plant is the user's own: the papers' runs that diverge are results."""
    module = module_of("systems", kind)
    return kind in _OWN_PLANTS or module is None or not module.startswith(f"{OWN}.")
