"""The commands other than `run`, with any arguments: right ones, wrong ones, and those of other commands."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.driven import Driven
from tests.settings_space import NUMBERS, OTHERS
from tests.soak import SOAKING, times

pytestmark = [pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(0 if SOAKING else 600)]
VERBS = ("plot", "verify", "list", "report", "compare", "export", "info", "reproduce", "run", "nonsense")
OPTIONS = (
    *("--results", "--run", "--out", "--json", "--svg", "--strict", "--figures", "--force", "--cfg", "-m", "-h", "--"),
)
NAMES = ("azopg", "qsa_fig1", "qsa", "sgd_fig6", "paper", "smoke", "results", "/dev/null", "/proc/1", "/nowhere/x", "-")
WORDS = st.sampled_from([*OPTIONS, *NAMES, *NUMBERS[:3], *(word for word in OTHERS if "\x00" not in word)])


@pytest.fixture(scope="module")
def driven():
    calls = Driven()
    yield calls
    calls.close()


@settings(
    max_examples=times(80, 2000),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(verb=st.sampled_from(VERBS), words=st.lists(WORDS, max_size=4))
def test_a_command_does_what_it_says_or_refuses_in_one_line(verb, words, driven, tmp_path):
    """There are no results in the folder, and no experiment is named that `reproduce` could begin with."""
    if verb in ("run", "reproduce"):
        words = ["nothing=1", *words]
    note(f"{verb} {words}")
    ended = driven(tmp_path, verb, *words, limit_s=60)
    assert ended.code in (0, 2, 3), ended.err
    assert "Warning:" not in ended.err
    assert all(line.isprintable() for line in (ended.out + ended.err).splitlines())
    if ended.code == 2:
        assert ended.err.count("\n") == 1, ended.err
        assert ended.err.startswith("lqrpg: ")
    assert list(Path(tmp_path).iterdir()) == []
