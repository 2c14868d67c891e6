"""Small runs of every experiment give the tables that are kept in `tests/reference/tables`, column by column."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lqrpg.results.comparison import TIMINGS
from lqrpg.runner.registry import experiment_class
from tests.reference import runs as reference
from tests.reference.comparison import deviations, table_deviations
from tests.reference.one_ulp import effects
from tests.reference.renew import changes
from tests.reference.tolerances import AMPLIFIED, RELATIVE, ROUNDINGS, tolerance

RUNS = reference.runs()
ABSENT = sorted(path.name for path in reference.FOLDER.iterdir() if path.name not in RUNS)


@pytest.fixture(scope="module")
def kept():
    return {run: reference.load(run) for run in RUNS}


@pytest.mark.parametrize("run", RUNS)
def test_a_run_gives_the_tables_that_are_kept(run, kept):
    assert kept[run], f"no reference tables of {run}; to make them: {reference.RENEW}"
    experiment = reference.experiment_of(RUNS[run])
    wrong = deviations(kept[run], reference.compute(experiment), experiment.name)
    assert not wrong, "\n".join([*wrong, f"if this is meant: {reference.RENEW}"])


def test_what_is_kept_is_complete_and_small(kept):
    assert not ABSENT, f"no experiment makes {ABSENT}: {reference.RENEW}"
    for run, overrides in RUNS.items():
        expected = set(experiment_class(reference.experiment_name(overrides)).TABLES) - TIMINGS
        assert set(kept[run]) == expected, f"{run}: {reference.RENEW}"
    assert sum(file.stat().st_size for file in reference.FOLDER.glob("*/*")) < 400_000


def test_what_is_written_is_read_back_to_the_bit(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "FOLDER", tmp_path)
    for run, tables in kept.items():
        reference.store(run, tables)
        for name, table in reference.load(run).items():
            pd.testing.assert_frame_equal(table, tables[name], check_exact=True)


def every_table(kept):
    """The first rows of each table: what happens to one is found as in the whole."""
    for run, tables in kept.items():
        for name, table in tables.items():
            yield f"{reference.experiment_name(RUNS[run])}/{name}", table.head(200)


def changed(table, column, row, value):
    other = table.copy()
    other.loc[row, column] = value
    return other


def test_a_changed_float_is_found_in_every_column(kept):
    """A millionth of the largest value; or, where more is allowed, twice what is allowed."""
    for title, table in every_table(kept):
        assert table_deviations(title, table, table.copy()) == []
        for column in table.select_dtypes("float"):
            finite = table[column][np.isfinite(table[column])]
            row = finite.abs().idxmax()
            allowed = tolerance(title, column)
            step = max(1e-6 * abs(finite[row]), 2 * (allowed.absolute + allowed.relative * abs(finite[row])), 1e-300)
            found = table_deviations(title, table, changed(table, column, row, finite[row] + step))
            assert [line.split(":")[0] for line in found] == [f"column {column}"], title
            assert table_deviations(title, table, changed(table, column, row, np.nan)), (title, column)


def test_a_changed_integer_word_or_truth_value_is_found_in_every_column(kept):
    for title, table in every_table(kept):
        for column in table.select_dtypes(exclude="float"):
            value = table[column].iloc[-1]
            other = not value if isinstance(value, np.bool_) else f"{value}x" if isinstance(value, str) else value + 1
            found = table_deviations(title, table, changed(table, column, table.index[-1], other))
            assert found == [line for line in found if line.startswith(f"column {column}: 1 rows differ")]
            assert len(found) == 1, (title, column)


def test_missing_rows_columns_and_tables_are_found(kept):
    for title, table in every_table(kept):
        assert table_deviations(title, table, table.iloc[:-1])
        assert table_deviations(title, table, table.iloc[:, 1:])
        assert table_deviations(title, table, table[table.columns[::-1]])
        for column in table.select_dtypes("integer"):
            assert table_deviations(title, table, table.astype({column: float})), (title, column)
    tables = kept["azopg"]
    fewer = {name: table for name, table in tables.items() if name != "barrier"}
    assert deviations(tables, fewer, "azopg") == ["barrier: a table that is no longer there"]
    assert deviations(fewer, tables, "azopg") == ["barrier: a table that was not there before"]


def test_renewal_says_what_changes(kept):
    tables = kept["azopg"]
    scaling = tables["scaling"]
    rounding = {**tables, "scaling": scaling.assign(efficiency=scaling["efficiency"] * (1 + 1e-15))}
    other = {**tables, "scaling": scaling.assign(efficiency=scaling["efficiency"] * (1 + 1e-5))}
    del other["barrier"]
    assert all(line.endswith(": unchanged") for line in changes("azopg", tables, dict(tables), "azopg"))
    assert "azopg/scaling: differs by rounding" in changes("azopg", tables, rounding, "azopg")
    said = changes("azopg", tables, other, "azopg")
    assert {"azopg/scaling: CHANGED", "azopg/barrier: removed"} <= set(said)
    assert f"    efficiency: {len(scaling)} rows, relative difference up to 1e-05" in said
    assert changes("new", {}, {"t": scaling}, "azopg") == ["new/t: new"]


def test_wider_tolerances_are_for_columns_that_exist(kept):
    columns = {title: set(table.select_dtypes("float")) for title, table in every_table(kept)}
    for title, (reason, allowed) in AMPLIFIED.items():
        assert reason
        assert set(allowed) <= columns[title], title
    assert RELATIVE <= 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("run", ["qsa_policy_evaluation", "qsa_policy_iteration", "dr_lqr", "sgd_direct-baseline"])
def test_wider_tolerances_are_what_one_unit_in_the_last_place_does_times_a_stated_factor(run):
    """Not less than one unit does at this size, and not more than the stated number of units at full size does."""
    experiment = reference.experiment_name(RUNS[run])
    found = effects(RUNS[run])
    for title, (_, columns) in AMPLIFIED.items():
        name, _, table = title.partition("/")
        if name == experiment:
            for column, allowed in columns.items():
                one = found[f"{table}.{column}"]
                assert one <= allowed <= 8 * ROUNDINGS * one, (title, column, one)


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="its BLAS has no older kernels to choose")
def test_a_blas_that_rounds_otherwise_stays_within_the_tolerances():
    """OpenBLAS with its kernels of 2004 sums in another order than on today's processors, as another one would."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.reference.renew"],
        cwd=Path(__file__).resolve().parent.parent,
        env={**os.environ, "OPENBLAS_CORETYPE": "Prescott"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "differs by rounding" in done.stdout
    assert "CHANGED" not in done.stdout, done.stdout
    assert "nothing written" not in done.stdout
