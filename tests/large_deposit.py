"""A deposit's metadata with every field: what a client sends of a book, and what it reads back (number b25 of the
contract of Zenodo's deposit API)."""

from pipeline.model import JsonObject

METADATA: JsonObject = {
    "upload_type": "publication",
    "publication_type": "book",
    "title": "Tide tables of the northern harbours",
    "publication_date": "2026-01-31",
    "creators": [
        {"name": "Marlow, Ida", "affiliation": "Pier Institute", "orcid": "0000-0002-1694-233X"},
        {"name": "Orr, Ben", "affiliation": "Harbour Office", "gnd": "170118215"},
    ],
    "description": "<p>All of them &amp; more.</p>",
    "access_right": "embargoed",
    "embargo_date": "2026-03-10",
    "license": "CC0-1.0",
    "prereserve_doi": True,
    "doi": "10.1234/tables.1",
    "keywords": ["tides", "harbours"],
    "subjects": [{"term": "Oceans", "identifier": "https://example.org/oceans", "scheme": "url"}],
    "notes": "<p>Second printing.</p>",
    "method": "<p>Measured.</p>",
    "references": ["Doe J (2014). Earlier tables.", "Smith J (2014). Later ones."],
    "related_identifiers": [
        {"identifier": "10.1234/foo.bar2", "relation": "isCitedBy", "scheme": "doi"},
        {
            "identifier": "10.1234/foo.bar3",
            "relation": "cites",
            "resource_type": "dataset",
            "scheme": "doi",
        },
        {"identifier": "2001ApJ...563..629L", "relation": "isAlternateIdentifier", "scheme": "ads"},
    ],
    "thesis_supervisors": [
        {"name": "Doe Sr., Jane", "affiliation": "CERN", "orcid": "0000-0002-1825-0097"},
    ],
    "contributors": [{"name": "Kowal, Jack", "affiliation": "CERN", "type": "ProjectLeader"}],
    "communities": [{"identifier": "tides"}],
    "grants": [{"id": "10.13039/501100001665::755021"}],
    "journal_title": "Annals",
    "journal_volume": "20",
    "journal_issue": "2",
    "journal_pages": "10-20",
    "conference_title": "Tides 26",
    "conference_acronym": "T26",
    "conference_dates": "20-22 March 2026",
    "conference_place": "Riga",
    "conference_url": "https://example.org/t26",
    "conference_session": "VI",
    "conference_session_part": "1",
    "imprint_publisher": "Pier Press",
    "imprint_isbn": "978-3-16-148410-0",
    "imprint_place": "Riga",
    "partof_title": "Tables",
    "partof_pages": "1-99",
    "thesis_university": "Riga",
    "version": "1.2.0",
    "language": "eng",
    "locations": [{"place": "Riga", "lat": 56.95, "lon": 24.1, "description": "Harbour"}],
    "custom": {
        "dwc:family": ["Felidae"],
        "dwc:genus": ["Felis"],
        "obo:RO_0002453": [{"subject": ["a"], "object": ["b"]}],
    },
}
"""Valid on the day of `tests.strategies.TODAY`, the day before its embargo ends."""


def read_back(doi: str, record_id: int) -> JsonObject:
    """The same as an answer gives it, in other words or another place where Zenodo has these. `doi` is reserved."""
    supervisor = {**METADATA["thesis_supervisors"][0], "type": "Supervisor"}
    kept = {key: value for key, value in METADATA.items() if key != "thesis_supervisors"}
    return kept | {
        "license": "cc-zero",
        "prereserve_doi": {"doi": doi, "recid": record_id},
        "contributors": [supervisor, *METADATA["contributors"]],
    }
