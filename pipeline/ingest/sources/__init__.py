"""Sources of bulk ingest: a folder tree, a BagIt bag, a manifest."""

from pipeline.ingest.sources.choice import open_source
from pipeline.ingest.sources.opening import (
    FileMissing,
    FileUnreadable,
    NotRegular,
    SourceReader,
    open_file,
)
from pipeline.ingest.sources.protocol import Describe, FieldProblem, Found, Source

__all__ = [
    "Describe",
    "FieldProblem",
    "FileMissing",
    "FileUnreadable",
    "Found",
    "NotRegular",
    "Source",
    "SourceReader",
    "open_file",
    "open_source",
]
