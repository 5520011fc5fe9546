"""The papers say what stands: settings, exit codes, commands, paths and modules in them are compared with the code."""

from __future__ import annotations

import re
import tomllib
from html import escape
from pathlib import Path

import click
import pytest

from pipeline.cli.console import Exit
from pipeline.cli.main import headrace
from pipeline.flows.ingest import ingest_collection
from pipeline.ingest.sources.names import ARCHIVES
from pipeline.ingest.sources.rows import SUFFIXES
from pipeline.settings import Settings

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
DECISIONS = sorted((ROOT / "infra" / "decisions").glob("*.md"))
PAPERS = [README, ARCHITECTURE, *DECISIONS]
CODE = ("pipeline", "gateway", "infra", "loadtests", "tests")

_CONTEXT = click.Context(headrace)
COMMANDS = {
    name: command
    for name in headrace.list_commands(_CONTEXT)
    if (command := headrace.get_command(_CONTEXT, name)) is not None
}

_SETTINGS = re.compile(r"<!-- settings.*?-->\n(.*?)<!-- end of settings -->", re.DOTALL)
_PATH = re.compile(r"`((?:pipeline|gateway|infra|loadtests|tests|docs|requirements)/[\w./-]*)`")
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
_COMMAND = re.compile(r"\bheadrace ([a-z]+)(?: ([a-z]+))?")
_LAYERS = re.compile(r"<!-- layers.*?-->\n(.*?)<!-- end of layers -->", re.DOTALL)
_CITED = re.compile(r"\bdecision (\d{4})\b")
_TREE = re.compile(r"<!-- tree.*?-->\n```\n(.*?)```", re.DOTALL)


def test_the_readme_lists_every_setting_with_its_default_and_meaning() -> None:
    """The table of settings in the README is the one that `pipeline.settings` gives."""
    found = _SETTINGS.search(README.read_text(encoding="utf-8"))
    assert found, "the README has no table of settings"
    head = ["| Name | Default | Means |", "|---|---|---|"]
    assert found[1].splitlines() == [*head, *map(_setting_row, Settings.model_fields)]


def test_whoever_names_a_source_is_told_of_every_kind() -> None:
    """The form in Prefect, and the help of an inbox, name each suffix of an archive, a manifest and a list."""
    form = str(ingest_collection.parameters.properties["source"]["description"])
    for told in (form, COMMANDS["watch"].help or ""):
        assert {one for one in {*ARCHIVES, *SUFFIXES} if one not in told} == set()


def test_the_readme_lists_every_exit_code() -> None:
    """Each exit code of the command line has a row in the README's table, and no other number has."""
    section = README.read_text(encoding="utf-8").partition("### Exit codes")[2].partition("\n## ")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)] == [*Exit]


def test_the_readme_names_every_command() -> None:
    """A user finds each command of `headrace` in the README, those of groups with their group."""
    text = README.read_text(encoding="utf-8")
    alone = {name for name in COMMANDS if f"`{name}`" in text}
    shown = {" ".join(filter(None, words)) for words in _COMMAND.findall(text)}
    assert _commands() - {words for words in _commands() if _is_shown(words, shown)} - alone == set()


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.name)
def test_no_paper_shows_a_command_that_does_not_exist(paper: Path) -> None:
    """Every `headrace …` in a code span or block of a paper is a command."""
    code = "\n".join(re.findall(r"```.*?```|`[^`]+`", paper.read_text(encoding="utf-8"), re.DOTALL))
    assert {first for first, _ in _COMMAND.findall(code)} - COMMANDS.keys() == set()


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.name)
def test_every_path_in_a_paper_exists(paper: Path) -> None:
    """Paths of the project in a paper's code spans, and the targets of its links, are there."""
    text = paper.read_text(encoding="utf-8")
    named = [ROOT / path for path in _PATH.findall(text)]
    linked = [paper.parent / target for target in _LINK.findall(text)]
    assert [str(path.relative_to(ROOT)) for path in named + linked if not path.exists()] == []


def test_every_decision_has_a_number_of_its_own() -> None:
    """Its heading begins with that of its file."""
    numbers = [paper.name[:4] for paper in DECISIONS]
    assert sorted(set(numbers)) == numbers
    headings = [paper.read_text(encoding="utf-8").split(".", 1)[0] for paper in DECISIONS]
    assert headings == [f"# {int(number)}" for number in numbers]


def test_every_decision_that_is_cited_exists() -> None:
    """In papers and in code."""
    code = [path for package in CODE for path in (ROOT / package).rglob("*.py")]
    papers = [*PAPERS, *(ROOT / "docs").glob("*.md"), ROOT / "pyproject.toml"]
    cited = {one for path in (*papers, *code) for one in _CITED.findall(path.read_text(encoding="utf-8"))}
    assert cited - {paper.name[:4] for paper in DECISIONS} == set()


def test_the_architecture_describes_every_module() -> None:
    """The tree in docs/architecture.md has a line for each module of the two packages, and for nothing else."""
    found = _TREE.search(ARCHITECTURE.read_text(encoding="utf-8"))
    assert found, "docs/architecture.md has no tree"
    assert sorted(_tree_paths(found[1])) == sorted(_modules())


def test_the_architecture_shows_the_layers_of_the_contract() -> None:
    """The table of layers names the modules that pyproject.toml does, in its order."""
    found = _LAYERS.search(ARCHITECTURE.read_text(encoding="utf-8"))
    assert found, "docs/architecture.md has no table of layers"
    shown = [set(re.findall(r"`([\w.]+)`", line)) for line in re.split(r";|\|\n", found[1]) if "`" in line]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    assert shown == [{name.removeprefix("pipeline.") for name in layer.split(" | ")} for layer in layers]


def _setting_row(name: str) -> str:
    field = Settings.model_fields[name]
    default = ",".join(field.default) if isinstance(field.default, tuple) else str(field.default)
    shown = f"`{default}`" if default and field.default_factory is None else ""
    return f"| `HEADRACE_{name.upper()}` | {shown} | {escape(field.description or '', quote=False)} |"


def _commands() -> set[str]:
    return {
        words
        for name, command in COMMANDS.items()
        for words in (
            [f"{name} {inner}" for inner in command.commands] if isinstance(command, click.Group) else [name]
        )
    }


def _is_shown(words: str, shown: set[str]) -> bool:
    return any(one == words or one.startswith(f"{words} ") for one in shown)


def _tree_paths(tree: str) -> list[str]:
    """The modules of an indented tree (two spaces a level) in which folders end with `/`."""
    folders: list[str] = []
    paths = []
    for line in filter(str.strip, tree.splitlines()):
        name = line.split()[0]
        del folders[(len(line) - len(line.lstrip())) // 2 :]
        if name.endswith("/"):
            folders.append(name)
        else:
            paths.append("".join([*folders, name]))
    return paths


def _modules() -> list[str]:
    """The modules that hold code; an `__init__` that only says what a package is need not be listed."""
    return [
        path.relative_to(ROOT).as_posix()
        for package in ("pipeline", "gateway")
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__init__.py"
    ]
