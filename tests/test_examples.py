"""What the README and the pages of examples/ tell a user to type works as it stands, at the smallest scale."""

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import io

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "examples").glob("*/README.md"))


def blocks(page: Path, language: str = "") -> list[str]:
    """The page's code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def commands(block: str) -> list[list[str]]:
    lines = block.replace("\\\n", " ").splitlines()
    return [shlex.split(line.split(" #")[0])[1:] for line in lines if line.startswith("lqrpg")]


def small(command: list[str]) -> list[str]:
    return ["scale=smoke" if word.startswith("scale=") else word for word in command]


def block_with(words: str) -> str:
    (found,) = [block for block in blocks(ROOT / "README.md") if words in block]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_the_commands_of_an_example_run_and_draw(page, lqrpg, tmp_path):
    for file in page.parent.glob("*.yaml"):
        shutil.copy(file, tmp_path)
    typed = [command for block in blocks(page) for command in commands(block)]
    assert {command[0] for command in typed} == {"run", "plot"}
    for command in typed:
        ended = lqrpg(*small(command))
        assert ended.code == 0, ended.err
    for name in (command[1] for command in typed if command[0] == "plot"):
        (drawn,) = (tmp_path / "figures").glob(f"smoke-*/{name}.png")
        assert drawn.stat().st_size > 10_000


@pytest.mark.slow
def test_from_a_mat_file_to_a_figure_and_a_table_with_the_readmes_commands(lqrpg, tmp_path):
    model = {"A": np.array([[0.0, 1.0], [9.81, -0.1]]), "B": np.array([[0.0], [1.0]]), "sample_time": 0.0}
    io.savemat(tmp_path / "plant.mat", {**model, "K0": np.array([[20.0, 8.0]])})
    typed = commands(block_with("plant.mat"))
    assert [command[0] for command in typed] == ["run", "plot", "export", "report"]
    for command in typed:
        ended = lqrpg(*small(command))
        assert ended.code == 0, ended.err
    (drawn,) = (tmp_path / "figures").glob("smoke-*/shootout_curves.png")
    assert drawn.stat().st_size > 10_000
    assert list(tmp_path.rglob("summary.csv"))
    assert (tmp_path / "report.html").stat().st_size > 100_000


@pytest.mark.slow
def test_the_readmes_python_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = blocks(ROOT / "README.md", "python")
    exec(compile(code, "README.md", "exec"), {})
    assert "gap" in capsys.readouterr().out
