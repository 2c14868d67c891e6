"""Files of a run that come to harm: said, computed again, and never a number or a traceback from them."""

import hashlib
import json
import os
import shutil
import signal

import pytest

from lqrpg.results.atomic import write_atomically
from lqrpg.results.tables import read_table, write_table
from tests.faults.runs import RUN, SLOWLY, Place

pytestmark = pytest.mark.slow

SERIAL = (*RUN, "backend=serial")


def cut(file, other):
    file.write_bytes(file.read_bytes()[:-7])


def flip(file, other):
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 3] ^= 0x10
    file.write_bytes(raw)


def empty(file, other):
    file.write_bytes(b"")


def exchange(file, other):
    shutil.copy(other, file)


def remove(file, other):
    file.unlink()


DAMAGES = [cut, flip, empty, exchange, remove]


def older_seal(file, other):
    """As versions wrote shards that did not name their owner."""
    content = file.read_bytes()[:-32]
    write_atomically(file, content + hashlib.sha256(content).digest())


def assert_works_again(call, place, expected, word):
    again = call(*SERIAL)
    assert again.code == 0, again
    assert word in again.err
    assert place.tables() == expected
    assert place.is_tidy()


@pytest.fixture(scope="module")
def other(tmp_path_factory, finished):
    """The same experiment with another seed, in the folder of the first."""
    ended = finished.call(*SERIAL, "seed=1")
    assert ended.code == 0, ended
    return finished.folder / ended.out.strip()


@pytest.fixture
def place(lqrpg, tmp_path):
    """The folder in which `lqrpg` is called inside this process; `start` is for another."""
    found = Place(tmp_path)
    yield found
    found.close()


@pytest.fixture
def copied(place, finished, other):
    """A copy of the undisturbed run, in a place of its own."""
    shutil.copytree(finished.folder / "results/azopg/smoke", place.folder / "results/azopg/smoke")
    return place.folder / "results/azopg/smoke"


def test_damaged_shards_are_said_and_their_trials_run_again(place, expected):
    process = place.start(*RUN, patch=SLOWLY)
    place.shards_reach(8, process)
    os.kill(process.pid, signal.SIGTERM)
    assert place.end(process).code == 143
    harmed = sorted(place.shards())[:6]
    stranger = sorted(place.shards())[6]
    for file, damage in zip(harmed, [cut, flip, empty, exchange, older_seal, exchange], strict=True):
        damage(file, stranger)
    again = place.call(*RUN)
    assert again.code == 0, again
    for file in harmed:
        assert f"{file.relative_to(place.folder)} is damaged; computing the trial again" in again.err
    assert place.tables() == expected


def test_shards_of_another_configuration_are_not_taken(place, expected):
    for more in ([], ["seed=1"]):
        process = place.start(*RUN, *more, patch=SLOWLY)
        place.shards_reach(4 + 4 * len(more), process)
        os.kill(process.pid, signal.SIGTERM)
        assert place.end(process).code == 143
    own = next(place.folder.glob("results/azopg/smoke/shards/*"))
    for file in place.folder.glob("results/azopg/smoke-*/shards/*/*.npz"):
        shutil.copy(file, own / file.name)
    assert_works_again(place.call, place, expected, "is damaged; computing the trial again")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_table(lqrpg, place, expected, copied, other, damage):
    damage(copied / "speedup.parquet", other / "speedup.parquet")
    for code, command in ((3, ("plot", "azopg")), (3, ("verify", "azopg")), (2, ("export", "azopg"))):
        ended = lqrpg(*command)
        assert ended.code == code, ended
        assert "speedup.parquet is " in ended.err
    judged = json.loads(lqrpg("verify", "azopg", "--json").out)
    assert "azopg_linear_convergence" in {row["name"] for row in judged["claims"]}  # it reads another table
    assert "azopg_stabilising" in judged["missing"]
    assert {file.stem for file in (place.folder / "figures" / "smoke").glob("*.pdf")} >= {"azopg_fig1", "azopg_fig2"}
    [found] = json.loads(lqrpg("list", "--json").out)[0]["results"]
    assert found["state"] == "damaged"
    assert_works_again(
        lqrpg, place, expected, "results/azopg/smoke: a file is damaged or missing; computing the run again"
    )


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_record(lqrpg, place, expected, copied, other, damage):
    damage(copied / "provenance.json", other / "provenance.json")
    if damage is exchange:  # whole, but of other tables
        assert lqrpg("plot", "azopg_fig3").code == 3
        assert lqrpg("verify", "azopg").code == 3
    else:
        for command in (("plot", "azopg_fig3"), ("verify", "azopg")):
            ended = lqrpg(*command)
            assert ended.code == 3, ended
            assert "lqrpg run experiment=azopg" in ended.err
            assert ("provenance.json is damaged, and the run is left out" in ended.err) == (damage is not remove)
    assert lqrpg("list").code == 0
    assert lqrpg(*SERIAL).code == 0
    assert place.tables() == expected
    assert place.is_tidy()


def test_a_record_of_another_experiment_is_left_out(lqrpg, place, copied):
    copied.parent.rename(copied.parent.with_name("qsa_rates"))
    ended = lqrpg("verify", "qsa_rates")
    assert ended.code == 3
    assert "is the record of a run of azopg, and the run is left out" in ended.err


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_note_of_the_settings(lqrpg, place, expected, copied, other, damage):
    before = (copied / "config.yaml").read_bytes()
    damage(copied / "config.yaml", other / "config.yaml")
    assert lqrpg("plot", "azopg_fig3").code == 0  # nothing is read from it
    assert_works_again(lqrpg, place, expected, "config.yaml is damaged or missing; writing it again")
    assert (copied / "config.yaml").read_bytes() == before


def of_an_older_version(run, forget):
    """Make the run one of older code: another digest of the sources, tables without some columns, sealed as usual."""
    record = json.loads((run / "provenance.json").read_text())
    for name, entry in record["tables"].items():
        table = read_table(run / f"{name}.parquet", entry["sha256"])
        kept = table.drop(columns=[column for column in forget if column in table])
        entry["sha256"] = write_table(run / f"{name}.parquet", kept, table.attrs)
    record |= {"sources": "0" * 16, "identity": "0" * 16}
    del record["seal"]
    record["seal"] = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
    (run / "provenance.json").write_text(json.dumps(record))


@pytest.mark.parametrize("forget", [(), ("workers", "case", "update")])
def test_tables_of_an_older_version(lqrpg, place, expected, copied, forget):
    of_an_older_version(copied, forget)
    for command in (("plot", "azopg_fig3"), ("verify", "azopg")):
        ended = lqrpg(*command)
        assert "results/azopg/smoke is outdated, the code has changed since" in ended.err
        assert (ended.code == 3) == bool(forget), ended
        assert ("are of another version and do not fit" in ended.err) == bool(forget)
    [found] = json.loads(lqrpg("list", "--json").out)[0]["results"]
    assert found["state"] == "outdated"
    assert lqrpg("report").code == 0
    assert_works_again(lqrpg, place, expected, "results/azopg/smoke.previous")
