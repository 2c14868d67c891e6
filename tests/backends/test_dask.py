"""Trials on a real Dask cluster of this machine: the same bits as serial."""

import os
import subprocess
import sys

import pytest
from distributed import LocalCluster

SMOKE = ["run", "experiment=azopg", "scale=smoke"]


def call(*arguments, cwd, **environment):
    return subprocess.run(
        [sys.executable, "-m", "lqrpg", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.mark.slow
def test_tables_are_serials_bits_on_a_dask_cluster(tmp_path):
    assert call(*SMOKE, "backend=serial", "results_dir=serial", cwd=tmp_path).returncode == 0
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        done = call(*SMOKE, "joblib_backend=dask", cwd=tmp_path, DASK_SCHEDULER_ADDRESS=address)
    assert done.returncode == 0, done.stderr
    serial, dask = tmp_path / "serial/azopg/smoke", tmp_path / "results/azopg/smoke"
    names = sorted(file.name for file in serial.glob("*.parquet"))
    assert names
    assert all((serial / name).read_bytes() == (dask / name).read_bytes() for name in names)


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer_is_one_line(tmp_path):
    done = call(*SMOKE, "joblib_backend=dask", cwd=tmp_path, DASK_SCHEDULER_ADDRESS="tcp://127.0.0.1:9")
    assert done.returncode == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
@pytest.mark.parametrize("address", ["garbage", "foo://x:1"])
def test_an_address_that_is_none_is_one_line(address, tmp_path):
    done = call(*SMOKE, "joblib_backend=dask", cwd=tmp_path, DASK_SCHEDULER_ADDRESS=address)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"DASK_SCHEDULER_ADDRESS={address}: " in done.stderr
    assert "expected tcp://HOST:8786" in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_a_scheduler_without_workers_is_one_line(tmp_path):
    with LocalCluster(n_workers=0, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        done = call(*SMOKE, "joblib_backend=dask", cwd=tmp_path, DASK_SCHEDULER_ADDRESS=address)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"has no workers: dask worker {address}" in done.stderr
    assert not (tmp_path / "results").exists()
