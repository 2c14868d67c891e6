"""What takes long before a run begins is said, and nothing is where it does not."""

import time

import pytest

from lqrpg.cli import waiting


def test_what_takes_long_is_said_until_it_is_over(capsys, monkeypatch):
    monkeypatch.setattr(waiting, "FIRST_WORD_S", 0.05)
    monkeypatch.setattr(waiting, "WORDS_S", 0.05)
    with waiting.told_while("finding a step size"):
        deadline, said = time.monotonic() + 20.0, ""
        while said.count("\n") < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
            said += capsys.readouterr().err
    assert said.splitlines()[0] == "finding a step size, 0 s so far"
    assert said.count("finding a step size, ") >= 2


def test_what_is_quick_is_not(capsys):
    with waiting.told_while("nothing of note"):
        pass
    with pytest.raises(ZeroDivisionError), waiting.told_while("what fails"):
        raise ZeroDivisionError
    assert capsys.readouterr() == ("", "")
