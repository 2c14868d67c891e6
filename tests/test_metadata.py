"""What the package says of itself is said once, or says the same everywhere."""

import re
import tomllib
from pathlib import Path

import yaml

import lqrpg
from lqrpg.claims.papers import papers

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
README = (ROOT / "README.md").read_text()


def bibtex() -> dict[str, dict[str, str]]:
    """The fields of the README's BibTeX entries."""
    (block,) = re.findall(r"^```bibtex\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    entries = re.findall(r"^@\w+\{(\w+),\n(.*?)^\}", block, re.MULTILINE | re.DOTALL)
    return {key: dict(re.findall(r"(\w+)\s*=\s*\{(.*)\},?$", fields, re.MULTILINE)) for key, fields in entries}


def test_the_version_is_the_same_everywhere():
    assert PROJECT["dynamic"] == ["version"]
    assert str(CITATION["version"]) == lqrpg.__version__
    assert bibtex()["lqrpg"]["version"] == lqrpg.__version__
    (newest, *_) = re.findall(r"^## \[(.*?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest == lqrpg.__version__


def test_the_licence_and_the_authors_are_the_same_everywhere():
    assert PROJECT["license"] == CITATION["license"] == "BSD-3-Clause"
    (author,) = PROJECT["authors"]
    assert CITATION["authors"] == [author]
    licence = (ROOT / "LICENSE").read_text()
    assert licence.startswith("BSD 3-Clause License\n")
    assert author["name"] in licence
    assert author["name"] in bibtex()["lqrpg"]["author"]


def test_all_papers_are_cited():
    cited = {entry["identifiers"][0]["value"]: entry for entry in CITATION["references"]}
    assert set(cited) == {f"arXiv:{paper.arxiv}" for paper in papers().values()}
    for paper in papers().values():
        authors = [person["family-names"] for person in cited[f"arXiv:{paper.arxiv}"]["authors"]]
        assert ", ".join(authors) == paper.authors
    entries = {fields["eprint"]: fields for fields in bibtex().values() if "eprint" in fields}
    assert set(entries) == {paper.arxiv for paper in papers().values()}
    for number, fields in entries.items():
        reference = cited[f"arXiv:{number}"]
        assert fields["author"] == " and ".join(person["family-names"] for person in reference["authors"])
        assert fields["title"].replace("{", "").replace("}", "") == reference["title"]
        assert int(fields["year"]) == reference["year"]
