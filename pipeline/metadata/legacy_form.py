"""Writing Zenodo's deposit metadata, as its REST API gives it out."""

from __future__ import annotations

from typing import Any

from pipeline.metadata import vocabulary
from pipeline.metadata.legacy import ALTERNATE, DESCRIPTIONS, TEXTS
from pipeline.model import Access, Description, FilesAccess, JsonObject

_OWN_CUSTOM_FIELDS = ("journal:", "meeting:", "imprint:", "thesis:")


def to_legacy(description: Description) -> JsonObject:
    """The deposit metadata of a description that has the canonical shape, be it complete or not; what every
    deposit has comes first.

    Without `prereserve_doi`, and without `imprint_publisher` where the description names none: both are the
    repository's to add.
    """
    metadata, texts = description.metadata, _texts(description)
    legacy: JsonObject = {"title": texts["title"]} | _type(metadata)
    legacy |= {"publication_date": metadata.get("publication_date"), "description": texts["description"]}
    legacy |= _access(description.access)
    legacy |= {
        "license": legacy_licence(metadata),
        "imprint_publisher": texts["imprint_publisher"],
        "creators": legacy_people(metadata.get("creators", [])),
        "contributors": legacy_contributors(metadata.get("contributors", [])),
        "doi": description.doi,
        "keywords": legacy_keywords(metadata),
        "subjects": legacy_subjects(metadata),
        "related_identifiers": _related(metadata),
        "references": [each["reference"] for each in metadata.get("references", []) if "reference" in each],
        "communities": [{"identifier": slug} for slug in description.communities],
        "grants": _grants(metadata),
        "language": next((each.get("id") for each in metadata.get("languages", [])), None),
        "locations": legacy_locations(metadata),
        "dates": legacy_dates(metadata),
        "custom": legacy_custom(description.custom_fields),
    }
    return {key: value for key, value in (legacy | texts).items() if value not in (None, "", [], {})}


# ---------------------------------------------------------------- type, texts, access


def _type(metadata: JsonObject) -> JsonObject:
    main, _, sub = metadata.get("resource_type", {}).get("id", "").partition("-")
    return {"upload_type": main, f"{main}_type": sub} if sub else {"upload_type": main}


def _texts(description: Description) -> JsonObject:
    halves = {"metadata": description.metadata, "custom_fields": description.custom_fields}
    texts = {field: _at(halves, path) for field, path in TEXTS.items()}
    for field, kind in DESCRIPTIONS.items():
        texts[field] = additional_description(description.metadata, kind)
    return texts


def _at(node: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        node = node.get(step, {})
    return node or None


def additional_description(metadata: JsonObject, kind: str) -> str | None:
    """The text of the first additional description of that type."""
    entries = metadata.get("additional_descriptions", [])
    return next((each.get("description") for each in entries if each.get("type", {}).get("id") == kind), None)


def access_right(access: Access) -> str:
    """`open`, `embargoed` or `restricted`: `closed` is not told from restricted any more."""
    if access.files is FilesAccess.PUBLIC:
        return "open"
    return "embargoed" if access.embargo_until else "restricted"


def _access(access: Access) -> JsonObject:
    right = access_right(access)
    until = access.embargo_until if right == "embargoed" else None
    return {"access_right": right, "embargo_date": until.isoformat() if until else None}


def legacy_licence(metadata: JsonObject) -> str | None:
    """The first licence, by the id that Zenodo's deposit API writes."""
    for each in metadata.get("rights", [])[:1]:
        if key := each.get("id"):
            return vocabulary.legacy_licence(key)
        title: str = each.get("title", {}).get("en", "")
        return title if vocabulary.is_legacy_licence_title(title) else None
    return None


# ---------------------------------------------------------------- people


def legacy_people(people: list[JsonObject]) -> list[JsonObject]:
    """`[{name, affiliation | null, orcid?, gnd?}]`: the first affiliation only."""
    return [_person(each) for each in people]


def legacy_contributors(people: list[JsonObject]) -> list[JsonObject]:
    """As `legacy_people`, with `type`."""
    roles = vocabulary.contributor_roles()
    return [
        _person(each) | {"type": roles.get(each.get("role", {}).get("id", ""), {}).get("datacite")}
        for each in people
    ]


def _person(person: JsonObject) -> JsonObject:
    who = person.get("person_or_org", {})
    affiliation = next((each.get("name") for each in person.get("affiliations", [])), None)
    legacy = {"name": who.get("name", ""), "affiliation": affiliation}
    given = {each.get("scheme"): each.get("identifier") for each in who.get("identifiers", [])}
    return legacy | {scheme: given[scheme] for scheme in ("orcid", "gnd") if given.get(scheme)}


# ---------------------------------------------------------------- lists


def legacy_keywords(metadata: JsonObject) -> list[str]:
    return [each["subject"] for each in metadata.get("subjects", []) if is_keyword(each)]


def is_keyword(subject: JsonObject) -> bool:
    """Whether it is free, of no scheme."""
    return "subject" in subject and not _is_term(subject)


def legacy_subjects(metadata: JsonObject) -> list[JsonObject]:
    """Subjects of a scheme: `[{term, identifier, scheme}]`."""
    names = {"subject": "term", "identifier": "identifier", "scheme": "scheme"}
    terms = [each for each in metadata.get("subjects", []) if _is_term(each)]
    return [{name: each[key] for key, name in names.items() if key in each} for each in terms]


def _is_term(subject: JsonObject) -> bool:
    return "identifier" in subject or "scheme" in subject


def legacy_relations(metadata: JsonObject) -> list[JsonObject]:
    """`[{identifier, relation, resource_type?, scheme}]`."""
    relations = []
    for each in metadata.get("related_identifiers", []):
        kind = each.get("relation_type", {}).get("id", "")
        relation = {
            "identifier": each.get("identifier"),
            "relation": vocabulary.relation_types().get(kind, {}).get("legacy"),
            "resource_type": each.get("resource_type", {}).get("id"),
            "scheme": each.get("scheme"),
        }
        relations.append({key: value for key, value in relation.items() if value is not None})
    return relations


def _related(metadata: JsonObject) -> list[JsonObject]:
    alternates = [
        {"identifier": each.get("identifier"), "relation": ALTERNATE, "scheme": each.get("scheme")}
        for each in metadata.get("identifiers", [])
    ]
    return legacy_relations(metadata) + alternates


def _grants(metadata: JsonObject) -> list[JsonObject]:
    grants = []
    for each in metadata.get("funding", []):
        key = each.get("funder", {}).get("id", "")
        number = each.get("award", {}).get("number")
        if key and number:
            # One that has no DOI here is named by its ROR id.
            grants.append({"id": f"{vocabulary.funders().get(key, {}).get('doi', key)}::{number}"})
    return grants


def legacy_locations(metadata: JsonObject) -> list[JsonObject]:
    """`[{place, lat?, lon?, description?}]`: coordinates of points only, which is all the form can say."""
    return [_location(each) for each in metadata.get("locations", {}).get("features", [])]


def _location(feature: JsonObject) -> JsonObject:
    location: JsonObject = {key: feature[key] for key in ("place", "description") if key in feature}
    geometry = feature.get("geometry", {})
    match geometry:
        # A draft's may be none at all.
        case {
            "type": "Point",
            "coordinates": [int() | float() as longitude, int() | float() as latitude, *_],
        }:
            location |= {"lat": latitude, "lon": longitude}
    return location


def legacy_dates(metadata: JsonObject) -> list[JsonObject]:
    """`[{start?, end?, type, description?}]`: a single date is a start."""
    return [_date(each) for each in metadata.get("dates", [])]


def _date(entry: JsonObject) -> JsonObject:
    start, _, end = entry.get("date", "").partition("/")
    kind = entry.get("type", {}).get("id")
    legacy = {"start": start, "end": end, "type": kind, "description": entry.get("description")}
    return {key: value for key, value in legacy.items() if value}


def legacy_custom(custom_fields: JsonObject) -> JsonObject:
    """The namespaced fields that have no field of their own in the deposit form."""
    return {key: value for key, value in custom_fields.items() if not key.startswith(_OWN_CUSTOM_FIELDS)}
