"""Trials of full size, computed again, give the rows of the committed tables: these cannot go stale unnoticed."""

import pandas as pd
import pytest

from lqrpg.plugins import choices
from tests.reference.comparison import table_deviations
from tests.reference.full_size import SAMPLES, common_rows, keys_of

pytestmark = pytest.mark.slow

FEWEST = 10
"""Rows that a cut trial must have in common with the whole one."""


def test_every_experiment_has_trials_that_are_computed_again():
    assert {sample.experiment for sample in SAMPLES} == set(choices("experiment"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample.experiment}-{sample.trials[0]}")
def test_trials_give_the_rows_of_the_committed_tables(sample):
    committed, recomputed = sample.committed(), sample.recomputed()
    wrong = {name: stale(sample, name, committed.table(name), recomputed[name]) for name in sample.tables}
    assert not any(wrong.values()), f"{committed.path}: not what today's code gives: {wrong}"


def stale(sample, name, committed, recomputed):
    """Why rows of a committed table are not those that the sample's trials give today; nothing if they are."""
    found = recomputed.query(sample.tables[name])
    kept, found_there = common_rows(keys_of(sample.experiment, name), committed, found)
    if len(kept) < (min(FEWEST, len(found)) if sample.cut else len(found)):
        return [f"{len(kept)} of {len(found)} rows are there"]
    return table_deviations(f"{sample.experiment}/{name}", kept, found_there)


def test_stale_rows_are_found():
    sample = next(each for each in SAMPLES if each.experiment == "qsa_policy_iteration")
    committed, recomputed = sample.committed().table("iteration"), sample.recomputed()["iteration"]
    assert not stale(sample, "iteration", committed, recomputed)
    late = committed.assign(iteration=committed["iteration"] + 1)
    assert stale(sample, "iteration", late, recomputed) == ["30 of 33 rows are there"]
    other = committed.assign(k1=committed["k1"] * (1 + 1e-5))
    assert stale(sample, "iteration", other, recomputed)[0].startswith("column k1: 33 rows differ")
    lost = committed.assign(stabilising=~committed["stabilising"])
    assert stale(sample, "iteration", lost, recomputed) == [
        "column stabilising: 33 rows differ, relative difference up to 1"
    ]


def test_rows_are_found_by_their_keys_in_any_order():
    committed = pd.DataFrame({"case": ["a", "a", "b"], "t_s": [0.1, 0.2, 0.1], "x": [1.0, 2.0, 3.0]})
    found = pd.DataFrame({"case": ["b", "a", "c"], "t_s": [0.1 + 1e-16, 0.2, 0.1], "x": [4.0, 2.0, 5.0]})
    kept, there = common_rows(["case", "t_s"], committed, found)
    assert kept["x"].tolist() == [3.0, 2.0]
    assert there["x"].tolist() == [4.0, 2.0]
    with pytest.raises(AssertionError, match="do not tell the rows apart"):
        common_rows(["case"], committed, found)
