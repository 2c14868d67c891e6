"""The states of a run directory, its lock, and what counts as a finished run."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lqrpg.results.lookup import finished_runs
from lqrpg.results.run_directory import BusyError, RunDirectory, State

TABLES = {"t": pd.DataFrame({"x": [1.0, 2.0]})}


def finished(path, identity="id", when="2026-01-01T00:00:00+00:00", lost=None) -> RunDirectory:
    directory = RunDirectory(path, identity)
    directory.open("seed: 0\n")
    directory.write_shard("a", {"t": {"x": np.array([1.0, 2.0])}})
    description = {"experiment": "azopg", "identity": identity, "sources": "code", "settings": {"name": "azopg"}}
    record = {"scale": path.name, "seconds": 1.0, "finished": when, "trials": {"lost": lost or {}}}
    directory.finish(TABLES, description, record)
    return directory


def test_the_states(tmp_path):
    path = tmp_path / "azopg" / "paper"
    assert RunDirectory(path, "id").state() is State.ABSENT
    directory = finished(path)
    assert directory.state() is State.FINISHED
    assert not (path / "shards").exists()
    assert RunDirectory(path, "other").state() is State.OUTDATED
    (path / "t.parquet").write_bytes(b"")
    assert directory.state() is State.DAMAGED
    assert finished(path, lost={"b": "killed"}).state() is State.INCOMPLETE
    assert (path / "shards" / "id" / "a.npz").exists()


def test_a_tampered_provenance_is_noticed(tmp_path):
    directory = finished(tmp_path / "azopg" / "paper")
    file = directory.path / "provenance.json"
    record = json.loads(file.read_text())
    record["finished"] = "2030-01-01T00:00:00+00:00"
    file.write_text(json.dumps(record))
    assert directory.state() is State.DAMAGED
    assert finished_runs(tmp_path, "azopg") == []
    for content in ("", "[]", "{", "null", '{"identity": "id"}'):
        file.write_text(content)
        assert directory.state() is State.DAMAGED


def test_shards_of_another_identity_are_not_seen(tmp_path):
    directory = RunDirectory(tmp_path / "azopg" / "paper", "id")
    directory.open("")
    directory.write_shard("a", {"t": {"x": np.array([1.0])}})
    assert directory.has_shard("a")
    assert not RunDirectory(directory.path, "other").has_shard("a")


def test_a_damaged_shard_counts_as_missing(tmp_path):
    directory = RunDirectory(tmp_path / "azopg" / "paper", "id")
    directory.open("")
    directory.write_shard("a", {"t": {"x": np.array([1.0])}})
    shard = next(directory.path.glob("shards/id/a.npz"))
    raw = bytearray(shard.read_bytes())
    raw[len(raw) // 2] ^= 1
    shard.write_bytes(raw)
    assert not directory.has_shard("a")
    assert not shard.exists()


def test_one_process_at_a_time(tmp_path):
    directory = RunDirectory(tmp_path / "azopg" / "paper", "id")
    with directory.locked():
        with pytest.raises(BusyError, match="another process"), RunDirectory(directory.path, "id").locked():
            pass
        with RunDirectory(tmp_path / "azopg" / "small", "id").locked():
            pass
    with directory.locked():
        pass
    assert list(directory.path.parent.iterdir()) == []


def test_a_note_of_the_settings_that_is_none_is_written_again(tmp_path):
    directory = finished(tmp_path / "azopg" / "paper")
    note = directory.path / "config.yaml"
    for damage in (Path.unlink, lambda file: os.truncate(file, 2**40), lambda file: (file.unlink(), os.mkfifo(file))):
        assert directory.has_config("seed: 0\n")
        damage(note)
        assert not directory.has_config("seed: 0\n")
        directory.write_config("seed: 0\n")


def test_setting_aside_keeps_one_generation(tmp_path):
    directory = finished(tmp_path / "azopg" / "paper")
    directory.set_aside()
    assert (tmp_path / "azopg" / "paper.previous" / "t.parquet").exists()
    assert directory.state() is State.ABSENT
    finished(directory.path, when="2027-01-01T00:00:00+00:00")
    directory.set_aside()
    aside = json.loads((directory.previous / "provenance.json").read_text())
    assert aside["finished"].startswith("2027")
    assert finished_runs(tmp_path, "azopg") == []


def test_whole_tables_that_were_set_aside_give_way_to_whole_ones_only(tmp_path):
    directory = finished(tmp_path / "azopg" / "paper")
    assert directory.set_aside()
    aside = (directory.previous / "t.parquet").read_bytes()
    finished(directory.path)
    (directory.path / "t.parquet").write_bytes(b"")
    assert not directory.set_aside()
    assert (directory.previous / "t.parquet").read_bytes() == aside
    assert directory.state() is State.ABSENT
    finished(directory.path, lost={"b": "killed"})
    assert not directory.set_aside()
    assert not (directory.path / "shards").exists()
    finished(directory.path)
    assert directory.set_aside()


@pytest.mark.parametrize("link", ["", "shards", "shards/id", "../paper.previous"])
def test_a_link_in_the_place_of_a_folder_is_not_followed(tmp_path, link):
    (tmp_path / "azopg").mkdir()
    directory = RunDirectory(tmp_path / "azopg" / "paper", "id")
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "rows.npz").write_text("precious")
    where = tmp_path / "azopg" / "paper" / link
    where.parent.mkdir(parents=True, exist_ok=True)
    (directory.path.parent / "paper.previous" if ".." in link else where).symlink_to(precious)
    with pytest.raises(OSError, match="symbolic link"), directory.locked():
        pass
    directory.tidy()
    assert (precious / "rows.npz").read_text() == "precious"


def test_only_what_is_ours_is_tidied_away(tmp_path):
    directory = RunDirectory(tmp_path / "azopg" / "paper", "id")
    directory.open("")
    directory.write_shard("a", {"t": {"x": np.array([1.0])}})
    directory.mark_started("b")
    (directory.path / "shards" / "thesis.tex").write_text("precious")
    directory.tidy()
    assert sorted(file.name for file in directory.path.rglob("*")) == ["config.yaml", "shards", "thesis.tex"]
