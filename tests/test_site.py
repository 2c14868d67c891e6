"""The documentation as a site: its contents are complete, it builds without a warning, and it loads nothing."""

import importlib.util
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import lqrpg
from lqrpg.claims.registry import claims
from lqrpg.figures.registry import figures
from lqrpg.plugins import choices
from lqrpg.runner.registry import experiment_class

ROOT = Path(__file__).resolve().parent.parent


def module(name):
    """A module of the site's builder, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "site" / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def pages():
    return module("pages").Pages(ROOT)


def test_the_start_page_leads_to_every_page(pages):
    listed = re.findall(r"<(.*?)>$", "\n".join(pages.contents()), re.MULTILINE)
    assert sorted([*listed, "index.md"]) == sorted(pages.names.values())


def test_every_experiment_has_its_columns_figures_and_claims_on_one_page(pages):
    found = [mark for text in pages.texts.values() for mark in module("pages").MARK.finditer(text)]
    marks = [(mark[1], name) for mark in found for name in mark[2].split()]
    experiments = choices("experiment", own=True)
    wanted = [("columns", name) for name in experiments] + [("figures", name) for name in experiments]
    wanted += [("claims", name) for name in {claim.experiment for claim in claims()}]
    assert sorted(marks) == sorted(wanted)


@pytest.mark.parametrize("experiment", choices("experiment", own=True))
def test_every_column_is_explained(experiment):
    html = "\n".join(module("pages").columns(experiment))
    for table, columns in experiment_class(experiment).TABLES.items():
        (part,) = re.findall(rf"<code>{experiment}/{table}</code>(.*?)</tbody>", html, re.DOTALL)
        assert re.findall(r"<td><code>(\w+)</code></td>", part) == list(columns)


@pytest.mark.parametrize(
    ("formula", "equations"),
    [
        (r"a = b, \qquad c = d .", ["a = b,", "c = d ."]),
        (
            r"\begin{pmatrix} A & B \\ 0 & 0 \end{pmatrix}, \qquad x",
            [r"\begin{pmatrix} A & B \\ 0 & 0 \end{pmatrix},", "x"],
        ),
        (r"\frac{a \qquad b}{c}", [r"\frac{a \qquad b}{c}"]),
        (r"x \leftarrow y \\ z", [r"x \leftarrow y", "z"]),
    ],
)
def test_equations_of_a_line_are_told_apart(formula, equations):
    pytest.importorskip("sphinx")
    assert module("mathml").parts(formula) == equations


def test_every_page_has_one_title(pages):
    for page, text in pages.texts.items():
        outside = module("pages").FENCE.sub("", text)
        assert len(re.findall(r"^# ", outside, re.MULTILINE)) == 1, page


class Loads(HTMLParser):
    """What a page makes a browser load, the addresses that it links to, and the places that it has."""

    def __init__(self, page):
        super().__init__()
        self.loaded, self.linked, self.places = [], [], set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.places.add(given.get("id"))
        if tag == "a":
            self.linked.append(given.get("href") or "")
        else:
            self.loaded += [given[name] or "" for name in ("src", "href", "srcset", "data", "action") if name in given]
        self.loaded += re.findall(r"url\(([^)]*)\)", given.get("style") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("sphinx", reason="make docs installs Sphinx")
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "docs/site/build.py", str(target)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return target / "html"


@pytest.mark.slow
def test_pages_load_nothing_from_elsewhere(site, pages):
    built = sorted(site.rglob("*.html"))
    assert len(built) >= len(pages.names) + len(lqrpg.__all__)
    remote = re.compile(r"^\s*['\"]?(https?:)?//")
    assert not [(page.name, address) for page in built for address in Loads(page).loaded if remote.match(address)]
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"@import|url\(\s*['\"]?(https?:)?//", text), sheet
    for script in site.rglob("*.js"):
        text = script.read_text(encoding="utf-8")
        assert not re.search(r"(fetch|import|src\s*=|open)\s*\(?\s*['\"`](https?:)?//", text), script


@pytest.mark.slow
def test_links_within_the_site_lead_somewhere(site):
    read = {page: Loads(page) for page in site.rglob("*.html")}
    broken = []
    for page, found in read.items():
        for address in (address for address in found.linked + found.loaded if ":" not in address.partition("#")[0]):
            file, _, place = address.partition("#")
            target = (page.parent / file.partition("?")[0]).resolve() if file else page
            known = read[target].places if target in read else {place}
            if not target.exists() or (place and place not in known):
                broken.append((page.name, address))
    assert not broken


@pytest.mark.slow
def test_every_public_object_figure_and_claim_has_its_place(site):
    for name in lqrpg.__all__:
        page = (site / "api" / f"{name}.html").read_text(encoding="utf-8")
        assert f'id="lqrpg.{name}"' in page
        assert "Examples" in page or "alias of" in page, name
    text = "\n".join(page.read_text(encoding="utf-8") for page in site.glob("*.html"))
    assert all(f'<dt id="{claim.name}">' in text for claim in claims())
    gallery = (site / "gallery.html").read_text(encoding="utf-8")
    assert all(f"{name}.png" in gallery for name in figures())


@pytest.mark.slow
def test_formulas_are_typeset(site):
    text = "\n".join(page.read_text(encoding="utf-8") for page in site.glob("*.html"))
    assert text.count("<math") > 250
    outside = re.sub(r"<(code|pre|script)\b.*?</\1>", "", text, flags=re.DOTALL)
    assert not re.findall(r"\\(?:frac|top|Sigma|mathrm|begin)\b|\$[^$<>]{1,80}\$", outside)
