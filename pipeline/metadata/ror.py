"""Organisations of the Research Organization Registry, as terms that funders and affiliations are looked up among.

Source: ROR schema 2 (ror.readme.io), and the shipped `funders.json` and `organisations.json`.
"""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from pipeline.metadata import identifiers, vocabulary
from pipeline.metadata.terms import Term

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.metadata.vocabulary import Entry

FUNDER = "funder"
"""The tag of organisations that give money."""
_FUNDER_DOI = "10.13039/"


@cache
def shipped() -> tuple[Term, ...]:
    """The organisations that come with the software. `props` have `country`, `country_name`, and, where there is one,
    `acronym` and `doi` (Crossref's of a funder)."""
    return tuple(
        _shipped(key, entry)
        for key, entry in chain(vocabulary.funders().items(), vocabulary.organisations().items())
    )


def _shipped(key: str, entry: Entry) -> Term:
    country = vocabulary.countries()[entry["country"]]["title"]
    return _term(key, entry["title"], entry.get("acronym"), entry["country"], country, entry.get("doi"))


def _term(
    key: str, title: str, acronym: str | None, country: str, country_name: str, doi: str | None, *also: str
) -> Term:
    props = {"acronym": acronym, "country": country, "country_name": country_name, "doi": doi}
    return Term(
        key,
        title,
        {name: value for name, value in props.items() if value},
        (FUNDER,) if doi else (),
        tuple(each for each in (acronym, doi, *also) if each),
    )


def organisation(record: object) -> Term | None:
    """An active organisation of ROR's own data, one record of it; None for one that is withdrawn, and for what is no
    such record. Props as of `shipped`."""
    if not isinstance(record, dict) or record.get("status", "active") != "active":
        return None
    key = identifiers.normal_person_id("ror", str(record.get("id", "")))
    names = list(_names(record))
    title = next((value for value, kinds in names if "ror_display" in kinds), None)
    if key is None or not title:
        return None
    place = _place(record)
    return _term(
        key,
        title,
        next((value for value, kinds in names if "acronym" in kinds), None),
        str(place.get("country_code") or ""),
        str(place.get("country_name") or ""),
        _funder_doi(record),
        *(value for value, _ in names),
    )


def _names(record: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    for each in _objects(record, "names"):
        if isinstance(value := each.get("value"), str) and isinstance(kinds := each.get("types"), list):
            yield value, kinds


def _place(record: dict[str, Any]) -> dict[str, Any]:
    for each in _objects(record, "locations"):
        if isinstance(details := each.get("geonames_details"), dict):
            return details
    return {}


def _funder_doi(record: dict[str, Any]) -> str | None:
    for each in _objects(record, "external_ids"):
        known = each.get("all")
        if each.get("type") == "fundref" and isinstance(known, list) and known:
            return f"{_FUNDER_DOI}{each.get('preferred') or known[0]}"
    return None


def _objects(record: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    entries = record.get(name)
    return (each for each in (entries if isinstance(entries, list) else ()) if isinstance(each, dict))
