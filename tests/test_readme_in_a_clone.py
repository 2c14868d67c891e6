"""The lines of README and of docs/running.md, typed in order in a fresh clone, leave every file of it as it is.

Lines that need another machine, launcher or clock (MPI, Dask, Slurm, real time, ten minutes) are left out, and runs
are made at `scale=smoke`, which README gives for seconds. A full-size run with default settings stays as it stands
where the tables of the repository are current, since it then ends at once.
"""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import io

from lqrpg.cli.words import with_experiment

ROOT = Path(__file__).resolve().parent.parent
LQRPG = str(Path(sys.executable).with_name("lqrpg"))
ELSEWHERE = ("mpi", "hydra/launcher=", "clock=", "joblib_backend=")
PLACEHOLDERS = {"RUN_A": "results/azopg/paper", "RUN_B": "results/azopg/smoke"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3000),
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="only a checkout can be cloned"),
]


def pages(language: str = "") -> list[str]:
    """The code blocks of a language on both pages."""
    text = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "docs/running.md"))
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [block for own, block in blocks if own == language]


def lines() -> list[list[str]]:
    """The words of the lines that begin with `lqrpg`, in order, those left out that need another machine."""
    joined = [block.replace("\\\n", " ").splitlines() for block in pages()]
    typed = [line.split(" #")[0] for block in joined for line in block if line.startswith("lqrpg ")]
    words = [shlex.split(line)[1:] for line in typed if not any(word in line for word in ELSEWHERE)]
    return [["run", *with_experiment(line[1:])] if line[0] == "run" else line for line in words]


def answered(words: list[str], current: list[str]) -> list[str]:
    """The words for a look of seconds, with names of files that a clone has."""
    if words[0] == "compare" and words[-1] == "targets.parquet":
        return ["compare", "results/shootout/paper", "results/shootout/paper/targets.parquet"]
    words = [PLACEHOLDERS.get(word, word) for word in words]
    if words[0] not in ("run", "reproduce"):
        return words
    settings = [word for word in words[1:] if "=" in word and not word.startswith(("experiment=", "workers="))]
    if words[0] == "run" and not settings and any(f"experiment={name}" in words for name in current):
        return words
    return [*(word for word in words if not word.startswith("scale=")), "scale=smoke"]


def in_folder(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1200, check=False)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A fresh clone, with the files that README asks a user for."""
    folder = tmp_path / "clone"
    assert in_folder(tmp_path, "git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)).returncode == 0
    model = {"A": np.array([[0.0, 1.0], [9.81, -0.1]]), "B": np.array([[0.0], [1.0]]), "sample_time": 0.0}
    io.savemat(folder / "plant.mat", {**model, "K0": np.array([[20.0, 8.0]])})
    (folder / "my" / "experiment").mkdir(parents=True)
    (settings,) = pages("yaml")
    (folder / "my" / "experiment" / "short_chain.yaml").write_text(settings)
    return folder


def changed(folder: Path) -> list[str]:
    """Lines of `git status` on files of the repository."""
    status = in_folder(folder, "git", "status", "--porcelain").stdout.splitlines()
    return [line for line in status if not line.startswith("??")]


def test_readmes_lines_change_no_file_of_a_clone(clone):
    entries = json.loads(in_folder(clone, LQRPG, "list", "--json").stdout)
    current = [entry["experiment"] for entry in entries if ("paper", "current") in runs(entry)]
    typed = lines()
    assert {"list", "run", "plot", "verify", "reproduce", "report", "compare", "export"} <= {line[0] for line in typed}
    assert changed(clone) == []
    for words in typed:
        ended = in_folder(clone, LQRPG, *answered(words, current))
        expected = (0, 1) if words[0] == "compare" else (0,)  # 1: the runs differ
        assert ended.returncode in expected, (words, ended.stderr)
        assert changed(clone) == [], words
    (code,) = pages("python")
    assert in_folder(clone, sys.executable, "-c", code).returncode == 0
    assert changed(clone) == []
    smoke = json.loads(in_folder(clone, LQRPG, "verify", "azopg", "--json", "--run", "smoke").stdout)
    assert {row["run"] for row in smoke["claims"]} == {"results/azopg/smoke"}


def runs(entry: dict) -> set[tuple[str, str]]:
    return {(run["name"], run["state"]) for run in entry["results"]}


def test_other_runs_change_no_figure_of_a_clone_however_they_are_drawn(clone):
    run = ("run", "experiment=qsa_rates")
    assert in_folder(clone, LQRPG, *run, "scale=smoke").returncode == 0
    assert in_folder(clone, LQRPG, *run, "scale=smoke", "seed=3", "results_dir=elsewhere").returncode == 0
    for words in (
        ("plot", "qsa_rates", "--run", "smoke"),
        ("plot", "qsa_rates", "--run", "smoke", "--out", "figures"),
        ("plot", "qsa_rates", "--run", "smoke", "--out", "./my/../figures"),
        ("plot", "qsa_rates", "--results", "elsewhere"),
        ("reproduce", "qsa_rates", "scale=smoke"),
        ("reproduce", "qsa_rates", "scale=smoke", "--out", "figures"),
        ("reproduce", "qsa_rates", "lqr.rho=0.75", "lqr.horizon_s=50"),
    ):
        ended = in_folder(clone, LQRPG, *words)
        assert ended.returncode == 0, (words, ended.stderr)
        assert changed(clone) == [], words
    drawn = {file.parent.name for file in (clone / "figures").glob("*/qsa_rates.png")}
    assert "smoke" in drawn
    assert len(drawn) == 3
