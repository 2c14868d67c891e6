"""`dr_lqr` on a user's family of plants, from the command line: tables, bits, refusals, and the gain by annealing."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml

from tests.families import CART_POLE, TWO

SMALL = (
    *("experiment=dr_lqr", "scale=smoke", "system=custom_family", "system.file=family.yaml"),
    *("replicates=20", "steps=12", "batch_sizes=[1,2]", "compared=2", "curve_points=4", "samples=500"),
    *("runtime.steps=2", "runtime.controllers=[1]"),
)


def tables_of(ended, tmp_path):
    assert ended.code == 0, ended.err
    (folder,) = [tmp_path / line for line in ended.out.splitlines() if line.startswith("results")]
    return folder, {file.stem: pd.read_parquet(file) for file in sorted(folder.glob("*.parquet"))}


@pytest.mark.slow
def test_two_parameters_and_two_inputs_from_file_to_figure(lqrpg, tmp_path):
    (tmp_path / "family.yaml").write_text(TWO)
    folder, tables = tables_of(lqrpg("run", *SMALL, "step_size=0.005", "objective=monte_carlo", "workers=1"), tmp_path)
    assert list(tables["optimum"].columns) == [
        *("cost", "k1", "k2", "k3", "k4", "quadrature_nodes", "initial_excess", "gain_norm"),
    ]
    assert (tables["final"]["fail_step"] == -1).all()
    assert tables["expectation"]["rule"].tolist() == ["gauss"]
    assert tables["expectation"]["parameters"].tolist() == [2]
    assert tables["expectation"]["error_estimate"].iloc[0] <= 1e-8
    assert tables["expectation"]["nodes"].iloc[0] == tables["optimum"]["quadrature_nodes"].iloc[0]
    curve = tables["curves"].query("method == 'dr' and batch_size == 2")["median"]
    assert curve.iloc[-1] < curve.iloc[0]
    recorded = yaml.safe_load((folder / "config.yaml").read_text())["system"]
    content = yaml.safe_load(TWO)
    assert {key: recorded[key] for key in content} == content
    assert lqrpg("plot", "dr_lqr", "--out", "drawn").code == 0
    assert {file.stem for file in (tmp_path / "drawn").glob("*.png")} == {"dr_lqr_fig1", "dr_lqr_runtime"}
    bits = {file.name: file.read_bytes() for file in folder.glob("*.parquet") if file.stem != "runtime"}
    (tmp_path / "elsewhere.yaml").write_text(TWO)
    again = [part.replace("=family.yaml", "=elsewhere.yaml") for part in SMALL]
    again += ["step_size=0.005", "objective=monte_carlo", "workers=2", "chunk=2", "results_dir=results/other"]
    other, _ = tables_of(lqrpg("run", *again), tmp_path)
    assert other.name == folder.name
    assert {file.name: file.read_bytes() for file in other.glob("*.parquet") if file.stem != "runtime"} == bits


@pytest.mark.slow
def test_a_size_of_its_own_has_columns_of_its_own(lqrpg, tmp_path):
    text = TWO.replace("[[0.1*b, 0.02], [b, 0.5]]", "[[0.1*b], [b]]").replace("R: [[1, 0], [0, 2]]", "R: 1")
    text = text.replace("[[1.0, 0.2], [0.3, 0.1]]", "[0.1, 0.1]")
    (tmp_path / "family.yaml").write_text(text)
    _, tables = tables_of(lqrpg("run", *SMALL, "step_size=0.005", "workers=1"), tmp_path)
    for name in ("final", "optimum", "annealing"):
        assert [column for column in tables[name] if column.startswith("k")] == ["k1", "k2"]


def test_a_missing_gain_is_found_shown_and_recorded(lqrpg, tmp_path):
    text = TWO.replace("0.8]]", "1.3]]")
    (tmp_path / "family.yaml").write_text(text[: text.index("start_gain")])
    shown = lqrpg("run", *SMALL, "--cfg", "job")
    assert shown.code == 0
    gain = yaml.safe_load(shown.out)["system"]["start_gain"]
    (line,) = [line for line in shown.err.splitlines() if "start_gain" in line]
    assert "discount annealing" in line
    pinned = line[line.index("start_gain") : line.index(" is by")]
    assert yaml.safe_load(pinned)["start_gain"] == gain
    (tmp_path / "family.yaml").write_text(text[: text.index("start_gain")] + pinned + "\n")
    again = lqrpg("run", *SMALL, "--cfg", "job")
    assert again.err == ""
    assert yaml.safe_load(again.out) == yaml.safe_load(shown.out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("system.file=null",), "write system.file=FAMILY.yaml"),
        (("system.file=none.yaml",), "none.yaml"),
        (("system.start_gain=[[0,0],[0,0]]",), "a gain that stabilises the whole family, but it does not for"),
        (("system.start_gain=[1,2,3]",), "start_gain: [1, 2, 3]: expected 2 row(s) of 2 numbers"),
        (("system.tolerance=0",), "system.tolerance=0"),
        (("system.tolerance=x",), "system.tolerance"),
        (("system.start_gian=1",), "write system.start_gain"),
    ],
)
def test_bad_settings_end_with_one_line_and_write_nothing(arguments, message, lqrpg, tmp_path):
    (tmp_path / "family.yaml").write_text(TWO.replace("0.8]]", "1.3]]"))
    others = [part for part in SMALL if part.split("=")[0] not in {each.split("=")[0] for each in arguments}]
    ended = lqrpg("run", *others, *arguments)
    assert ended.code == 2
    assert message in ended.err
    assert len(ended.err.strip().splitlines()) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["family.yaml"]


def test_the_values_that_a_gain_does_not_stabilise_are_named(lqrpg, tmp_path):
    (tmp_path / "family.yaml").write_text(CART_POLE)
    ended = lqrpg("run", *SMALL, "system.start_gain=[0.0,0.0,-20.0,-3.0]")
    assert ended.code == 2
    assert "sets of values, L from 0.2" in ended.err


@pytest.mark.parametrize("experiment", ["azopg", "sgd_oracles"])
def test_experiments_on_one_plant_refuse_a_family(experiment, lqrpg, tmp_path):
    (tmp_path / "family.yaml").write_text(TWO)
    ended = lqrpg("run", f"experiment={experiment}", "system=custom_family", "system.file=family.yaml")
    assert ended.code == 2
    assert "custom_family" in ended.err
    assert "Traceback" not in ended.err
