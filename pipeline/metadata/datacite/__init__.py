"""Reading DataCite JSON, kernel 4 as DataCite's REST API has it."""

from pipeline.metadata.datacite.reader import attributes_of, from_datacite

__all__ = ["attributes_of", "from_datacite"]
