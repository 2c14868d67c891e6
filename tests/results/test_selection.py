"""Which finished run is read: full size before small, default settings before others, newer ones only by name."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lqrpg.plugins import choices
from lqrpg.results.lookup import FinishedRun, MissingRunError, Selection, find_companion, finished_runs, select
from lqrpg.results.run_directory import RunDirectory

SCALES = ("smoke", "small", "paper")


def finish(
    results: Path,
    name: str,
    hour: int = 0,
    experiment: str = "azopg",
    argv: list[str] | None = None,
    **settings: object,
) -> FinishedRun:
    """A finished run of that name, whose scale is the part before the dash."""
    directory = RunDirectory(results / experiment / name, name)
    directory.open("")
    plant = {"system": {"kind": "mass_spring"}}
    description = {"experiment": experiment, "identity": name, "sources": "code"}
    description["settings"] = {"name": experiment, **plant, **settings}
    record = {"scale": name.partition("-")[0], "seconds": 1.0, "trials": {"lost": {}}}
    record["finished"] = f"2026-01-{1 + hour // 24:02d}T{hour % 24:02d}:00:00+00:00"
    directory.finish({"t": pd.DataFrame({"x": [1.0]})}, description, {**record, **({"argv": argv} if argv else {})})
    return FinishedRun(directory.path, {})


def taken(selection: Selection) -> str | None:
    return selection.run.name if selection.run else None


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from([*SCALES, "smoke-1", "small-2", "paper-3", "paper-4"]), unique=True))
def test_the_largest_default_run_is_taken_whatever_is_newer(tmp_path_factory, names):
    results = tmp_path_factory.mktemp("results")
    for hour, name in enumerate(names):
        finish(results, name, hour, seed=name)
    selection = select(results, "azopg")
    default = [scale for scale in SCALES if scale in names]
    expected = default[-1] if default else (names[-1] if names else None)
    assert taken(selection) == expected
    newer = names[names.index(expected) + 1 :] if names else []
    assert [run.name for run in selection.newer] == newer[::-1]
    assert selection.run is None or selection.is_full_size(selection.run, {}) is (expected == "paper")
    for name in names:
        named = select(results, "azopg", name)
        assert (taken(named), named.is_full_size(named.run, {})) == (name, False)


def test_a_missing_run_is_named_with_what_makes_it(tmp_path):
    assert select(tmp_path, "azopg").missing.endswith(f"of azopg in {tmp_path}: lqrpg run experiment=azopg")
    finish(tmp_path, "paper")
    selection = select(tmp_path, "azopg", "smoke")
    assert selection.run is None
    assert "named 'smoke'" in selection.missing


CLOCK = {"clock": ("mpi", "threads")}


def test_what_needs_a_setting_is_read_from_the_run_that_differs_in_it_alone(tmp_path):
    finish(tmp_path, "paper", 0, seed=0, clock="virtual")
    with pytest.raises(MissingRunError, match="no finished run of azopg"):
        select(tmp_path, "azopg").meeting(CLOCK)
    finish(tmp_path, "paper-1", 1, seed=0, clock="threads")
    finish(tmp_path, "paper-2", 2, seed=0, clock="mpi")
    finish(tmp_path, "paper-3", 3, seed=7, clock="mpi")
    finish(tmp_path, "smoke-4", 4, seed=0, clock="mpi")
    selection = select(tmp_path, "azopg")
    assert taken(selection) == "paper"
    assert selection.meeting(CLOCK).name == "paper-2"
    assert selection.is_full_size(selection.meeting(CLOCK), CLOCK)
    assert select(tmp_path, "azopg", "paper-3").meeting(CLOCK).name == "paper-3"
    with pytest.raises(
        MissingRunError, match=r"no finished run of azopg clock=virtual of scale smoke in .*: lqrpg run"
    ):
        selection.taking("smoke-4").meeting({"clock": ("virtual",)})  # of its own scale or none


def test_a_run_with_other_settings_serves_only_where_there_is_no_better_and_is_not_of_full_size(tmp_path):
    finish(tmp_path, "paper", 0, seed=0, clock="virtual")
    finish(tmp_path, "paper-3", 1, seed=7, clock="mpi")
    selection = select(tmp_path, "azopg")
    run = selection.meeting(CLOCK)
    assert run.name == "paper-3"
    assert not selection.is_full_size(run, CLOCK)


def companion(results: Path, name: str, wanted: str, experiment: str = "azopg") -> str:
    (run,) = (run for run in finished_runs(results, experiment) if run.name == name)
    return find_companion(run, wanted).name


def test_a_companion_differs_in_the_wanted_setting_alone(tmp_path):
    finish(tmp_path, "paper", 0, seed=0, part="default")
    finish(tmp_path, "paper-1", 1, seed=0, part="baseline")
    finish(tmp_path, "paper-2", 2, seed=7, part="baseline")
    typed = ["lqrpg", "run", "experiment=azopg", "seed=8", "part=default", "--force"]
    finish(tmp_path, "paper-3", 3, seed=8, part="default", argv=typed)
    finish(tmp_path, "small", 4, seed=0, part="default")
    assert companion(tmp_path, "paper", "azopg?part=baseline") == "paper-1"
    assert companion(tmp_path, "paper-1", "azopg?part=default") == "paper"
    with pytest.raises(MissingRunError, match="of scale small: lqrpg run experiment=azopg scale=small part=baseline"):
        companion(tmp_path, "small", "azopg?part=baseline")
    with pytest.raises(MissingRunError, match=r"paper-3: lqrpg run experiment=azopg seed=8 part=baseline$"):
        companion(tmp_path, "paper-3", "azopg?part=baseline")


def test_a_companion_of_another_experiment_has_the_same_plant_and_default_settings_beside_such_a_run(tmp_path):
    finish(tmp_path, "paper", 0, seed=0)
    finish(tmp_path, "paper-1", 1, seed=1)
    other = "sgd_indirect"
    finish(tmp_path, "paper-2", 2, other, seed=0, part="a")
    finish(tmp_path, "paper", 3, other, seed=0, part="b")
    finish(tmp_path, "paper-3", 4, other, seed=1, part="a")
    finish(tmp_path, "paper-4", 5, other, seed=0, part="a", system={"kind": "custom"})
    assert companion(tmp_path, "paper", f"{other}?part=a") == "paper-2"
    assert companion(tmp_path, "paper", other) == "paper"
    assert (
        companion(tmp_path, "paper-1", f"{other}?part=a") == "paper-3"
    )  # beside a run of its own settings, the newest


def test_every_experiment_lists_its_scales_from_small_to_large():
    from lqrpg.results.lookup import _scales

    for name in choices("experiment"):
        assert _scales(name)[-1] == "paper", name
    assert _scales("none of ours") == list(SCALES)
