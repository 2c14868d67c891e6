"""`compare` and `export`."""

import numpy as np
import pandas as pd
import pytest
from scipy import io

from lqrpg import load_tables
from lqrpg.results.comparison import column_difference, table_difference
from lqrpg.results.lookup import open_run

RUN = ("run", "experiment=qsa_monte_carlo", "scale=smoke", "backend=serial")


def run_path(ended) -> str:
    assert ended.code == 0
    return ended.out.splitlines()[-1]


def test_equal_runs_compare_equal_whatever_their_folder(lqrpg):
    one = run_path(lqrpg(*RUN))
    other = run_path(lqrpg(*RUN, "results_dir=elsewhere"))
    ended = lqrpg("compare", one, other)
    assert ended.code == 0
    assert ended.out.splitlines()[2:] == ["parameters: equal", "versions: equal", "tables: equal"]


def test_a_single_table_is_compared_with_that_of_a_run(lqrpg, tmp_path):
    one, other = run_path(lqrpg(*RUN)), run_path(lqrpg(*RUN, "seed=1"))
    name = next((tmp_path / one).glob("*.parquet")).name
    for run, code, said in ((one, 0, "tables: equal"), (other, 1, "tables: 1 differ")):
        (tmp_path / name).write_bytes((tmp_path / run / name).read_bytes())
        ended = lqrpg("compare", one, name)
        assert (ended.code, said in ended.out) == (code, True)
    for content, called in ((b"", name), (b"PAR1", name), ((tmp_path / one / name).read_bytes(), "other.parquet")):
        (tmp_path / called).write_bytes(content)
        ended = lqrpg("compare", one, called)
        assert (ended.code, ended.err.count("\n")) == (2, 1)


@pytest.mark.slow
def test_parameters_and_tables_that_differ_are_named_and_figures_drawn(lqrpg, tmp_path):
    one, other = run_path(lqrpg(*RUN)), run_path(lqrpg(*RUN, "seed=1"))
    ended = lqrpg("compare", one, other, "--figures", "--out", "both")
    assert ended.code == 1
    assert "parameters: 1 differ" in ended.out
    assert "seed  0  1" in ended.out
    assert "estimate" in ended.out
    assert sorted(file.name for file in (tmp_path / "both").iterdir()) == ["qsa_fig1.png", "qsa_fig2.png"]


def test_bad_input_is_one_line_and_code_two(lqrpg, tmp_path):
    one = run_path(lqrpg(*RUN))
    other = run_path(lqrpg("run", "experiment=qsa_policy_evaluation", "scale=smoke", "backend=serial"))
    next((tmp_path / "copy").parent.glob(f"{other}/evaluation.parquet")).write_bytes(b"")
    for pair in ((one, "results"), (one, "nowhere"), (one, other), (other, other)):
        ended = lqrpg("compare", *pair)
        assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert lqrpg("export", "monte_carlo").code == 2
    assert lqrpg("export", "--run", "other", "qsa_monte_carlo").code == 3


def test_exported_numbers_read_back_as_the_same_bits(lqrpg, tmp_path):
    run = open_run(tmp_path / run_path(lqrpg(*RUN)))
    assert lqrpg("export", "qsa_monte_carlo", "--out", "text").code == 0
    for name in run.provenance["tables"]:
        file = tmp_path / "text" / "qsa_monte_carlo" / "smoke" / f"{name}.csv"
        back = pd.read_csv(file, engine="python", keep_default_na=False, na_values=["NaN"])
        pd.testing.assert_frame_equal(back, run.table(name), check_exact=True, check_dtype=False)


@pytest.mark.parametrize(
    ("a", "b", "rows", "absolute", "relative"),
    [
        ([1.0, 2.0], [1.0, 4.0], 1, 2.0, 0.5),
        ([np.nan, np.inf], [np.nan, np.inf], 0, np.nan, np.nan),
        ([np.nan, 1.0], [1.0, 1.0], 1, np.nan, np.nan),
        ([np.inf, 1.0], [1.0, 1.5], 2, 0.5, 1 / 3),
        ([2**60, 1], [2**60 + 1, 1], 1, 0.0, 0.0),
        (["a", "b"], ["a", "c"], 1, np.nan, np.nan),
        ([True, False], [True, True], 1, 1.0, 1.0),
    ],
)
def test_differences_of_a_column(a, b, rows, absolute, relative):
    found = column_difference("x", pd.Series(a), pd.Series(b))
    assert found.rows == rows
    assert np.array_equal([found.absolute, found.relative], [absolute, relative], equal_nan=True)


def test_rows_that_only_one_table_has_are_said_and_the_common_ones_compared():
    a = pd.DataFrame({"seed": [0, 1, 2], "x": [1.0, 2.0, 3.0]})
    b = pd.DataFrame({"seed": [0, 2], "x": [1.0, 3.5]})
    found = table_difference("t", a, b)
    assert found.notes == ("3 rows against 2", "the 2 common ones compared")
    assert [(each.column, each.rows, each.absolute) for each in found.columns] == [("x", 1, 0.5)]
    assert not table_difference("t", a, a).differs


def test_rows_belong_together_by_their_first_columns():
    """Names and a target, of which one is a float; what was measured differs; one has another method."""
    a = pd.DataFrame({"method": ["one", "one", "two"], "target": [0.1, 0.01, 0.1], "samples": [5, -1, -1]})
    b = pd.DataFrame({"method": ["one", "one"], "target": [0.1, 0.01], "samples": [5, 9]})
    found = table_difference("t", a, b)
    assert found.notes == ("3 rows against 2", "the 2 common ones compared")
    assert [(each.column, each.rows) for each in found.columns] == [("samples", 1)]
    assert [each.rows for each in table_difference("t", a, a.assign(samples=[5, -1, 0])).columns] == [1]


def test_gains_are_exported_as_matrices_for_matlab(lqrpg, tmp_path):
    plant = ["system=custom", "system.A=[[0.9,0.2],[0,0.8]]", "system.B=[[0,1],[1,0.5]]", "system.sample_time=1"]
    few = ["methods=[exact_gradient,policy_iteration]", "scale=smoke", "backend=serial"]
    assert lqrpg("run", "experiment=shootout", *plant, *few).code == 0
    (run,) = (tmp_path / "results" / "shootout").iterdir()
    assert lqrpg("export", "shootout", "--mat").code == 0
    content = io.loadmat(tmp_path / "csv" / "shootout" / run.name / "gains.mat")
    table = load_tables(run)["gains"]
    assert {name for name in content if name[0] == "K"} == {"K_exact_gradient", "K_policy_iteration", "K_optimum"}
    for row in table.itertuples():
        assert content[f"K_{row.method}"][row.row - 1, row.column - 1, row.replicate] == row.value
        assert content["K_optimum"][row.row - 1, row.column - 1] == row.optimum
