"""What a source of bulk ingest is: something whose survey names records and their files (`Source`), which lie in a
tree of files (`Tree`). A kind of source says what the files mean; a kind of tree says where they are and how they are
read, and any kind of source may lie in any kind of tree that can do what it needs.

Errors of trees are `Rejected`, told apart by `code`: `missing`, `unreadable`, `not-regular`, `changed`; and
`Unavailable` when the tree itself is away.
"""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from pipeline.errors import Rejected
from pipeline.ingest.sources.names import join
from pipeline.model import Description, Outcome, Problem, SourceFile, SourceRecord

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.settings import SourceLocation

Found: TypeAlias = SourceRecord | SourceFile | Problem
"""One thing that a survey meets. A `Problem` of its own is about something that is no file to read (a
symbolic link, a listed path that leaves the source, a folder that cannot be opened): when it is
`rejected` and names a record, that record is held."""


class FieldProblem(Protocol):
    """What the reader of metadata says of one field."""

    @property
    def field(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def remedy(self) -> str: ...
    @property
    def warning(self) -> bool:
        """Whether the description is good all the same."""


Describe: TypeAlias = Callable[[object], tuple[Description | None, Sequence[FieldProblem]]]
"""Reads a metadata document as the depositor wrote it. Never raises on what users wrote; a problem
that is no warning rejects the record."""


# ---------------------------------------------------------------- trees


class FileMissing(Rejected):
    """No file lies at the path."""

    code = "missing"


class FileUnreadable(Rejected):
    """Something lies at the path that this process may not read, or that does not give its bytes."""

    code = "unreadable"


class NotRegular(Rejected):
    """A symbolic link, FIFO, socket, device or folder: never followed, never opened."""

    code = "not-regular"


class Remark(NamedTuple):
    """What a tree itself has to say of a name in it; rejected: it cannot be read."""

    outcome: Outcome
    code: str
    reason: str
    remedy: str = ""


class Entry(NamedTuple):
    """One name in a folder: `segment` is its part of a key, `""` where it can be part of none; `mode` is as `stat` has
    it, of a regular file or a folder where the tree knows of nothing else; `stamp` as a `SourceFile` has it."""

    name: str
    segment: str
    mode: int
    size: int
    mtime_ns: int | None
    stamp: str
    remark: Remark | None = None

    @property
    def is_refused(self) -> bool:
        """Whether the tree knows already that it cannot be read."""
        return self.remark is not None and self.remark.outcome is Outcome.REJECTED


class Folder(Protocol):
    """A folder of a tree."""

    @property
    def names(self) -> Collection[str]:
        """In the order of their bytes."""

    def has_document(self, name: str) -> bool:
        """Whether `name` is here and is not a folder."""

    def folders(self) -> Sequence[str]:
        """The names of its folders, in any order."""

    def entries(self) -> Iterator[Entry]:
        """What the names stand for, in their order, symbolic links as themselves; what has vanished is left out."""


class SourceReader(io.RawIOBase):
    """A file of a source, unbuffered, that may be read from any offset (`seek`). `still_same` belongs after the last
    read; `size` and `stamp` are those that it was opened with; `given` counts the bytes that were read, repeated ones
    too. Reading raises as trees do."""

    size: int
    stamp: str
    given: int

    def read_at(self, start: int, length: int) -> bytes:
        """`length` bytes from `start` on, fewer only at the end of the file."""
        self.seek(start)
        blocks: list[bytes] = []
        while length and (block := self.read(length)):
            blocks.append(block)
            length -= len(block)
        return b"".join(blocks)

    @abstractmethod
    def still_same(self) -> None:
        """Raises `SourceChanged` where the file may be another than the one that was opened."""


class Tree(Protocol):
    """Files below one place, under paths in the tree's own bytes (`SourceFile.path`)."""

    @property
    def location(self) -> SourceLocation:
        """How another process opens the same tree."""

    @property
    def name(self) -> str:
        """The tree's own name, in Unicode: what a collection is called that is given no name. May be `""`."""

    def folder(self, path: str) -> AbstractContextManager[Folder]:
        """The folder `path`, `""` being the top."""

    def look(self, path: str) -> Entry:
        """The regular file `path`, as it is now."""

    def open(self, path: str, size: int, stamp: str) -> SourceReader:
        """Open for one reading what a survey saw with that size and stamp (`""`: any). Raises `SourceChanged` where it
        is not that any more."""

    def open_now(self, path: str) -> SourceReader:
        """Open a file that no survey has seen."""

    def holds(self, name: str) -> bool:
        """Whether a file `name` lies in any folder of the tree."""

    def listed(self, scratch: Path) -> AbstractContextManager[Tree]:
        """The same tree for one survey, in which folders may be looked into again and again at little cost. What that
        takes is kept in a temporary file in the folder `scratch`."""

    def is_far(self, path: str) -> bool:
        """Whether looking at the file means to wait for an answer, so that several are looked at together."""


class NearTree:
    """What trees have in common whose folders cost next to nothing to look into."""

    __slots__ = ()

    def holds(self: Tree, name: str) -> bool:
        pending = [""]
        while pending:
            path = pending.pop()
            try:
                with self.folder(path) as folder:
                    if folder.has_document(name):
                        return True
                    pending += [join(path, inner) for inner in folder.folders()]
            except Rejected:  # the survey itself reports what cannot be read
                continue
        return False

    def listed(self: Tree, scratch: Path) -> AbstractContextManager[Tree]:  # noqa: ARG002 - nothing is kept
        return nullcontext(self)

    def is_far(self, path: str) -> bool:  # noqa: ARG002 - so are all
        return False


# ---------------------------------------------------------------- sources


class Source(Protocol):
    """A place that records come from, opened and found to be of a kind that can be surveyed."""

    @property
    def collection(self) -> str:
        """The name that records' keys are unique in (docs/architecture.md, identity)."""

    @property
    def tree(self) -> Tree:
        """What the paths of `SourceFile`s are below."""

    def survey(self, describe: Describe, scratch: Path) -> Iterator[Found]:
        """Everything there is, streaming, in an order that depends only on the source: each
        `SourceRecord` is followed by all of its files, so one record is never met twice. The keys of a
        record's files are legal and distinct and none is a folder of another. Reads no file's content
        but that of descriptions, manifests and tag files. What has to be sorted is sorted in a
        temporary file in the folder `scratch`."""
