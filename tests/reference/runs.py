"""The runs whose tables are kept: which they are, how they are computed, where they lie."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lqrpg.cli.complete import choices
from lqrpg.cli.compose import requests
from lqrpg.results.comparison import TIMINGS
from lqrpg.runner.experiment import Experiment, Trial

FOLDER = Path(__file__).resolve().parent / "tables"
RENEW = "make references WRITE=--write"
Tables = dict[str, pd.DataFrame]


def runs() -> dict[str, list[str]]:
    """What to type after `lqrpg run` for each run, by its folder: one for each experiment, and further parts."""
    found = {name: [f"experiment={name}", "scale=smoke"] for name in choices("experiment")}
    return {**found, "sgd_direct-baseline": ["experiment=sgd_direct", "scale=smoke", "part=baseline"]}


def experiment_name(overrides: Sequence[str]) -> str:
    """The experiment's name alone."""
    return overrides[0].partition("=")[2]


def experiment_of(overrides: Sequence[str]) -> Experiment:
    """The experiment that the overrides ask for."""
    (request,) = requests(overrides, None, multirun=False)
    return request.job.experiment


def compute(experiment: Experiment, trials: Sequence[Trial] | None = None) -> Tables:
    """The tables of an experiment, of all its trials or of some, in this process; those of timings left out."""
    experiment.compile()
    chosen = experiment.trials() if trials is None else trials
    tables = experiment.tables([(trial, experiment.run(trial)) for trial in chosen])
    return {name: table for name, table in tables.items() if name not in TIMINGS}


def load(run: str) -> Tables:
    """The tables that are kept of a run; none if it is new."""
    files = sorted((FOLDER / run).glob("*.parquet"))
    return {file.stem: pq.read_table(file).to_pandas() for file in files}


def store(run: str, tables: Mapping[str, pd.DataFrame]) -> None:
    """Keep the tables of a run in the place of what was kept before."""
    folder = FOLDER / run
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.parquet"):
        file.unlink()
    for name, table in tables.items():
        (folder / f"{name}.parquet").write_bytes(_packed(table))


def _packed(table: pd.DataFrame) -> bytes:
    """Parquet that spends few bytes: the repository keeps every version of it."""
    arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    floats = [field.name for field in arrow.schema if pa.types.is_floating(field.type)]
    whole = [field.name for field in arrow.schema if pa.types.is_integer(field.type)]
    encodings = dict.fromkeys(floats, "BYTE_STREAM_SPLIT") | dict.fromkeys(whole, "DELTA_BINARY_PACKED")
    words = [
        field.name for field in arrow.schema if field.name not in encodings and not pa.types.is_boolean(field.type)
    ]
    stream = io.BytesIO()
    options = {"compression": "zstd", "compression_level": 19, "write_statistics": False, "store_schema": False}
    pq.write_table(arrow, stream, use_dictionary=words, column_encoding=encodings, **options)
    return stream.getvalue()
