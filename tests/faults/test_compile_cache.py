"""The cache of compiled kernels: damaged, interrupted, shared, or nowhere. It costs time, and no number and no run."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from lqrpg.compiler.jit import cache_folder
from tests.faults.runs import RUN, wait_for

pytestmark = pytest.mark.slow

SERIAL = (*RUN, "backend=serial")


def kernels(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.nbc"))


@pytest.fixture
def warm(place, finished):
    """A copy of the cache that the undisturbed run has filled: a folder for LQRPG_CACHE."""
    folder = place.folder / "cache"
    shutil.copytree(cache_folder(), folder / cache_folder().name)
    return folder


def test_damaged_kernels_are_compiled_again(place, expected, warm):
    for number, file in enumerate(kernels(warm)):
        raw = bytearray(file.read_bytes())
        raw[len(raw) // 2] ^= 1
        file.write_bytes([raw, raw[:-9], b"", b"garbage"][number % 4])
    times = {file: file.stat().st_mtime_ns for file in kernels(warm)}
    ended = place.call(*SERIAL, LQRPG_CACHE=str(warm))
    assert ended.code == 0, ended
    assert place.tables() == expected
    assert any(file.stat().st_mtime_ns != times[file] for file in times)


def test_a_kill_in_the_middle_of_compiling(place, expected):
    cold = str(place.folder / "cache")
    for count in (1, 4):
        process = place.start(*SERIAL, LQRPG_CACHE=cold)
        wait_for(lambda count=count: len(kernels(Path(cold))) >= count, 120)
        os.kill(process.pid, signal.SIGKILL)
        assert place.end(process).code == -signal.SIGKILL
    ended = place.call(*SERIAL, LQRPG_CACHE=cold)
    assert ended.code == 0, ended
    assert place.tables() == expected


def test_two_processes_that_compile_at_once(place, expected):
    cold = str(place.folder / "cache")
    pair = [place.start(*SERIAL, *more, LQRPG_CACHE=cold) for more in ([], ["seed=1"])]
    assert [place.end(process).code for process in pair] == [0, 0]
    assert place.tables() == expected
    count = len(kernels(Path(cold)))
    again = place.call(*SERIAL, "--force", LQRPG_CACHE=cold)
    assert again.code == 0
    assert place.tables() == expected
    assert len(kernels(Path(cold))) == count  # all were found


@pytest.mark.parametrize("nowhere", [{"LQRPG_CACHE": "/proc/nowhere"}, {"HOME": "/proc/nowhere"}, {}])
def test_a_cache_that_cannot_be_made(place, expected, warm, nowhere):
    unset = {"LQRPG_CACHE", "XDG_CACHE_HOME", "HOME"} - set(nowhere)
    spare = place.folder / f"lqrpg-{os.getuid()}"
    warm.rename(spare)
    spare.chmod(0o700)
    ended = place.call(*SERIAL, unset=unset, TMPDIR=str(place.folder), **nowhere)
    assert ended.code == 0, ended
    assert place.tables() == expected
    told = place.call("info", unset=unset, TMPDIR=str(place.folder), **nowhere)
    assert told.code == 0
    assert (str(spare) in told.out) == bool(nowhere)
    assert place.call("plot", "azopg_fig3", unset=unset, **nowhere).code == 0


def test_a_cache_on_a_full_disk(place, expected, warm):
    """Nothing can be kept in it: a run compiles what it needs, and goes on."""
    shutil.rmtree(warm)
    patch = (
        "import errno\n"
        "from lqrpg.compiler.cache import SealedFiles\n"
        "def full(self, path, content):\n"
        "    raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "SealedFiles._write = full\n"
    )
    ended = place.call(*SERIAL, patch=patch, LQRPG_CACHE=str(warm))
    assert ended.code == 0, ended
    assert place.tables() == expected
    assert kernels(warm) == []
