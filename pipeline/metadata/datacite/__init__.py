"""Reading DataCite JSON, kernel 4 as the REST API has it (standards §1.6)."""

from pipeline.metadata.datacite.reader import attributes_of, from_datacite

__all__ = ["attributes_of", "from_datacite"]
