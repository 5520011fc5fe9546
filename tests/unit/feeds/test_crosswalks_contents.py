"""What each format says of one record that has everything."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from jsonschema import Draft201909Validator
from lxml import etree

from pipeline.dissemination import Dissemination, VersionRef
from pipeline.feeds import crosswalks
from pipeline.metadata import from_legacy
from pipeline.model import (
    Access,
    Community,
    Description,
    FileEntry,
    FilesAccess,
    Identification,
    Record,
    RecordState,
    Tombstone,
)
from tests.reference import reference
from tests.strategies import REPOSITORY, TODAY

LEGACY: dict[str, Any] = {
    "upload_type": "dataset",
    "title": "Tide gauge readings",
    "publication_date": "2026-03-09",
    "creators": [
        {"name": "Marlow, Ida", "affiliation": "Pier Institute", "orcid": "0000-0002-1694-233X"},
        {"name": "Orr, Jean-Paul Émile"},
    ],
    "contributors": [{"name": "Kowal, Jack", "type": "Editor"}],
    "description": "<p>Ten-minute means &lt; 5 m.</p>",
    "license": "cc-by-4.0",
    "keywords": ["sea level"],
    "version": "1.0",
    "language": "eng",
    "related_identifiers": [
        {"identifier": "10.1234/foo", "relation": "cites"},
        {"identifier": "Q42", "relation": "isDerivedFrom"},
        {"identifier": "2001ApJ...563..629L", "relation": "isAlternateIdentifier"},
    ],
    "references": ["Doe J (2014)."],
    "grants": [{"id": "10.13039/501100000780::871234"}],
    "journal_title": "Annals",
    "journal_pages": "10-20",
    "imprint_isbn": "978-3-16-148410-0",
    "locations": [{"place": "Riga", "lat": 56.95, "lon": 24.1}],
    "dates": [{"start": "2025-01-01", "end": "2025-12-31", "type": "collected"}],
    "notes": "<p>Second printing.</p>",
}
FILE = FileEntry(
    key="2025/gauge a.csv",
    size=20480,
    digests={"md5": "9e107d9d372bb6826bd81d3542a419d6", "sha256": "ab" * 32},
    content="2025/gauge a.csv",
    identification=Identification("x-fmt/18", mime="text/csv"),
)


def description(**fields: object) -> Description:
    reading = from_legacy(LEGACY | fields, today=TODAY)
    assert reading.problems == ()
    assert reading.description is not None
    return reading.description


def version(number: int, state: RecordState = RecordState.PUBLISHED) -> VersionRef:
    doi = f"10.5072/tides.{100 + number}"
    return VersionRef(100 + number, number, doi, f"{number}.0", "2026-03-09", number == 3, state)


def record(described: Description | None = None, **changes: object) -> Dissemination:
    """The second of three versions, with one file."""
    at = datetime(2026, 3, 9, 14, 10, tzinfo=UTC)
    shown = Record(
        id=102,
        concept_id=100,
        version=2,
        revision=3,
        change=4,
        is_latest=False,
        state=RecordState.PUBLISHED,
        description=described or description(),
        owner="ida@example.org",
        created=at,
        modified=at,
        file_count=1,
        total_bytes=20480,
    )
    whole = Dissemination(
        repository=REPOSITORY,
        record=shown,
        doi="10.5072/tides.102",
        concept_doi="10.5072/tides.100",
        files=(FILE,),
        versions=(version(1), version(2), version(3)),
        communities=(Community("tide-tables", "Tide tables", id="id of tides"),),
        owner_id=5150,
    )
    return replace(whole, **changes)


def restricted(until: date | None = None) -> Dissemination:
    return record(replace(description(), access=Access(FilesAccess.RESTRICTED, until)))


def dublin_core(d: Dissemination, name: str) -> list[str | None]:
    return [element.text for element in crosswalks.oai_dc(d).iter(f"{{*}}{name}")]


# ---------------------------------------------------------------- Zenodo JSON


def test_zenodo_json_as_a_whole() -> None:
    """The records API's own form has the fields and types of Zenodo's."""
    shown = crosswalks.zenodo_json(record(), files_open=True)
    links = shown.pop("links")
    file_id = shown["files"][0].pop("id")
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", file_id)
    assert links["self"] == "https://tides.example.org/api/records/102"
    assert shown == {
        "created": "2026-03-09T14:10:00.000000+00:00",
        "modified": "2026-03-09T14:10:00.000000+00:00",
        "updated": "2026-03-09T14:10:00.000000+00:00",
        "id": 102,
        "recid": "102",
        "conceptrecid": "100",
        "doi": "10.5072/tides.102",
        "conceptdoi": "10.5072/tides.100",
        "doi_url": "https://doi.org/10.5072/tides.102",
        "revision": 4,
        "title": "Tide gauge readings",
        "metadata": {
            "title": "Tide gauge readings",
            "doi": "10.5072/tides.102",
            "publication_date": "2026-03-09",
            "description": "<p>Ten-minute means &lt; 5 m.</p>",
            "access_right": "open",
            "creators": [
                {"name": "Marlow, Ida", "affiliation": "Pier Institute", "orcid": "0000-0002-1694-233X"},
                {"name": "Orr, Jean-Paul Émile", "affiliation": None},
            ],
            "contributors": [{"name": "Kowal, Jack", "affiliation": None, "type": "Editor"}],
            "keywords": ["sea level"],
            "version": "1.0",
            "language": "eng",
            "notes": "<p>Second printing.</p>",
            "resource_type": {"title": "Dataset", "type": "dataset"},
            "license": {"id": "cc-by-4.0"},
            "related_identifiers": [
                {"identifier": "10.1234/foo", "relation": "cites", "scheme": "doi"},
                {"identifier": "Q42", "relation": "isDerivedFrom", "scheme": "wikidata"},
            ],
            "alternate_identifiers": [{"identifier": "2001ApJ...563..629L"}],
            "references": ["Doe J (2014)."],
            "locations": [{"place": "Riga", "lat": 56.95, "lon": 24.1}],
            "dates": [{"start": "2025-01-01", "end": "2025-12-31", "type": "collected"}],
            "grants": [
                {
                    "code": "871234",
                    "internal_id": "10.13039/501100000780::871234",
                    "funder": {
                        "name": "European Commission",
                        "doi": "10.13039/501100000780",
                        "acronym": "EC",
                        "country": "BE",
                    },
                }
            ],
            "communities": [{"id": "tide-tables"}],
            "journal": {"title": "Annals", "pages": "10-20", "year": "2026"},
            "imprint": {"isbn": "978-3-16-148410-0"},
            "relations": {
                "version": [
                    {"index": 1, "is_last": False, "parent": {"pid_type": "recid", "pid_value": "100"}}
                ]
            },
        },
        "files": [
            {
                "key": "2025/gauge a.csv",
                "size": 20480,
                "checksum": "md5:9e107d9d372bb6826bd81d3542a419d6",
                "links": {
                    "self": "https://tides.example.org/api/records/102/files/2025/gauge%20a.csv/content"
                },
            }
        ],
        "owners": [{"id": "5150"}],
        "status": "published",
        "state": "done",
        "submitted": True,
        "stats": dict.fromkeys(
            (
                *("downloads", "unique_downloads", "views", "unique_views"),
                *("version_downloads", "version_unique_downloads", "version_views", "version_unique_views"),
            ),
            0,
        ),
        "swh": {},
    }


def test_thesis_in_zenodo_json() -> None:
    """A subtype is told from its type, and a thesis reads as dissertation."""
    d = record(description(upload_type="publication", publication_type="thesis", thesis_university="Riga"))
    metadata = crosswalks.zenodo_json(d, files_open=True)["metadata"]
    assert metadata["resource_type"] == {"title": "Thesis", "type": "publication", "subtype": "dissertation"}
    assert metadata["thesis"] == {"university": "Riga"}


def test_links_are_absolute() -> None:
    """Every link of a record begins with the repository's address or a DOI's."""
    links = crosswalks.zenodo_json(record(), files_open=True)["links"]
    assert {link.split("/")[2] for link in links.values()} == {"tides.example.org", "doi.org"}
    assert links["latest"] == "https://tides.example.org/api/records/102/versions/latest"
    assert links["parent_doi"] == "https://doi.org/10.5072/tides.100"


def test_external_doi_has_no_concept() -> None:
    """A record that brought its DOI shows it, and no concept DOI anywhere."""
    d = record(replace(description(), doi="10.1234/own"), doi="10.1234/own", concept_doi=None)
    shown = crosswalks.zenodo_json(d, files_open=True)
    assert shown["doi"] == "10.1234/own"
    assert "conceptdoi" not in shown
    assert "parent_doi" not in shown["links"]
    assert crosswalks.rdm_json(d, files_open=True)["pids"]["doi"]["provider"] == "external"
    with pytest.raises(ValueError, match="no concept DOI"):
        crosswalks.concept_datacite_json(d)


# ---------------------------------------------------------------- files that are not open


def test_files_are_hidden_from_strangers() -> None:
    """Where the asker may not read the files, no form tells their names, sizes or digests."""
    d = restricted()
    for shown in (
        crosswalks.zenodo_json(d, files_open=False),
        crosswalks.rdm_json(d, files_open=False),
        crosswalks.schema_org(d),
        crosswalks.datacite_json(d),
    ):
        text = json.dumps(shown)
        assert "gauge a" not in text
        assert "20480" not in text
        assert "9e107d9d" not in text


@pytest.mark.parametrize(
    ("until", "right", "statement"),
    [
        (None, "restricted", "info:eu-repo/semantics/restrictedAccess"),
        (date(2027, 1, 1), "embargoed", "info:eu-repo/semantics/embargoedAccess"),
    ],
)
def test_access_right(until: date | None, right: str, statement: str) -> None:
    """Access is told in every form, embargoes with their end."""
    d = restricted(until)
    assert crosswalks.zenodo_json(d, files_open=True)["metadata"]["access_right"] == right
    assert crosswalks.rdm_json(d, files_open=True)["access"]["status"] == right
    assert crosswalks.datacite_json(d)["rightsList"][0]["rightsUri"] == statement
    assert dublin_core(d, "rights")[0] == statement
    assert crosswalks.schema_org(d)["isAccessibleForFree"] is False
    if until:
        assert "info:eu-repo/date/embargoEnd/2027-01-01" in dublin_core(d, "date")
        assert {"date": "2027-01-01", "dateType": "Available"} in crosswalks.datacite_json(d)["dates"]


# ---------------------------------------------------------------- DataCite


def test_datacite_json_as_a_whole() -> None:
    """The DOI's attributes say all that the record says, in DataCite's words."""
    shown = crosswalks.datacite_json(record())
    assert shown["types"] == {"resourceTypeGeneral": "Dataset", "resourceType": "Dataset"}
    assert shown["publisher"] == {"name": "Tidal Archive"}
    assert shown["creators"][0] == {
        "name": "Marlow, Ida",
        "nameType": "Personal",
        "givenName": "Ida",
        "familyName": "Marlow",
        "nameIdentifiers": [
            {
                "nameIdentifier": "https://orcid.org/0000-0002-1694-233X",
                "nameIdentifierScheme": "ORCID",
                "schemeUri": "https://orcid.org",
            }
        ],
        "affiliation": [{"name": "Pier Institute"}],
    }
    assert shown["relatedIdentifiers"] == [
        relation("IsVersionOf", "DOI", "10.5072/tides.100"),
        relation("IsNewVersionOf", "DOI", "10.5072/tides.101"),
        relation("IsPreviousVersionOf", "DOI", "10.5072/tides.103"),
        relation("IsPartOf", "URL", "https://tides.example.org/communities/tide-tables"),
        relation("Cites", "DOI", "10.1234/foo"),
        relation("IsDerivedFrom", "URL", "https://www.wikidata.org/entity/Q42"),
    ]
    assert shown["rightsList"][1] == {
        "rights": "Creative Commons Attribution 4.0 International",
        "rightsUri": "https://creativecommons.org/licenses/by/4.0/legalcode",
        "rightsIdentifier": "CC-BY-4.0",
        "rightsIdentifierScheme": "SPDX",
        "schemeUri": "https://spdx.org/licenses/",
    }
    assert shown["descriptions"] == [
        {"description": "Ten-minute means < 5 m.", "descriptionType": "Abstract"},
        {"description": "Second printing.", "descriptionType": "Other"},
    ]
    assert shown["sizes"] == ["20480 bytes", "1 file"]
    assert shown["formats"] == ["text/csv"]
    assert shown["fundingReferences"] == [
        {
            "funderName": "European Commission",
            "funderIdentifier": "https://ror.org/00k4n6c32",
            "funderIdentifierType": "ROR",
            "awardNumber": "871234",
        }
    ]
    assert shown["relatedItems"][0]["firstPage"] == "10"


def relation(kind: str, scheme: str, value: str) -> dict[str, str]:
    return {"relatedIdentifier": value, "relatedIdentifierType": scheme, "relationType": kind}


def test_datacite_json_follows_the_json_schema() -> None:
    """The JSON form has the shape of the last JSON schema that was published, of kernel 4.5."""
    schema = json.loads(
        reference("testdata", "datacite", "json", "schema-datacite-v4.5.json").read_text("utf-8")
    )
    Draft201909Validator(schema).validate(crosswalks.datacite_json(record()))


def test_withdrawn_versions_are_not_named() -> None:
    """Neither neighbours nor the concept speak of a version that was withdrawn."""
    d = record(versions=(version(1, RecordState.WITHDRAWN), version(2), version(3)))
    assert "10.5072/tides.101" not in json.dumps(crosswalks.datacite_json(d))
    assert "10.5072/tides.101" not in json.dumps(crosswalks.concept_datacite_json(d))


def test_concept_doi() -> None:
    """The DOI of the work has what the latest version says, but for what is one version's own, and all versions."""
    shown = crosswalks.concept_datacite_json(record())
    assert shown["doi"] == "10.5072/tides.100"
    assert shown["titles"] == [{"title": "Tide gauge readings"}]
    assert not {"version", "sizes", "formats"} & shown.keys()
    assert shown["relatedIdentifiers"][:3] == [
        relation("HasVersion", "DOI", f"10.5072/tides.{number}") for number in (101, 102, 103)
    ]
    assert "IsVersionOf" not in json.dumps(shown)


def test_xml_has_no_character_that_xml_forbids() -> None:
    """Text that slipped in with control characters is written without them."""
    dirty = replace(description(), metadata=description().metadata | {"title": "Ti\x0bdes\ufffe"})
    for element in (crosswalks.oai_datacite(record(dirty)), crosswalks.oai_dc(record(dirty))):
        titles = [node.text for node in etree.fromstring(etree.tostring(element)).iter("{*}title")]
        assert "Tides" in titles


# ---------------------------------------------------------------- Dublin Core, schema.org, citation


def test_dublin_core() -> None:
    """Dublin Core has the DOI's address first, plain text, and the statements that aggregators look for."""
    d = record()
    assert dublin_core(d, "identifier") == [
        "https://doi.org/10.5072/tides.102",
        "oai:tides.example.org:102",
        "https://ui.adsabs.harvard.edu/#abs/2001ApJ...563..629L",
    ]
    assert dublin_core(d, "description") == ["Ten-minute means < 5 m.", "Second printing."]
    assert dublin_core(d, "rights") == [
        "info:eu-repo/semantics/openAccess",
        "Creative Commons Attribution 4.0 International",
        "https://creativecommons.org/licenses/by/4.0/legalcode",
    ]
    assert "info:eu-repo/grantAgreement/EC//871234" in dublin_core(d, "relation")
    assert dublin_core(d, "type") == ["info:eu-repo/semantics/other", "Dataset"]


def test_schema_org() -> None:
    """The landing page's JSON-LD has what dataset search asks for (Google's guidelines for Dataset)."""
    shown = crosswalks.schema_org(record())
    assert shown["@type"] == "Dataset"
    assert shown["@id"] == "https://doi.org/10.5072/tides.102"
    assert shown["description"] == "Ten-minute means < 5 m."
    assert shown["license"] == ["https://creativecommons.org/licenses/by/4.0/legalcode"]
    assert shown["creator"][0]["@id"] == "https://orcid.org/0000-0002-1694-233X"
    assert [each["name"] for each in shown["editor"]] == ["Kowal, Jack"]
    assert shown["exampleOfWork"] == "https://doi.org/10.5072/tides.100"
    assert shown["temporalCoverage"] == ["2025-01-01/2025-12-31"]
    assert shown["spatialCoverage"][0]["geo"] == {
        "@type": "GeoCoordinates",
        "latitude": 56.95,
        "longitude": 24.1,
    }
    assert shown["distribution"] == [
        {
            "@type": "DataDownload",
            "name": "2025/gauge a.csv",
            "contentUrl": "https://tides.example.org/api/records/102/files/2025/gauge%20a.csv/content",
            "encodingFormat": "text/csv",
            "contentSize": "20480 B",
            "sha256": "ab" * 32,
        }
    ]


def test_schema_org_of_many_files() -> None:
    """Of very many files the first hundred are listed, and the archive of them all."""
    d = record()
    files = tuple(replace(FILE, key=f"{number}.csv") for number in range(150))
    d = replace(d, files=files, record=replace(d.record, file_count=150))
    shown = crosswalks.schema_org(d)["distribution"]
    assert len(shown) == 101
    assert shown[-1]["contentUrl"] == "https://tides.example.org/api/records/102/files-archive"


def test_citation() -> None:
    """A citation has initials, year, title, version, kind, publisher and DOI."""
    assert crosswalks.citation(record()) == (
        "Marlow, I., & Orr, J.-P. É. (2026). Tide gauge readings (Version 1.0) [Dataset]. Tidal Archive. "
        "https://doi.org/10.5072/tides.102"
    )


@pytest.mark.parametrize(("count", "names"), [(1, "A0"), (2, "A0, & A1"), (3, "A0, A1, & A2")])
def test_citation_joins_names(count: int, names: str) -> None:
    """Names are joined by commas, the last by an ampersand."""
    d = record(description(creators=[{"name": f"A{number}"} for number in range(count)]))
    assert crosswalks.citation(d).startswith(f"{names} (2026).")


def test_citation_of_many() -> None:
    """Of more than twenty people the first nineteen and the last are named."""
    d = record(description(creators=[{"name": f"A{number}"} for number in range(30)]))
    assert " A18, … A29 (2026)." in crosswalks.citation(d)


def test_bibtex() -> None:
    """An entry has Zenodo's key, names with family names first, the month as BibTeX's word, and the DOI."""
    entry = crosswalks.bibtex(record())
    assert entry == (
        "@dataset{marlow_2026_102,\n"
        "  author    = {Marlow, Ida and Orr, Jean-Paul Émile},\n"
        "  title     = {Tide gauge readings},\n"
        "  journal   = {Annals},\n"
        "  pages     = {10-20},\n"
        "  isbn      = {978-3-16-148410-0},\n"
        "  publisher = {Tidal Archive},\n"
        "  version   = {1.0},\n"
        "  month     = mar,\n"
        "  year      = 2026,\n"
        "  doi       = {10.5072/tides.102},\n"
        "  url       = {https://doi.org/10.5072/tides.102},\n"
        "}\n"
    )


def test_bibtex_of_awkward_words() -> None:
    """What LaTeX takes for commands is escaped, names that are no family and given name stay one word, and a key is
    made of what a name has of plain letters."""
    people = [{"name": "Société d'Été and Sons"}, {"name": "And, Ö."}]
    entry = crosswalks.bibtex(record(description(title="50 % of {a_b} & ~c\\d", creators=people)))
    assert entry.startswith("@dataset{societe_d_ete_and_sons_2026_102,\n")
    assert "{{Société d'Été and Sons} and {And}, Ö.}" in entry
    assert r"{50 \% of \textbraceleft{}a\_b\textbraceright{} \& \textasciitilde{}c\textbackslash{}d}" in entry


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"publication_type": "article"}, "article"),
        ({"publication_type": "article", "journal_title": None, "journal_pages": None}, "misc"),
        ({"publication_type": "thesis"}, "misc"),
        ({"publication_type": "thesis", "thesis_university": "Riga"}, "phdthesis"),
        ({"publication_type": "report"}, "techreport"),
        ({"publication_type": "workingpaper"}, "misc"),
    ],
)
def test_bibtex_types_have_what_they_need(fields: dict[str, str], kind: str) -> None:
    """An entry is of its type where it has the field that the standard styles want of that type, else `misc`."""
    given = {"upload_type": "publication"} | fields
    assert crosswalks.bibtex(record(description(**given))).startswith(f"@{kind}{{")


def test_csl_json() -> None:
    """An item has its people by role, its date in parts, and what it was published in."""
    shown = crosswalks.csl_json(record())
    assert shown == {
        "id": "102",
        "type": "dataset",
        "title": "Tide gauge readings",
        "author": [
            {"family": "Marlow", "given": "Ida"},
            {"family": "Orr", "given": "Jean-Paul Émile"},
        ],
        "editor": [{"family": "Kowal", "given": "Jack"}],
        "issued": {"date-parts": [[2026, 3, 9]]},
        "abstract": "Ten-minute means < 5 m.",
        "DOI": "10.5072/tides.102",
        "URL": "https://doi.org/10.5072/tides.102",
        "publisher": "Tidal Archive",
        "version": "1.0",
        "language": "en",
        "keyword": "sea level",
        "container-title": "Annals",
        "page": "10-20",
        "ISBN": "978-3-16-148410-0",
    }


# ---------------------------------------------------------------- RDM JSON, tombstones


def test_rdm_json() -> None:
    """InvenioRDM's form is the canonical one with ids as texts, titles of terms, and entries of files by key."""
    shown = crosswalks.rdm_json(record(), files_open=True)
    assert (shown["id"], shown["parent"]["id"]) == ("102", "100")
    assert shown["versions"] == {"index": 2, "is_latest": False}
    assert shown["pids"]["oai"]["identifier"] == "oai:tides.example.org:102"
    assert shown["metadata"]["publisher"] == "Tidal Archive"
    assert shown["metadata"]["resource_type"] == {"id": "dataset", "title": {"en": "Dataset"}}
    assert shown["custom_fields"]["journal:journal"]["title"] == "Annals"
    assert shown["files"]["entries"]["2025/gauge a.csv"]["mimetype"] == "text/csv"
    assert shown["access"] == {
        "record": "public",
        "files": "public",
        "embargo": {"active": False},
        "status": "open",
    }


def test_record_without_files_is_metadata_only() -> None:
    """A record that has no files has nothing to be open."""
    d = record(files=())
    d = replace(d, record=replace(d.record, file_count=0, total_bytes=0))
    shown = crosswalks.rdm_json(d, files_open=True)
    assert shown["access"]["status"] == "metadata-only"
    assert shown["files"] == {"enabled": False, "order": [], "count": 0, "total_bytes": 0, "entries": {}}
    assert "distribution" not in crosswalks.schema_org(d)


def test_tombstone() -> None:
    """A tombstone tells when and why, how to cite what was there, and no e-mail address."""
    d = record()
    tombstone = Tombstone(
        "test-record", "Trying things out.", "ida@example.org", datetime(2026, 3, 12, 8, tzinfo=UTC)
    )
    gone = replace(d, record=replace(d.record, state=RecordState.WITHDRAWN, tombstone=tombstone))
    assert crosswalks.tombstone_json(gone) == {
        "status": 410,
        "message": "Record deleted",
        "tombstone": {
            "removal_reason": {"id": "test-record"},
            "note": "Trying things out.",
            "removed_by": {"user": "5150"},
            "removal_date": "2026-03-12T08:00:00.000000+00:00",
            "citation_text": crosswalks.citation(d),
            "is_visible": True,
        },
    }
    with pytest.raises(ValueError, match="no tombstone"):
        crosswalks.tombstone_json(d)
