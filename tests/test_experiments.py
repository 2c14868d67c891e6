"""Every experiment, at its smallest scale: the same bits anywhere, the contract's columns, figures, statuses."""

import os

import numpy as np
import pandas as pd
import pytest

from lqrpg.backends.loky import LokyBackend
from lqrpg.backends.serial import SerialBackend
from lqrpg.cli.compose import requests
from lqrpg.cli.run_tables import RunTables
from lqrpg.figures.registry import figures
from lqrpg.figures.style import house_style, save
from lqrpg.plugins import choices
from lqrpg.results.comparison import TIMINGS
from lqrpg.results.lookup import EmptyTableError, select
from lqrpg.results.run_directory import RunDirectory
from lqrpg.runner import execute as execution
from lqrpg.runner.execute import Reporter, Result, execute

EXPERIMENTS = choices("experiment")
QUIET = Reporter(say=lambda line: None, begin=lambda tasks, done: None, advance=lambda title, task: None)
QUICK = {("azopg", 2), ("shootout", 2), ("qsa_monte_carlo", 2)}
"""Experiments and numbers of workers whose tables are compared in the quick tests too."""


def compute(experiment, folder, monkeypatch, *, workers=1, chunk=1):
    (request,) = requests(
        [f"experiment={experiment}", "scale=smoke", f"results_dir={folder}", f"chunk={chunk}"], None, multirun=False
    )
    place = SerialBackend() if workers == 1 else LokyBackend(workers)
    monkeypatch.setattr(execution, "backend", lambda name, processes: place)
    directory = execution.run_directory(request.job, request.run_name)
    assert execute(request.job, directory, force=False, report=QUIET) is Result.COMPUTED
    return directory


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    """Serial runs, each computed once."""
    runs: dict[str, RunDirectory] = {}

    def get(experiment):
        if experiment not in runs:
            with pytest.MonkeyPatch.context() as patch:
                runs[experiment] = compute(experiment, tmp_path_factory.mktemp("serial"), patch)
        return runs[experiment]

    return get


def bits(directory):
    files = sorted(directory.path.glob("*.parquet"))
    return {file.name: file.read_bytes() for file in files if file.stem not in TIMINGS}


@pytest.mark.parametrize(
    ("experiment", "workers", "chunk"),
    [
        pytest.param(name, workers, chunk, marks=() if (name, workers) in QUICK else pytest.mark.slow)
        for name in EXPERIMENTS
        for workers, chunk in ((2, 1), (1, 3), (4, 2))
    ],
)
def test_tables_are_the_same_bits_for_any_workers_and_chunks(experiment, workers, chunk, serial, tmp_path, monkeypatch):
    other = compute(experiment, tmp_path, monkeypatch, workers=workers, chunk=chunk)
    assert bits(other) == bits(serial(experiment))


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_tables_have_the_contracts_columns_and_no_silent_nan(experiment, serial):
    run = select(serial(experiment).path.parent.parent, experiment).run
    (request,) = requests([f"experiment={experiment}", "scale=smoke"], None, multirun=False)
    assert set(run.provenance["tables"]) == set(request.job.experiment.TABLES)
    for name, columns in request.job.experiment.TABLES.items():
        table = run.table(name)
        assert list(table.columns) == list(columns)
        assert len(table) > 0 or name in TIMINGS  # nothing is timed where the clock is virtual
        assert table.attrs["settings"] == request.job.settings
        floats = table.select_dtypes("float")
        broken = ~np.isfinite(floats).all(axis=1)
        explained = pd.Series(False, index=table.index)
        if "censored" in table:
            explained |= table["censored"]
        if "fail_step" in table:
            explained |= table["fail_step"] >= 0
        if "status" in table:
            explained |= table["status"] != "completed"
        assert not (broken & ~explained).any()


def timings_are_missing(spec, tables):
    """Whether a figure shows a table of timings that has no rows, as where the clock is virtual."""
    try:
        spec.draw(tables)
    except EmptyTableError as error:
        return any(repr(name) in str(error) for name in TIMINGS)
    return False


@pytest.mark.parametrize(
    "experiment",
    [name if name == "sgd_biased" else pytest.param(name, marks=pytest.mark.slow) for name in EXPERIMENTS],
)
def test_figures_are_drawn_and_drawn_again_to_the_same_bytes(experiment, serial, tmp_path):
    tables = RunTables(select(serial(experiment).path.parent.parent, experiment).run)
    specs = [spec for spec in figures().values() if spec.experiment == experiment]
    assert specs
    for attempt in ("one", "two"):
        (tmp_path / attempt).mkdir()
        with house_style():
            for spec in specs:
                if timings_are_missing(spec, tables):
                    continue
                save(spec.draw(tables), tmp_path / attempt, spec.name, ("pdf", "png", "svg"))
    first, second = sorted((tmp_path / "one").iterdir()), sorted((tmp_path / "two").iterdir())
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]
    assert all(file.stat().st_size > 2000 for file in first)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_provenance_says_where_numbers_come_from(experiment, serial):
    record = select(serial(experiment).path.parent.parent, experiment).run.provenance
    assert record["settings"]["name"] == experiment
    assert record["libraries"]["numpy"] == np.__version__
    assert record["machine"]["cores"] == os.cpu_count()
    assert {"identity", "sources", "started", "finished", "seconds", "argv", "seed", "workers", "commit"} <= set(record)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_tables_are_made_of_the_parts_that_are_there(experiment):
    """A run of which every trial is lost ends with empty tables, not in the middle of nowhere."""
    (request,) = requests([f"experiment={experiment}", "scale=smoke"], None, multirun=False)
    tables = request.job.experiment.tables([])
    assert {name: list(table.columns) for name, table in tables.items()} == {
        name: list(columns) for name, columns in request.job.experiment.TABLES.items()
    }
    assert all(table.empty for table in tables.values())
