"""The wheel holds all that a run needs, and sweeps run under Hydra's launchers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # installation may be slow

ROOT = Path(__file__).resolve().parent.parent


def call(*command, cwd, **environment):
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_runs_in_a_clean_environment_outside_the_repository(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH")  # pip would find the repository there, and install nothing
    call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path / "dist", ROOT, cwd=tmp_path)
    (wheel,) = (tmp_path / "dist").glob("lqrpg-*.whl")
    call(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    pip = [tmp_path / "venv/bin/python", "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt"]
    call(*pip, wheel, cwd=tmp_path)
    lqrpg = tmp_path / "venv/bin/lqrpg"
    settings = call(lqrpg, "run", "experiment=azopg", "--cfg", "job", cwd=tmp_path)
    assert "name: azopg" in settings
    assert call(lqrpg, "run", "experiment=azopg", "scale=smoke", cwd=tmp_path) == "results/azopg/smoke\n"
    assert "azopg_fig3" in call(lqrpg, "plot", "azopg", cwd=tmp_path)
