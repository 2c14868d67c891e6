"""`plot`, `verify`, `list`, completion, and a quick start."""

import dataclasses
import json
import os
import re
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from lqrpg import load_tables
from lqrpg.checks import SettingError
from lqrpg.claims.papers import papers
from lqrpg.claims.registry import Outcome, claims
from lqrpg.cli.saved import schema_errors
from lqrpg.figures.registry import figures
from tests.forgery import forge

SMOKE = ("run", "experiment=azopg", "scale=smoke", "backend=serial")


@pytest.mark.slow
def test_plot_draws_a_group_a_figure_or_all(lqrpg, tmp_path):
    lqrpg(*SMOKE)
    assert lqrpg("plot", "azopg_fig3", "--out", "one").code == 0
    assert sorted(file.name for file in (tmp_path / "one").iterdir()) == ["azopg_fig3.pdf", "azopg_fig3.png"]
    ended = lqrpg("plot", "azopg", "--out", "group", "--svg")
    assert ended.code == 0
    assert "from results/azopg/smoke" in ended.err
    assert "azopg_wall_clock: no finished run of azopg clock=mpi" in ended.err  # no time passes on a virtual clock
    assert "lqrpg run experiment=azopg scale=smoke clock=mpi" in ended.err
    names = {name for name in figures() if name.startswith("azopg")} - {"azopg_wall_clock"}
    assert {file.name for file in (tmp_path / "group").iterdir()} == {
        f"{name}.{kind}" for name in names for kind in ("pdf", "png", "svg")
    }


@pytest.mark.slow
def test_processes_that_draw_follow_to_another_folder(lqrpg, tmp_path, monkeypatch):
    assert lqrpg(*SMOKE).code == 0
    assert lqrpg("run", "experiment=qsa_rates", "scale=smoke", "backend=serial").code == 0
    assert lqrpg("plot").code == 0  # the other experiments have no runs, and were not named
    assert lqrpg("plot", "qsa_rates", "dr_lqr").code == 3
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    lqrpg("plot", "--results", "../results")
    here, there = ({file.name for file in (tmp_path / name / "figures").iterdir()} for name in (".", "other"))
    assert here == there


def test_figures_of_a_width_and_style_of_ones_own_keep_type_and_hold_their_data(lqrpg, tmp_path):
    lqrpg("run", "qsa_policy_evaluation", "scale=smoke", "backend=serial")
    (tmp_path / "own.mplstyle").write_text("font.size: 8\nlines.linewidth: 2\n")
    own = ("--width", "3.5", "--style", "own.mplstyle", "--format", "pdf", "--data")
    ended = lqrpg("plot", "qsa_fig3", *own)
    assert (ended.code, ended.out) == (0, "qsa_fig3: figures/own/smoke/qsa_fig3.{pdf,csv}\n")
    table = load_tables(tmp_path / "results/qsa_policy_evaluation/smoke")["evaluation"]
    medians = table[table["method"] == "qsa"].groupby("t_s")["relative_error"].median()
    drawn = pd.read_csv(tmp_path / "figures/own/smoke/qsa_fig3.csv")
    assert list(drawn) == ["panel", "label", "x", "y", "low", "high", "spread"]
    curve = drawn[drawn["label"] == "QSA: sinusoids"]
    np.testing.assert_allclose(curve["y"], medians)
    np.testing.assert_allclose(curve["x"], medians.index)
    assert (curve["low"] <= curve["y"]).all()
    for name, line in (("key", "font.sze: 8"), ("value", "font.size: large letters")):
        (tmp_path / f"{name}.mplstyle").write_text(line + "\n")
    wrong = [("--style", f"{name}.mplstyle") for name in ("no", "key", "value")]
    for refused in (*wrong, ("--format", "gif"), ("--width", "0.1")):
        ended = lqrpg("plot", "qsa_fig3", *refused)
        assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1), refused


def test_a_figure_of_timings_comes_from_the_newest_run_that_has_some(lqrpg):
    clock = ["clock=threads", "fleets=[1,2]", "timeline.workers=1", "real_clock.throughput_s=0.2"]
    times = ["real_clock.rollout_s=0.002", "real_clock.slow_wait_s=0.004"]
    timed = lqrpg(*SMOKE, *clock, *times)
    assert timed.code == 0, timed.err
    lqrpg(*SMOKE)
    assert lqrpg("plot", "azopg_wall_clock", "--run", "smoke").code == 3
    ended = lqrpg("plot", "azopg_wall_clock")
    assert ended.code == 0
    assert f"azopg_wall_clock: from {timed.out.strip()}" in ended.err


@pytest.mark.slow
def test_a_newer_run_is_named_and_not_taken(lqrpg, tmp_path):
    monte_carlo = ("run", "experiment=qsa_monte_carlo", "backend=serial")
    lqrpg(*monte_carlo, "scale=small")
    time.sleep(1.1)  # a run says to the second when it ended
    lqrpg(*monte_carlo, "scale=smoke")
    other = lqrpg(*monte_carlo, "scale=small", "seed=3").out.strip().rpartition("/")[2]
    told = [f"results/qsa_monte_carlo/{name}" for name in (other, "smoke")]
    told = f"newer, not taken without --run: {', '.join(told)}"
    for command in (("plot", "qsa_fig1"), ("verify", "qsa_monte_carlo"), ("report",)):
        ended = lqrpg(*command)
        assert ended.code == 0, ended.err
        assert told in ended.err
    assert [path.parent.name for path in tmp_path.glob("figures/**/*.png")] == ["small"]  # it is not of full size
    assert lqrpg("plot", "qsa_fig1", "--run", other).code == 0
    assert (tmp_path / "figures" / other / "qsa_fig1.png").exists()
    assert lqrpg("export", "qsa_monte_carlo").code == 0
    assert [path.name for path in (tmp_path / "csv" / "qsa_monte_carlo").iterdir()] == ["small"]


def test_python_takes_the_run_that_the_command_line_takes(lqrpg, tmp_path, monkeypatch):
    import lqrpg as package

    for settings in (["scale=small"], ["scale=smoke"]):
        lqrpg("run", "experiment=qsa_monte_carlo", "backend=serial", *settings)
    tables = package.load_tables(tmp_path / "results" / "qsa_monte_carlo")
    assert tables["variance"].attrs["settings"]["runs"] == 2000
    seen = []
    monkeypatch.setattr(
        "lqrpg.cli.run_tables.schema_errors", lambda name, run: seen.append(run.name) or schema_errors(name, run)
    )
    package.figure("qsa_fig2", results=tmp_path / "results")
    package.figure("qsa_fig2", results=tmp_path / "results", run="smoke")
    assert seen == ["small", "smoke"]


def test_no_results_at_all_is_one_line(lqrpg, tmp_path):
    for command in (("verify",), ("verify", "P3"), ("plot",), ("report",), ("export",), ("verify", "--run", "x")):
        ended = lqrpg(*command)
        assert (ended.code, ended.out, ended.err.count("\n")) == (3, "", 1), command
        assert "no folder results here" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_plot_names_unknown_figures_and_missing_runs(lqrpg, tmp_path):
    ended = lqrpg("plot", "azopg_fig33")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "azopg_fig3" in ended.err
    ended = lqrpg("plot", "azopg")
    assert ended.code == 3
    assert "lqrpg run experiment=azopg" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_verify_exit_codes_and_json(lqrpg):
    assert lqrpg("verify", "azopg").code == 3
    lqrpg(*SMOKE)
    ended = lqrpg("verify", "azopg", "--json")
    rows = json.loads(ended.out)["claims"]
    assert [row["name"] for row in rows] == [claim.name for claim in claims() if claim.experiment == "azopg"]
    outcomes = [row["outcome"] for row in rows]
    assert set(outcomes) <= {outcome.value for outcome in Outcome}
    assert (ended.code, "not tested" in outcomes, "not reproduced" in outcomes) == (0, True, False)
    assert all(row["reason"] and row["measured"] is None for row in rows if row["outcome"] == "not tested")
    text = lqrpg("verify", "azopg").out
    assert "not tested" in text.splitlines()[0]
    assert "azopg_linear_convergence" in text.partition("NOT TESTED")[2]
    assert max(map(len, text.splitlines())) <= 80
    assert json.loads(lqrpg("verify", "p1", "--json").out)["claims"] == rows
    assert lqrpg("verify", "zopg").code == 2
    assert lqrpg("verify", "--run", "other", "azopg").code == 3


@pytest.mark.parametrize(
    ("discrepancy", "accepted", "code"),
    [("", (0, 0), 0), ("", (1, 1), 1), ("known", (1, 1), 0), ("known", (0, 0), 1)],
)
def test_verify_fails_where_an_outcome_is_not_the_documented_one(lqrpg, monkeypatch, discrepancy, accepted, code):
    lqrpg(*SMOKE)
    (claim,) = (claim for claim in claims() if claim.name == "azopg_stabilising")
    changed = dataclasses.replace(claim, discrepancy=discrepancy, accepted=accepted)
    monkeypatch.setattr("lqrpg.cli.verify.claims", lambda: [changed])
    ended = lqrpg("verify")
    assert ended.code == code
    assert ("NOT AS DOCUMENTED" in ended.out) is bool(code)
    assert lqrpg("verify", "--strict").code == (1 if code or discrepancy else 0)


def test_a_number_that_is_missing_is_not_tested_and_fails_all_the_same(lqrpg, monkeypatch):
    lqrpg(*SMOKE)
    (claim,) = (claim for claim in claims() if claim.name == "azopg_stabilising")
    monkeypatch.setattr(
        "lqrpg.cli.verify.claims", lambda: [dataclasses.replace(claim, measure=lambda tables: float("nan"))]
    )
    ended = lqrpg("verify", "--json")
    (row,) = json.loads(ended.out)["claims"]
    assert (ended.code, row["outcome"], row["measured"], row["as_documented"]) == (1, "not tested", None, False)
    assert "no finite number" in row["reason"]


def test_verify_strict_counts_documented_changes_and_groups_by_paper(lqrpg, monkeypatch):
    lqrpg(*SMOKE)
    changed = [claim for claim in claims() if claim.name == "azopg_delay_bound_large_fleets"]
    monkeypatch.setattr("lqrpg.cli.verify.claims", lambda: changed)
    ended = lqrpg("verify")
    assert ended.code == 0
    assert "P1  asynchronous policy gradient (Sha et al.)" in ended.out
    assert lqrpg("verify", "--strict").code == 1


def test_verify_tells_all_of_one_claim_or_of_all(lqrpg):
    lqrpg(*SMOKE)
    one = lqrpg("verify", "azopg_stabilising")
    (claim,) = (claim for claim in claims() if claim.name == "azopg_stabilising")
    assert one.code == 0
    assert one.out.startswith("P1: Sha, Zhao, You: Asynchronous")
    told = " ".join(one.out.split())
    for text in (claim.says, claim.paper, claim.because, "results/azopg/smoke", "lqrpg run", "azopg_fig3"):
        assert " ".join(text.split()) in told
    assert "azopg_speedup" not in one.out
    every = lqrpg("verify", "azopg", "--long").out
    assert all(claim.name in every for claim in claims() if claim.experiment == "azopg")
    assert max(map(len, every.splitlines())) <= 80
    assert "did you mean 'azopg_stabilising'" in lqrpg("verify", "azopg_stabilizing").err


def test_list_shows_experiments_figures_scales_and_results(lqrpg):
    lqrpg(*SMOKE)
    entries = {entry["experiment"]: entry for entry in json.loads(lqrpg("list", "--json").out)}
    assert set(entries["azopg"]["figures"]) == {name for name in figures() if name.startswith("azopg")}
    assert list(entries["azopg"]["scales"]) == ["smoke", "small", "paper"]
    assert [(run["name"], run["state"]) for run in entries["azopg"]["results"]] == [("smoke", "current")]
    text = lqrpg("list").out
    (line,) = (line for line in text.splitlines() if line.startswith("azopg "))
    assert re.search(r"P1 Figs\. 1 2 3, 3 more +65 s +smoke$", line)
    assert len(text.splitlines()) <= 24
    assert max(map(len, text.splitlines())) <= 80


def test_list_tells_what_differs_from_the_defaults(lqrpg):
    lqrpg(*SMOKE)
    other = lqrpg(*SMOKE, "seed=3").out.strip().rpartition("/")[2]
    assert f"{other} (seed=3)" in " ".join(lqrpg("list").out.split())


def test_list_of_one_experiment_explains_everything(lqrpg):
    text = " ".join(lqrpg("list", "azopg").out.split())
    for part in (
        "lqrpg run azopg scale=smoke: 3 s",
        "azopg_fig2: P1 Fig. 2: timeline",
        "replicates=10: an integer from 1 to 10000; [chosen] the paper shows one run",
        "step_size=0.002: a positive number; [stated] eta",
        "system.masses=4: an integer from 1 to 500; [stated]",
        "Table scaling",
        "efficiency: speedup divided by the number of workers",
    ):
        assert part in text
    assert lqrpg("list", "azpog").code == 2


def test_list_of_the_systems_fits_a_screen(lqrpg):
    lines = lqrpg("list", "systems").out.splitlines()
    entries = json.loads(lqrpg("list", "systems", "--json").out)
    assert len(lines) == len(entries) + 2 <= 40
    assert max(map(len, lines)) <= 80
    assert "did you mean 'systems'?" in lqrpg("list", "system").err


def test_a_plant_of_the_collection_is_chosen_by_its_name(lqrpg):
    shown = lqrpg("run", "shootout", "system=collection/three_state", "scale=smoke", "--cfg", "job").out
    assert shown == lqrpg("run", "shootout", "scale=smoke", "--cfg", "job").out.replace(
        "# lqrpg run experiment=shootout scale=smoke",
        "# lqrpg run experiment=shootout system=collection/three_state scale=smoke",
    )
    for mistake in ("quadrotor", "collection/quadrator"):
        assert "did you mean 'collection/quadrotor'?" in lqrpg("run", "shootout", f"system={mistake}").err


def test_every_column_is_explained():
    from lqrpg.plugins import choices
    from lqrpg.results.columns import meaning
    from lqrpg.runner.registry import experiment_class

    names = choices("experiment", own=True)
    columns = [
        (name, table, column)
        for name in names
        for table, own in experiment_class(name).TABLES.items()
        for column in own
    ]
    assert not [each for each in columns if not meaning(*each)]


def test_an_experiment_may_be_named_without_its_key(lqrpg):
    ended = lqrpg("run", "qsa_monte_carlo", "scale=smoke", "backend=serial")
    assert (ended.code, ended.out) == (0, "results/qsa_monte_carlo/smoke\n")
    told = "next: lqrpg plot qsa_monte_carlo --run smoke; lqrpg export qsa_monte_carlo --run smoke\n"
    assert ended.err.endswith(told)
    assert lqrpg("plot", "qsa_monte_carlo", "--run", "smoke").code == 0
    for words in (("azopg", "dr_lqr"), ("azopg", "experiment=azopg"), ("azpog",), ("azopg", "scale")):
        refused = lqrpg("run", *words)
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1), words


def test_tables_of_other_code_are_called_outdated_and_computed_again(lqrpg, monkeypatch):
    lqrpg(*SMOKE)
    monkeypatch.setattr("lqrpg.results.identity.sources_digest", lambda modules: "other")
    assert json.loads(lqrpg("list", "--json").out)[0]["results"][0]["state"] == "outdated"
    ended = lqrpg(*SMOKE)
    assert ended.code == 0
    assert "changed since" in ended.err


def test_info_says_what_a_report_of_a_problem_needs(lqrpg):
    facts = json.loads(lqrpg("info", "--json").out)
    expected = {"python", "numpy", "BLAS", "BLAS threads", "MPI library", "MPI launcher", "cores", "kernel cache"}
    assert expected <= set(facts)
    assert facts["BLAS threads"] == "1"
    assert "kernels" in lqrpg("info").out


def test_help_and_version(lqrpg):
    assert "run" in lqrpg("--help").out
    assert "experiment=azopg" in lqrpg("run", "-h").out
    assert lqrpg("--version").out.startswith("lqrpg, version")
    assert lqrpg("nonsense").code == 2


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from lqrpg.cli.main import cli\n"
        "try: cli(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'pandas', 'numba', 'scipy', 'hydra', 'omegaconf', 'matplotlib', 'joblib', 'yaml', 'rich'}\n"
        "heavy |= {'jinja2'}\n"
        "sys.stderr.write(' '.join(sorted(heavy & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("lqrpg run exp", {"experiment="}),
        ("lqrpg run az", {"azopg"}),
        ("lqrpg run azopg scale=", {"scale=smoke", "scale=small", "scale=paper"}),
        ("lqrpg run experiment=az", {"experiment=azopg"}),
        ("lqrpg run experiment = az", {"azopg"}),
        ("lqrpg run experiment=azopg scale=", {"scale=smoke", "scale=small", "scale=paper"}),
        ("lqrpg run experiment=azopg scale = s", {"smoke", "small"}),
        ("lqrpg run experiment=azopg service.r", {"service.rollout_s="}),
        ("lqrpg run experiment=azopg system=", {"system=mass_spring"}),
        ("lqrpg run shootout system=collection/q", {"system=collection/quadrotor"}),
        ("lqrpg list sys", {"systems"}),
        ("lqrpg run backend=", {"backend=joblib", "backend=mpi", "backend=serial"}),
        ("lqrpg run experiment=qsa_monte_carlo rule=", {"rule=left", "rule=midpoint"}),
        ("lqrpg plot azopg_fig", {"azopg_fig1", "azopg_fig2", "azopg_fig3"}),
    ],
)
def test_shell_completion(words, expected):
    environment = {**os.environ, "_LQRPG_COMPLETE": "bash_complete", "COMP_WORDS": words}
    environment["COMP_CWORD"] = str(len(words.split()) - 1)
    done = subprocess.run(
        [sys.executable, "-c", "from lqrpg.cli.main import main; main()"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )
    offered = {line.split(",", 1)[1] for line in done.stdout.splitlines()}
    assert expected <= offered
    begun = words.split()[-1]
    assert all(offer.startswith(begun) or begun in ("=", *offered) or "=" in words for offer in offered)


@pytest.mark.slow
def test_reproduce_runs_draws_and_checks(lqrpg, tmp_path):
    ended = lqrpg("reproduce", "azopg", "scale=smoke", "backend=serial")
    assert ended.code == 0
    assert "claims: stated for scale=paper" in ended.out
    assert "next: lqrpg verify --run smoke; lqrpg report --run smoke" in ended.out
    assert "not computed: no finished run of azopg clock=mpi of scale smoke in results: lqrpg run " in ended.out
    assert "1 experiment(s) at scale=smoke in" in ended.out
    names = {name for name in figures() if name.startswith("azopg")} - {"azopg_wall_clock"}  # of a real clock only
    assert {file.stem for file in (tmp_path / "figures/smoke").iterdir()} == names
    again = lqrpg("reproduce", "azopg", "scale=smoke", "backend=serial", "--out", "elsewhere")
    assert again.code == 0
    assert "nothing to do" in again.err
    assert {file.stem for file in (tmp_path / "elsewhere").iterdir()} == names


def test_a_figure_that_cannot_be_drawn_stops_no_other_experiment(lqrpg, monkeypatch, tmp_path):
    from lqrpg.cli import reproduce

    draw = reproduce.draw_selection

    def broken(specs, *more, **options):
        if specs[0].experiment == "qsa_monte_carlo":
            raise SettingError("qsa_fig1: the tables do not fit")
        return draw(specs, *more, **options)

    monkeypatch.setattr(reproduce, "draw_selection", broken)
    ended = lqrpg("reproduce", "qsa_monte", "qsa_policy_e", "scale=smoke", "backend=serial")
    assert ended.code == 1
    assert "lqrpg: qsa_monte_carlo: qsa_fig1: the tables do not fit; going on" in ended.err
    assert (tmp_path / "results/qsa_monte_carlo/smoke/provenance.json").exists()
    assert (tmp_path / "figures/smoke/qsa_fig3.pdf").exists()


@pytest.mark.slow
def test_reproduce_names_the_runs_that_it_does_not_compute_again(lqrpg):
    smoke = ("experiment=sgd_direct", "scale=smoke", "backend=serial")
    beside = lqrpg("run", *smoke, "part=baseline").out.strip()
    ended = lqrpg("reproduce", "sgd_direct", "scale=smoke", "backend=serial")
    assert ended.code == 0, ended.err
    assert f"not computed again: {beside}: lqrpg run {' '.join(smoke)} part=baseline --force" in ended.out


def test_reproduce_refuses_before_it_starts(lqrpg, tmp_path):
    for words, expected in (
        (["azpog"], "azopg"),
        (["azopg", "seed=-1"], "seed=-1"),
        (["azopg", "sale=smoke"], "scale"),
    ):
        ended = lqrpg("reproduce", *words)
        assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
        assert expected in ended.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_run_that_stands_beside_another_is_named_and_flagged_too(lqrpg, tmp_path, monkeypatch):
    every = [dataclasses.replace(claim, needs=()) for claim in claims()]  # also those that a small run is too small for
    monkeypatch.setattr("lqrpg.cli.verify.claims", lambda: every)
    smoke = ("run", "experiment=sgd_direct", "scale=smoke", "backend=serial")
    beside = lqrpg(*smoke, "part=baseline").out.strip()
    lqrpg(*smoke)
    command = ["lqrpg", *smoke, "part=baseline"]
    forge(tmp_path / beside, {"sources": "0" * 16, "argv": command})
    flagged = f"{beside} is outdated, the code has changed since: {' '.join(command)} computes it anew"
    ended = lqrpg("verify", "sgd_direct", "--json")
    used = {row["name"]: row["used"] for row in json.loads(ended.out)["claims"]}
    assert beside in used["sgd_direct_baseline_stalls"]
    assert used["sgd_direct_printed_stable"] == ["results/sgd_direct/smoke"]
    assert flagged in ended.err
    ended = lqrpg("plot", "sgd_fig6")
    assert f"sgd_fig6: from {beside}" in ended.err
    assert flagged in ended.err
    lqrpg("report")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"run <code>{beside.rpartition('/')[2]}</code>" in text
    assert f"<code>{' '.join(command)}</code>" in text
    assert "its command computes it anew" in text


@pytest.mark.slow
def test_the_differences_from_a_paper_stand_on_its_page(lqrpg, tmp_path):
    lqrpg("run", "experiment=qsa_policy_iteration", "scale=smoke", "backend=serial")
    lqrpg("report")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert all(paper.differs for paper in papers().values())
    assert "Done differently" in text
    assert "are not reproduced, because the text at hand ends in Section 3.1" in " ".join(text.split())
