"""Trials of full size, computed again, give the rows of the committed tables: these cannot go stale unnoticed."""

import pandas as pd
import pytest

from lqrpg.cli.complete import choices
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
    for name, condition in sample.tables.items():
        found = recomputed[name].query(condition)
        keys = keys_of(sample.experiment, name)
        kept, found_there = common_rows(keys, committed.table(name), found)
        assert len(kept) == len(found) or (sample.cut and len(kept) >= FEWEST), name
        wrong = table_deviations(f"{sample.experiment}/{name}", kept, found_there)
        assert not wrong, f"{committed.path.name}/{name} is not what today's code gives: {wrong}"


def test_rows_are_found_by_their_keys_in_any_order():
    committed = pd.DataFrame({"case": ["a", "a", "b"], "t_s": [0.1, 0.2, 0.1], "x": [1.0, 2.0, 3.0]})
    found = pd.DataFrame({"case": ["b", "a", "c"], "t_s": [0.1 + 1e-16, 0.2, 0.1], "x": [4.0, 2.0, 5.0]})
    kept, there = common_rows(["case", "t_s"], committed, found)
    assert kept["x"].tolist() == [3.0, 2.0]
    assert there["x"].tolist() == [4.0, 2.0]
    with pytest.raises(AssertionError, match="do not tell the rows apart"):
        common_rows(["case"], committed, found)
