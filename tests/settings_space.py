"""The space of all settings, as `hypothesis` strategies of words for the command line, right ones and wrong ones."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st
from omegaconf import OmegaConf

from lqrpg.cli.compose import _compose, composer
from lqrpg.plugins import choices
from lqrpg.runner.settings import RUNNER_KEYS

HIDDEN = ("name", "scales")
NUMBERS = ("0", "-0.0", "1", "-1", "2", "0.5", "1e-308", "1e-12", "1e12", "1e308", "-1e308", "nan", "inf", "-inf")
INTEGERS = ("3", "7", "100", "4096", "65537", "1000000001", str(2**63), str(10**30), "-" + "9" * 40)
OTHERS = (
    *("", "null", "true", "False", "x", "''", "' '", "'\"'", "[]", "{}", "[[]]", "[[1,2],[3]]", "{a:1}", "{a:{b:[1]}}"),
    *("é", "'\u202ereversed'", "'\u0000'", "'\x1b[31mred'", "'[/red]'", "１", "😀", "a b", "a\tb", "'a\nb'"),
    *("[1", "1]", "{1", "}", "(", ")", "a,b", "1,2", "range(1,3)", "choice(1,2)", "int(1.5)", "glob(*)", "sort(2,1)"),
    *("???", "?", "${", "${}", "${nothing}", "${seed}", "${scale}", "${oc.env:HOME}", "${now:%Y}", "'${oc.env:HOME'"),
    *("/", "..", "../..", "a" * 300, "!!python/object/apply:os.system", "&a", "*a", "=", "a=b", "%s", "{}{}"),
)
PREFIXES = ("+", "++", "~", "@", "?", " ", "-")


@cache
def leaves(experiment: str) -> dict[str, Any]:
    """Every key of an experiment with its value at the smallest scale, groups left out."""
    with composer(None):
        content: Any = OmegaConf.to_container(_compose([f"experiment={experiment}", "scale=smoke"]), resolve=True)
    return dict(_flat({key: value for key, value in content.items() if key not in HIDDEN}))


def _flat(content: dict[str, Any], prefix: str = ""):
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def any_value(value: Any) -> st.SearchStrategy[str]:
    """Words for a value, right or wrong, whatever the key's type."""
    scalars = st.sampled_from([*NUMBERS, *INTEGERS, *OTHERS])
    lists = st.lists(st.sampled_from([*NUMBERS, *INTEGERS, "x", "null", "[1]"]), max_size=5).map(_listed)
    near = numbers_near(value)
    return st.one_of(scalars, lists, near, near)


def numbers_near(value: Any) -> st.SearchStrategy[str]:
    """Words of the type that a value has, of all sizes; lists keep their shape, or lose or repeat an entry."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return st.sampled_from(["null", "x", str(value)])
    if isinstance(value, int):
        return st.integers(-1, max(2, value)).map(str)
    if isinstance(value, float):
        factors = st.sampled_from([0.0, -1.0, 1e-300, 1e-9, 1e-3, 0.1, 0.5, 1.5, 3.0, 1e2, 1e9, 1e300])
        return factors.map(lambda factor: repr(value * factor))
    entries = st.tuples(*map(numbers_near, value)).map(list) if value else st.just([])
    return st.one_of(entries, entries.map(lambda found: found[1:]), entries.map(lambda found: found + found[:1])).map(
        _listed
    )


def _listed(entries: list[str]) -> str:
    return f"[{','.join(entries)}]"


@st.composite
def commands(draw: st.DrawFn) -> tuple[str, ...]:
    """An experiment and one to three overrides: half of the time of the right types, else of any kind."""
    experiment = draw(st.sampled_from(choices("experiment")))
    own = leaves(experiment)
    words = [f"experiment={experiment}"]
    if draw(st.booleans()):
        keys = draw(st.lists(st.sampled_from(sorted(own)), min_size=1, max_size=3, unique=True))
        return (*words, *(f"{key}={draw(numbers_near(own[key]))}" for key in keys))
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["key"] * 12 + ["group", "system", "scale", "unknown", "prefix", "raw"]))
        key = draw(st.sampled_from(sorted(own)))
        value = draw(any_value(own[key]))
        group = key.rpartition(".")[0] or key
        words.append(
            {
                "key": f"{key}={value}",
                "group": f"{group}={value}",
                "system": f"system={draw(st.sampled_from(choices('system')))}",
                "scale": f"scale={draw(st.sampled_from(['smoke', 'small', 'paper', value]))}",
                "unknown": f"{key[:-1]}={value}",
                "prefix": f"{draw(st.sampled_from(PREFIXES))}{key}={value}",
                "raw": value,
            }[kind]
        )
    return tuple(words)


def keys_of(words: tuple[str, ...]) -> list[str]:
    """Names by which a message may name the words: whole keys, groups, last parts, or the word itself."""
    keys = [word.partition("=")[0].strip("+~?@ -") for word in words if not word.startswith("experiment=")]
    options = [word[:2] for word in words if word.startswith("-")]
    return [*words, *options, *keys, *(key.split(".")[0] for key in keys), *(key.split(".")[-1] for key in keys)]


@st.composite
def short_runs(draw: st.DrawFn, experiment: str) -> tuple[str, ...]:
    """Settings of an experiment at the smallest scale: numbers of every size but none that makes it long."""
    own = {key: value for key, value in leaves(experiment).items() if _may_vary(key, value)}
    keys = draw(st.lists(st.sampled_from(sorted(own)), min_size=1, max_size=3, unique=True))
    return (f"experiment={experiment}", "scale=smoke", *(f"{key}={draw(numbers_near(own[key]))}" for key in keys))


def _may_vary(key: str, value: Any) -> bool:
    return key not in (*RUNNER_KEYS, "seed", "scale") and isinstance(value, int | float | list)
