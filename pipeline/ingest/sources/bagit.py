"""A BagIt bag as a source: one record, whose files are the payload with keys relative to `data/`.

A bag is judged whole at the survey, but for the payload's digests: these become the files' declared
digests, which the one reading at intake compares. What is wrong with it holds the record. RFC 8493 rules;
section numbers are its own.
"""

from __future__ import annotations

import hashlib
import io
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.display import shown
from pipeline.errors import Rejected, UnusableSource
from pipeline.ingest.sources import payload, tagfiles
from pipeline.ingest.sources.documents import record_from, record_in_file
from pipeline.ingest.sources.fates import refused, rejected, remarked, warned
from pipeline.ingest.sources.names import escaped, key_fault
from pipeline.ingest.sources.protocol import FileMissing
from pipeline.model import JsonObject, Problem, SourceRecord
from pipeline.running.scratch import scratch_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.ingest.sources.protocol import Describe, Found, Tree

DECLARATION = "bagit.txt"
REMAKE = "Make the bag again with a tool that writes valid bags."
_INFO = ("bag-info.txt", "package-info.txt")  # the second name until 0.95
_METADATA = ("metadata/record.json", "metadata/datacite.json")


@dataclass(frozen=True, slots=True)
class BagSource:
    """`key` is the bag's External-Identifier, or else its folder's name."""

    tree: Tree
    collection: str
    key: str
    declaration: tagfiles.Declaration
    default: JsonObject | None

    def survey(self, describe: Describe, scratch: Path) -> Iterator[Found]:
        with self.tree.listed(scratch) as tree, scratch_database(scratch, payload.SCHEMA) as database:
            bag = replace(self, tree=tree)
            info, problems = bag.info()
            record = bag._record(info, describe)
            yield replace(record, problems=(*record.problems, *problems))
            yield from bag._remarks()
            yield from bag._tag_manifests()
            yield from payload.Payload(bag, database).judged(info)

    def info(self) -> tuple[tagfiles.BagInfo, list[Problem]]:
        for name in _INFO:
            try:
                with self.lines(name) as lines:
                    info, bad = tagfiles.bag_info(lines)
            except FileMissing:
                continue
            except Rejected as error:
                return tagfiles.BagInfo(), [refused(self.key, name, error)]
            return info, [self.bad_line(name, line) for line in bad]
        return tagfiles.BagInfo(), []

    def _record(self, info: tagfiles.BagInfo, describe: Describe) -> SourceRecord:
        """Described by the bag itself, else by the default, else as far as `bag-info.txt` goes."""
        for name in _METADATA:
            try:
                self.tree.look(name)
            except FileMissing:
                continue
            except Rejected as error:
                return SourceRecord(self.key, None, (refused(self.key, name, error),))
            return record_in_file(self.tree, name, self.key, describe)
        return record_from(self.key, self.default or tagfiles.metadata_from(info), describe)

    def manifests(self, kind: str) -> list[tuple[str, str | None]]:
        """Names and algorithms of the bag's manifests or tag manifests."""
        with self.tree.folder("") as folder:
            found = [(name, tagfiles.manifest_algorithm(name)) for name in folder.names]
        return [(name, which[1]) for name, which in found if which and which[0] == kind]

    @contextmanager
    def lines(self, name: str) -> Iterator[Iterator[str]]:
        """The lines of a tag file. Raises as trees do, and `Rejected` for another encoding."""
        encoding = self.declaration.encoding
        # Names of files need not be UTF-8 on disk, and then are not in a manifest either.
        errors = "surrogateescape" if encoding.lower() in ("utf-8", "utf8") else "strict"
        with (
            self.tree.open_now(name) as file,
            io.TextIOWrapper(io.BufferedReader(file), encoding=encoding, errors=errors) as text,
        ):
            try:
                yield text
            except UnicodeDecodeError as error:
                raise Rejected(f"{name} is not {encoding}, as {DECLARATION} says it is") from error

    def bad_line(self, name: str, line: tagfiles.BadLine) -> Problem:
        return rejected(self.key, name, "bad-tag-file", f"{name}, line {line.number}: {line.reason}", REMAKE)

    def unknown_algorithm(self, name: str) -> Problem:
        reason = "its digests cannot be computed here and are not checked"
        return warned(self.key, name, "unknown-algorithm", reason)

    def manifest_lines(
        self, name: str, algorithm: str, *, payload: bool
    ) -> Iterator[tagfiles.Listed | Problem]:
        """The good lines of a manifest, and what is to be said of the others."""
        told: set[str] = set()
        try:
            with self.lines(name) as lines:
                for line in tagfiles.manifest_lines(lines, algorithm, self.declaration, payload=payload):
                    if isinstance(line, tagfiles.BadLine):
                        yield self.bad_line(name, line)
                        continue
                    if line.warning and line.warning not in told:
                        told.add(line.warning)
                        reason = f"{line.warning}: strict validation will fail"
                        yield warned(self.key, name, "lenient-manifest", reason, REMAKE)
                    yield line
        except Rejected as error:
            yield refused(self.key, name, error)

    def _remarks(self) -> Iterator[Problem]:
        """What the tree says of names beside the payload."""
        with self.tree.folder("") as folder:
            for entry in folder.entries():
                if entry.remark:
                    yield remarked(self.key, entry.name, entry.remark)

    def _tag_manifests(self) -> Iterator[Problem]:
        """Section 2.2.1: every tag file that a tag manifest lists is there and unchanged."""
        for name, algorithm in self.manifests("tagmanifest"):
            if algorithm is None:
                yield self.unknown_algorithm(name)
                continue
            for line in self.manifest_lines(name, algorithm, payload=False):
                problem = line if isinstance(line, Problem) else self._tag_file(line, algorithm)
                if problem:
                    yield problem

    def _tag_file(self, listed: tagfiles.Listed, algorithm: str) -> Problem | None:
        try:
            with self.tree.open_now(listed.path) as file:
                digest = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False))
        except Rejected as error:
            return refused(self.key, listed.path, error)
        if digest.hexdigest() == listed.digest:
            return None
        reason = f"its {algorithm} digest is not the one that the tag manifest lists"
        return rejected(self.key, listed.path, "digest-mismatch", reason, REMAKE)


def open_bag(tree: Tree, default: JsonObject | None, collection: str | None) -> BagSource:
    """The bag at the top of the tree. Raises `UnusableSource` where `bagit.txt` makes it none."""
    try:
        with tree.open_now(DECLARATION) as file:
            declaration = tagfiles.declaration(file.read_at(0, 1 << 16))
    except (Rejected, OSError, ValueError) as error:
        raise UnusableSource(
            f"{shown(tree.location.url)} is no bag: {DECLARATION} is not as BagIt wants it ({error})",
            remedy=REMAKE,
        ) from error
    bag = BagSource(tree, collection or tree.name, tree.name, declaration, default)
    identifier = escaped(bag.info()[0].first("External-Identifier"))
    if not identifier or key_fault(identifier):
        return bag
    return replace(bag, collection=collection or identifier, key=identifier)
