"""Sources of bulk ingest: a folder tree, a BagIt bag, a manifest."""

from pipeline.ingest.sources.protocol import Describe, FieldProblem, Found, Source

__all__ = ["Describe", "FieldProblem", "Found", "Source"]
