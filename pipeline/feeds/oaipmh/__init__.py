"""OAI-PMH 2.0 (Open Archives Initiative, 2002-06-14), the data provider's side, without HTTP.

`answer` turns the arguments of one request into the whole XML document. What it harvests from is a
`HarvestSource`; what it disseminates is the table `FORMATS`.
"""

from pipeline.feeds.oaipmh.formats import FORMATS, MetadataFormat
from pipeline.feeds.oaipmh.provider import answer
from pipeline.feeds.oaipmh.source import HarvestItem, HarvestSource, OaiSet, community_set, community_slug

__all__ = [
    "FORMATS",
    "HarvestItem",
    "HarvestSource",
    "MetadataFormat",
    "OaiSet",
    "answer",
    "community_set",
    "community_slug",
]
