"""Creators and contributors of DataCite JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.metadata import identifiers
from pipeline.metadata.datacite.values import listed, put_type
from pipeline.metadata.problems import IGNORED, WRONG_TYPE

if TYPE_CHECKING:
    from pipeline.metadata.form import Form, Path
    from pipeline.model import JsonObject


def read_people(form: Form, attributes: JsonObject) -> None:
    for source, person in form.objects(listed(attributes.get("creators")), "creators"):
        _person(form, ("metadata", "creators"), person, source)
    for source, person in form.objects(listed(attributes.get("contributors")), "contributors"):
        path = _person(form, ("metadata", "contributors"), person, source)
        form.name((*path, "role"), f"{source}.contributorType")
        if word := form.word(person.get("contributorType"), f"{source}.contributorType"):
            put_type(form, path, "contributor_roles", word, f"{source}.contributorType", key="role")


def _person(form: Form, people: Path, person: JsonObject, source: str) -> Path:
    path = form.append(people, {}, source)
    who = (*path, "person_or_org")
    form.put(who, {}, f"{source}.name")
    for key, theirs in {"name": "name", "given_name": "givenName", "family_name": "familyName"}.items():
        form.put((*who, key), person.get(theirs), f"{source}.{theirs}")
    if person.get("nameType") == "Organizational":
        form.put((*who, "type"), "organizational", f"{source}.nameType")
    for at, entry in form.objects(listed(person.get("nameIdentifiers")), f"{source}.nameIdentifiers"):
        _name_identifier(form, who, entry, at)
    affiliations = listed(person.get("affiliation"))
    for index, entry in enumerate(affiliations if isinstance(affiliations, list) else []):
        _affiliation(form, path, entry, f"{source}.affiliation.{index}")
    return path


def _name_identifier(form: Form, who: Path, entry: JsonObject, source: str) -> None:
    value = form.word(entry.get("nameIdentifier"), f"{source}.nameIdentifier")
    scheme = (form.word(entry.get("nameIdentifierScheme"), f"{source}.nameIdentifierScheme") or "").lower()
    if value is None:
        return
    scheme = scheme or identifiers.person_scheme(value) or ""
    if scheme in identifiers.PERSON_SCHEMES:
        identifier = {"scheme": scheme, "identifier": value}
        form.append((*who, "identifiers"), identifier, f"{source}.nameIdentifier")
    else:
        reason = "Only ORCID, ISNI, GND and ROR identifiers are kept."
        form.problem(f"{source}.nameIdentifierScheme", IGNORED, reason)


def _affiliation(form: Form, path: Path, entry: object, source: str) -> None:
    if isinstance(entry, str):
        form.append((*path, "affiliations"), {"name": entry}, source)
        return
    if not isinstance(entry, dict):
        form.problem(source, WRONG_TYPE, "Invalid input type.", "Write the name, or an object with it.")
        return
    place = form.append((*path, "affiliations"), {}, f"{source}.name")
    form.put((*place, "name"), entry.get("name"), f"{source}.name")
    key = form.word(entry.get("affiliationIdentifier"), f"{source}.affiliationIdentifier")
    if key and (str(entry.get("affiliationIdentifierScheme")).upper() == "ROR" or "ror.org" in key):
        form.put((*place, "id"), key, f"{source}.affiliationIdentifier")
    elif key:
        form.problem(
            f"{source}.affiliationIdentifier", IGNORED, "Only ROR identifiers of affiliations are kept."
        )
