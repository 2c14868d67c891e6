"""Files that are whole or absent, rows without pickle, tables with equal bytes."""

import hashlib
import io
import os
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lqrpg.results import atomic, rows
from lqrpg.results.atomic import DamagedFileError, is_whole, read_regular, read_sealed, write_atomically, write_sealed
from lqrpg.results.rows import decode, encode
from lqrpg.results.tables import read_table, write_table


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 10_000), st.integers(1, 255))
def test_one_flipped_byte_is_noticed(tmp_path_factory, content, where, flip):
    file = tmp_path_factory.mktemp("sealed") / "file"
    write_sealed(file, content)
    assert read_sealed(file) == content
    raw = bytearray(file.read_bytes())
    raw[where % len(raw)] ^= flip
    file.write_bytes(raw)
    with pytest.raises(DamagedFileError):
        read_sealed(file)


@pytest.mark.parametrize("length", [0, 5, 31, 40])
def test_a_truncated_file_is_noticed(tmp_path, length):
    write_sealed(tmp_path / "file", b"some content of the file")
    raw = (tmp_path / "file").read_bytes()
    (tmp_path / "file").write_bytes(raw[:length])
    with pytest.raises(DamagedFileError):
        read_sealed(tmp_path / "file")


def test_a_file_without_end_is_damaged_and_none_is_waited_for(tmp_path):
    digest = write_table(tmp_path / "huge", pd.DataFrame({"x": [1.0]}), {})
    os.truncate(tmp_path / "huge", 2**40)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name, reason in (("huge", "larger than"), ("pipe", "no regular file"), ("folder", "no regular file")):
        for read in (read_regular, read_sealed):
            with pytest.raises(DamagedFileError, match=reason):
                read(tmp_path / name)
        assert not is_whole(tmp_path / name, digest)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    write_atomically(tmp_path / "file", b"old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_rows_come_back_as_they_were():
    columns_of = {
        "curves": {"case": np.array(["normal", "slow"]), "gap": np.array([0.1, np.nan]), "update": np.array([1, 2])},
        "one": {"censored": np.array([True])},
    }
    back = decode(encode(columns_of))
    assert set(back) == {"curves", "one"}
    for table, columns in columns_of.items():
        for name, column in columns.items():
            assert back[table][name].dtype == column.dtype
            np.testing.assert_array_equal(back[table][name], column)


def test_pickled_content_is_not_read():
    stream = io.BytesIO()
    np.savez(stream, **{"table/column": np.array([{"a": 1}], dtype=object)})
    with pytest.raises(ValueError, match="allow_pickle"):
        decode(stream.getvalue())
    with pytest.raises((ValueError, OSError)):
        decode(pickle.dumps({"table": 1}))


def test_rows_that_a_stranger_has_compressed_are_bounded(monkeypatch):
    monkeypatch.setattr(rows, "LARGEST_FILE", 10_000)
    stream = io.BytesIO()
    np.savez_compressed(stream, **{"table/column": np.zeros(2000)})
    with pytest.raises(DamagedFileError, match="once unpacked"):
        decode(stream.getvalue())


@pytest.mark.parametrize("use_dictionary", [True, False])
def test_text_that_grows_when_it_is_read_is_refused(tmp_path, use_dictionary):
    """A short file can hold one long entry for all its rows."""
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 3000), pa.array(["x" * 2**20]))
    stream = io.BytesIO()
    schema = pa.schema([("case", pa.string())])
    with pq.ParquetWriter(stream, schema, compression="zstd", use_dictionary=use_dictionary) as writer:
        for start in range(0, len(text), 100):
            writer.write_table(pa.table({"case": text[start : start + 100].cast(pa.string())}))
    write_atomically(tmp_path / "t.parquet", stream.getvalue())
    assert (tmp_path / "t.parquet").stat().st_size < 5_000_000
    with pytest.raises(DamagedFileError, match="bytes"):
        read_table(tmp_path / "t.parquet", hashlib.sha256(stream.getvalue()).hexdigest())


def test_equal_tables_have_equal_bytes_and_carry_their_description(tmp_path):
    table = pd.DataFrame({"case": ["a", "b"], "value": [1.5, 2.5]})
    first = write_table(tmp_path / "one.parquet", table, {"settings": {"x": 1}})
    assert write_table(tmp_path / "two.parquet", table.copy(), {"settings": {"x": 1}}) == first
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    back = read_table(tmp_path / "one.parquet", first)
    pd.testing.assert_frame_equal(back, table)
    assert back.attrs["settings"] == {"x": 1}


def test_a_damaged_table_is_noticed(tmp_path):
    digest = write_table(tmp_path / "t.parquet", pd.DataFrame({"x": [1.0]}), {})
    assert is_whole(tmp_path / "t.parquet", digest)
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    assert not is_whole(tmp_path / "t.parquet", digest)
    with pytest.raises(DamagedFileError, match="damaged"):
        read_table(tmp_path / "t.parquet", digest)
    (tmp_path / "t.parquet").unlink()
    with pytest.raises(DamagedFileError, match="missing"):
        read_table(tmp_path / "t.parquet", digest)
