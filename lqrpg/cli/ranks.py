"""The command line under `mpiexec` or `srun`, and what has to be there before a run can use MPI or Dask."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

import click

from lqrpg.backends.mpi.env import LaunchedRank, is_world_root, launched_rank, mpiexec, require_mpi, require_mpiexec
from lqrpg.checks import SettingError
from lqrpg.runner.settings import Job


def serves_another() -> bool:
    """Whether this process is a rank other than 0: it has then worked for rank 0 until that had no more to do."""
    here = launched_rank()
    if here is None or here.size == 1:
        return False
    try:
        require_mpi(f"a run on {here.size} ranks")
        warnings.filterwarnings("ignore", "suspicious MPI")  # mpi4py's word on what `enter` refuses
        from lqrpg.backends.mpi.world import enter

        return not enter(here)
    except SettingError:
        if here.rank:  # one rank says it for all
            raise click.exceptions.Exit(2) from None
        raise


def require_workers(job: Job) -> None:
    """Refuse a job whose workers could not be had here, and say what to type instead."""
    here, least = launched_rank(), job.ranks
    if here is not None and here.size > 1 and not is_world_root():
        _refuse_once(here)
    if job.runner.engine == "mpi" or least:
        _require_ranks(here, "backend=mpi" if job.runner.engine == "mpi" else "clock=mpi", least or 4)
    elif here is not None and here.size > 1:
        raise SettingError(
            f"backend={job.runner.backend} uses one of these {here.size} ranks; without mpiexec: {_typed()}, "
            f"or on all of them: {_ranks(here.size, 'backend=mpi')}"
        )
    if job.runner.engine == "dask":
        if not importlib.util.find_spec("distributed"):
            raise SettingError("joblib_backend=dask needs dask.distributed: pip install 'lqrpg[dask]'")
        from lqrpg.backends.dask import require_cluster

        require_cluster()


def _refuse_once(here: LaunchedRank) -> None:
    """Refuse to compute the same on every rank; one says it for all."""
    if here.rank:
        sys.exit(2)
    raise SettingError(
        f"each of these {here.size} ranks would compute the same: only the command line can share a run among them; "
        "from Python, call it without mpiexec: run_experiment(..., backend='mpi', workers=N)"
    )


def _require_ranks(here: LaunchedRank | None, why: str, workers: int) -> None:
    if here is not None and here.size == 1:
        raise SettingError(
            f"{why} in a world of one rank, which has nobody to work for it; "
            f"without mpiexec: {_typed(f'workers={workers}')}, or: {_ranks(workers + 1)}"
        )
    require_mpi(why)
    if here is None:
        require_mpiexec(why)


def _ranks(size: int, *more: str) -> str:
    return f"{_mpiexec()} -n {size} {_typed(*more)}"


def _typed(*more: str) -> str:
    """What the user typed, with some settings put in the place of others."""
    replaced = tuple(setting.split("=")[0] + "=" for setting in more)
    return as_typed([*(word for word in sys.argv[1:] if not replaced or not word.startswith(replaced)), *more])


def as_typed(words: Iterable[str]) -> str:
    """The command line of these words: `lqrpg` by its name where the shell finds it, else as it was started."""
    started = Path(sys.argv[0])
    own = [sys.executable, "-m", "lqrpg"] if started.name == "__main__.py" else [str(started.resolve())]
    return shlex.join([*(["lqrpg"] if shutil.which("lqrpg") else own), *words])


def launched_as_typed(words: Iterable[str]) -> str:
    """The command line of these words, started again on as many ranks as this process finds beside itself."""
    here = launched_rank()
    if here is None:
        return as_typed(words)
    slurm = "SLURM_PROCID" in os.environ and "OMPI_COMM_WORLD_SIZE" not in os.environ
    launcher = f"srun -n {here.size} --mpi=pmi2 --kill-on-bad-exit" if slurm else f"{_mpiexec()} -n {here.size}"
    return f"{launcher} {as_typed(words)}"


def _mpiexec() -> str:
    return shlex.quote(mpiexec() or "mpiexec")
