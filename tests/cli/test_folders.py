"""A folder of results may have any name."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from lqrpg.cli.compose import quoted, with_plain_paths


def value_of(override: str) -> object:
    [parsed] = OverridesParser.create().parse_overrides([override])
    return parsed.value()


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_a_quoted_text_is_read_back_as_it_was(text):
    assert str(value_of(f"results_dir={quoted(text)}")) == text


@pytest.mark.parametrize("name", ["two words", "a,b", "it's", "[x]", "ü", 'say "so"', "a=b", "back\\"])
def test_a_plain_name_is_taken_as_it_is(name):
    [override] = with_plain_paths([f"results_dir={name}"], multirun=False)
    assert str(value_of(override)) == name


@pytest.mark.parametrize(
    "word", ["results_dir=a/b.c-d", "results_dir='a b'", "results_dir=${oc.env:HOME}", "fleets=[1,2]"]
)
def test_what_hydra_understands_is_left_alone(word):
    assert with_plain_paths([word], multirun=False) == [word]


def test_a_sweep_over_folders_stays_one():
    assert with_plain_paths(["results_dir=a,b"], multirun=True) == ["results_dir=a,b"]
