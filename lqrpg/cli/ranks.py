"""The command line under `mpiexec` or `srun`, and what has to be there before a run can use MPI or Dask."""

from __future__ import annotations

import importlib.util
import shlex
import sys
import warnings

import click

from lqrpg.backends.mpi_place import Place, mpiexec, place, require_mpi, require_mpiexec
from lqrpg.checks import SettingError
from lqrpg.experiments.settings import Job


def serves_another() -> bool:
    """Whether this process is a rank other than 0: it has then worked for rank 0 until that had no more to do."""
    here = place()
    if here is None or here.size == 1:
        return False
    try:
        require_mpi(f"a run on {here.size} ranks")
        warnings.filterwarnings("ignore", "suspicious MPI")  # mpi4py's word on what `enter` refuses
        from lqrpg.backends.mpi_world import enter

        return not enter(here)
    except SettingError:
        if here.rank:  # one rank says it for all
            raise click.exceptions.Exit(2) from None
        raise


def require_workers(job: Job) -> None:
    """Refuse a job whose workers could not be had here, and say what to type instead."""
    here, least = place(), int(getattr(job.experiment, "ranks", 0))
    if job.runner.engine == "mpi" or least:
        _require_ranks(here, "backend=mpi" if job.runner.engine == "mpi" else "clock=mpi", least or 4)
    elif here is not None and here.size > 1:
        raise SettingError(
            f"backend={job.runner.backend} uses one of these {here.size} ranks: {_ranks(here.size, 'backend=mpi')}, "
            f"or without mpiexec: {_typed()}"
        )
    if job.runner.engine == "dask" and not importlib.util.find_spec("distributed"):
        raise SettingError("joblib_backend=dask needs dask.distributed: pip install 'lqrpg[dask]'")


def _require_ranks(here: Place | None, why: str, workers: int) -> None:
    if here is not None and here.size == 1:
        raise SettingError(
            f"{why} in a world of one rank, which has nobody to work for it: {_ranks(workers + 1)}, "
            f"or without mpiexec: {_typed(f'workers={workers}')}"
        )
    require_mpi(why)
    if here is None:
        require_mpiexec(why)


def _ranks(size: int, *more: str) -> str:
    return f"{mpiexec() or 'mpiexec'} -n {size} {_typed(*more)}"


def _typed(*more: str) -> str:
    """What the user typed, with some settings put in the place of others."""
    replaced = tuple(setting.split("=")[0] + "=" for setting in more)
    return shlex.join(
        ["lqrpg", *(word for word in sys.argv[1:] if not replaced or not word.startswith(replaced)), *more]
    )
