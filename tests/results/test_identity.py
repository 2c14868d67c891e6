"""What is part of a run's identity, and what is not."""

import ast

from lqrpg.results import identity
from lqrpg.results.identity import sources_digest

SOURCE = '''
"""A module."""
import numpy as np

RATE = 0.5  # chosen


def double(x: float) -> float:
    """Twice x."""
    return 2.0 * x
'''


def canonical(source: str) -> str:
    return identity._canonical(ast.parse(source))


def test_comments_docstrings_and_layout_do_not_matter():
    changed = SOURCE.replace("A module.", "Another text.").replace("  # chosen", "").replace("Twice x.", "2 x.")
    assert canonical(changed.replace("\n\n\ndef", "\n\ndef")) == canonical(SOURCE)


def test_numbers_operators_and_names_matter():
    for old, new in (("0.5", "0.6"), ("2.0 * x", "2.0 + x"), ("double", "twice"), ("x: float", "x: int")):
        assert canonical(SOURCE.replace(old, new)) != canonical(SOURCE)


def test_fields_that_later_python_versions_add_do_not_matter():
    tree = ast.parse(SOURCE)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node._fields = (*type(node)._fields, "added_later")
            node.added_later = []
    assert identity._canonical(tree) == canonical(SOURCE)


def test_empty_texts_that_some_python_versions_add_to_f_strings_do_not_matter():
    plain, added = (ast.parse("text = f'{name:<{width}}  {value}'") for _ in range(2))
    for node in ast.walk(added):
        if isinstance(node, ast.JoinedStr):
            node.values.append(ast.Constant(value=""))
    assert identity._canonical(added) == identity._canonical(plain)
    assert canonical("text = f'{name} '") != canonical("text = f'{name}'")


def test_the_closure_holds_the_kernels_and_not_the_figures():
    modules = set(identity._closure(["lqrpg.experiments.azopg"]))
    assert {"lqrpg.azopg.replay", "lqrpg.kernels.rollout", "lqrpg.compiler.jit"} <= modules
    assert not any(
        name.startswith(("lqrpg.figures", "lqrpg.claims", "lqrpg.cli", "lqrpg.backends")) for name in modules
    )


def test_the_digest_follows_a_change_in_an_imported_kernel(tmp_path, monkeypatch):
    package = tmp_path / "lqrpg"
    for room in ("experiments", "lqr"):
        (package / room).mkdir(parents=True)
    (package / "experiments" / "own.py").write_text("from lqrpg.lqr import kernel\n")
    (package / "lqr" / "kernel.py").write_text("RATE = 1.0\n")
    monkeypatch.setattr(identity, "packages", lambda: {"lqrpg": package})
    before = sources_digest(["lqrpg.experiments.own"])
    (package / "lqr" / "kernel.py").write_text("RATE = 1.0  # a comment\n")
    assert sources_digest(["lqrpg.experiments.own"]) == before
    (package / "lqr" / "kernel.py").write_text("RATE = 1.5\n")
    assert sources_digest(["lqrpg.experiments.own"]) != before


def test_a_module_in_a_room_that_nobody_listed_counts(tmp_path, monkeypatch):
    package = tmp_path / "lqrpg"
    for room in ("experiments", "new_room/inner", "cli"):
        (package / room).mkdir(parents=True)
    (package / "experiments" / "own.py").write_text("from lqrpg.new_room.inner import rate\nimport lqrpg.cli.main\n")
    (package / "new_room" / "inner" / "rate.py").write_text("RATE = 1.0\n")
    (package / "cli" / "main.py").write_text("WIDTH = 80\n")
    monkeypatch.setattr(identity, "packages", lambda: {"lqrpg": package})
    before = sources_digest(["lqrpg.experiments.own"])
    (package / "cli" / "main.py").write_text("WIDTH = 79\n")
    assert sources_digest(["lqrpg.experiments.own"]) == before
    (package / "new_room" / "inner" / "rate.py").write_text("RATE = 1.5\n")
    assert sources_digest(["lqrpg.experiments.own"]) != before


def test_relative_imports_and_packages_in_packages_count(tmp_path, monkeypatch):
    package = tmp_path / "walks"
    (package / "experiments").mkdir(parents=True)
    (package / "steps").mkdir()
    (package / "experiments" / "own.py").write_text("from ..steps import far\nfrom .. import rates\n")
    (package / "rates.py").write_text("RATE = 1.0\n")
    (package / "steps" / "__init__.py").write_text("from .long import far\n")
    (package / "steps" / "long.py").write_text("def far(x):\n    return x + 1.0\n")
    monkeypatch.setattr(identity, "packages", lambda: {"walks": package})
    found = set(identity._closure(["walks.experiments.own"]))
    assert found == {"walks.experiments.own", "walks.steps", "walks.steps.long", "walks.rates"}


def test_settings_make_the_identity():
    one = identity.identity("azopg", {"seed": 0, "x": 0.1}, "abc")
    assert one == identity.identity("azopg", {"x": 0.1, "seed": 0}, "abc")
    assert one != identity.identity("azopg", {"seed": 1, "x": 0.1}, "abc")
    assert one != identity.identity("azopg", {"seed": 0, "x": 0.1}, "abd")


def test_sources_that_were_read_before_are_taken_from_the_cache_unless_it_is_damaged(tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "cache_of", lambda name: tmp_path)
    found = []
    for content in (None, None, b"", b"garbage" * 20):
        if content is not None:
            (tmp_path / "canonical").write_bytes(content)
        known = identity._Sources()
        found.append((known.of(SOURCE.encode(), "lqrpg"), known.of(SOURCE.replace("0.5", "0.6").encode(), "lqrpg")))
        known.keep()
    assert len({repr(each) for each in found}) == 1
    assert found[0][0] != found[0][1]
    monkeypatch.setattr(identity, "_canonical", None)  # nothing is read again
    assert identity._Sources().of(SOURCE.encode(), "lqrpg") == found[0][0]
    monkeypatch.undo()
    monkeypatch.setattr(identity, "cache_of", lambda name: tmp_path / "absent")
    unkept = identity._Sources()
    assert unkept.of(SOURCE.encode(), "lqrpg") == found[0][0]
    unkept.keep()


def test_sources_that_were_not_used_are_forgotten_when_there_are_many(tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "cache_of", lambda name: tmp_path)
    monkeypatch.setattr(identity, "_MOST_SOURCES", 2)
    sizes = []
    for first in range(0, 6, 2):
        known = identity._Sources()
        for number in (first, first + 1):
            known.of(f"RATE = {number}\n".encode(), "lqrpg")
        known.keep()
        sizes.append(len(identity._Sources()._before))
    assert sizes == [2, 4, 2]
