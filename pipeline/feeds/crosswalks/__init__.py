"""A record in the formats of the world: pure functions of a `Dissemination`, one module a format.

They take published records with valid descriptions; of a withdrawn one `tombstone_json` is all that everybody sees.
`rdm_draft` and `zenodo_draft` take drafts, which need not be complete.
"""

from pipeline.feeds.crosswalks.bibtex import bibtex
from pipeline.feeds.crosswalks.citation import citation
from pipeline.feeds.crosswalks.csl import csl_json
from pipeline.feeds.crosswalks.datacite import concept_datacite_json, datacite_json
from pipeline.feeds.crosswalks.datacite_rules import faults as datacite_faults
from pipeline.feeds.crosswalks.datacite_xml import datacite_xml, oai_datacite
from pipeline.feeds.crosswalks.dublincore import oai_dc
from pipeline.feeds.crosswalks.rdm import rdm_draft, rdm_json
from pipeline.feeds.crosswalks.schemaorg import schema_org
from pipeline.feeds.crosswalks.sharing import grant_json, link_json, parent_access
from pipeline.feeds.crosswalks.zenodo import (
    file_id,
    shown_file,
    tombstone_json,
    zenodo_draft,
    zenodo_json,
)

__all__ = [
    "bibtex",
    "citation",
    "concept_datacite_json",
    "csl_json",
    "datacite_faults",
    "datacite_json",
    "datacite_xml",
    "file_id",
    "grant_json",
    "link_json",
    "oai_datacite",
    "oai_dc",
    "parent_access",
    "rdm_draft",
    "rdm_json",
    "schema_org",
    "shown_file",
    "tombstone_json",
    "zenodo_draft",
    "zenodo_json",
]
