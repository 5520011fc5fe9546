"""DataCite JSON, kernel 4.7, as DataCite's REST API takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.feeds.crosswalks import facts
from pipeline.feeds.crosswalks.datacite_rules import LONGEST_RIGHTS
from pipeline.feeds.crosswalks.places import geo_locations
from pipeline.metadata import identifiers, vocabulary
from pipeline.metadata.legacy_form import access_right
from pipeline.metadata.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.dissemination import Dissemination
    from pipeline.model import JsonObject

SCHEMA_VERSION = "http://datacite.org/schema/kernel-4"
_LONGEST_VERSION = 191


def datacite_json(d: Dissemination) -> JsonObject:
    """The attributes of the record's own DOI, without `url` and `event`: these are the registry's."""
    return _attributes(d) | {"relatedIdentifiers": facts.distinct(_relations(d))}


def concept_datacite_json(latest: Dissemination) -> JsonObject:
    """The attributes of the DOI of a work as a whole: what its latest version says, and all its versions.

    Raises `ValueError` for a record without a concept DOI (one that brought its own DOI).
    """
    if latest.concept_doi is None:
        raise ValueError(f"record {latest.record.id} has no concept DOI")
    versions = [_relation("HasVersion", "DOI", each.doi) for each in facts.published_versions(latest)]
    attributes = _attributes(latest) | {
        "doi": latest.concept_doi,
        "relatedIdentifiers": facts.distinct([*versions, *_described_relations(latest)]),
    }
    # These belong to one version.
    return {key: value for key, value in attributes.items() if key not in ("version", "sizes", "formats")}


def _attributes(d: Dissemination) -> JsonObject:
    metadata = facts.metadata(d)
    type_ = facts.resource_type(d)
    return facts.filled(
        {
            "doi": d.doi,
            "schemaVersion": SCHEMA_VERSION,
            "types": {"resourceTypeGeneral": type_["datacite"], "resourceType": type_["title"]},
            "creators": [_person(each) for each in metadata["creators"]],
            "titles": facts.distinct(_titles(metadata)),
            "publisher": {"name": facts.publisher(d)},
            "publicationYear": facts.publication_year(d),
            "subjects": facts.distinct(_subjects(metadata)),
            "contributors": facts.distinct(_contributors(metadata)),
            "dates": facts.distinct(_dates(d)),
            "language": next((facts.two_letters(each["id"]) for each in metadata.get("languages", [])), None),
            "alternateIdentifiers": facts.distinct(_alternates(d)),
            "sizes": facts.distinct(_sizes(d)),
            "formats": facts.distinct(_formats(d)),
            "version": metadata.get("version", "")[:_LONGEST_VERSION],
            "rightsList": facts.distinct(_rights(d)),
            "descriptions": facts.distinct(_descriptions(metadata)),
            "geoLocations": facts.distinct(geo_locations(metadata)),
            "fundingReferences": facts.distinct(_funding(metadata)),
            "relatedItems": facts.distinct(_related_items(d)),
        }
    )


# ---------------------------------------------------------------- people


def _person(person: JsonObject) -> JsonObject:
    who = person["person_or_org"]
    personal = who.get("type", "personal") == "personal"
    return facts.filled(
        {
            "name": who["name"],
            "nameType": "Personal" if personal else "Organizational",
            "givenName": who.get("given_name") if personal else None,
            "familyName": who.get("family_name") if personal else None,
            "nameIdentifiers": facts.distinct(_name_identifiers(who)),
            "affiliation": facts.distinct(_affiliation(each) for each in person.get("affiliations", [])),
        }
    )


def _name_identifiers(who: JsonObject) -> Iterator[JsonObject]:
    for each in who.get("identifiers", []):
        scheme = each["scheme"]
        url = identifiers.person_url(scheme, each["identifier"]) or each["identifier"]
        yield {
            "nameIdentifier": url,
            "nameIdentifierScheme": identifiers.PERSON_SCHEMES[scheme],
            "schemeUri": url.removesuffix(each["identifier"]).rstrip("/"),
        }


def _affiliation(affiliation: JsonObject) -> JsonObject:
    if "id" not in affiliation:
        return {"name": affiliation["name"]}
    return {
        "name": affiliation["name"],
        "affiliationIdentifier": f"https://ror.org/{affiliation['id']}",
        "affiliationIdentifierScheme": "ROR",
        "schemeUri": "https://ror.org",
    }


def _contributors(metadata: JsonObject) -> Iterator[JsonObject]:
    for each in metadata.get("contributors", []):
        role = vocabulary.contributor_roles()[each["role"]["id"]]
        yield _person(each) | {"contributorType": role["datacite"]}


# ---------------------------------------------------------------- texts and dates


def _titles(metadata: JsonObject) -> Iterator[JsonObject]:
    yield {"title": metadata["title"]}
    for each in metadata.get("additional_titles", []):
        kind = vocabulary.title_types()[each["type"]["id"]]["datacite"]
        yield {"title": each["title"], "titleType": kind} | _language_of(each)


def _descriptions(metadata: JsonObject) -> Iterator[JsonObject]:
    if abstract := plain(metadata.get("description", "")):
        yield {"description": abstract, "descriptionType": "Abstract"}
    for each in metadata.get("additional_descriptions", []):
        kind = vocabulary.description_types()[each["type"]["id"]]["datacite"]
        if text := plain(each["description"]):
            yield {"description": text, "descriptionType": kind} | _language_of(each)


def _language_of(entry: JsonObject) -> JsonObject:
    return {"lang": facts.two_letters(entry["lang"]["id"])} if "lang" in entry else {}


def _subjects(metadata: JsonObject) -> Iterator[JsonObject]:
    for each in metadata.get("subjects", []):
        if "subject" in each:
            identifier = each.get("identifier", "")
            uri = facts.safe_uri(identifier) if identifiers.is_url(identifier) else None
            yield facts.filled(
                {"subject": each["subject"], "subjectScheme": each.get("scheme"), "valueUri": uri}
            )


def _dates(d: Dissemination) -> Iterator[JsonObject]:
    metadata, access = facts.metadata(d), d.record.description.access
    yield {"date": metadata["publication_date"], "dateType": "Issued"}
    if (gone := d.record.tombstone) is not None:
        yield {"date": gone.removed_at.date().isoformat(), "dateType": "Withdrawn"}
    if access.embargo_until and not facts.is_open(d):
        yield {"date": access.embargo_until.isoformat(), "dateType": "Available"}
    for each in metadata.get("dates", []):
        kind = vocabulary.date_types()[each["type"]["id"]]["datacite"]
        information = {"dateInformation": each["description"]} if "description" in each else {}
        yield {"date": each["date"], "dateType": kind} | information


def _sizes(d: Dissemination) -> Iterator[str]:
    yield from facts.metadata(d).get("sizes", [])
    if facts.is_open(d) and d.record.file_count:
        yield f"{d.record.total_bytes} bytes"
        yield f"{d.record.file_count} {'file' if d.record.file_count == 1 else 'files'}"


def _formats(d: Dissemination) -> Iterator[str]:
    yield from facts.metadata(d).get("formats", [])
    if facts.is_open(d):
        yield from facts.mime_types(d)


def _rights(d: Dissemination) -> Iterator[JsonObject]:
    # Aggregators take the first entry for the access right (OpenAIRE's guidelines).
    words, uri = facts.EU_REPO_ACCESS[access_right(d.record.description.access)]
    yield {"rights": words, "rightsUri": uri}
    for each in facts.licences(d):
        rights = {"rights": each["title"][:LONGEST_RIGHTS], "rightsUri": each.get("url")}
        if "spdx" in each:
            rights |= {
                "rightsIdentifier": each["spdx"],
                "rightsIdentifierScheme": "SPDX",
                "schemeUri": "https://spdx.org/licenses/",
            }
        yield facts.filled(rights)
    if statement := facts.metadata(d).get("copyright"):
        yield {"rights": statement[:LONGEST_RIGHTS]}


# ---------------------------------------------------------------- identifiers and relations


def _alternates(d: Dissemination) -> Iterator[JsonObject]:
    yield _alternate("oai", facts.oai_identifier(d))
    for each in facts.metadata(d).get("identifiers", []):
        scheme = vocabulary.identifier_schemes()[each["scheme"]]
        if each["scheme"] != "doi":
            yield _alternate(scheme.get("datacite", scheme["title"]), each["identifier"])
    imprint = d.record.description.custom_fields.get("imprint:imprint", {})
    if "isbn" in imprint and "title" not in imprint:
        yield _alternate("ISBN", imprint["isbn"])


def _alternate(kind: str, value: str) -> JsonObject:
    return {"alternateIdentifier": value, "alternateIdentifierType": kind}


def _relations(d: Dissemination) -> Iterator[JsonObject]:
    if d.concept_doi is not None:
        yield _relation("IsVersionOf", "DOI", d.concept_doi)
    before, after = facts.neighbours(d)
    if before is not None:
        yield _relation("IsNewVersionOf", "DOI", before.doi)
    if after is not None:
        yield _relation("IsPreviousVersionOf", "DOI", after.doi)
    yield from _described_relations(d)


def _described_relations(d: Dissemination) -> Iterator[JsonObject]:
    metadata = facts.metadata(d)
    for each in metadata.get("identifiers", []):
        if each["scheme"] == "doi":
            # DataCite takes no DOI as an alternate identifier.
            yield _relation("IsIdenticalTo", "DOI", each["identifier"])
    for url in facts.community_urls(d):
        yield _relation("IsPartOf", "URL", url)
    for each in metadata.get("related_identifiers", []):
        word = vocabulary.relation_types()[each["relation_type"]["id"]]["datacite"]
        if identified := _identified(each):
            yield _relation(word, *identified) | _type_of(each)
    for each in metadata.get("references", []):
        if "identifier" in each and (identified := _identified(each)):
            yield _relation("References", *identified)


def _relation(relation: str, kind: str, value: str) -> JsonObject:
    return {"relatedIdentifier": value, "relatedIdentifierType": kind, "relationType": relation}


def _identified(entry: JsonObject) -> tuple[str, str] | None:
    """DataCite's type and the value; a scheme that DataCite has not goes by its address, if it has one."""
    scheme = entry.get("scheme", "")
    if kind := vocabulary.identifier_schemes().get(scheme, {}).get("datacite"):
        return kind, entry["identifier"]
    url = facts.work_url(entry) if scheme else None
    return ("URL", url) if url else None


def _type_of(entry: JsonObject) -> JsonObject:
    key = entry.get("resource_type", {}).get("id")
    return {"resourceTypeGeneral": vocabulary.resource_types()[key]["datacite"]} if key else {}


def _related_items(d: Dissemination) -> Iterator[JsonObject]:
    custom_fields = d.record.description.custom_fields
    if "title" in (journal := custom_fields.get("journal:journal", {})):
        yield _published_in("Journal", journal, "ISSN", journal.get("issn"))
    if "title" in (book := custom_fields.get("imprint:imprint", {})):
        yield _published_in("Book", book, "ISBN", book.get("isbn"))


def _published_in(kind: str, item: JsonObject, scheme: str, identifier: str | None) -> JsonObject:
    first, _, last = item.get("pages", "").replace("–", "-").partition("-")
    related = {
        "relatedItemType": kind,
        "relationType": "IsPublishedIn",
        "titles": [{"title": item["title"]}],
        "volume": item.get("volume"),
        "issue": item.get("issue"),
        "firstPage": first.strip(),
        "lastPage": last.strip(),
        "edition": item.get("edition"),
    }
    if identifier:
        related["relatedItemIdentifier"] = {
            "relatedItemIdentifier": identifier,
            "relatedItemIdentifierType": scheme,
        }
    return facts.filled(related)


# ---------------------------------------------------------------- funding


def _funding(metadata: JsonObject) -> Iterator[JsonObject]:
    for each in metadata.get("funding", []):
        funder, award = each.get("funder", {}), each.get("award", {})
        if not funder.get("name"):
            # The schema wants a name.
            continue
        uri = next((facts.work_url(one) for one in award.get("identifiers", [])), None)
        yield facts.filled(
            {"funderName": funder["name"]}
            | _funder_identifier(funder)
            | {
                "awardNumber": award.get("number"),
                "awardTitle": award.get("title", {}).get("en"),
                "awardUri": uri,
            }
        )


_FUNDER_SCHEMES = {"crossreffunderid": "Crossref Funder ID", "isni": "ISNI", "grid": "GRID"}


def _funder_identifier(funder: JsonObject) -> JsonObject:
    if "id" in funder:
        return {"funderIdentifier": f"https://ror.org/{funder['id']}", "funderIdentifierType": "ROR"}
    for each in funder.get("identifiers", []):
        kind = _FUNDER_SCHEMES.get(each.get("scheme", ""), "Other")
        return {"funderIdentifier": each["identifier"], "funderIdentifierType": kind}
    return {}
