"""`report`: what stands on the page, that nothing in it is taken for HTML, and how it looks in a browser."""

import html
import json
import re
import shutil
import subprocess

import pytest
import yaml

from lqrpg.claims.papers import papers
from lqrpg.claims.registry import claims
from lqrpg.cli import report
from lqrpg.figures.registry import figures
from lqrpg.plugins import choices, config_folders
from lqrpg.report.formulas import typeset
from lqrpg.report.parameters import Note, about, flat, notes
from tests.forgery import forge

RUN = ("run", "experiment=qsa_monte_carlo", "scale=smoke", "backend=serial")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OF_PROVENANCE = re.compile(r'<details class="provenance">.*?</details>', re.DOTALL)


def page(lqrpg, tmp_path, *options) -> str:
    ended = lqrpg("report", *options)
    assert ended.code == 0, ended.err
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_page_holds_figures_claims_parameters_and_what_is_missing(lqrpg, tmp_path):
    lqrpg(*RUN, "rate=3.5")
    text = page(lqrpg, tmp_path)
    assert text.count('<img src="data:image/') == 2
    assert "lqrpg plot qsa_fig2</code>" in text
    for claim in claims():
        assert f'id="claim-{claim.name}"' in text
        assert str(typeset(claim.says)) in text
    assert all(html.escape(spec.shows[1:], quote=False).split("'")[0] in text for spec in figures().values())
    assert "lqrpg run azopg</code>" in text
    assert {'download="qsa_fig1.pdf"', 'download="qsa_fig1.csv"', 'download="qsa_fig2.pdf"'} <= set(text.split())
    assert "overridden; the package has 4.0" in text
    assert "full size: 10000" in text
    used = {claim.paper[:2] for claim in claims()} & set(papers())
    assert all(f"arxiv.org/abs/{papers()[key].arxiv}" in text for key in used)


def test_the_page_of_named_experiments_holds_these_alone(lqrpg, tmp_path):
    lqrpg(*RUN)
    text = page(lqrpg, tmp_path, "qsa_monte_carlo")
    shown = set(re.findall(r'id="claim-(\w+)"', text))
    assert shown == {claim.name for claim in claims() if claim.experiment == "qsa_monte_carlo"}
    unknown = lqrpg("report", "qsa_montecarlo")
    assert (unknown.code, unknown.err.count("\n")) == (2, 1)
    assert "qsa_monte_carlo" in unknown.err


def test_the_page_loads_and_runs_nothing(lqrpg, tmp_path):
    lqrpg(*RUN)
    text = page(lqrpg, tmp_path)
    assert "<script" not in text
    assert "default-src 'none'" in text
    assert not re.search(r'(?:src|srcset|data|action)="(?!data:)', text)
    assert not re.search(r"url\(|@import", re.sub(r'(?:src|href)="data:[^"]*"', "", text))


def test_counts_link_to_the_claims_and_each_change_is_told_once(lqrpg, tmp_path):
    lqrpg(*RUN)
    text = page(lqrpg, tmp_path)
    anchors = set(re.findall(r'id="([^"]+)"', text))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= anchors
    assert 'id="unchecked"' in text
    for change in {claim.change for claim in claims() if claim.change}:
        assert text.count(str(typeset(change))) == 1, change


def test_formulas_are_typeset_and_everything_else_is_escaped():
    assert typeset("T_M < t^-rho, a_t; step_size=1, clock=mpi") == (
        "<math><msub><mi>T</mi><mrow><mi>M</mi></mrow></msub></math> &lt; "
        "<math><msup><mi>t</mi><mrow><mo>−</mo><mi>ρ</mi></mrow></msup></math>, "
        "<math><msub><mi>a</mi><mrow><mi>t</mi></mrow></msub></math>; step_size=1, clock=mpi"
    )
    assert "<script" not in typeset("x_1 <script>")


@pytest.mark.slow
def test_equal_tables_give_equal_pages_but_for_provenance(lqrpg, tmp_path):
    lqrpg(*RUN)
    first = page(lqrpg, tmp_path)
    lqrpg(*RUN, "--force", "workers=1")
    second = page(lqrpg, tmp_path)
    assert OF_PROVENANCE.sub("", first) == OF_PROVENANCE.sub("", second)


def test_without_any_run_nothing_is_written(lqrpg, tmp_path):
    ended = lqrpg("report")
    assert (ended.code, ended.err.count("\n")) == (3, 1)
    assert "no folder results here: lqrpg run NAME makes it" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_a_strangers_strings_are_text(lqrpg, tmp_path):
    lqrpg(*RUN)
    run = tmp_path / "results" / "qsa_monte_carlo" / "smoke"
    evil = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 191 }}\ud800"
    settings = json.loads((run / "provenance.json").read_text())["settings"]
    forge(run, {"settings": {**settings, evil: evil}, "argv": [evil], "libraries": {evil: evil}, "machine": evil})
    shutil.move(run, run.with_name("<b>bold"))
    text = page(lqrpg, tmp_path)
    assert "<script" not in text
    assert "<img src=x" not in text
    assert "<b>bold" not in text
    assert "1337" not in text
    assert "&lt;script&gt;alert(1)" in text


@pytest.mark.parametrize(
    "changes",
    [
        {"tables": {"../../../x": {"sha256": "0"}}},
        {"tables": [1]},
        {"settings": None},
        {"trials": 0},
        {"experiment": 1},
    ],
)
def test_a_record_that_is_none_of_ours_is_not_read(lqrpg, tmp_path, changes):
    lqrpg(*RUN)
    forge(tmp_path / "results" / "qsa_monte_carlo" / "smoke", changes)
    assert lqrpg("report").code == 3
    assert lqrpg("export", "qsa_monte_carlo").code == 3


def test_a_damaged_table_is_said_on_the_page(lqrpg, tmp_path):
    lqrpg(*RUN)
    (tmp_path / "results" / "qsa_monte_carlo" / "smoke" / "paths.parquet").write_bytes(b"")
    text = page(lqrpg, tmp_path)
    assert "paths.parquet is damaged" in text
    assert text.count('<img src="data:image/') == 1


@pytest.fixture
def kept(monkeypatch, tmp_path):
    """The folder in which figures are kept."""
    folder = tmp_path / "kept"
    folder.mkdir()
    monkeypatch.setattr(report, "cache_of", lambda name: folder)
    return folder


def test_a_figure_is_drawn_once_for_the_same_tables(lqrpg, tmp_path, kept, monkeypatch):
    lqrpg(*RUN)
    first = page(lqrpg, tmp_path)
    assert len(list(kept.iterdir())) == first.count('<img src="data:image/') == 2
    monkeypatch.setattr(report, "drawn", None)  # a call of it fails
    assert page(lqrpg, tmp_path) == first


@pytest.mark.parametrize("change", ["other tables", "a damaged file", "a file of something else", "a damaged table"])
def test_a_figure_is_drawn_again_where_anything_differs(lqrpg, tmp_path, kept, change):
    lqrpg(*RUN)
    first = page(lqrpg, tmp_path)
    if change == "other tables":
        lqrpg(*RUN, "rate=3.5")
        shutil.move(tmp_path / "results/qsa_monte_carlo/smoke", tmp_path / "results/qsa_monte_carlo/smoke.previous")
    elif change == "a damaged table":
        (tmp_path / "results/qsa_monte_carlo/smoke/paths.parquet").write_bytes(b"")
    else:
        for file in kept.iterdir():
            file.write_bytes(b"{" if change == "a damaged file" else b'{"picture": {}, "files": 1, "others": {}}')
    second = page(lqrpg, tmp_path)
    pictures = [re.findall(r'<img src="(data:image/[^"]*)"', text) for text in (first, second)]
    if change == "other tables":
        assert not set(pictures[0]) & set(pictures[1])
    elif change == "a damaged table":
        assert (len(pictures[1]), "paths.parquet is damaged" in second) == (1, True)
    else:
        assert pictures[0] == pictures[1]
        assert all(json.loads(file.read_bytes())["files"] for file in kept.iterdir())


def test_few_drawings_of_a_figure_are_kept(lqrpg, tmp_path, kept):
    for number in range(30):
        (kept / f"qsa_fig1-{number:032d}.json").write_text("{}")
    lqrpg(*RUN)
    page(lqrpg, tmp_path)
    assert len(list(kept.glob("qsa_fig1-*"))) == 4


def test_comments_become_notes():
    text = (
        "# @package _global_\n# lqrpg run experiment=x\n#\n# P1: what it is.\n# Tags: some\nname: x\n"
        "a: 'x # y'   # [stated] eta\n"
        "b:           # a group\n"
        "  c: [1, 2]  # [chosen] for [0, 1]\n"
        "             # and more\n"
        "  d: {e: 1}  # [inferred] flow\n"
        "  f: 2\n"
        "scales:\n  smoke: {expected: 1 s}\n"
    )
    assert about(text) == "P1: what it is."
    assert notes(text) == {
        "a": Note("stated", "eta"),
        "b": Note("", "a group"),
        "b.c": Note("chosen", "for [0, 1] and more"),
        "b.d": Note("inferred", "flow"),
        "b.d.e": Note("inferred", "flow"),
        "b.f": Note("", "a group"),
    }


@pytest.mark.parametrize("choice", [f"experiment/{name}" for name in choices("experiment")])
def test_every_parameter_of_the_package_has_a_tag_and_a_reason(choice):
    text = (config_folders()[0] / f"{choice}.yaml").read_text(encoding="utf-8")
    found = notes(text)
    untold = ("name", "defaults", "plant", "plants", "scales")
    content = {key: value for key, value in yaml.safe_load(text).items() if key not in untold}
    assert [key for key in flat(content) if not (found[key].tag and found[key].reason)] == []


PROBE = """<!DOCTYPE html><title>probe</title><body style="margin:0">
<iframe id="frame" style="border:0;width:{width}px;height:900px" srcdoc="{page}"></iframe><pre id="found"></pre>
<script>
frame.onload = async () => {{
  const page = frame.contentDocument, root = page.documentElement, images = [...page.images];
  await Promise.all(images.map(image => image.decode().catch(() => null)));
  const scrolls = element => element.closest(".picture, thead, .skip");
  const wide = [...page.body.querySelectorAll("*")].filter(element => !scrolls(element))
    .filter(element => element.getBoundingClientRect().right > root.clientWidth + 0.5);
  found.textContent = JSON.stringify({{
    images: images.length, broken: images.filter(image => !image.complete || !image.naturalWidth).length,
    width: root.clientWidth, scroll: root.scrollWidth,
    wide: wide.map(element => element.tagName + "." + element.className).slice(0, 9),
  }});
}};
</script>"""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no chromium, chromium-browser or google-chrome on this machine")
def test_a_browser_shows_it_at_all_widths(lqrpg, tmp_path):
    for name in choices("experiment"):
        lqrpg("run", f"experiment={name}", "scale=smoke", "backend=serial")
    text = page(lqrpg, tmp_path)
    for width in (360, 390, 1280):
        found = probe(tmp_path, text, width)
        assert found["images"] == text.count("<img ") > 0
        assert found["broken"] == 0
        assert (found["width"], found["wide"]) == (width, [])
        assert found["scroll"] <= width


def probe(folder, text, width) -> dict:
    """What a browser finds in the page at a width; a script error or a refused resource fails."""
    (folder / "probe.html").write_text(PROBE.format(width=width, page=html.escape(text)), encoding="utf-8")
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    flags += " --disable-component-update --disable-sync --hide-scrollbars --disable-dev-shm-usage"
    flags += " --virtual-time-budget=20000 --enable-logging=stderr --v=0 --dump-dom --window-size=1400,1000"
    profile = folder / f"profile{width}"
    profile.mkdir()
    command = [BROWSER, *flags.split(), f"--user-data-dir={profile}", f"file://{folder}/probe.html"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "CONSOLE" not in done.stderr, done.stderr[-2000:]
    dumped = re.search(r'<pre id="found">([^<]+)</pre>', done.stdout)
    assert dumped, done.stderr[-2000:]
    return json.loads(html.unescape(dumped[1]))
