"""No terminal, no reader, no UTF-8, a strange folder: a run is not disturbed, and nothing is a traceback."""

import os
import re
import resource
import signal
import sys

import pytest

from tests.faults.runs import RUN, SLOWLY

pytestmark = pytest.mark.slow

SERIAL = (*RUN, "backend=serial")


def closed_streams() -> None:
    os.closerange(0, 3)


def without_a_terminal() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)


@pytest.mark.parametrize(
    ("before", "backend"),
    [(closed_streams, "serial"), (closed_streams, "joblib"), (closed_streams, "mpi"), (without_a_terminal, "joblib")],
)
def test_a_run_without_streams(place, expected, before, backend):
    assert place.call(*RUN, f"backend={backend}", before=before).code == 0
    assert place.tables() == expected
    assert place.is_tidy()


@pytest.mark.parametrize("before", [closed_streams, without_a_terminal])
def test_commands_without_streams(place, finished, before):
    results = ("--results", str(finished.folder / "results"))
    for command in (("list",), ("verify", "azopg"), ("plot", "azopg_fig3"), ("report",)):
        assert place.call(*command, *results, before=before).code in (0, 1)
    assert place.call("run", "experiment=nonsense", before=before).code == 2


def test_nohup_is_heeded(place, expected):
    process = place.start(*RUN, patch=SLOWLY, before=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    place.shards_reach(4, process)
    os.killpg(process.pid, signal.SIGHUP)
    ended = place.end(process)
    assert ended.code == 0, ended
    assert place.tables() == expected


def shell(place, script, **how):
    """A line for bash in which `lqrpg` is the command."""
    line = f'lqrpg() {{ "{sys.executable}" -m lqrpg "$@"; }}; set -o pipefail; {script}'
    return place.call(launcher=("bash", "-c", line), **how)


@pytest.mark.parametrize("command", ["list", "verify --json", "compare R R"])
def test_a_reader_that_leaves(place, finished, command):
    command = command.replace("R", str(finished.folder / "results/azopg/smoke"))
    where = "" if "compare" in command else f"--results '{finished.folder}/results'"
    ended = shell(place, f"lqrpg {command} {where} | head -c 1 >&2; exit ${{PIPESTATUS[0]}}")
    assert ended.code in (141, 0, 3), ended
    assert "Broken pipe" not in ended.err


def test_a_run_goes_on_when_nobody_reads_its_progress(place, expected):
    ended = shell(place, f"lqrpg {' '.join(RUN)} 2>&1 >/dev/null | head -c 1", patch=SLOWLY)
    assert ended.code == 0, ended
    assert place.tables() == expected
    assert place.is_tidy()


UNSOUND = {
    "a display that is none": ({"MPLBACKEND": "nonsense"}, 0),
    "no threads": ({"NUMBA_NUM_THREADS": "0"}, 0),
    "no number of cores": ({"LOKY_MAX_CPU_COUNT": "x"}, 2),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_an_unsound_environment_is_no_traceback(place, name):
    environment, code = UNSOUND[name]
    for command in (("run", *RUN[1:], "backend=joblib"), ("plot", "azopg_fig3")):
        ended = place.call(*command, unset=["LQRPG_TRACEBACK"], **environment)
        assert ended.code == code, ended
        if code:
            assert ended.err.startswith("lqrpg: LOKY_MAX_CPU_COUNT=x: expected a whole number of cores; this")


def test_too_few_open_files_is_no_traceback(place):
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))  # noqa: E731
    ended = place.call(*RUN, before=limit, unset=["LQRPG_TRACEBACK"])
    assert ended.code == 2, ended
    assert ended.err.splitlines()[-1].startswith("lqrpg: "), ended


def test_output_on_a_full_disk_is_one_line(place, expected):
    for command in ("list", "info", "verify --json", "run experiment=azopg --cfg job"):
        ended = shell(place, f"lqrpg {command} > /dev/full")
        assert ended.code == 2
        assert ended.err.splitlines()[-1] == "lqrpg: standard output: No space left on device", ended


def test_output_of_a_run_on_a_full_disk_harms_no_table(place, expected):
    ended = shell(place, f"lqrpg {' '.join(RUN)} > /dev/full 2> /dev/full")
    assert ended.code == 2
    assert place.tables() == expected


@pytest.mark.parametrize("command", ["list", "run experiment=azopg", "plot", "init mine"])
def test_a_folder_that_has_gone_is_named(place, command):
    ended = shell(place, f"mkdir gone && cd gone && rmdir ../gone && lqrpg {command}")
    assert ended.code in (0, 2, 3)
    if ended.code == 2:
        assert re.fullmatch(r"lqrpg: .+: No such file or directory.*\n", ended.err), ended


NARROW = {
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "POSIX": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii:strict"},
}


@pytest.mark.parametrize("locale", NARROW)
def test_commands_in_a_locale_without_unicode(place, finished, locale):
    results = place.folder / "Résultats"
    results.symlink_to(finished.folder / "results")
    for command in (("list",), ("verify",)):
        ended = place.call(*command, "--results", str(results), **NARROW[locale])
        assert ended.code in (0, 1, 3), ended


def test_a_run_in_a_locale_without_unicode(place, expected):
    results = "Résultats"
    assert place.call(*RUN, f"results_dir={results}", **NARROW["C"]).code == 0
    assert place.tables(results=results) == expected
    for command in (("report",), ("export", "azopg")):
        ended = place.call(*command, "--results", results, **NARROW["C"])
        assert ended.code == 0, ended


NAMES = ['it\'s "so" in Größe & [x]{y} 50% #1', "a~=b,c\\'s"]


@pytest.mark.parametrize("name", NAMES)
def test_folders_with_strange_names(place, expected, name):
    place.folder = place.folder / name
    own = place.folder / name / "experiment"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text("# @package _global_\ndefaults:\n  - azopg\n  - _self_\n")
    results = f"{name}/{name}"
    ended = place.call("run", "experiment=mine", *RUN[2:], "--config-dir", name, f"results_dir={results}")
    assert ended.code == 0, ended
    assert ended.out == f"{results}/azopg/smoke\n"
    assert place.tables(results=results) == expected
    for command in (("plot", "azopg_fig3", "--out", name), ("verify", "azopg"), ("list",)):
        assert place.call(*command, "--results", results).code in (0, 1)
    assert (place.folder / name / "azopg_fig3.pdf").exists()


def test_sweeps_and_ranks_in_folders_with_strange_names(place, expected):
    name = "Größe it's"
    place.folder = place.folder / name
    place.folder.mkdir()
    ended = place.call("run", "-m", *SERIAL[1:], f"results_dir={name}")
    assert ended.code == 0, ended
    assert re.search(r"^done ", ended.out, re.MULTILINE)
    assert place.tables(results=name) == expected
    assert place.call(*RUN, "backend=mpi").code == 0
    assert place.tables() == expected
