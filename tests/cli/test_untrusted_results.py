"""Results of a stranger are data: whatever stands in them, no command runs it, obeys it, waits for it or breaks."""

import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lqrpg.cli.compose import composer
from lqrpg.cli.listing import _run
from lqrpg.results.atomic import DamagedFileError, write_sealed
from lqrpg.results.lookup import finished_runs, open_run
from lqrpg.results.rows import decode
from lqrpg.results.run_directory import RunDirectory
from lqrpg.results.tables import read_table
from tests.driven import Driven
from tests.forgery import forge, forge_table

pytestmark = pytest.mark.slow
RUN = ("run", "experiment=qsa_monte_carlo", "scale=smoke", "backend=serial")
PLACE = Path("results/qsa_monte_carlo/smoke")
EVIL = "\x1b[2J\x1b]0;title\x07[red][/]</script><script>alert(1)</script>\u202e\r\nlqrpg: all is well\ud800"


@pytest.fixture(scope="module")
def driven():
    calls = Driven()
    yield calls
    calls.close()


@pytest.fixture(scope="module")
def finished(driven, tmp_path_factory):
    """A folder with one finished run."""
    folder = tmp_path_factory.mktemp("finished")
    assert driven(folder, *RUN, limit_s=200).code == 0
    return folder


@pytest.fixture
def folder(finished, tmp_path):
    """A copy of it."""
    shutil.copytree(finished / "results", tmp_path / "results")
    return tmp_path


def readers(run: Path):
    """Every command that reads results; `--run` names the run, for there may be others."""
    yield ("list",)
    yield ("verify", "qsa_monte_carlo")
    yield ("plot", "qsa_fig1", "--svg")
    yield ("export", "qsa_monte_carlo")
    yield ("report",)
    yield ("compare", str(run), str(run))


def quick_readers(run: Path):
    """Those that neither draw nor check."""
    return [("list",), ("export", "qsa_monte_carlo"), ("compare", str(run), str(run))]


def require_safe(driven, folder: Path, run: Path = PLACE, commands=None) -> None:
    """No command hangs, breaks, obeys what it reads or prints it to the terminal as an order."""
    for command in commands or readers(run):
        ended = driven(folder, *command, limit_s=60)
        assert ended.code in (0, 1, 2, 3), (command, ended.err)
        for line in (ended.out + ended.err).split("\n"):
            assert line.isprintable(), (command, line)
            assert not line.startswith("lqrpg: all is well")
        assert "Warning:" not in ended.err, (command, ended.err)
        if ended.code == 2:
            assert ended.err.rstrip("\n").splitlines()[-1].startswith("lqrpg: "), (command, ended.err)
    assert not (folder / "marker").exists()
    for page in (*folder.glob("report.html"), *folder.glob("figures/*.svg")):
        assert "<script" not in page.read_text(errors="replace")


def test_strings_of_a_record_are_no_orders(driven, folder):
    settings = json.loads((folder / PLACE / "provenance.json").read_text())["settings"]
    evil = {"settings": {**settings, EVIL: EVIL, "rate": [EVIL]}, "finished": EVIL, "scale": EVIL, "argv": [EVIL]}
    forge(folder / PLACE, {**evil, "version": EVIL, "machine": {EVIL: EVIL}, "libraries": EVIL, "sources": EVIL})
    shutil.copytree(folder / PLACE, folder / "other")
    forge(folder / "other", {"settings": settings})
    commands = [*readers(PLACE), ("compare", str(PLACE), "other")]
    require_safe(driven, folder, commands=commands)


@pytest.mark.parametrize(
    "name",
    ["[red]", "[bold]", "\x1b[31mred", "a\nlqrpg: all is well", "\udcff", "a\u202eb", "..", "$x^$", "=1+1", "a'b\"c"],
)
def test_names_of_runs_are_text(driven, folder, name):
    where = PLACE if name == ".." else PLACE.with_name(name)
    if name != "..":
        (folder / PLACE).rename(folder / where)
    forge(folder / where, {"scale": name})
    require_safe(driven, folder, commands=[*quick_readers(where), ("report",)])
    require_safe(
        driven, folder, commands=[("plot", "qsa_fig1", "--run", name), ("compare", str(where / ".." / name), "x")]
    )


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"null", b"[]", b"{}", b"7", b"\xff\xfe", b"NaN", b"9" * 5000, b"[" * 100_000, b'{"a":' * 3000),
        *(b'{"seal": "x"}', b"!!python/object/apply:os.system [touch marker]"),
    ],
)
def test_a_record_that_is_none_is_not_read(driven, folder, content):
    (folder / PLACE / "provenance.json").write_bytes(content)
    require_safe(driven, folder, commands=quick_readers(PLACE))
    with pytest.raises(DamagedFileError):
        open_run(folder / PLACE)


STATES = ("current", "outdated", "incomplete", "damaged")
ODD = [None, 0, -1, 1e308, float("nan"), 10**400, "", "../../x", "\0", EVIL, [], [[1]], {}, {"a": 1}, True]


def odd_records(record):
    """Records in which one part is odd."""
    entry = record["tables"]["paths"]
    for value in ODD:
        yield from ({**record, key: value} for key in record if key != "seal")
        for key in ("name", "system", "rate"):
            yield {**record, "settings": {**record["settings"], key: value}}
        yield {**record, "settings": {**record["settings"], "system": {"kind": value}}}
        yield from ({**record, "tables": {"paths": {**entry, key: value}}} for key in entry)
        yield {**record, "tables": {str(value): entry}}


def test_a_record_with_odd_parts_breaks_nothing(driven, folder):
    record = json.loads((folder / PLACE / "provenance.json").read_text())
    for odd in odd_records(record):
        forge(folder / PLACE, odd)
        with composer(None):
            for run in finished_runs(folder / "results", "qsa_monte_carlo"):
                assert json.loads(json.dumps(_run(run)))["state"] in STATES
        RunDirectory(folder / PLACE, record["identity"]).state()
    require_safe(driven, folder, commands=[("list",)])


@pytest.mark.parametrize("name", ["provenance.json", "paths.parquet", "config.yaml"])
@pytest.mark.parametrize("kind", ["pipe", "endless", "huge", "folder", "loop", "nothing", "secret"])
def test_no_file_is_waited_for_and_none_is_read_without_end(driven, folder, name, kind):
    file = folder / PLACE / name
    file.unlink()
    (folder / "secret").write_text("secret of this machine")
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    elif kind == "huge":
        file.touch()
        os.truncate(file, 2**40)
    else:
        targets = {"endless": "/dev/zero", "loop": file, "nothing": "nowhere", "secret": folder / "secret"}
        file.symlink_to(targets[kind])
    require_safe(driven, folder, commands=[*quick_readers(PLACE), ("verify", "qsa_monte_carlo"), ("report",), RUN])
    told = [path.read_bytes() for path in folder.glob("csv/**/*.csv")]
    assert not any(b"secret of this" in text for text in told)


class Marker:
    """What pickle would run."""

    def __reduce__(self):
        return (os.system, ("touch marker",))


def pickled() -> bytes:
    return pickle.dumps(Marker())


def claiming(extension: bytes) -> pa.Table:
    """A table with a column that says which class of Python is to restore it."""
    metadata = {b"ARROW:extension:name": extension, b"ARROW:extension:metadata": pickled()}
    field = pa.field("estimate", pa.binary(), metadata=metadata)
    return pa.Table.from_arrays([pa.array([pickled()])], schema=pa.schema([field]))


def numbers(**columns) -> pa.Table:
    whole = {"method": ["qsa", "average"], "gain": [1.0, -1.0], "t_s": [0.0, 1.0], "estimate": [0.5, 1.0]}
    return pa.table({**whole, **columns})


TABLES = {
    "no Parquet": b"PAR1 nothing PAR1",
    "pickle": pickled(),
    "objects of Python": claiming(b"arrow.py_extension_type"),
    "an unknown extension": claiming(b"somebody.else"),
    "bytes": numbers(estimate=[b"a", b"b"]),
    "lists": numbers(estimate=[[1.0], [2.0]]),
    "structs": numbers(estimate=[{"a": 1}, {"a": 2}]),
    "missing columns": pa.table({"x": [1.0]}),
    "no columns": pa.table({}),
    "text for numbers": numbers(estimate=["a", "b"]),
    "numbers for text": numbers(method=[1, 2]),
    "nothing but nan": numbers(estimate=[np.nan, np.nan], gain=[np.nan, np.inf]),
    "huge numbers": numbers(estimate=[1e308, -1e308], t_s=[-1e308, 1e308]),
    "no rows": numbers().slice(0, 0),
    "formulas, mathematics and markup": numbers(method=["=cmd|' /C calc'!A0", "$\\frac{$[/]<script>"]),
    "two columns of one name": pa.Table.from_arrays([pa.array([1.0]), pa.array([2.0])], names=["a", "a"]),
    "a description that is none": numbers().replace_schema_metadata({"lqrpg": "[1]"}),
    "a description without end": numbers().replace_schema_metadata({"lqrpg": "[" * 100_000}),
    "metadata of pandas": numbers().replace_schema_metadata(
        {"pandas": '{"index_columns": [{"kind": 1}], "columns": 7}'}
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_forged_table_is_drawn_or_refused(driven, folder, name):
    forge_table(folder / PLACE, "paths", TABLES[name])
    require_safe(driven, folder)


def test_a_table_of_more_rows_than_memory_holds_is_refused(folder, tmp_path):
    """Less than a megabyte of Parquet can hold hundreds of millions of rows of one value."""
    file = tmp_path / "many.parquet"
    schema = pa.schema([("estimate", pa.float64())])
    part = pa.table({"estimate": pa.nulls(2**26, pa.float64())})
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for _ in range(5):
            writer.write_table(part, row_group_size=2**26)
    assert file.stat().st_size < 1_000_000
    forge_table(folder / PLACE, "paths", file.read_bytes())
    with pytest.raises(DamagedFileError, match="more than"):
        open_run(folder / PLACE).table("paths")


def test_what_pickle_would_restore_is_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("rows.npz", **{"table/column": np.array([Marker()], dtype=object)})
    with pytest.raises(DamagedFileError):
        decode(Path("rows.npz").read_bytes())
    Path("table.parquet").write_bytes(pickled())
    with pytest.raises(DamagedFileError):
        read_table(Path("table.parquet"), "0")
    assert not Path("marker").exists()
    pickle.loads(pickled())  # the attempt itself works
    assert Path("marker").exists()


def test_exported_text_is_no_formula(driven, folder):
    forge_table(folder / PLACE, "paths", TABLES["formulas, mathematics and markup"])
    assert driven(folder, "export", "qsa_monte_carlo").code == 0
    lines = (folder / "csv/qsa_monte_carlo/smoke/paths.csv").read_text().splitlines()
    assert lines[1].startswith("'=cmd")
    assert lines[2].split(",")[1] == "-1.0"


@pytest.mark.parametrize("kind", ["pickle", "pipe", "folder", "huge", "text"])
def test_what_a_stranger_left_of_a_run_is_computed_anew(driven, folder, kind):
    """A run goes on from shards; those that are none are replaced."""
    record = json.loads((folder / PLACE / "provenance.json").read_text())
    shards, owner = folder / PLACE / "shards" / record["identity"], f"{record['identity']}/paths"
    shards.mkdir(parents=True)
    before = (folder / PLACE / "paths.parquet").read_bytes()
    (folder / PLACE / "provenance.json").unlink()
    np.savez(folder / "rows.npz", **{"table/column": np.array([Marker()], dtype=object)})
    {
        "pickle": lambda file: write_sealed(file, (folder / "rows.npz").read_bytes(), owner),
        "pipe": os.mkfifo,
        "folder": Path.mkdir,
        "huge": lambda file: (file.touch(), os.truncate(file, 2**40)),
        "text": lambda file: write_sealed(file, b"rows", owner),
    }[kind](shards / "paths.npz")
    ended = driven(folder, *RUN)
    assert ended.code in (0, 2), ended.err
    assert not (folder / "marker").exists()
    if ended.code == 0:
        assert (folder / PLACE / "paths.parquet").read_bytes() == before


def test_a_lock_that_leads_elsewhere_is_not_followed(driven, folder):
    (folder / PLACE.parent / ".smoke.lock").symlink_to(folder / "precious")
    ended = driven(folder, *RUN, "--force")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert not (folder / "precious").exists()
