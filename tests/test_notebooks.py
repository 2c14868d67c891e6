"""The notebooks of examples/ run from start to end, and what they show is what they compute."""

import math
import re

import pytest

from tests.notebooks import METADATA, NOTEBOOKS, ROOT, cleaned, executed, read, texts

NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|inf|nan)(?![\w.]*\w)")
NAMES = [path.name for path in NOTEBOOKS]


def words_and_numbers(text: str) -> tuple[str, list[float]]:
    """A text with its numbers taken out, its spaces made one, and the numbers."""
    return " ".join(NUMBER.sub("#", text).split()), [float(found) for found in NUMBER.findall(text)]


def test_numbers_are_found():
    assert words_and_numbers("a1  [-2.5e-03, 3.] of 4/5 inf v0.2.0") == (
        "a1 [#, #] of #/# # v0.2.0",
        [-0.0025, 3, 4, 5, math.inf],
    )


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_notebook_runs_and_gives_what_it_shows(path, tmp_path):
    new = executed(path, tmp_path)
    for cell, shown in zip(new.cells, read(path).cells, strict=True):
        assert cell.source == shown.source
        found, expected = ([words_and_numbers(text) for text in texts(each)] for each in (cell, shown))
        assert [words for words, _ in found] == [words for words, _ in expected], cell.id
        for (_, numbers), (_, others) in zip(found, expected, strict=True):
            # gaps at the end of a converged run are rounding; all else is printed with three digits or more
            assert numbers == pytest.approx(others, rel=0.02, abs=1e-9, nan_ok=True), cell.id


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_notebook_is_kept_clean_and_with_its_output(path):
    found = read(path)
    assert found.metadata == METADATA
    assert cleaned(read(path)) == found
    code = [cell for cell in found.cells if cell.cell_type == "code"]
    assert sum(bool(cell.outputs) for cell in code) > len(code) / 2
    for text in (text for cell in found.cells for text in (cell.source, *texts(cell))):
        assert not re.search(r"/(?:home|root|tmp|work|usr)/|ipykernel|stderr|Traceback", text)
    size = path.stat().st_size
    assert size < 1_000_000, f"{size} bytes: smaller pictures would do"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_links_of_a_notebook_lead_to_files_of_the_repository(path):
    prose = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", prose) if "://" not in link]
    assert links
    assert not [link for link in links if not (path.parent / link).resolve().is_relative_to(ROOT)]
    assert not [link for link in links if not (path.parent / link).exists()]
