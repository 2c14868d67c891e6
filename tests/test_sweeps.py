"""Sweeps under each of Hydra's launchers, also where argparse checks help texts, as it does since Python 3.14."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lqrpg.cli.help_texts import help_texts_accepted

CHECK = """
import argparse

add = argparse.ArgumentParser.add_argument

def checked(self, *names, **options):
    action = add(self, *names, **options)
    if action.help:
        try:
            self._get_formatter()._expand_help(action)
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError("badly formed help string") from error
    return action

argparse.ArgumentParser.add_argument = checked
"""
"""What argparse does in Python 3.14 with each help text."""


class Lazy:
    """A help text such as Hydra 1.3's: it is text only when it is shown."""

    def __repr__(self) -> str:
        return "help"


@pytest.fixture
def checking(monkeypatch):
    monkeypatch.setattr(argparse.ArgumentParser, "add_argument", argparse.ArgumentParser.add_argument)
    exec(CHECK, {})


def test_a_help_text_that_is_not_a_string_is_accepted_where_argparse_refuses_it(checking):
    parser = argparse.ArgumentParser()
    with pytest.raises(ValueError, match="badly formed"):
        argparse.ArgumentParser().add_argument("--lazy", help=Lazy())
    before = argparse.ArgumentParser.add_argument
    with help_texts_accepted():
        parser.add_argument("--lazy", action="store_true", help=Lazy())
        parser.add_argument("--plain", help="what it is: %(default)s", default=3)
        with pytest.raises(ValueError, match="badly formed"):
            argparse.ArgumentParser().add_argument("--bad", help="100 %")
    assert argparse.ArgumentParser.add_argument is before
    assert parser.parse_args(["--lazy"]) == argparse.Namespace(lazy=True, plain=3)
    assert "what it is: 3" in parser.format_help()


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="argparse checks help texts itself")
def test_argparse_is_left_alone_where_it_accepts_such_help_texts():
    before = argparse.ArgumentParser.add_argument
    with help_texts_accepted():
        assert argparse.ArgumentParser.add_argument is before


def run(folder: Path, *arguments: str, patch: str = "") -> str:
    """What `lqrpg run` prints; the patch is run at the start of each of its Python processes."""
    (folder / "patch").mkdir(exist_ok=True)
    (folder / "patch" / "sitecustomize.py").write_text(patch)
    path = os.pathsep.join(filter(None, [str(folder / "patch"), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "lqrpg", "run", "experiment=azopg", "scale=smoke", "workers=1", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("patch", ["", CHECK], ids=["plain", "checked"])
@pytest.mark.parametrize("launcher", ["basic", "joblib", "submitit_local"])
def test_sweeps_run_under_hydras_launchers(launcher, patch, tmp_path):
    run(tmp_path, "-m", "seed=1,2", f"hydra/launcher={launcher}", patch=patch)
    path = run(tmp_path, "seed=2", "results_dir=alone").strip()
    name = Path(path).name
    runs = [folder.name for folder in (tmp_path / "results/azopg").iterdir()]
    assert len(runs) == 2
    assert name in runs
    swept, alone = tmp_path / "results/azopg" / name, tmp_path / path
    assert [file.read_bytes() for file in sorted(swept.glob("*.parquet"))] == [
        file.read_bytes() for file in sorted(alone.glob("*.parquet"))
    ]
    assert not (tmp_path / "multirun").exists()
    assert not (tmp_path / "outputs").exists()
