"""Files of compiled kernels: what was kept comes back, or nothing does."""

import pytest

from lqrpg.compiler.cache import SealedFiles


def test_what_was_kept_comes_back_under_its_own_key_only(tmp_path):
    files = SealedFiles(tmp_path, "kernel")
    files.save(("float64", "here"), {"code": b"one"})
    files.save(("int64", "here"), {"code": b"two"})
    assert files.load(("float64", "here")) == {"code": b"one"}
    assert files.load(("int64", "here")) == {"code": b"two"}
    assert files.load(("float64", "elsewhere")) is None
    assert SealedFiles(tmp_path, "other").load(("float64", "here")) is None
    files.flush()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", [0, 3, -1])
def test_a_damaged_or_shortened_file_is_none(tmp_path, where):
    files = SealedFiles(tmp_path, "kernel")
    files.save("key", {"code": b"machine code"})
    [file] = tmp_path.iterdir()
    whole = file.read_bytes()
    raw = bytearray(whole)
    raw[where] ^= 1
    for damaged in (bytes(raw), whole[:where], b""):
        file.write_bytes(damaged)
        assert files.load("key") is None
    files.save("key", "again")
    assert files.load("key") == "again"
