"""Whatever is set, a command is accepted and ends with a record, or is refused in one line that names the key."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, note, settings

from lqrpg.plugins import choices
from tests.driven import Driven, Ended
from tests.settings_space import commands, keys_of, short_runs
from tests.soak import SOAKING, times
from tests.statuses import unexplained

pytestmark = [pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(0 if SOAKING else 900)]
TRIED = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
}


@pytest.fixture(scope="module")
def driven():
    calls = Driven()
    yield calls
    calls.close()


def require_refused(ended: Ended, folder: Path, words: tuple[str, ...]) -> None:
    """One line that names a key, exit code 2, nothing written."""
    assert ended.code == 2, ended.err
    assert ended.out == ""
    assert ended.err.count("\n") == 1, ended.err
    assert ended.err.rstrip("\n").isprintable()
    assert len(ended.err) < 1200
    assert any(name and name in ended.err for name in keys_of(words)), ended.err
    assert list(folder.iterdir()) == []


@settings(max_examples=times(200, 2000), **TRIED)
@given(words=commands())
def test_every_setting_is_accepted_or_refused_in_one_line(words, driven, tmp_path):
    note(repr(words))
    ended = driven(tmp_path, "run", *words, "--cfg", "job", limit_s=30)
    if ended.code == 0:
        assert "Warning:" not in ended.err
        assert list(tmp_path.iterdir()) == []
    else:
        require_refused(ended, tmp_path, words)


@pytest.mark.parametrize("experiment", choices("experiment"))
def test_what_is_accepted_runs_to_a_record(experiment, driven, tmp_path_factory):
    @settings(max_examples=times(2, 100), **TRIED)
    @given(words=short_runs(experiment))
    def accepted_runs(words):
        note(repr(words))
        folder = tmp_path_factory.mktemp("run")
        ended = driven(folder, "run", *words, "backend=serial", limit_s=120)
        if ended.code == 2:
            require_refused(ended, folder, words)
            return
        assert ended.code in (0, 1), ended.err
        assert "Traceback" not in ended.err
        assert "Warning:" not in ended.err
        (record,) = folder.glob("results/*/*/provenance.json")
        tables = {file.stem: pd.read_parquet(file) for file in record.parent.glob("*.parquet")}
        assert unexplained(experiment, tables) == []
        assert ("has no result" in ended.err or "no tables" in ended.err) == (ended.code == 1)

    accepted_runs()


@pytest.mark.parametrize(
    "word", ["seed=-1", "scale=${nothing}", "system.stiffness=1e308", "fleets=[[1]]", "sed=1", "${oc.env:HOME}=1"]
)
def test_the_installed_command_refuses_in_one_line(word, tmp_path):
    command = [sys.executable, "-P", "-c", "from lqrpg.cli.main import main; main()", "run", "experiment=azopg", word]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    require_refused(Ended(done.returncode, done.stdout, done.stderr), tmp_path, ("experiment=azopg", word))
