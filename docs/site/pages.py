"""The pages that Sphinx reads: copies of the Markdown with links of the site, and what is generated in its places.

`<!-- site: columns azopg -->` on a page, which a repository's web page does not show, is where the columns of an
experiment's tables come; `claims` and `figures` likewise, and `gallery`, `api` and `contents` once each.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

from lqrpg import __all__ as public_names
from lqrpg.claims.papers import OTHER, paper_of
from lqrpg.claims.registry import Claim, claims
from lqrpg.cli.verdicts import accepted_text
from lqrpg.figures.registry import FigureSpec, figures
from lqrpg.plugins import choices
from lqrpg.report.formulas import typeset
from lqrpg.results.columns import meaning
from lqrpg.runner.registry import experiment_class

FENCE = re.compile(r"^( *)(```+|:::+).*?^\1\2$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FILE_LINK = re.compile(r"\[[\w/]+\.md\](?=\(/(\w+\.md))")
MARK = re.compile(r"^<!-- site: (\w+)((?: \w+)*) -->$", re.MULTILINE)
NAMED = re.compile(r"^\| `[^|]+\|", re.MULTILINE)
CODE = re.compile(r"`(\w+)`")
RENAMED = {
    "README.md": "overview.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "examples/drone/README.md": "drone.md",
    "examples/two_parameter_plant/README.md": "two_parameter_plant.md",
}
"""Pages outside `docs/`, with their names on the site."""


class Pages:
    """The pages of a repository.

    Attributes
    ----------
    root : the repository's folder.
    names : the site's name of each page, by its file.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names = {root / old: new for old, new in RENAMED.items()}
        self.names |= {page: page.name for page in sorted((root / "docs").glob("*.md"))}
        self.texts = {page: page.read_text(encoding="utf-8") for page in self.names}

    def write(self, target: Path) -> None:
        """Write all pages, and the files that they show or offer, into a folder."""
        (target / "api").mkdir(parents=True)
        for page, name in self.names.items():
            (target / name).write_text(self.text(page, target), encoding="utf-8")
        for name in public_names:
            (target / "api" / f"{name}.rst").write_text(stub(name), encoding="utf-8")

    def text(self, page: Path, target: Path) -> str:
        """A page as Sphinx reads it."""
        linked = outside_fences(self.texts[page], lambda part: self.linked(part, page, target))
        if page.name == "api.md":
            linked = NAMED.sub(lambda row: CODE.sub(name_link, row[0]), linked)
        return MARK.sub(lambda mark: self.generated(mark[1], mark[2].split(), target), linked)

    def linked(self, part: str, page: Path, target: Path) -> str:
        """A part of a page with the site's links; one that shows a file's name shows the page's title."""
        addressed = LINK.sub(lambda found: self.link(found, page, target), part)
        return FILE_LINK.sub(lambda found: f"[{self.titles.get(found[1], found[1])}]", addressed)

    def link(self, found: re.Match[str], page: Path, target: Path) -> str:
        """A link of a page as one of the site; files that are no pages are copied."""
        address, _, anchor = found[1].partition("#")
        if "://" in address or not address:
            return found[0]
        file = Path(os.path.normpath(page.parent / address))
        if file in self.names:
            return f"](/{self.names[file]}{'#' + anchor if anchor else ''})"
        return f"](/{self.copied(file, target)})"

    def copied(self, file: Path, target: Path) -> str:
        """The path of a file below the target, once it is there."""
        own = Path("files") / file.relative_to(self.root)
        (target / own).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target / own)
        return own.as_posix()

    def generated(self, kind: str, experiments: list[str], target: Path) -> str:
        """What comes in the place of a mark."""
        if kind == "contents":
            return "\n".join(self.contents())
        if kind == "api":
            return "\n".join(toctree("", [f"api/{name}" for name in public_names]))
        if kind == "gallery":
            return "\n".join(self.gallery(target))
        parts = {"columns": columns, "claims": self.claims, "figures": lambda name: self.figures(name, target)}[kind]
        return "\n".join(line for name in experiments for line in parts(name))

    @cached_property
    def lists(self) -> dict[str, dict[str, str]]:
        """The lists of links on the start page by their headings: the title of each page by its name."""
        docs = self.root / "docs"
        parts = re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", self.texts[docs / "index.md"], re.MULTILINE | re.DOTALL)
        links = {heading: re.findall(r"^- \[(.*?)\]\((.*?)\)", part, re.MULTILINE) for heading, part in parts}
        return {
            heading: {self.names[Path(os.path.normpath(docs / address))]: title for title, address in own}
            for heading, own in links.items()
        }

    @cached_property
    def titles(self) -> dict[str, str]:
        """The title of each page by its name, as the start page has it."""
        return {name: title for own in self.lists.values() for name, title in own.items()}

    def contents(self) -> Iterator[str]:
        """The table of contents of the site."""
        for heading, own in self.lists.items():
            yield from toctree(heading, [f"{title} <{name}>" for name, title in own.items()])

    @cached_property
    def judged(self) -> dict[str, dict[str, Any]]:
        """What `lqrpg verify` says of each claim on the tables of the repository."""
        command = [sys.executable, "-m", "lqrpg", "verify", "--json"]
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)
        return {row["name"]: row for row in json.loads(done.stdout)["claims"]}

    def claims(self, experiment: str) -> Iterator[str]:
        """The claims on an experiment: what each says, what was measured, what is accepted and why."""
        yield from ["", f"### Claims on `{experiment}`"]
        yield from raw(claim_entries([claim for claim in claims() if claim.experiment == experiment], self.judged))

    @cached_property
    def shown_on(self) -> dict[str, str]:
        """The page that shows the figures of each experiment."""
        marks = ((page, mark) for page, text in self.texts.items() for mark in MARK.finditer(text))
        return {name: self.names[page] for page, mark in marks if mark[1] == "figures" for name in mark[2].split()}

    def figures(self, experiment: str, target: Path) -> Iterator[str]:
        """The figures of an experiment with their captions, below one another."""
        for spec in own_figures(experiment):
            image, pdf = (self.copied(self.root / "figures" / f"{spec.name}.{kind}", target) for kind in ("png", "pdf"))
            yield from [f":::{{figure}} /{image}", f":name: {spec.name}", f":alt: {spec.shows}", ""]
            yield from [f"`{spec.name}`: {plain(spec.shows)} ({{download}}`PDF </{pdf}>`)", ":::", ""]

    def gallery(self, target: Path) -> Iterator[str]:
        """All figures, small, by paper, each linked to its place."""
        by_paper: dict[str, list[FigureSpec]] = {}
        for experiment in choices("experiment", own=True):
            by_paper.setdefault(paper_of(experiment).key, []).extend(own_figures(experiment))
        for key, specs in sorted(by_paper.items(), key=lambda item: item[0] or "~"):
            paper = paper_of(specs[0].experiment)
            yield from ["", f"## {f'{key}: {paper.short}' if key else OTHER.title}", "", "::::{container} gallery"]
            for spec in specs:
                image = self.copied(self.root / "figures" / f"{spec.name}.png", target)
                yield from [f":::{{figure}} /{image}", f":alt: {spec.shows}"]
                yield from [
                    f":target: {Path(self.shown_on[spec.experiment]).stem}.html#{spec.name.replace('_', '-')}",
                    "",
                ]
                yield from [f"`{spec.name}`: {plain(spec.shows)}", ":::"]
            yield "::::"


def stub(name: str) -> str:
    """The page of a public name."""
    import lqrpg

    kind = "class" if isinstance(getattr(lqrpg, name), type) else "function"
    options = [":members:"] if kind == "class" else []
    options += [":undoc-members:"] if name == "Status" else []
    lines = [name, "=" * len(name), "", ".. currentmodule:: lqrpg", "", f".. auto{kind}:: {name}"]
    return "\n".join([*lines, *(f"   {option}" for option in options), ""])


def name_link(found: re.Match[str]) -> str:
    """The name of an object as a link to its page."""
    return f"[{found[0]}](/api/{found[1]}.rst)" if found[1] in public_names else found[0]


def outside_fences(text: str, change: Callable[[str], str]) -> str:
    """A text whose parts outside fenced blocks are changed."""
    parts, end = [], 0
    for fence in FENCE.finditer(text):
        parts += [change(text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, change(text[end:])])


def toctree(caption: str, entries: list[str]) -> Iterator[str]:
    """A table of contents that is seen beside the pages only."""
    yield from ["", "```{toctree}", ":hidden:", *([f":caption: {caption}"] if caption else []), "", *entries, "```"]


def raw(lines: Iterator[str]) -> Iterator[str]:
    """Lines of HTML as they are."""
    yield from ["", "```{raw} html", *lines, "```", ""]


def plain(text: str) -> str:
    """A text in which Markdown finds nothing of its own."""
    return re.sub(r"([\\`*_$<>\[\]{}|])", r"\\\1", text)


def own_figures(experiment: str) -> list[FigureSpec]:
    """The figures of an experiment, those of its paper first."""
    found = [spec for spec in figures().values() if spec.experiment == experiment]
    return sorted(found, key=lambda spec: not re.match(r"P\d", spec.shows))


def columns(experiment: str) -> Iterator[str]:
    """What each column of each table of an experiment holds."""
    yield from ["", f"### Columns of `{experiment}`"]
    yield from raw(column_rows(experiment))


def column_rows(experiment: str) -> Iterator[str]:
    """The same as rows of one table of HTML."""
    yield '<div class="table-wrapper docutils container"><table class="docutils align-default columns">'
    yield "<thead><tr><th>column</th><th>what it holds</th></tr></thead>"
    for table, names in experiment_class(experiment).TABLES.items():
        yield f'<tbody><tr><th colspan="2"><code>{experiment}/{table}</code></th></tr>'
        for name in names:
            told = meaning(experiment, table, name)
            if not told:
                raise LookupError(f"{experiment}/{table}: no word on the column {name}")
            yield f"<tr><td><code>{name}</code></td><td>{typeset(told)}</td></tr>"
        yield "</tbody>"
    yield "</table></div>"


def claim_entries(own: list[Claim], judged: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Claims as a list of HTML, each by its name."""
    yield '<dl class="claims">'
    for claim in own:
        row = judged.get(claim.name, {})
        outcome = row.get("outcome", claim.documented.value)
        yield f'<dt id="{claim.name}"><code>{claim.name}</code> <span class="outcome">{escape(outcome)}</span></dt>'
        number = row.get("measured")
        interval = " ({:.4g} to {:.4g})".format(*row["interval"]) if row.get("interval") else ""
        told = {
            "": f"{claim.says} ({claim.paper})",
            "Measured": f"{number:.4g}{interval}: {claim.measures}" if number is not None else claim.measures,
            "Accepted": f"{accepted_text(claim)}: {claim.because}",
            "Change": claim.change,
            "Not reproduced": claim.discrepancy,
            "Note": claim.caveat,
        }
        for label, text in told.items():
            if text:
                yield f"<dd>{f'<em>{label}.</em> ' if label else ''}{typeset(text)}</dd>"
    yield "</dl>"
