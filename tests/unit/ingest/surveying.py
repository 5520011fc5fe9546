"""What the tests of sources share: a small reader of metadata, and a survey sorted by kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline import wiring
from pipeline.ingest.sources import open_source
from pipeline.model import Description, Outcome, Problem, SourceFile, SourceRecord
from pipeline.settings import SourceLocation

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.ingest.sources import Found, Source, Tree
    from pipeline.model import JsonObject

DEFAULT: JsonObject = {"title": "By default"}


@dataclass(frozen=True)
class Fault:
    field: str
    code: str
    reason: str
    remedy: str = ""
    warning: bool = False


def describe(document: object) -> tuple[Description | None, tuple[Fault, ...]]:
    """A record needs a title; a colour is one field too many."""
    if not isinstance(document, dict) or "title" not in document:
        return None, (Fault("title", "missing", "there is no title"),)
    extra = (Fault("colour", "unknown-field", "nobody asked", warning=True),) if "colour" in document else ()
    return Description(metadata={"title": document["title"]}), extra


@dataclass(frozen=True)
class Survey:
    collection: str
    tree: Tree
    found: tuple[Found, ...]

    @property
    def records(self) -> dict[str, SourceRecord]:
        return {item.key: item for item in self.found if isinstance(item, SourceRecord)}

    @property
    def files(self) -> dict[tuple[str, str], SourceFile]:
        return {(item.record, item.key): item for item in self.found if isinstance(item, SourceFile)}

    @property
    def keys(self) -> set[tuple[str, str]]:
        """(record, key) of every file that can be read."""
        return {place for place, file in self.files.items() if file.problem is None}

    @property
    def problems(self) -> list[Problem]:
        """All problems: of records, of files, and those that stand for themselves."""
        problems: list[Problem] = []
        for item in self.found:
            match item:
                case SourceRecord():
                    problems.extend(item.problems)
                case SourceFile(problem=Problem() as problem):
                    problems.append(problem)
                case Problem():
                    problems.append(item)
        return problems

    @property
    def rejections(self) -> list[tuple[str, str, str]]:
        """(record, path, code) of what holds a record."""
        return self._told(Outcome.REJECTED)

    @property
    def warnings(self) -> list[tuple[str, str, str]]:
        return self._told(Outcome.WARNED)

    def title(self, record: str) -> object:
        description = self.records[record].description
        assert description is not None
        return description.metadata["title"]

    def _told(self, outcome: Outcome) -> list[tuple[str, str, str]]:
        return sorted(
            (each.record, each.path, each.code) for each in self.problems if each.outcome is outcome
        )


def open_local(source: Path, *, default: JsonObject | None = None, collection: str | None = None) -> Source:
    """The source at a path of this machine."""
    return open_source(str(source), local_tree, default_metadata=default, collection=collection)


def local_tree(path: str) -> Tree:
    return wiring.open_tree(SourceLocation(path))


def survey(
    source: Path, scratch: Path, *, default: JsonObject | None = None, collection: str | None = None
) -> Survey:
    """Open and survey `source`, and check what it yields for the promises that every source makes."""
    return surveyed(open_local(source, default=default, collection=collection), scratch)


def surveyed(source: Source, scratch: Path) -> Survey:
    """As `survey`, of a source that is open."""
    found = tuple(source.survey(describe, scratch))
    _check_promises(found)
    return Survey(source.collection, source.tree, found)


def _check_promises(found: tuple[Found, ...]) -> None:
    records = [item.key for item in found if isinstance(item, SourceRecord)]
    assert len(set(records)) == len(records), "a record is met twice"
    current = None
    keys: set[tuple[str, str]] = set()
    for item in found:
        if isinstance(item, SourceRecord):
            current = item.key
        elif isinstance(item, SourceFile):
            assert item.record == current, "a file does not follow its record"
            assert (item.record, item.key) not in keys, "a key is given twice"
            item.key.encode()
            keys.add((item.record, item.key))
    readable = {
        (item.record, item.key) for item in found if isinstance(item, SourceFile) and not item.problem
    }
    folders = {(record, key[:end]) for record, key in readable for end in range(len(key)) if key[end] == "/"}
    assert not readable & folders, "a file's key is a folder of another's"


def write(path: Path, content: str | bytes = "") -> Path:
    """Write a file, its folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
