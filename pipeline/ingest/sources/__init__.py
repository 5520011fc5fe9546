"""Sources of bulk ingest: a folder tree, a BagIt bag, a manifest, each in a tree of files."""

from pipeline.ingest.sources.choice import OpenTree, open_source
from pipeline.ingest.sources.names import is_url
from pipeline.ingest.sources.protocol import Describe, FieldProblem, Found, Source, SourceReader, Tree

__all__ = [
    "Describe",
    "FieldProblem",
    "Found",
    "OpenTree",
    "Source",
    "SourceReader",
    "Tree",
    "is_url",
    "open_source",
]
