"""The documentation is true: its links, commands, files, tables, figures, claims, parameters, rooms and example."""

import ast
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
from scipy.io import savemat

import lqrpg
from lqrpg.claims.papers import paper_named_in
from lqrpg.claims.registry import Outcome, claims
from lqrpg.cli.compose import GROUPS, composer, requests
from lqrpg.cli.init import init
from lqrpg.cli.main import cli
from lqrpg.cli.selection import chosen
from lqrpg.cli.verdicts import accepted_text
from lqrpg.cli.words import with_experiment
from lqrpg.domain_randomization.cubature import refinements
from lqrpg.experiments.shootout_methods import METHODS
from lqrpg.figures.registry import figures
from lqrpg.plugins import choices, config_folders, config_text
from lqrpg.report.parameters import notes
from lqrpg.runner.registry import experiment_class
from lqrpg.runner.settings import Job, job_from
from lqrpg.systems.custom_family import CustomFamily
from lqrpg.systems.families.distributions import KEYS

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    *(ROOT / f"{page}.md" for page in ("README", "CONTRIBUTING", "CHANGELOG")),
    *sorted((ROOT / "docs").glob("*.md")),
]
FENCE = re.compile(r"^( *)```(.*?)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
NAMING = {"verify": "names", "export": "experiments", "report": "experiments", "reproduce": "words"}
"""Verbs that take names of experiments and papers, with the argument that holds them."""
SINGLE_FILES = {"caches", "checks", "paths", "plugins", "ranges"}
"""Rooms of one module."""


@cache
def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@cache
def prose(page: Path) -> str:
    return FENCE.sub("", text(page))


def example_files(page: Path) -> dict[str, str]:
    """Code blocks behind a line that names their file."""
    return dict(re.findall(r"^`([\w/.]+)`:\n\n```\w+\n(.*?)^```$", text(page), re.MULTILINE | re.DOTALL))


def sections(title: str) -> str:
    """What stands below the headings of that title, on all pages."""
    found = re.findall(rf"^## {title}$(.*?)(?=^## |\Z)", "\n".join(map(prose, PAGES)) + "\n", re.MULTILINE | re.DOTALL)
    return "\n".join(found)


def rows(markdown: str) -> list[list[str]]:
    """The rows of tables, cell by cell."""
    lines = (line for line in markdown.splitlines() if line.startswith("| ") and not line.startswith("| ---"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def anchors(page: Path) -> set[str]:
    """Anchors of the headings, as GitHub names them."""
    titles = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_resolve(page):
    links = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    broken = []
    for link in (link for link in links if "://" not in link):
        target, _, anchor = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_files_that_are_named_exist(page):
    named = re.findall(r"(?<![\w/.])(?:lqrpg|tests|docs|benchmarks)/[\w/]+\.(?:py|yaml|md)", text(page))
    named += re.findall(r"`((?:lqrpg|tests|docs|benchmarks)/[\w/]*)`", prose(page))
    given = example_files(page)
    assert not [name for name in named if name not in given and not (ROOT / name).exists()]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_inline_formulas_survive_markdown(page):
    plain = re.sub(r"\$\$.*?\$\$|`[^`\n]*`", "", prose(page), flags=re.DOTALL)
    formulas = re.findall(r"\$([^$]+)\$", plain)
    assert plain.count("$") == 2 * len(formulas)
    # a backslash before punctuation, `*`, and `_` behind punctuation are Markdown's before they are the formula's
    assert not [formula for formula in formulas if re.search(r"\\[^A-Za-z\s]|\*|[^\w\s]_|^\s|\s$", formula)]


def commands(page: Path) -> list[list[str]]:
    """The words behind `lqrpg` of every command on a page."""
    blocks = [block for _, language, block in FENCE.findall(text(page)) if not language]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines() + re.findall(r"`(lqrpg [^`\n]+)`", prose(page))
    found = [re.search(r"(?:^|\s)lqrpg (.*)", line) for line in lines]
    return [shlex.split(os.path.expandvars(match[1]), comments=True) for match in found if match]


def names_an_example(words: list[str], page: Path) -> bool:
    added = {Path(file).stem for file in example_files(page)}
    return any(added & set(re.findall(r"\w+", word)) for word in words)


@cache
def composed(*choices_made: str) -> DictConfig:
    """The configuration of an experiment and a system: to compose one takes longer than all that follows."""
    with composer(None):
        return compose("config", overrides=list(choices_made))


def job(*overrides: str) -> Job:
    """What `lqrpg run` makes of overrides; the refusals of the command line itself have tests of their own."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    config = composed(*(item.input_line for item in parsed if item.key_or_group in GROUPS)).copy()
    for item in parsed:
        if item.key_or_group not in GROUPS:
            OmegaConf.update(config, item.key_or_group, item.value())  # refuses a key that is not there
    return job_from(config, dict)


def first_of_each(overrides: Iterable[str]) -> list[str]:
    """Overrides of the first job of a sweep; what is for Hydra's launchers is left out."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    kept = [override for override in parsed if not override.key_or_group.startswith("hydra")]
    sweeps = {override.key_or_group: override for override in kept if override.is_sweep_override()}
    plain = [str(override.input_line) for override in kept if override.key_or_group not in sweeps]
    return plain + [f"{key}={next(iter(sweep.sweep_string_iterator()))}" for key, sweep in sweeps.items()]


def supply_files(words: Iterable[str]) -> None:
    """Put the files that a command reads, and that a reader has, into the present folder."""
    for word in words:
        file = Path(word.partition("=")[2])
        if word.partition("=")[0] != "system.file" or file.exists():
            continue
        if file.suffix == ".mat":  # as plants.md saves it from MATLAB
            savemat(
                file, {"A": [[0, 1], [-1, -1]], "B": [[0], [1]], "Q": [[2, 0], [0, 1]], "R": 1, "K": [[1, 0]], "Ts": 0}
            )
        elif "system=custom_family" in words:
            shutil.copy(ROOT / "examples" / "two_parameter_plant" / "family.yaml", file)


def try_run(page: Path, overrides: tuple[str, ...], options: dict[str, Any]) -> None:
    """Compose what a command would run, in the present folder."""
    folder = options["config_dir"]
    if not folder:
        job(*first_of_each(overrides))
        return
    if (folder / "experiment").is_dir():  # `lqrpg init` wrote it
        requests(overrides, folder, multirun=options["multirun"])
        return
    (name,) = (word.partition("=")[2] for word in overrides if word.startswith("experiment="))
    (shown,) = re.findall(r"```yaml\n(# @package _global_\n.*?)```", text(page), re.DOTALL)  # the file to be put there
    (folder / "experiment").mkdir(parents=True)
    (folder / "experiment" / f"{name}.yaml").write_text(shown)
    requests(overrides, folder, multirun=options["multirun"])


def try_command(page: Path, words: list[str]) -> None:
    verb, *arguments = words
    command = cli.commands[verb]
    if not arguments:  # a verb by its name
        return
    # Under the group's own settings: click keeps the help option of the first context that it sees.
    group = click.Context(cli, **cli.context_settings)
    options = command.make_context(verb, list(arguments), parent=group).params
    if verb == "init":
        init(options["folder"])
        os.chdir(options["folder"])  # as the page goes on
    if verb == "run":
        supply_files(words)
        try_run(page, tuple(with_experiment(options.pop("overrides"))), options)
    for begun in options.get("figures") or () if verb == "plot" else ():
        assert any(spec.name.startswith(begun) or spec.experiment == begun for spec in figures().values()), words
    if verb in NAMING:  # refuses unknown names
        named = [word for word in options[NAMING[verb]] if "=" not in word]
        chosen([word for word in named if word not in {claim.name for claim in claims()}], choices("experiment"))


SEARCHING = ("README.md", "docs/plants.md", "docs/running.md", "docs/dr_lqr.md")
"""Pages with commands on plants for which settings are found."""


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=name, marks=[pytest.mark.slow] if name in SEARCHING else [])
        for page, name in zip(PAGES, NAMES, strict=True)
    ],
)
def test_commands_are_right(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in {tuple(words): words for words in commands(page) if not names_an_example(words, page)}.values():
        try_command(page, words)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_what_pages_install_is_what_is_built(page):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {
        word for line in re.findall(r"pip install ([^`\n]+)", text(page)) for word in shlex.split(line, comments=True)
    }
    wheel = f"{project['name']}-{lqrpg.__version__}-py3-none-any.whl"
    extras = {f".[{extra}]" for extra in project["optional-dependencies"]}
    assert {word for word in named if not word.startswith("-")} <= {wheel, ".", *extras}


def test_every_table_is_described_with_its_columns():
    described = {cells[0].strip("`"): re.findall(r"`(\w+)`", cells[1]) for cells in rows(sections("Tables"))}
    described.pop("table")
    actual = {
        f"{name}/{table}": list(columns)
        for name in choices("experiment", own=True)
        for table, columns in experiment_class(name).TABLES.items()
    }
    assert described == actual


def test_every_claim_is_described_with_its_range():
    described = {cells[0].strip("`"): cells[2] for cells in rows(sections("Claims"))}
    described.pop("claim")
    assert described == {claim.name: accepted_text(claim) for claim in claims()}


def test_the_headline_counts_the_claims_as_they_are_documented():
    page = ROOT / "README.md"
    counted = {}
    for cells in rows(text(page)):
        if paper := re.match(r"\[(P\d)\]", cells[0]):
            counted[paper[1]] = [int((re.match(r"\d+", cell) or [0])[0]) for cell in cells[1:4]]
    kinds = (Outcome.REPRODUCED, Outcome.CHANGED, Outcome.NOT_REPRODUCED)
    for key, found in counted.items():
        own = [claim.documented for claim in claims() if paper_named_in(claim.paper).key == key]
        assert found == [own.count(kind) for kind in kinds]
    total = [sum(column) for column in zip(*counted.values(), strict=True)]
    said = re.search(r"Of (\d+) claims.*? (\d+) are reproduced, (\d+) with.*?and (\d+) is not", text(page), re.DOTALL)
    assert [int(number) for number in said.groups()] == [sum(total), *total]


def test_every_figure_is_described():
    bullets = re.findall(r"^- ((?:`\w+`(?:, )?)+)", sections("Figures"), re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(bullets))) == sorted(figures())


def flat(settings: dict, prefix: str = "") -> dict:
    found = {}
    for key, value in settings.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def test_every_public_name_is_described():
    named = [cell for cells in rows(prose(ROOT / "docs" / "api.md")) for cell in re.findall(r"`(\w+)`", cells[0])]
    assert sorted(named) == sorted(lqrpg.__all__)


def test_every_key_of_a_plant_is_described():
    named = re.findall(r"^\| (`system\..*?) \|", prose(ROOT / "docs" / "plants.md"), re.MULTILINE)
    keys = set(yaml.safe_load(config_text("system", "custom"))) - {"kind"}
    assert sorted(re.findall(r"`system\.(\w+)`", " ".join(named))) == sorted(keys)


def test_every_distribution_is_described_with_its_numbers():
    described = {cells[0].strip("`"): cells[1] for cells in rows(prose(ROOT / "docs" / "plants.md"))}
    numbers = {kind: tuple(re.findall(r"`(\w+)`", described[kind])) for kind in KEYS}
    assert numbers == KEYS


def test_every_rule_for_means_is_described():
    described = rows(sections("Families of plants"))
    named = {name for cells in described for name in re.findall(r"^`(\w+)`:", cells[1])}
    uniform = {name: {"distribution": "uniform", "low": 1, "high": 2} for name in "abc"}
    matrices = {"time": "discrete", "A": [["a*b*c/10"]], "B": [[1]], "Q": 1, "R": 1, "Sigma": 1, "start_gain": [0.2]}
    of_three = CustomFamily(**CustomFamily.expand({"kind": "custom_family", "parameters": uniform, **matrices}))
    used = {rule.name for ladder in refinements(of_three.family()) for rule in itertools.islice(ladder, 1)}
    assert named == used | {"gauss"}


def test_every_method_is_described():
    described = [cells[0].strip("`") for cells in rows(prose(ROOT / "docs" / "shootout.md"))]
    assert [name for name in described if name in METHODS] == list(METHODS)


@cache
def defaults(experiment: str) -> tuple[dict, dict]:
    """Values and tags of the settings of an experiment."""
    file = config_folders()[0] / "experiment" / f"{experiment}.yaml"
    found = job(f"experiment={experiment}")
    tags = notes(file.read_text())
    if "system" in found.settings:
        system = config_folders()[0] / "system" / f"{found.settings['system']['kind']}.yaml"
        tags |= notes(system.read_text(), "system.")
    return flat(found.settings), {key: note.tag for key, note in tags.items()}


def test_decisions_name_the_defaults_and_their_tags():
    decisions = [cells for cells in rows(prose(ROOT / "docs" / "parameters.md")) if cells[0] != "setting"]
    assert len(decisions) > 40
    wrong = []
    for name, value, tag, *_ in decisions:
        experiment, _, key = name.strip("`").partition(".")
        values, tags = defaults(experiment)
        if values[key] != yaml.safe_load(value.strip("`")) or f"[{tags[key]}]" != tag:
            wrong.append((name, values[key], tags[key]))
    assert not wrong


def imported_rooms(room: str) -> set[str]:
    """Other rooms of the package that the modules of a room import."""
    package = ROOT / "lqrpg"
    files = [package / f"{room}.py"] if room in SINGLE_FILES else list((package / room).rglob("*.py"))
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    modules = [name.name for node in nodes if isinstance(node, ast.Import) for name in node.names]
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            modules += [f"{node.module}.{name.name}" for name in node.names if name.name != "__version__"]
    return {module.split(".")[1] for module in modules if module.startswith("lqrpg.")} - {room}


def test_rooms_import_what_the_table_says_and_only_downwards():
    table = [cells for cells in rows(prose(ROOT / "docs" / "architecture.md")) if cells[0] != "module"]
    order = [cells[0].strip("`") for cells in table]
    folders = {path.parent.name for path in (ROOT / "lqrpg").glob("*/__init__.py")}
    assert set(order) == folders | SINGLE_FILES
    for place, cells in enumerate(table):
        said = set(re.findall(r"`(\w+)`", cells[2]))
        assert said == imported_rooms(order[place]), order[place]
        assert said <= set(order[place + 1 :])


def typed(command: list[str], folder: Path, seconds: float = 200, **environment: str):
    """What a command in a folder says; its Python finds this repository's package."""
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        command, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=seconds, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize(("name", "number", "count"), [("README", 0, 1), ("docs/api", 0, 1), ("docs/plants", 0, 1)])
def test_python_examples_run_without_a_warning(name, number, count, tmp_path):
    page = ROOT / f"{name}.md"
    examples = [block for _, language, block in FENCE.findall(text(page)) if language == "python"]
    assert len(examples) == count
    done = typed([sys.executable, "-W", "error", "-c", examples[number]], tmp_path)
    assert done.returncode == 0, done.stderr
    assert bool(list(tmp_path.glob("*.png"))) == ("savefig" in examples[number])


def write_own_package(page: Path, site: Path) -> None:
    """The example's files below the names that the page lists, and what an installation would write beside them."""
    (described,) = (block for _, language, block in FENCE.findall(text(page)) if language == "toml")
    project = tomllib.loads(described)["project"]
    ((group, entries),) = project["entry-points"].items()
    ((_, package),) = entries.items()
    for file, content in example_files(page).items():
        own = f"{package}/{file.partition('/')[2]}"
        assert re.search(rf"^{own}( |$)", text(page), re.MULTILINE), own
        (site / own).parent.mkdir(parents=True, exist_ok=True)
        (site / own).write_text(content)
    (site / package / "__init__.py").touch()
    installed = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    (installed / "entry_points.txt").write_text(f"[{group}]\n{package} = {package}\n")


@pytest.mark.slow
def test_the_example_works_as_it_stands(tmp_path):
    """The files of the page on extensions in the package of one's own that it describes, and its commands."""
    page = ROOT / "docs" / "extending.md"
    write_own_package(page, tmp_path / "site")
    path = os.pathsep.join([str(tmp_path / "site"), str(ROOT)])
    tried = [words for words in commands(page) if names_an_example(words, page)]
    assert {words[0] for words in tried} == {"run", "plot", "verify"}
    for words in tried:
        done = typed([sys.executable, "-m", "lqrpg", *words], tmp_path, PYTHONPATH=path)
        assert done.returncode == 0, shlex.join(words) + done.stdout + done.stderr
    assert list((tmp_path / "figures").rglob("detuned_excess.pdf"))
    assert len(list((tmp_path / "results" / "shootout").glob("smoke*/methods.parquet"))) == 4


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text)]


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_the_tutorial_goes_as_it_says(tmp_path):
    """Its files and commands, typed in order in an empty folder, with what the terminal answers."""
    page = ROOT / "docs" / "tutorial.md"
    for file, content in example_files(page).items():
        (tmp_path / file).write_text(content)
    blocks = [(language, block) for _, language, block in FENCE.findall(text(page)) if language in ("", "text")]
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    answers = []
    for language, block in blocks:
        if language == "text":  # to the command before
            if block.startswith("lqrpg: "):
                assert block.strip() in answers[-1].stderr
            else:
                assert numbers(answers[-1].stdout) == pytest.approx(numbers(block), rel=0.01, abs=0.011)
            continue
        done = typed(["bash", "-c", block], tmp_path, seconds=1200, PATH=folders)
        assert done.returncode == 0, block + done.stdout + done.stderr
        answers.append(done)
    assert len(answers) == 6
    drawn = {file.parent.name + "/" + file.name for file in (tmp_path / "figures").rglob("*.png")}
    assert {name.partition("/")[2] for name in drawn} == {"shootout_curves.png", "shootout_summary.png"}
    assert (tmp_path / "report.html").exists()
    gains = next((tmp_path / "csv" / "shootout").glob("*/gains.csv")).read_text().splitlines()
    assert gains[1].startswith("exact_gradient,0,1,1,")
    assert "samples_per_policy=64000" in answers[4].stderr


def test_the_speed_of_rollouts_is_stated_alike():
    pages = [ROOT / "docs" / "validation.md", ROOT / "docs" / "azopg.md", ROOT / "lqrpg" / "claims" / "papers.yaml"]
    stated = [re.findall(r"about (\d+) times less than python-control", " ".join(text(page).split())) for page in pages]
    assert stated[0]
    assert all(each == stated[0] for each in stated)
