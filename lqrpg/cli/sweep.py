"""`lqrpg run -m`: every combination, by Hydra's sweeper and whichever of its launchers is chosen."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lqrpg.checks import SettingError
from lqrpg.cli.compose import Request, composer, request, search_path
from lqrpg.cli.console import echo
from lqrpg.cli.help_texts import help_texts_accepted
from lqrpg.cli.one_run import run_request
from lqrpg.cli.words import quoted
from lqrpg.plugins import config_folders
from lqrpg.results.run_directory import State
from lqrpg.runner.execute import run_directory
from lqrpg.runner.settings import escaped

_FORCE = "LQRPG_SWEEP_FORCE"
_CONFIG_DIR = "LQRPG_SWEEP_CONFIG_DIR"


def sweep(overrides: Sequence[str], wanted: Sequence[Request], config_dir: Path | None, *, force: bool) -> int:
    """Hand the sweep to Hydra; afterwards say what became of each job."""
    import hydra

    results = Path(wanted[0].job.runner.results_dir).resolve()
    os.environ[_FORCE] = "1" if force else ""
    os.environ[_CONFIG_DIR] = str(config_dir.resolve()) if config_dir else ""
    main, *others = config_folders()
    own = [
        "hydra.sweep.dir=" + quoted(f"{escaped(str(results))}/.sweeps/${{now:%Y-%m-%d_%H-%M-%S}}"),
        "hydra.output_subdir=null",
        search_path(others),
        "hydra.job.chdir=false",
        "hydra/job_logging=none",
        "hydra/hydra_logging=none",
    ]
    given = [key.split("=")[0] for key in overrides]
    options = [option for option in own if option.split("=")[0] not in given]
    arguments = ["--multirun", *overrides, *options]
    if config_dir:
        arguments = ["--config-dir", str(config_dir.resolve()), *arguments]
    written = [_written(each) for each in wanted]
    before, sys.argv = sys.argv, [sys.argv[0], *arguments]
    try:
        with help_texts_accepted():
            hydra.main(version_base="1.3", config_path=str(main), config_name="config")(job)()
    except SystemExit as end:
        if end.code:
            echo("lqrpg: the launcher ended early; the same command continues", err=True)
    finally:
        sys.argv = before
    return _summary(wanted, [force and stamp == _written(each) for each, stamp in zip(wanted, written, strict=True)])


def job(config: DictConfig) -> None:
    """One job of a sweep, in whichever process the launcher chose; its errors are lines, not tracebacks."""
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig

    typed: Any = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)
    folder = os.environ.get(_CONFIG_DIR)
    state = GlobalHydra.instance()
    kept = state.hydra
    try:
        with contextlib.suppress(AssertionError), composer(Path(folder) if folder else None):
            wanted = request(typed)
        run_request(wanted, force=bool(os.environ.get(_FORCE)))
    except (SettingError, OSError) as error:
        echo(f"lqrpg: {error}", err=True)
    finally:
        state.hydra = kept


def _written(each: Request) -> int:
    """When a run's record was written, in nanoseconds; 0 if it has none."""
    try:
        return (run_directory(each.job, each.run_name).path / "provenance.json").stat().st_mtime_ns
    except OSError:
        return 0


def _summary(wanted: Sequence[Request], untouched: Sequence[bool]) -> int:
    """Say what became of each job; one that was to be computed anew and was not is not done."""
    failed = 0
    for each, old in zip(wanted, untouched, strict=True):
        directory = run_directory(each.job, each.run_name)
        finished = directory.state() is State.FINISHED and not old
        failed += not finished
        echo(f"{'done' if finished else 'NOT DONE'}  {directory.path}  ({' '.join(each.overrides)})")
    return 1 if failed else 0
