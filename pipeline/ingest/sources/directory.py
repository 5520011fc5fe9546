"""A folder tree as a source.

Each folder with a `record.json` is one record: that file describes it, everything below the folder that
is not below another `record.json` belongs to it. Where there is no `record.json` at all, each entry at
the top, file or folder, is one record with the default metadata. Empty folders leave no trace: a record
holds files. Checksum files in a record's folder declare digests for its files (`sidecars`).
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.display import shown
from pipeline.errors import Rejected
from pipeline.ingest.sources.documents import default_record, record_in_file
from pipeline.ingest.sources.fates import bad_name, not_followed, refused, remarked, renamed
from pipeline.ingest.sources.names import is_utf8, join, key_fault
from pipeline.ingest.sources.sidecars import read_sidecars
from pipeline.model import JsonObject, Outcome, Problem, SourceFile, SourceRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from pipeline.ingest.sources.protocol import Describe, Entry, Found, Tree

DESCRIPTION = "record.json"


@dataclass(frozen=True, slots=True)
class Place:
    """A folder or file: its path below the source's root, and its key below what is being looked at."""

    path: str
    key: str

    def below(self, entry: Entry) -> Place:
        return Place(join(self.path, entry.name), join(self.key, entry.segment))


@dataclass(frozen=True, slots=True)
class DirectorySource:
    """`default` describes the entries at the top when there is no `record.json`."""

    tree: Tree
    collection: str
    default: JsonObject | None

    def survey(self, describe: Describe, scratch: Path) -> Iterator[Found]:
        with self.tree.listed(scratch) as tree:
            if tree.holds(DESCRIPTION):
                yield from _described(tree, describe)
            else:
                yield from _undescribed(tree, default_record(self.default, describe))


def files_below(
    tree: Tree, record: str, top: Place, other_record: Callable[[Place], None] | None = None
) -> Iterator[SourceFile | Problem]:
    """The files of `record` below the folder `top`: those of a folder in the order of their bytes, then
    those of its folders. With `other_record`, a `record.json` is a description and no file, and a folder
    that has one of its own is handed to `other_record` instead of being entered."""
    pending = [top]
    while pending:
        place = pending.pop()
        folders: list[Place] = []
        try:
            with tree.folder(place.path) as folder:
                described = other_record is not None and folder.has_document(DESCRIPTION)
                if other_record is not None and described and place is not top:
                    other_record(place)
                    continue
                for entry in folder.entries():
                    if stat.S_ISDIR(entry.mode):
                        folders.append(place.below(entry))
                        if entry.remark:
                            yield remarked(record, folders[-1].path, entry.remark)
                    elif not (described and entry.name == DESCRIPTION):
                        yield from _found(record, place.below(entry), entry)
        except Rejected as error:
            yield refused(record, place.path, error)
        pending.extend(reversed(folders))


def _found(record: str, place: Place, entry: Entry) -> Iterator[SourceFile | Problem]:
    """What is to be said of one entry that is no folder."""
    said = remarked(record, place.path, entry.remark) if entry.remark else None
    if said is not None and not entry.segment:
        yield said
        return
    if not stat.S_ISREG(entry.mode):
        yield not_followed(record, place.path, entry.mode)
        return
    if fault := key_fault(place.key):
        yield bad_name(record, place.path, fault)
        return
    if not is_utf8(place.path):
        yield renamed(record, place.path, place.key)
    if said is not None and not entry.is_refused:
        yield said
    problem = said if entry.is_refused else None
    yield SourceFile(
        record, place.path, place.key, entry.size, entry.mtime_ns, problem=problem, stamp=entry.stamp
    )


# ---------------------------------------------------------------- with record.json


def _described(tree: Tree, describe: Describe) -> Iterator[Found]:
    pending = [Place("", "")]
    while pending:
        place = pending.pop()
        inner: list[Place] = []
        try:
            with tree.folder(place.path) as folder:
                is_record = folder.has_document(DESCRIPTION)
                if not is_record:
                    yield from _beside(place, folder.entries(), inner.append)
        except Rejected as error:
            yield refused("", place.path, error)
        else:
            if is_record:
                yield from _record(tree, place, describe, inner.append)
        pending.extend(reversed(inner))


def _record(
    tree: Tree, place: Place, describe: Describe, other_record: Callable[[Place], None]
) -> Iterator[Found]:
    """The record of a folder with a description, then its files."""
    key = place.key or "."
    fault = key_fault(key)
    if fault:
        yield bad_name("", place.path, fault)
        return
    yield record_in_file(tree, join(place.path, DESCRIPTION), key, describe)
    found = files_below(
        tree,
        key,
        Place(place.path, ""),
        lambda inner: other_record(Place(inner.path, join(place.key, inner.key))),
    )
    yield from read_sidecars(tree, key, place.path).declare(key, found)


def _beside(place: Place, entries: Iterable[Entry], inner: Callable[[Place], None]) -> Iterator[Problem]:
    """What lies in a folder that is no record's: folders to look into, and files that nobody describes."""
    for entry in entries:
        if entry.remark:
            yield remarked("", join(place.path, entry.name), entry.remark)
        if stat.S_ISDIR(entry.mode):
            inner(place.below(entry))
        elif entry.is_refused:
            continue
        elif stat.S_ISREG(entry.mode):
            yield Problem(
                shown(join(place.path, entry.name)),
                "",
                Outcome.WARNED,
                "no-record",
                f"no folder above it has a {DESCRIPTION}, so it belongs to no record and is left out",
                remedy=f"Move it into a record's folder, or put a {DESCRIPTION} beside it.",
            )
        else:
            yield not_followed("", join(place.path, entry.name), entry.mode)


# ---------------------------------------------------------------- without


def _undescribed(tree: Tree, record: Callable[[str], SourceRecord]) -> Iterator[Found]:
    folders: list[Place] = []
    try:
        with tree.folder("") as top:
            for entry in top.entries():
                place = Place("", "").below(entry)
                if stat.S_ISDIR(entry.mode):
                    folders.append(place)
                    if entry.remark:
                        yield remarked("", place.path, entry.remark)
                    continue
                taken = stat.S_ISREG(entry.mode) and entry.segment and not key_fault(place.key)
                if taken:
                    yield record(place.key)
                yield from _found(place.key if taken else "", place, entry)
    except Rejected as error:
        yield refused("", ".", error)
    for place in folders:
        if fault := key_fault(place.key):
            yield bad_name("", place.path, fault)
            continue
        yield record(place.key)
        found = files_below(tree, place.key, Place(place.path, ""))
        yield from read_sidecars(tree, place.key, place.path).declare(place.key, found)
