"""Experiments, tables and figures from Python: what the command line does, by the same code."""

import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from lqrpg import SettingError, figure, load_system, load_tables, run_experiment, save_plant
from lqrpg.cli.compose import requests
from lqrpg.cli.library import _value, words_of
from lqrpg.figures.notebook import shown

SMALL = {"scale": "smoke", "backend": "serial"}


def test_an_experiment_runs_as_on_the_command_line(lqrpg, tmp_path):
    tables = run_experiment("qsa_monte_carlo", **SMALL, results_dir=str(tmp_path / "from python"))
    folder = lqrpg("run", "experiment=qsa_monte_carlo", "scale=smoke", "backend=serial").out.strip()
    expected = load_tables(folder)
    assert list(tables) == list(expected)
    for name, table in tables.items():
        pd.testing.assert_frame_equal(table, expected[name])
        assert table.attrs["settings"]["name"] == "qsa_monte_carlo"


def test_the_second_call_computes_nothing_and_force_does(tmp_path, capsys):
    place = {**SMALL, "results_dir": tmp_path}
    run_experiment("qsa_monte_carlo", **place)
    capsys.readouterr()
    run_experiment("qsa_monte_carlo", **place)
    assert "trials" not in capsys.readouterr().err
    run_experiment("qsa_monte_carlo", **place, force=True)
    assert "trials" in capsys.readouterr().err


def test_groups_lists_and_oddwords_of_reach_their_keys(tmp_path):
    tables = run_experiment(
        "azopg", **SMALL, results_dir=tmp_path, system={"masses": 2}, fleets=[1, 2], timeline={"workers": 2}
    )
    settings = tables["curves"].attrs["settings"]
    assert settings["system"]["masses"] == 2
    assert settings["fleets"] == [1, 2]
    assert [_value(value) for value in (None, True, 3, 1e-9, [1, 2.5], "a b'c", "a/b_c.d")] == [
        *("null", "true", "3", "1e-09", "[1,2.5]", "'a b\\'c'", "a/b_c.d")
    ]


def test_the_process_keeps_its_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    run_experiment("qsa_monte_carlo", **SMALL, results_dir=tmp_path)
    assert os.environ["OMP_NUM_THREADS"] == "3"
    assert "MKL_NUM_THREADS" not in os.environ


def test_a_figure_is_drawn_from_the_newest_run_that_has_its_tables(tmp_path):
    run_experiment("qsa_monte_carlo", **SMALL, results_dir=tmp_path)
    drawn = figure("qsa_fig1", results=tmp_path)
    assert drawn.axes
    assert figure("qsa_fig1", results=tmp_path, run="smoke").axes


def test_a_figure_has_the_width_and_the_style_that_are_asked_for(tmp_path):
    run_experiment("qsa_policy_iteration", **SMALL, results_dir=tmp_path)
    usual = figure("qsa_fig4", results=tmp_path)
    narrow = figure("qsa_fig4", results=tmp_path, width=3.5)
    assert [each.get_size_inches()[0] for each in (usual, narrow)] == [7.6, 3.5]
    columns = [each.axes[0].get_subplotspec().get_gridspec().ncols for each in (usual, narrow)]
    assert columns == [2, 1]
    assert usual.axes[0].xaxis.label.get_fontsize() == narrow.axes[0].xaxis.label.get_fontsize() == 9
    with mpl.rc_context({"axes.labelsize": 12}):
        assert figure("qsa_fig4", results=tmp_path).axes[0].xaxis.label.get_fontsize() == 9
        assert figure("qsa_fig4", results=tmp_path, style="current").axes[0].xaxis.label.get_fontsize() == 12
    with pytest.raises(SettingError, match="width=1"):
        figure("qsa_fig4", results=tmp_path, width=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda folder: run_experiment("azpog", results_dir=folder), "did you mean 'azopg'"),
        (lambda folder: run_experiment("azopg", batch=3, results_dir=folder), "unknown key 'batch'"),
        (lambda folder: run_experiment("azopg", seed=-1, results_dir=folder), "seed=-1"),
        (lambda folder: run_experiment("azopg", scale="huge", results_dir=folder), "unknown scale"),
        (lambda folder: load_tables(folder), "there is no finished run"),
        (lambda folder: figure("azopg_fig33", results=folder), "did you mean 'azopg_fig3'"),
        (lambda folder: figure("azopg_fig3", results=folder), "no finished run of azopg"),
        (lambda folder: figure("azopg_fig3", results=folder, run="x"), "no finished run named 'x' of azopg"),
    ],
)
def test_mistakes_are_refused_in_one_line_and_nothing_is_written(call, message, tmp_path):
    with pytest.raises(SettingError, match=message) as refused:
        call(tmp_path)
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_table_is_refused(tmp_path):
    run_experiment("qsa_monte_carlo", **SMALL, results_dir=tmp_path)
    folder = tmp_path / "qsa_monte_carlo" / "smoke"
    next(folder.glob("*.parquet")).write_bytes(b"other")
    with pytest.raises(SettingError, match="is damaged"):
        load_tables(folder)


def test_a_notebook_shows_figures_as_pictures_and_keeps_its_own_way(monkeypatch):
    class Formatter(dict):
        lookup_by_type = dict.__getitem__
        for_type = dict.__setitem__

    pictures = Formatter()
    shell = SimpleNamespace(display_formatter=SimpleNamespace(formatters={"image/png": pictures}))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell, version_info=(9, 0)))
    drawn = Figure()
    assert shown(drawn) is drawn
    assert pictures[Figure](drawn).startswith(b"\x89PNG")
    pictures[Figure] = own = object()
    shown(drawn)
    assert pictures[Figure] is own
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None, version_info=(9, 0)))
    assert shown(drawn) is drawn


@pytest.mark.slow
def test_matrices_may_be_arrays_and_a_system_one_that_was_loaded(tmp_path):
    """Both are the same settings as words, and give the same run."""
    A, B, K0 = np.array([[1.0, 0.1], [0.0, 1.0]]), np.array([[0.005], [0.1]]), np.array([[1.0, 1.25]])
    common = {**SMALL, "methods": ["policy_iteration"], "results_dir": tmp_path}
    arrays = {"system.A": A, "system.B": B, "system.K0": K0, "system.sample_time": np.float64(0.1)}
    run_experiment("shootout", system="custom", **arrays, **common)
    tables = run_experiment("shootout", system=load_system((A, B), sample_time=0.1, K0=K0), **common)
    assert tables["curves"].attrs["settings"]["system"]["A"] == A.tolist()
    assert len([folder for folder in (tmp_path / "shootout").iterdir() if folder.is_dir()]) == 1


@pytest.mark.parametrize("written", ["~/r", "$PLANTS/r"])
def test_home_and_variables_are_expanded_in_every_path(tmp_path, monkeypatch, written):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PLANTS", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    file = save_plant(f"{written}.yaml", ([[-1, 0], [0, -2]], [0, 1]), sample_time=0, K0=[0, 0.1])
    assert file == tmp_path / "home/r.yaml"
    assert load_system(f"{written}.yaml").K0 == [[0.0, 0.1]]
    words = list(
        words_of({"experiment": "azopg", "system": "custom", "system.file": f"{written}.yaml", "results_dir": written})
    )
    [request] = requests(words, None, multirun=False)
    assert request.job.runner.results_dir == str(tmp_path / "home/r")
    with pytest.raises(SettingError, match="no finished run"):
        load_tables(written)
    with pytest.raises(SettingError, match=re.escape(str(tmp_path / "home/r"))):
        figure("azopg_fig3", results=written)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home"]


@pytest.mark.parametrize("name", ["a b", "it's [x]", "ü(1)=#,", "-x", "{a: 1}", "null"])
def test_any_file_name_is_taken_from_python_as_it_is(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    save_plant(f"{name}.yaml", ([[-1, 0], [0, -2]], [0, 1]), sample_time=0, K0=[0, 0.1])
    words = words_of(
        {"experiment": "azopg", "system": "custom", "system.file": Path(f"{name}.yaml"), "results_dir": name}
    )
    [request] = requests(list(words), None, multirun=False)
    assert request.job.settings["system"]["K0"] == [[0.0, 0.1]]
    assert request.job.runner.results_dir == name
