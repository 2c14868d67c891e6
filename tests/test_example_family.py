"""The page `examples/two_parameter_plant`: its commands run as they stand there, at the smallest scale."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest

PAGE = Path(__file__).resolve().parent.parent / "examples" / "two_parameter_plant"


def commands():
    """The lines of the page's code blocks."""
    text = (PAGE / "README.md").read_text(encoding="utf-8")
    return [line for block in re.findall(r"```\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]


def test_the_page_has_commands_and_its_links_lead_somewhere():
    assert [shlex.split(line)[:2] for line in commands()] == [["lqrpg", "run"], ["lqrpg", "plot"]]
    targets = re.findall(r"\]\(([^)]+)\)", (PAGE / "README.md").read_text(encoding="utf-8"))
    assert {"family.yaml", "figure.png"} <= set(targets)
    assert all((PAGE / target).is_file() for target in targets)


@pytest.mark.slow
def test_the_commands_run_and_draw_the_figure(lqrpg, tmp_path):
    shutil.copy(PAGE / "family.yaml", tmp_path)
    for line in commands():
        arguments = ["scale=smoke" if part == "scale=small" else part for part in shlex.split(line)[1:]]
        ended = lqrpg(*arguments)
        assert ended.code == 0, ended.err
    (drawn,) = (tmp_path / "figures").glob("smoke-*/dr_lqr_fig1.png")
    assert drawn.stat().st_size > 10_000
    (run,) = (tmp_path / "results" / "dr_lqr").iterdir()
    final, rule = pd.read_parquet(run / "final.parquet"), pd.read_parquet(run / "expectation.parquet")
    assert (final.loc[final["method"] == "dr", "fail_step"] == -1).all()
    assert rule["error_estimate"].iloc[0] <= 1e-8
    settled = final[(final["method"] == "dr") & (final["batch_size"] == 8)]
    assert settled["excess"].median() < 0.01 * pd.read_parquet(run / "optimum.parquet")["initial_excess"].iloc[0]
