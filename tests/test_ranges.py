"""Settings with their range in the type: what is refused, in which words, and that no setting is without one."""

import dataclasses
from typing import Annotated, Any, get_args, get_origin

import pytest

from lqrpg.checks import SettingError
from lqrpg.plugins import choices as names_of
from lqrpg.ranges import Entries, Finite, Fraction, NonNegative, OneOf, Positive, Range, Seed, check, types_of, words
from lqrpg.runner.registry import experiment_class, system_class
from lqrpg.runner.settings import RunnerSettings

WORDS = {
    Seed: "a non-negative integer below 2^63",
    Positive: "a positive number",
    NonNegative: "a non-negative number",
    Fraction: "a number between 0 and 1",
    Finite: "a number",
    Annotated[int, Range(1, 10_000)]: "an integer from 1 to 10000",
    Annotated[int, Range(2)]: "an integer of at least 2",
    Annotated[float, Range(above=0, high=1e6)]: "a positive number up to 1000000",
    Annotated[float, Range(high=6)]: "a number up to 6",
    Annotated[int, Range(1, 8)] | None: "an integer from 1 to 8, or null",
    Annotated[str, OneOf({"left": 0, "right": 1})]: "one of left, right",
    Annotated[list[Annotated[int, Range(1, 9)]], Entries(distinct=True)]: "distinct integers from 1 to 9",
    Annotated[list[Positive], Entries()]: "positive numbers",
    Annotated[list[Finite], Entries(count=4)]: "4 numbers",
    list[Any] | None: "",
}


@pytest.mark.parametrize("kind", WORDS, ids=WORDS.values())
def test_a_range_in_words(kind):
    assert words(kind) == WORDS[kind]


@dataclasses.dataclass(frozen=True)
class Group:
    rate: Positive = 1.0
    sizes: Annotated[list[Annotated[int, Range(1, 9)]], Entries(distinct=True)] = dataclasses.field(
        default_factory=lambda: [1, 2]
    )
    name: Annotated[str, OneOf(("left", "right"))] = "left"
    most: Annotated[int, Range(1, 8)] | None = None


@dataclasses.dataclass(frozen=True)
class Whole:
    group: Group
    seed: Seed = 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": 0.0}, "group.rate=0.0: expected a positive number"),
        ({"rate": float("nan")}, "group.rate=nan: expected a positive number"),
        ({"rate": float("inf")}, "group.rate=inf: expected a positive number"),
        ({"sizes": []}, r"group.sizes=\[\]: expected distinct integers from 1 to 9"),
        ({"sizes": [1, 1]}, r"group.sizes=\[1, 1\]: expected distinct integers"),
        ({"sizes": [1, 10]}, r"group.sizes=\[1, 10\]: expected distinct integers"),
        ({"name": "up"}, "group.name='up': expected one of left, right"),
        ({"most": 9}, "group.most=9: expected an integer from 1 to 8, or null"),
    ],
)
def test_a_value_out_of_range_is_refused_by_its_full_name(change, message):
    check(Whole(Group()))
    with pytest.raises(SettingError, match=message):
        check(Whole(Group(**change)))


def test_ends_belong_to_a_range_or_not():
    assert [Range(1, 3).holds(value) for value in (0, 1, 3, 4)] == [False, True, True, False]
    assert [Range(above=1, below=3).holds(value) for value in (1, 2, 3)] == [False, True, False]
    with pytest.raises(SettingError, match=r"seed=9223372036854775808: expected a non-negative integer below 2\^63"):
        check(Whole(Group(), seed=2**63))


def is_numeric(kind: Any) -> bool:
    return kind in (int, float) or get_origin(kind) is list


def unranged(cls: type) -> list[str]:
    """Numbers and lists among the settings of a class, groups included, that say nothing of their range."""
    found = []
    for name, kind in types_of(cls).items():
        if dataclasses.is_dataclass(kind):
            found += [f"{name}.{each}" for each in unranged(kind)]
        elif get_origin(kind) is not Annotated and any(map(is_numeric, (kind, *get_args(kind)))):
            found.append(name)
    return found


CHECKED_ELSEWHERE = {
    "dr_lqr": ["compared"],  # one of batch_sizes
    "qsa_policy_evaluation": ["gain", "exploration.gain", "exploration.start"],  # as the plant is
    "qsa_policy_iteration": ["gain", "exploration.gain", "exploration.start"],
    "qsa_rates": ["descent.start"],  # in descent.box
}


@pytest.mark.parametrize("name", names_of("experiment", own=True))
def test_every_number_of_an_experiment_has_a_range(name):
    assert unranged(experiment_class(name)) == CHECKED_ELSEWHERE.get(name, [])


@pytest.mark.parametrize("name", sorted(set(names_of("system", own=True)) - {"custom", "custom_family"}))
def test_every_number_of_a_system_has_a_range(name):
    assert unranged(system_class(name)) == []


def test_every_number_of_the_runner_has_a_range():
    assert unranged(RunnerSettings) == []
