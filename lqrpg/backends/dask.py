"""Workers of a Dask cluster, by joblib's `dask` engine."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import joblib

from lqrpg.backends.base import LauncherError, Report, Work, WorkerLostError

_PATIENCE_S = 10


class DaskBackend:
    """Spread chunks over a Dask cluster: the one at `DASK_SCHEDULER_ADDRESS`, else one on this machine.

    Parameters
    ----------
    workers : processes of the cluster on this machine; a cluster that is there is taken as it is.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def map(
        self, function: Callable[[Work], Report], chunks: Sequence[Work], last: Sequence[Work] = ()
    ) -> Iterator[Report]:
        """Reports as chunks are done; raises `WorkerLostError` when workers of the cluster die over a chunk."""
        from distributed import KilledWorker

        with _client(self.workers), joblib.parallel_config(backend="dask"):
            pool = joblib.Parallel(return_as="generator_unordered", batch_size=1)
            try:
                for together in (chunks, *([chunk] for chunk in last)):
                    yield from pool(joblib.delayed(function)(chunk) for chunk in together)
            except KilledWorker as error:
                raise WorkerLostError(str(error).splitlines()[0]) from error

    def alone(self, function: Callable[[Work], Report], chunk: Work) -> Report:
        """The report of one chunk."""
        (report,) = self.map(function, [chunk])
        return report


def require_cluster() -> None:
    """Refuse a cluster that is named and has no scheduler that answers, or no worker."""
    if _address() is not None:
        with _client(1):
            pass


def _address() -> str | None:
    """The address that Dask reads from its variable of the environment, or from its files of settings."""
    address: str | None = importlib.import_module("dask").config.get("scheduler-address", None)
    return address


@contextlib.contextmanager
def _client(workers: int) -> Iterator[Any]:
    distributed: Any = importlib.import_module("distributed")
    address: Any = _address()
    with contextlib.ExitStack() as stack:
        if address is None:
            local = distributed.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
            address = stack.enter_context(local)
        try:
            client = stack.enter_context(distributed.Client(address, timeout=_PATIENCE_S))
        except ValueError as error:
            raise LauncherError(f"DASK_SCHEDULER_ADDRESS={address}: {error}; expected tcp://HOST:8786") from None
        except OSError:
            raise LauncherError(f"no Dask scheduler answers at {address} (DASK_SCHEDULER_ADDRESS)") from None
        try:
            client.wait_for_workers(1, timeout=_PATIENCE_S)
        except TimeoutError:
            raise LauncherError(f"the Dask scheduler at {address} has no workers: dask worker {address}") from None
        yield client
