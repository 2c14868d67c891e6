"""Disks that are full, read-only, gone, or elsewhere: one line, nothing lost, and the same command continues."""

import ctypes
import os
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.faults.runs import RUN, SLOWLY, descendants

pytestmark = pytest.mark.slow

_CAPBSET_DROP, _CAPABILITIES_OVER_FILES = 24, (1, 2)


def bound_by_permissions() -> None:
    """For a child process: permissions of files bind it, even where the suite runs as root."""
    if os.geteuid() == 0:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        assert all(prctl(_CAPBSET_DROP, capability, 0, 0, 0) == 0 for capability in _CAPABILITIES_OVER_FILES)


def full(processes) -> None:
    """No byte more into any file: a real limit of the system, as on a full disk."""
    for pid in processes:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, 0))


def assert_continues(place, expected, ended, word):
    assert ended.code == 2, ended
    assert ended.err.splitlines()[-1].startswith("lqrpg: "), ended.err
    assert "results/azopg/smoke/" in ended.err.splitlines()[-1]
    assert word in ended.err
    assert "what is done is kept: once that is mended, the same command continues" in ended.err
    kept = len(place.shards())
    assert kept >= 4
    again = place.call(*RUN)
    assert again.code == 0, again
    assert f"{kept} done before" in again.err
    assert place.tables() == expected
    assert place.is_tidy()


def test_a_disk_that_fills_up_under_the_workers(place, expected):
    process = place.start(*RUN, patch=SLOWLY)
    place.shards_reach(4, process)
    full(descendants(process.pid))
    assert_continues(place, expected, place.end(process), "File too large")


def tmpfs(*command) -> bool:
    """Call `mount` or `umount`; whether that may be done here."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(place):
    """A file system of sixteen pages in the place of `results`."""
    disk = place.folder / "results"
    disk.mkdir()
    if os.geteuid() != 0 or not tmpfs("mount", "-t", "tmpfs", "-o", "size=64k", "lqrpg-test", disk):
        pytest.skip("file systems cannot be mounted here")
    yield disk
    place.close()
    assert tmpfs("umount", disk)


def test_a_small_disk_that_is_made_larger(place, expected, small_disk):
    ended = place.call(*RUN, patch=SLOWLY)
    assert tmpfs("mount", "-o", "remount,size=16m", small_disk)
    assert_continues(place, expected, ended, "No space left on device")


def test_a_disk_that_fills_up_before_the_tables_are_written(place, expected):
    process = place.start(*RUN, patch=SLOWLY)
    place.shards_reach(4, process)
    full([process.pid])
    assert_continues(place, expected, place.end(process), "File too large")
    assert place.tables() == expected


def test_a_disk_that_is_full_from_the_start(place, expected):
    ended = place.call(*RUN, before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)))
    assert ended.code == 2
    assert ended.err.splitlines()[-1].startswith("lqrpg: "), ended.err
    assert "File too large" in ended.err
    again = place.call(*RUN)
    assert again.code == 0, again
    assert place.tables() == expected
    assert place.is_tidy()


def test_a_folder_that_becomes_read_only_during_the_run(place, expected):
    process = place.start(*RUN, patch=SLOWLY, before=bound_by_permissions)
    place.shards_reach(4, process)
    folder = place.shards()[0].parent
    folder.chmod(0o555)
    ended = place.end(process)
    folder.chmod(0o755)
    assert_continues(place, expected, ended, "Permission denied")


@pytest.mark.parametrize("where", ["results", "closed/results", "file/results", "/proc/results"])
def test_a_folder_that_cannot_be_written_is_refused(place, where):
    (place.folder / "closed").mkdir(mode=0o555)
    (place.folder / "results").mkdir(mode=0o555)
    (place.folder / "file").write_text("")
    ended = place.call(*RUN, f"results_dir={where}", before=bound_by_permissions)
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert where.removesuffix("/results") in ended.err
    assert sorted(file.name for file in place.folder.rglob("*")) == ["closed", "file", "results"]


def test_a_finished_run_in_a_folder_that_cannot_be_written_returns_at_once(place, expected):
    assert place.call(*RUN).code == 0
    folders = [place.folder / "results", *(place.folder / "results").rglob("smoke"), place.folder / "results/azopg"]
    for folder in folders:
        folder.chmod(0o555)
    again = place.call(*RUN, before=bound_by_permissions)
    assert again.code == 0, again
    assert "nothing to do" in again.err
    forced = place.call(*RUN, "--force", before=bound_by_permissions)
    assert (forced.code, forced.err.count("\n")) == (2, 1), forced
    for folder in folders:
        folder.chmod(0o755)
    assert place.tables() == expected


def test_a_link_in_the_place_of_a_run_is_refused(place):
    (place.folder / "precious/shards").mkdir(parents=True)
    (place.folder / "precious/shards/letter").write_text("precious")
    (place.folder / "results/azopg").mkdir(parents=True)
    (place.folder / "results/azopg/smoke").symlink_to("../../precious")
    for more in ([], ["--force"]):
        ended = place.call(*RUN, *more)
        assert (ended.code, ended.err.count("\n")) == (2, 1), ended
        assert "results/azopg/smoke: a symbolic link" in ended.err
    assert [file.name for file in (place.folder / "precious").rglob("*")] == ["shards", "letter"]


def test_results_that_are_removed_during_the_run(place, expected):
    process = place.start(*RUN, patch=SLOWLY)
    place.shards_reach(4, process)
    (place.folder / "results").rename(place.folder / "trash")
    ended = place.end(process)
    assert ended.code == 2
    assert "moved or removed" in ended.err
    assert "the same command starts it anew" in ended.err
    again = place.call(*RUN)
    assert again.code == 0, again
    assert place.tables() == expected


@pytest.fixture
def elsewhere():
    folder = tempfile.mkdtemp(prefix="lqrpg-test-", dir="/dev/shm")
    yield Path(folder)
    shutil.rmtree(folder)


@pytest.mark.parametrize("through_a_link", [False, True])
def test_results_on_another_device(place, expected, elsewhere, through_a_link):
    assert elsewhere.stat().st_dev != place.folder.stat().st_dev
    (place.folder / "link").symlink_to(elsewhere)
    results = "link" if through_a_link else str(elsewhere)
    for more in ([], ["--force"]):
        ended = place.call(*RUN, f"results_dir={results}", *more)
        assert ended.code == 0, ended
        assert place.tables(results=results) == expected
        assert place.is_tidy(results=results)
    assert place.tables("smoke.previous", results) == expected
    drawn = place.call("plot", "azopg_fig3", "--results", results)
    assert drawn.code == 0, drawn
