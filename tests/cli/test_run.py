"""`lqrpg run`: refusals that write nothing, the last line, resuming, recomputing, names of runs."""

import json
import re
import shlex
from pathlib import Path

import pytest
from hydra import compose

from lqrpg.cli.compose import requests
from lqrpg.experiments.azopg import Azopg

SMOKE = ("run", "experiment=azopg", "scale=smoke", "backend=serial")

REFUSED = {
    "no experiment": ([], "one of azopg"),
    "unknown experiment": (["experiment=azop"], "did you mean 'azopg'?"),
    "unknown scale": (["experiment=azopg", "scale=papr"], "did you mean 'paper'?"),
    "unknown system": (["experiment=azopg", "system=mass_sprin"], "did you mean 'mass_spring'?"),
    "unknown key": (["experiment=azopg", "wrkers=2"], "did you mean 'workers'?"),
    "unknown nested key": (["experiment=azopg", "service.rollouts=2"], "did you mean 'service.rollout_s'?"),
    "added key": (["experiment=azopg", "+foo=1"], "unknown key 'foo'"),
    "forced key": (["experiment=azopg", "++foo=1"], "unknown key 'foo'"),
    "removed key": (["experiment=azopg", "~seed"], "cannot be removed"),
    "key given twice": (["experiment=azopg", "seed=1", "seed=2"], "seed is given twice"),
    "experiment given twice": (["experiment=azopg", "experiment=azopg"], "experiment is given twice"),
    "wrong type": (["experiment=azopg", "batch_size=1.5"], "batch_size"),
    "text for a number": (
        ["experiment=azopg", "workers=many"],
        "workers=many: expected an integer from 1 to 1024, or null",
    ),
    "nothing for a number": (["experiment=azopg", "seed="], "seed='': expected a non-negative integer"),
    "null for a number": (["experiment=azopg", "seed=null"], "seed=null: expected a non-negative integer"),
    "a truth value for a number": (["experiment=azopg", "seed=true"], "seed=true: expected a non-negative integer"),
    "a list for a number": (["experiment=azopg", "tolerance=[1,2]"], "tolerance=[1, 2]: expected a number"),
    "null for a name": (["experiment=azopg", "clock=null"], "clock=null: expected one of virtual, threads, mpi"),
    "a list for a name": (["experiment=azopg", "clock=[mpi]"], 'clock=["mpi"]: expected one of virtual'),
    "null in a list": (
        ["experiment=azopg", "fleets=[null]"],
        "fleets=[null]: expected a list of integers, such as",
    ),
    "null for a list": (["experiment=azopg", "fleets=null"], "fleets=null: expected a list of integers"),
    "null for a group": (["experiment=azopg", "service=null"], "service=null: expected a group of keys"),
    "null for a scale": (["experiment=azopg", "scale=null"], "unknown scale null: known: paper, small, smoke"),
    "a number for a group": (["experiment=azopg", "service=3"], "service"),
    "a scalar for a list": (["experiment=azopg", "fleets=3"], "fleets=3: expected a list of integers"),
    "a name for a list": (["experiment=shootout", "methods=two_point"], "expected a list of names"),
    "lists for numbers": (["experiment=sgd_oracles", "noises=[[1,0],[0,1]]"], "expected a list of numbers"),
    "a number for a gain": (["experiment=qsa_policy_evaluation", "gain=3"], "expected a list of numbers, or of lists"),
    "not a number": (["experiment=azopg", "step_size=nan"], "step_size"),
    "no workers": (["experiment=azopg", "workers=0"], "workers=0"),
    "out of range": (["experiment=azopg", "tolerance=2"], "tolerance=2"),
    "no reference fleet": (["experiment=azopg", "fleets=[2,4]"], "fleets"),
    "empty list": (["experiment=azopg", "fleets=[]"], "fleets"),
    "unknown backend": (["experiment=azopg", "backend=dask"], "one of joblib, mpi, serial"),
    "unknown engine of joblib": (["experiment=azopg", "joblib_backend=ray"], "one of dask, loky"),
    "ranks for a part of a fleet": (["experiment=azopg", "clock=mpi", "workers=7"], "workers=8 or more"),
    "a sweep without -m": (["experiment=azopg", "seed=1,2"], "a sweep needs -m"),
    "hydra without -m": (["experiment=azopg", "hydra/launcher=joblib"], "add -m"),
    "no key": (["experiment=azopg", "seed"], "KEY=VALUE"),
    "a setting with a dash": (["experiment=azopg", "-horizon_s=0"], "-horizon_s=0: a setting has no dash before it"),
    "an unknown option": (["experiment=azopg", "--bad"], "--bad"),
    "an interpolation of nothing": (["experiment=azopg", "tolerance=${nothing}"], "nothing"),
    "a folder that is a file": (["experiment=azopg", "results_dir=/dev/null/x"], "results_dir"),
    "no such config folder": (["experiment=azopg", "--config-dir", "nowhere"], "nowhere"),
    "one bad value in a sweep": (["-m", "experiment=azopg", "seed=1,-2"], "seed=-2"),
    "an object to construct": (["experiment=azopg", "+_target_=os.system"], "_target_"),
    "a number for a plant": (["experiment=azopg", "system=3"], "system=3"),
    "nothing for a plant": (["experiment=azopg", "system=null"], "system=null"),
    "a number for an experiment": (["experiment=1"], "experiment=1"),
    "a list of experiments": (["experiment=[azopg]"], "experiment=[azopg]"),
    "a group for a list": (["experiment=azopg", "fleets={a:1}"], "fleets"),
    "more digits than Python reads": (["experiment=azopg", "seed=" + "9" * 5000], "seed=999"),
    "a list too deep to be read": (["experiment=azopg", "fleets=" + "[" * 300 + "]" * 300], "fleets"),
    "a plant that overflows": (["experiment=azopg", "system.stiffness=1e308"], "system.stiffness"),
    "a variable of the environment": (["experiment=azopg", "results_dir=${oc.env:HOME}"], "results_dir"),
    "the time": (["experiment=azopg", "results_dir=${now:%Y}"], "results_dir"),
    "a name of a resolver that is looked up": (["experiment=azopg", "results_dir='${${backend}:x}'"], "results_dir"),
    "a folder with a control character": (["experiment=azopg", "results_dir='a\x1bb'"], "results_dir"),
    "a folder with a null": (["experiment=azopg", "results_dir='a\0b'"], "results_dir"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_gets_one_line_and_code_2_and_writes_nothing(name, lqrpg, tmp_path):
    arguments, expected = REFUSED[name]
    ended = lqrpg("run", *arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.count("\n") == 1
    assert expected in ended.err
    assert len(ended.err) < 1200
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["", " ", "   ", "null", "''", "' '", '"\t"'])
def test_a_folder_without_a_name_is_refused_with_what_works(value, lqrpg):
    ended = lqrpg("run", "experiment=qsa_monte_carlo", "scale=smoke", "--cfg", "job", f"results_dir={value}")
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    found = re.search(
        r"^lqrpg: results_dir=\S.*: expected a folder's name .*, such as (results_dir=\w+)(.*)$", ended.err
    )
    assert found, ended.err
    quoted = re.search("; a folder of that name is written (.+)", found[2])
    assert (quoted is not None) == (value not in ("", "''", '"\t"'))
    for mend in [found[1], *(shlex.split(quoted[1]) if quoted else [])]:
        assert lqrpg("run", "experiment=qsa_monte_carlo", "scale=smoke", "--cfg", "job", mend).code == 0


def test_a_name_for_a_list_is_refused_with_the_list_to_write(lqrpg):
    ended = lqrpg("run", "experiment=shootout", "scale=smoke", "--cfg", "job", "methods=two_point")
    mend = re.search(r"methods=two_point: expected a list of names, such as (\S+)\n", ended.err)
    assert lqrpg("run", "experiment=shootout", "scale=smoke", "--cfg", "job", f"methods={mend[1]}").code == 0


def test_a_limit_of_cores_is_heeded_or_refused(lqrpg, monkeypatch, tmp_path):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert re.search("cores +1 usable", lqrpg("info").out)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "some")
    for arguments in (SMOKE, ("plot",), ("info",)):
        ended = lqrpg(*arguments)
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert ended.err.startswith("lqrpg: LOKY_MAX_CPU_COUNT=some: expected a whole number of cores; this variable")
        assert "export LOKY_MAX_CPU_COUNT=2" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_results_folder_is_refused(lqrpg, monkeypatch, tmp_path):
    (tmp_path / "results").mkdir()
    monkeypatch.setattr("lqrpg.cli.saved.os.access", lambda path, mode: Path(path) != Path("results"))
    ended = lqrpg(*SMOKE)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "not writable" in ended.err


def test_an_unwritable_results_folder_is_refused_even_for_root(lqrpg, tmp_path):
    ended = lqrpg(*SMOKE, "results_dir=/proc/nowhere")
    assert (ended.code, ended.err.count("\n")) == (2, 1)


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {str(file): (file.stat().st_mtime_ns, file.read_bytes()) for file in folder.rglob("*") if file.is_file()}


def test_a_run_its_last_line_and_the_same_command_again(lqrpg, tmp_path):
    first = lqrpg(*SMOKE)
    assert first.code == 0
    assert first.out == "results/azopg/smoke\n"
    before = contents(tmp_path)
    assert {Path(name).name for name in before} >= {"config.yaml", "provenance.json", "curves.parquet"}
    second = lqrpg(*SMOKE, "workers=1")
    assert (second.code, second.out) == (0, first.out)
    assert "nothing to do" in second.err
    assert contents(tmp_path) == before


def test_what_a_killed_process_left_beside_finished_tables_is_removed(lqrpg, tmp_path):
    run = tmp_path / lqrpg(*SMOKE).out.strip()
    before = contents(run)
    (run / "shards" / "0123").mkdir(parents=True)
    (run / "shards" / "0123" / "barrier.npz").write_bytes(b"whole")
    assert lqrpg(*SMOKE).code == 0
    assert contents(run) == before
    assert not (run / "shards").exists()


def test_force_sets_the_tables_aside_and_computes_the_same_bits(lqrpg, tmp_path):
    lqrpg(*SMOKE)
    before = (tmp_path / "results/azopg/smoke/curves.parquet").read_bytes()
    ended = lqrpg(*SMOKE, "--force")
    assert ended.code == 0
    assert "smoke.previous" in ended.err
    assert (tmp_path / "results/azopg/smoke/curves.parquet").read_bytes() == before
    assert (tmp_path / "results/azopg/smoke.previous/curves.parquet").read_bytes() == before


def test_a_forced_run_that_was_cut_short_goes_on_and_the_finished_tables_stay_aside(lqrpg, monkeypatch, tmp_path):
    lqrpg(*SMOKE, "workers=1")
    curves = "curves.parquet"
    before = (tmp_path / "results/azopg/smoke" / curves).read_bytes()
    run = Azopg.run

    def full(self, trial):
        if trial.key == "timeline":
            raise OSError(28, "No space left on device", "shards")
        return run(self, trial)

    monkeypatch.setattr(Azopg, "run", full)
    cut = lqrpg(*SMOKE, "workers=1", "--force")
    assert cut.code == 2
    assert "the same command without --force continues" in cut.err
    for again in (("--force",), ()):  # also with --force nothing is lost
        monkeypatch.setattr(Azopg, "run", full if again else run)
        ended = lqrpg(*SMOKE, "workers=1", *again)
        assert (tmp_path / "results/azopg/smoke.previous" / curves).read_bytes() == before
    assert ended.code == 0
    record = json.loads((tmp_path / "results/azopg/smoke/provenance.json").read_text())
    assert record["trials"]["resumed"] > 0
    assert (tmp_path / "results/azopg/smoke" / curves).read_bytes() == before


def test_the_record_holds_the_command_as_it_was_typed(lqrpg, tmp_path):
    lqrpg("run", "-m", "experiment=qsa_monte_carlo", "scale=smoke", "seed=0,1", "workers=1")
    typed = ["lqrpg", "run", "-m", "experiment=qsa_monte_carlo", "scale=smoke", "seed=0,1", "workers=1"]
    records = [json.loads(file.read_text()) for file in tmp_path.glob("results/qsa_monte_carlo/*/provenance.json")]
    assert [record["argv"] for record in records] == [typed, typed]


def test_claims_are_checked_on_a_run_that_has_rows_for_all_of_them(lqrpg, tmp_path):
    lqrpg(*SMOKE)
    ended = lqrpg(*SMOKE, "clock=threads", "workers=2")
    newest = ended.out.strip()
    assert newest.startswith("results/azopg/smoke-")
    rows = json.loads(lqrpg("verify", "azopg", "--json").out)["claims"]
    assert {row["run"] for row in rows} == {"results/azopg/smoke"}
    named = lqrpg("verify", "azopg", "--run", newest.rsplit("/", 1)[1])
    assert named.code == 3
    assert "has no" in named.err


def test_a_changed_setting_gets_a_run_of_its_own(lqrpg, tmp_path):
    lqrpg(*SMOKE)
    other = lqrpg(*SMOKE, "seed=7")
    assert other.out.startswith("results/azopg/smoke-")
    assert lqrpg(*SMOKE, "seed=0", "chunk=5").out == "results/azopg/smoke\n"
    names = {folder.name for folder in (tmp_path / "results/azopg").iterdir()}
    assert names == {"smoke", other.out.strip().rsplit("/", 1)[1]}


def test_a_damaged_table_is_said_and_computed_again(lqrpg, tmp_path):
    lqrpg(*SMOKE)
    table = tmp_path / "results/azopg/smoke/speedup.parquet"
    before = table.read_bytes()
    table.write_bytes(before[:-20])
    assert lqrpg("plot", "azopg_fig3").code == 3
    assert [entry["state"] for entry in json.loads(lqrpg("list", "--json").out)[0]["results"]] == ["damaged"]
    ended = lqrpg(*SMOKE)
    assert ended.code == 0
    assert "damaged" in ended.err
    assert table.read_bytes() == before


def test_a_trial_that_raises_is_recorded_and_tried_again(lqrpg, monkeypatch, tmp_path):
    run = Azopg.run

    def broken(self, trial):
        if trial.key == "barrier":
            raise ZeroDivisionError("a broken trial")
        return run(self, trial)

    monkeypatch.setattr(Azopg, "run", broken)
    ended = lqrpg(*SMOKE)
    assert ended.code == 1
    assert "trial barrier has no result (ZeroDivisionError: a broken trial)" in ended.err
    record = json.loads((tmp_path / "results/azopg/smoke/provenance.json").read_text())
    assert record["trials"]["lost"] == {"barrier": "ZeroDivisionError: a broken trial"}
    assert json.loads(lqrpg("list", "--json").out)[0]["results"][0]["state"] == "incomplete"
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    again = lqrpg(*SMOKE)
    assert again.code == 0
    record = json.loads((tmp_path / "results/azopg/smoke/provenance.json").read_text())
    assert record["trials"]["resumed"] == record["trials"]["done"] - 1
    assert not (tmp_path / "results/azopg/smoke/shards").exists()


def test_what_cannot_be_compiled_or_made_a_table_of_is_recorded(lqrpg, monkeypatch, tmp_path):
    def broken(self, *parts):
        raise ZeroDivisionError("too small a number")

    monkeypatch.setattr(Azopg, "compile", broken)
    monkeypatch.setattr(Azopg, "tables", broken)
    ended = lqrpg(*SMOKE)
    assert ended.code == 1
    assert "nothing could be compiled beforehand (ZeroDivisionError: too small a number)" in ended.err
    record = json.loads((tmp_path / "results/azopg/smoke/provenance.json").read_text())
    assert record["trials"]["lost"] == {"tables": "ZeroDivisionError: too small a number"}
    assert lqrpg("plot", "azopg_fig3").code == 3
    assert lqrpg("verify", "azopg").code == 3
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    again = lqrpg(*SMOKE)
    assert again.code == 0
    assert "trials, " in again.err  # every shard was kept


def test_cfg_job_prints_the_resolved_settings_and_writes_nothing(lqrpg, tmp_path):
    ended = lqrpg("run", "--cfg", "job", "experiment=azopg", "tolerance=0.02")
    assert ended.code == 0
    assert "tolerance: 0.02" in ended.out
    assert "masses: 4" in ended.out
    assert "run: paper-" in ended.out
    assert list(tmp_path.iterdir()) == []


def test_a_users_own_yaml(lqrpg, tmp_path):
    folder = tmp_path / "mine" / "experiment"
    folder.mkdir(parents=True)
    (folder / "short_chain.yaml").write_text(
        "# @package _global_\ndefaults:\n  - azopg\n  - _self_\n\nsystem:\n  masses: 2\n"
    )
    ended = lqrpg("run", "experiment=short_chain", "--config-dir", "mine", "scale=smoke", "backend=serial")
    assert ended.code == 0
    assert ended.out.startswith("results/azopg/smoke-")


@pytest.mark.slow
def test_a_real_clock_runs_and_replays(lqrpg, tmp_path):
    ended = lqrpg(*SMOKE, "clock=threads", "fleets=[1,2]", "real_clock.rollout_s=0.002", "real_clock.slow_wait_s=0.004")
    assert ended.code == 0
    drawn = lqrpg("plot", "azopg_fig2", "azopg_fig3")
    assert drawn.code == 0
    missing = lqrpg("plot", "azopg_scaling")
    assert missing.code == 3
    assert "scaling" in missing.err


@pytest.mark.parametrize(
    ("words", "compositions"),
    [([], 1), (["workers=1", "results_dir=x"], 1), (["seed=0"], 2), (["runs=7"], 2)],
)
def test_hydra_composes_once_where_no_setting_is_given(words, compositions, monkeypatch):
    made = []

    def counted(*arguments, **options):
        made.append(arguments)
        return compose(*arguments, **options)

    monkeypatch.setattr("lqrpg.cli.compose.compose", counted)
    [request] = requests(["experiment=qsa_monte_carlo", "scale=smoke", *words], None, multirun=False)
    assert len(made) == compositions
    assert request.run_name.startswith(request.job.scale)
