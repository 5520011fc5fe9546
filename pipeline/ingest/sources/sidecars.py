"""Checksum files beside a record's data (`checksums.md5`, `SHA256SUMS` …): what they list is declared for the record's
files, and compared when those are read. They are files of the record themselves, too."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.errors import Rejected
from pipeline.ingest.checksums import checksum_algorithm, parse_checksum_file
from pipeline.ingest.sources.fates import refused, rejected
from pipeline.ingest.sources.names import join
from pipeline.model import Problem, SourceFile

if TYPE_CHECKING:
    from pipeline.ingest.sources.protocol import Tree

_LIMIT = 256 << 20
"""Bytes of one checksum file; more is taken for a mistake."""


@dataclass(frozen=True, slots=True)
class Sidecars:
    """What the checksum files of one folder list: path (as the source names it) → algorithm → digest, and which
    file listed it."""

    declared: dict[str, dict[str, str]]
    listed_by: dict[str, str]
    problems: tuple[Problem, ...]

    def declare(self, record: str, found: Iterable[SourceFile | Problem]) -> Iterator[SourceFile | Problem]:
        """Put the digests to their files; what is listed and not there is rejected at the end."""
        yield from self.problems
        missing = dict(self.listed_by)
        for one in found:
            if isinstance(one, SourceFile):
                missing.pop(one.path, None)
                if digests := self.declared.get(one.path):
                    one = replace(one, declared=digests)
            yield one
        for path, name in missing.items():
            yield rejected(
                record,
                path,
                "missing",
                f"{name} lists it, but it is not there",
                "Put the file back, or take it off the list.",
            )


def read_sidecars(tree: Tree, record: str, folder: str) -> Sidecars:
    """The checksum files that lie directly in `folder` (a path in the tree), read whole. One that cannot be read or
    understood is a problem that holds the record."""
    declared: dict[str, dict[str, str]] = {}
    listed_by: dict[str, str] = {}
    problems: list[Problem] = []
    for name in _names(tree, folder):
        path = join(folder, name)
        try:
            algorithm, checksums = parse_checksum_file(name, _text(tree, path))
        except Rejected as fault:
            problems.append(refused(record, path, fault))
            continue
        for listed, digest in checksums.items():
            target = join(folder, os.fsdecode(listed))
            declared.setdefault(target, {})[algorithm] = digest
            listed_by[target] = name
    return Sidecars(declared, listed_by, tuple(problems))


def _names(tree: Tree, folder: str) -> list[str]:
    try:
        with tree.folder(folder) as opened:
            return [name for name in opened.names if checksum_algorithm(name)]
    except Rejected:  # the survey of the folder's files says so itself
        return []


def _text(tree: Tree, path: str) -> bytes:
    with tree.open_now(path) as reader:
        if reader.size > _LIMIT:
            raise Rejected(f"{path} is larger than a list of checksums can be")
        return reader.read_at(0, reader.size)
