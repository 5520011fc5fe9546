"""What stops a description from being published, as strictly as Zenodo checks."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from pipeline.metadata import dates, geometry, identifiers, vocabulary
from pipeline.metadata.problems import (
    EMBARGO_OVER,
    INVALID,
    MALFORMED,
    MISSING,
    NO_SCHEME,
    TOO_SHORT,
    UNKNOWN_VALUE,
    FieldProblem,
)
from pipeline.metadata.shape import conform_custom_fields, conform_metadata
from pipeline.model import Access, Description, FilesAccess, JsonObject
from pipeline.pid import doi

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from pipeline.metadata.vocabulary import Vocabulary

SHORTEST = 3
"""Characters that a title or a description needs, blanks around it not counted."""


def validate(description: Description, *, today: date) -> tuple[FieldProblem, ...]:
    """Everything that stops `description` from being published; empty when it may be.

    Fields are named as in the canonical form (`metadata.creators.0.person_or_org.family_name`,
    `access.embargo.until`, `pids.doi`). Never raises on user data.
    """
    metadata = conform_metadata(description.metadata)
    custom_fields = conform_custom_fields(description.custom_fields)
    conformed = replace(description, metadata=metadata.value, custom_fields=custom_fields.value)
    misshapen = [each for each in (*metadata.problems, *custom_fields.problems) if not each.warning]
    reported = {each.field for each in misshapen}
    return (*misshapen, *(each for each in check(conformed, today=today) if each.field not in reported))


def check(description: Description, *, today: date) -> Iterator[FieldProblem]:
    """The problems of a description that is known to have the canonical shape."""
    metadata = description.metadata
    return chain(
        _title(metadata),
        _resource_type(metadata),
        _creators(metadata),
        _contributors(metadata),
        _publication_date(metadata),
        _descriptions(metadata),
        _rights(metadata),
        _subjects(metadata),
        _languages(metadata),
        _dates(metadata),
        _identifiers(metadata),
        _related(metadata),
        _locations(metadata),
        _funding(metadata),
        _texts(metadata),
        _custom_fields(description.custom_fields),
        _access(description.access, today),
        _doi(description.doi),
    )


# ---------------------------------------------------------------- problems in the words Zenodo uses


def _missing(field: str, remedy: str) -> FieldProblem:
    return FieldProblem(field, MISSING, "Missing data for required field.", remedy)


def _unknown(field: str, value: str, remedy: str) -> FieldProblem:
    return FieldProblem(field, UNKNOWN_VALUE, f"Invalid value {value}.", remedy)


def _no_date(field: str) -> FieldProblem:
    remedy = "Write YYYY, YYYY-MM, YYYY-MM-DD, or two of these with a slash between, the earlier first."
    return FieldProblem(field, INVALID, "Please provide a valid date or interval.", remedy)


def _required_text(entry: JsonObject, key: str, path: str, remedy: str) -> Iterator[FieldProblem]:
    value = entry.get(key, "")
    if not value:
        yield _missing(f"{path}.{key}", remedy)
    elif len(value.strip()) < SHORTEST:
        reason = f"Shorter than minimum length {SHORTEST}."
        yield FieldProblem(f"{path}.{key}", TOO_SHORT, reason, f"Write at least {SHORTEST} characters.")


def _from_list(
    entry: JsonObject, key: str, path: str, vocabulary_: Vocabulary, *, required: bool = True
) -> Iterator[FieldProblem]:
    given = entry.get(key, {}).get("id", "")
    if not given:
        if required:
            yield _missing(f"{path}.{key}", f"Choose one of: {_some(vocabulary_)}.")
    elif given not in vocabulary_:
        yield _unknown(f"{path}.{key}", given, f"Choose one of: {_some(vocabulary_)}.")


def _some(vocabulary_: Vocabulary) -> str:
    # Of a long list the kinds are enough: `image`, not `image-plot`.
    return ", ".join(key for key in vocabulary_ if len(vocabulary_) < 45 or "-" not in key)


def _entries(metadata: JsonObject, key: str) -> Iterator[tuple[str, JsonObject]]:
    for index, entry in enumerate(metadata.get(key, [])):
        yield f"metadata.{key}.{index}", entry


# ---------------------------------------------------------------- what every record needs


def _title(metadata: JsonObject) -> Iterator[FieldProblem]:
    yield from _required_text(metadata, "title", "metadata", "Give the record a title.")
    for path, entry in _entries(metadata, "additional_titles"):
        yield from _required_text(entry, "title", path, "Write the title, or remove the entry.")
        yield from _from_list(entry, "type", path, vocabulary.title_types())
        yield from _language_of(entry, path)


def _resource_type(metadata: JsonObject) -> Iterator[FieldProblem]:
    yield from _from_list(metadata, "resource_type", "metadata", vocabulary.resource_types())


def _publication_date(metadata: JsonObject) -> Iterator[FieldProblem]:
    given = metadata.get("publication_date", "")
    if not given:
        yield _missing("metadata.publication_date", "Give the date of publication.")
    elif not dates.is_date(given):
        yield _no_date("metadata.publication_date")


# ---------------------------------------------------------------- people


def _creators(metadata: JsonObject) -> Iterator[FieldProblem]:
    if not metadata.get("creators"):
        yield _missing("metadata.creators", "Name at least one creator.")
    for path, person in _entries(metadata, "creators"):
        yield from _person(person, path, role_required=False)


def _contributors(metadata: JsonObject) -> Iterator[FieldProblem]:
    for path, person in _entries(metadata, "contributors"):
        yield from _person(person, path, role_required=True)


def _person(person: JsonObject, path: str, *, role_required: bool) -> Iterator[FieldProblem]:
    who = person.get("person_or_org", {})
    yield from _name(who, f"{path}.person_or_org")
    for index, entry in enumerate(who.get("identifiers", [])):
        yield from _person_identifier(entry, f"{path}.person_or_org.identifiers.{index}")
    for index, entry in enumerate(person.get("affiliations", [])):
        yield from _affiliation(entry, f"{path}.affiliations.{index}")
    yield from _from_list(person, "role", path, vocabulary.contributor_roles(), required=role_required)


def _name(who: JsonObject, path: str) -> Iterator[FieldProblem]:
    kind = who.get("type", "personal")
    if kind not in ("personal", "organizational"):
        yield _unknown(f"{path}.type", kind, "Choose personal or organizational.")
    elif kind == "personal" and not who.get("family_name"):
        remedy = "Write the name as “Family, Given”."
        yield FieldProblem(f"{path}.family_name", MISSING, "Family name cannot be blank.", remedy)
    elif kind == "organizational" and not who.get("name"):
        yield FieldProblem(f"{path}.name", MISSING, "Name cannot be blank.", "Write the organisation's name.")


def _person_identifier(entry: JsonObject, path: str) -> Iterator[FieldProblem]:
    scheme, value = entry.get("scheme", ""), entry.get("identifier", "")
    if scheme not in identifiers.PERSON_SCHEMES:
        remedy = "Give an ORCID, ISNI, GND or ROR identifier."
        yield FieldProblem(f"{path}.identifier", INVALID, NO_SCHEME, remedy)
    elif identifiers.normal_person_id(scheme, value) is None:
        name = identifiers.PERSON_SCHEMES[scheme]
        remedy = "Compare it with the registry: the form or a check digit is wrong."
        yield FieldProblem(f"{path}.identifier", INVALID, f"Invalid {name} identifier.", remedy)


def _affiliation(entry: JsonObject, path: str) -> Iterator[FieldProblem]:
    key = entry.get("id", "")
    if key and identifiers.normal_person_id("ror", key) is None:
        yield FieldProblem(f"{path}.id", INVALID, "Invalid ROR identifier.", "Compare it with ror.org.")
    elif not entry.get("name"):
        yield _missing(f"{path}.name", "Name the organisation, or remove the affiliation.")


# ---------------------------------------------------------------- about the work


def _descriptions(metadata: JsonObject) -> Iterator[FieldProblem]:
    if "description" in metadata:
        yield from _required_text(
            metadata, "description", "metadata", "Write a description, or leave it out."
        )
    for path, entry in _entries(metadata, "additional_descriptions"):
        yield from _required_text(entry, "description", path, "Write the text, or remove the entry.")
        yield from _from_list(entry, "type", path, vocabulary.description_types())
        yield from _language_of(entry, path)


def _rights(metadata: JsonObject) -> Iterator[FieldProblem]:
    for path, entry in _entries(metadata, "rights"):
        key, link = entry.get("id", ""), entry.get("link", "")
        if key and key not in vocabulary.licences():
            remedy = "Give an SPDX id such as cc-by-4.0, or other-open, other-closed, notspecified."
            yield FieldProblem(path, MALFORMED, f"Invalid license provided: {key}", remedy)
        elif not key and not link and not entry.get("title", {}).get("en"):
            yield _missing(f"{path}.title", "Give the licence's id, or its title.")
        if link and not identifiers.is_url(link):
            yield FieldProblem(f"{path}.link", INVALID, "Not a valid URL.", "Write the whole address.")


def _subjects(metadata: JsonObject) -> Iterator[FieldProblem]:
    for path, entry in _entries(metadata, "subjects"):
        if not entry.get("subject") and not entry.get("id"):
            yield _missing(f"{path}.subjects", "Write the keyword, or remove the empty entry.")


def _languages(metadata: JsonObject) -> Iterator[FieldProblem]:
    for path, entry in _entries(metadata, "languages"):
        yield from _language(entry.get("id", ""), path)


def _language_of(entry: JsonObject, path: str) -> Iterator[FieldProblem]:
    if "lang" in entry:
        yield from _language(entry["lang"].get("id", ""), f"{path}.lang")


def _language(code: str, path: str) -> Iterator[FieldProblem]:
    if code in vocabulary.languages():
        return
    if len(code) not in (2, 3):
        reason, kind = "Language must be either ISO-639-1 or 639-2 compatible.", MALFORMED
    else:
        # Zenodo saves a draft with an unknown two-letter code, refuses three letters.
        reason, kind = f"Invalid value {code}.", UNKNOWN_VALUE if len(code) == 3 else INVALID
    yield FieldProblem(path, kind, reason, "Give a two- or three-letter ISO 639 code, such as eng.")


def _dates(metadata: JsonObject) -> Iterator[FieldProblem]:
    for path, entry in _entries(metadata, "dates"):
        if not entry.get("date"):
            yield _missing(f"{path}.date", "Give the date, or remove the entry.")
        elif not dates.is_date(entry["date"]):
            yield _no_date(f"{path}.date")
        yield from _from_list(entry, "type", path, vocabulary.date_types())


def _texts(metadata: JsonObject) -> Iterator[FieldProblem]:
    for key in ("sizes", "formats"):
        for index, value in enumerate(metadata.get(key, [])):
            if not value:
                yield _missing(f"metadata.{key}.{index}", "Remove the empty entry.")
    for path, entry in _entries(metadata, "references"):
        if not entry.get("reference"):
            yield _missing(f"{path}.reference", "Write the reference, or remove the empty entry.")


# ---------------------------------------------------------------- identifiers


def _identifiers(metadata: JsonObject) -> Iterator[FieldProblem]:
    for path, entry in _entries(metadata, "identifiers"):
        yield from _work(entry, path)


def _related(metadata: JsonObject) -> Iterator[FieldProblem]:
    for path, entry in _entries(metadata, "related_identifiers"):
        yield from _work(entry, path)
        yield from _from_list(entry, "relation_type", path, vocabulary.relation_types())
        yield from _from_list(entry, "resource_type", path, vocabulary.resource_types(), required=False)


def _work(entry: JsonObject, path: str) -> Iterator[FieldProblem]:
    scheme, value = entry.get("scheme", ""), entry.get("identifier", "")
    known = vocabulary.identifier_schemes().get(scheme)
    field = f"{path}.identifier"
    if not value:
        yield FieldProblem(field, MALFORMED, "Missing data for required field.", "Write the identifier.")
    elif known is None:
        remedy = "Give a DOI, a URL, or another identifier of a known scheme."
        yield FieldProblem(field, MALFORMED, NO_SCHEME, remedy)
    elif identifiers.normal(scheme, value) is None:
        yield FieldProblem(
            field, MALFORMED, f"Invalid {known['title']} identifier.", "Correct the identifier."
        )


def _doi(given: str | None) -> Iterator[FieldProblem]:
    if given is not None and doi.parse(given) is None:
        yield FieldProblem("pids.doi", INVALID, "Invalid DOI", "Write it as 10.<registrant>/<suffix>.")


# ---------------------------------------------------------------- places, money, access


def _locations(metadata: JsonObject) -> Iterator[FieldProblem]:
    for index, feature in enumerate(metadata.get("locations", {}).get("features", [])):
        path = f"metadata.locations.features.{index}"
        if not feature:
            yield _missing(f"{path}.place", "Name the place, or remove the empty entry.")
        if "geometry" in feature and (fault := geometry.fault(feature["geometry"])):
            yield FieldProblem(f"{path}.geometry", INVALID, fault, "Longitude is −180…180, latitude −90…90.")


def _funding(metadata: JsonObject) -> Iterator[FieldProblem]:
    for path, entry in _entries(metadata, "funding"):
        funder = entry.get("funder", {})
        key = funder.get("id", "")
        if key and identifiers.normal_person_id("ror", key) is None:
            yield _unknown(f"{path}.funder.id", key, "Give the funder's ROR id.")
        elif not funder.get("name"):
            yield _missing(f"{path}.funder", "Name the funder.")


def _custom_fields(custom_fields: JsonObject) -> Iterator[FieldProblem]:
    isbn = custom_fields.get("imprint:imprint", {}).get("isbn")
    if isbn and not identifiers.is_isbn(isbn):
        yield FieldProblem(
            "custom_fields.imprint:imprint.isbn", INVALID, "Not a valid ISBN.", "Correct a digit."
        )
    issn = custom_fields.get("journal:journal", {}).get("issn")
    if issn and identifiers.normal("issn", issn) is None:
        yield FieldProblem(
            "custom_fields.journal:journal.issn", INVALID, "Not a valid ISSN.", "Correct a digit."
        )
    urls = {
        "meeting:meeting.url": custom_fields.get("meeting:meeting", {}).get("url"),
        "code:codeRepository": custom_fields.get("code:codeRepository"),
    }
    for key, url in urls.items():
        if url and not identifiers.is_url(url):
            yield FieldProblem(
                f"custom_fields.{key}", INVALID, "Not a valid URL.", "Write the whole address."
            )


def _access(access: Access, today: date) -> Iterator[FieldProblem]:
    if access.embargo_until is None:
        return
    embargoed = access.files is FilesAccess.RESTRICTED
    if embargoed and access.embargo_until <= today:
        reason = "Embargo end date must be set to a future date."
        yield FieldProblem("access.embargo.until", EMBARGO_OVER, reason, f"Give a date after {today}.")
    elif not embargoed and access.embargo_until > today:
        reason = "An embargo needs restricted files."
        yield FieldProblem("access.embargo.until", INVALID, reason, "Restrict the files, or remove the date.")
