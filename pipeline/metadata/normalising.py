"""The one form of a value that can be written in several: names, identifiers, licences, language codes.

Values that are not valid stay as they are; `validation` names them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.metadata import identifiers, vocabulary

if TYPE_CHECKING:
    from pipeline.model import JsonObject


def normal_metadata(metadata: JsonObject) -> JsonObject:
    """Conformed `metadata` with every value in its one form, and without empty fields."""
    return pruned(
        metadata | {key: normal(metadata[key]) for key, normal in _NORMAL.items() if key in metadata}
    )


def normal_custom_fields(custom_fields: JsonObject) -> JsonObject:
    """Conformed `custom_fields` without empty fields."""
    return pruned(custom_fields)


def pruned(value: JsonObject) -> JsonObject:
    """`value` without the empty fields of objects; the entries of lists stay, so that positions do."""
    kept = {key: _pruned_value(each) for key, each in value.items()}
    return {key: each for key, each in kept.items() if each not in ("", [], {})}


def _pruned_value(value: Any) -> Any:
    match value:
        case dict():
            return pruned(value)
        case list():
            return [_pruned_value(each) for each in value]
        case _:
            return value


# ---------------------------------------------------------------- people


def _people(people: list[JsonObject]) -> list[JsonObject]:
    return [_person(person) for person in people]


def _person(person: JsonObject) -> JsonObject:
    normal = dict(person)
    if who := person.get("person_or_org"):
        normal["person_or_org"] = _named(who) | _identified(who)
    if "role" in person:
        normal["role"] = {"id": person["role"].get("id", "").lower()}
    if "affiliations" in person:
        normal["affiliations"] = [_affiliation(each) for each in person["affiliations"]]
    return normal


def _named(who: JsonObject) -> JsonObject:
    kind = who.get("type") or "personal"
    if kind != "personal":
        return who | {"type": kind}
    family, given = who.get("family_name", ""), who.get("given_name", "")
    if not family and not given:
        family, given = split_name(who.get("name", ""))
    return who | {
        "type": kind,
        "family_name": family,
        "given_name": given,
        "name": ", ".join(filter(None, (family, given))),
    }


def split_name(name: str) -> tuple[str, str]:
    """Family and given name. Only a name with exactly one comma can be told apart."""
    family, comma, given = name.partition(",")
    return (family.strip(), given.strip()) if comma and "," not in given else (name, "")


def _identified(who: JsonObject) -> JsonObject:
    return {"identifiers": [_person_identifier(each) for each in who.get("identifiers", [])]}


def _person_identifier(entry: JsonObject) -> JsonObject:
    value = entry.get("identifier", "")
    scheme = entry.get("scheme", "").lower() or identifiers.person_scheme(value) or ""
    return {"scheme": scheme, "identifier": identifiers.normal_person_id(scheme, value) or value}


def _affiliation(entry: JsonObject) -> JsonObject:
    if "id" not in entry:
        return entry
    return entry | {"id": identifiers.normal_person_id("ror", entry["id"]) or entry["id"]}


# ---------------------------------------------------------------- the rest


def _works(entries: list[JsonObject]) -> list[JsonObject]:
    return [_work(entry) for entry in entries]


def _work(entry: JsonObject) -> JsonObject:
    value = entry.get("identifier", "")
    scheme = entry.get("scheme", "").lower() or identifiers.detect(value) or ""
    normal = entry | {"identifier": identifiers.normal(scheme, value) or value, "scheme": scheme}
    for key in ("relation_type", "resource_type"):
        if key in entry:
            normal[key] = {"id": entry[key].get("id", "").lower()}
    return normal


def _rights(entries: list[JsonObject]) -> list[JsonObject]:
    return [
        {"id": vocabulary.licence_id(each["id"]) or each["id"]} if each.get("id") else each
        for each in entries
    ]


def _languages(entries: list[JsonObject]) -> list[JsonObject]:
    return [{"id": vocabulary.language_id(each.get("id", "")) or each.get("id", "")} for each in entries]


def _typed(entries: list[JsonObject]) -> list[JsonObject]:
    return [
        each | {"type": {"id": each["type"].get("id", "").lower()}} if "type" in each else each
        for each in entries
    ]


def _funding(entries: list[JsonObject]) -> list[JsonObject]:
    return [each | {"funder": _funder(each["funder"])} if "funder" in each else each for each in entries]


def _funder(funder: JsonObject) -> JsonObject:
    given = funder.get("id", "")
    key = vocabulary.funder_id(given) or identifiers.normal_person_id("ror", given) or given
    return funder | {"id": key, "name": funder.get("name") or _funder_name(key)}


def _funder_name(key: str) -> str:
    if known := vocabulary.funders().get(key):
        return str(known["title"])
    # Any organisation that ROR has is a funder, also one whose name nobody told.
    return identifiers.person_url("ror", key) or "" if identifiers.normal_person_id("ror", key) else ""


_NORMAL = {
    "creators": _people,
    "contributors": _people,
    "identifiers": _works,
    "related_identifiers": _works,
    "rights": _rights,
    "languages": _languages,
    "dates": _typed,
    "additional_titles": _typed,
    "additional_descriptions": _typed,
    "funding": _funding,
}
