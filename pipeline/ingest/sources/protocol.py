"""What a source of bulk ingest is: something whose survey names records and their files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from pipeline.model import Description, Problem, SourceFile, SourceRecord

if TYPE_CHECKING:
    from pathlib import Path

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


class Source(Protocol):
    """A place that records come from, opened and found to be of a kind that can be surveyed."""

    @property
    def collection(self) -> str:
        """The name that records' keys are unique in (docs/architecture.md, identity)."""

    @property
    def root(self) -> Path:
        """The folder that the paths of `SourceFile`s are relative to."""

    def survey(self, describe: Describe, scratch: Path) -> Iterator[Found]:
        """Everything there is, streaming, in an order that depends only on the source: each
        `SourceRecord` is followed by all of its files, so one record is never met twice. The keys of a
        record's files are legal and distinct and none is a folder of another. Reads no file's content
        but that of descriptions, manifests and tag files. What has to be sorted is sorted in a
        temporary file in the folder `scratch`."""
