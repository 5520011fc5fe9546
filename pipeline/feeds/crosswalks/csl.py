"""CSL-JSON, the bibliographic items of citation processors (CSL 1.0.2, appendices III and IV)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.feeds.crosswalks import facts

if TYPE_CHECKING:
    from pipeline.dissemination import Dissemination
    from pipeline.model import JsonObject


def csl_json(d: Dissemination) -> JsonObject:
    """One item, by the record's id."""
    metadata = facts.metadata(d)
    editors = [each for each in metadata.get("contributors", []) if each["role"]["id"] == "editor"]
    return facts.filled(
        {
            "id": str(d.record.id),
            "type": facts.resource_type(d)["csl"],
            "title": metadata["title"],
            "author": [_name(each["person_or_org"]) for each in metadata["creators"]],
            "editor": [_name(each["person_or_org"]) for each in editors],
            "issued": {"date-parts": _date_parts(metadata["publication_date"])},
            "abstract": facts.plain_description(d),
            "DOI": d.doi,
            "URL": facts.doi_url(d.doi),
            "publisher": facts.publisher(d),
            "version": metadata.get("version"),
            "language": next((facts.two_letters(each["id"]) for each in metadata.get("languages", [])), None),
            "keyword": ", ".join(facts.keywords(d)),
            **_published_in(d),
        }
    )


def _name(who: JsonObject) -> JsonObject:
    family, given = who.get("family_name", ""), who.get("given_name", "")
    if who.get("type") == "organizational" or not family:
        return {"literal": who["name"]}
    return facts.filled({"family": family, "given": given})


def _date_parts(date: str) -> list[list[int]]:
    """Year, month and day as far as they are known; of an interval, both ends."""
    return [[int(part) for part in end.split("-")] for end in date.split("/")]


def _published_in(d: Dissemination) -> JsonObject:
    custom_fields = d.record.description.custom_fields
    journal = custom_fields.get("journal:journal", {})
    book = custom_fields.get("imprint:imprint", {})
    meeting = custom_fields.get("meeting:meeting", {})
    return {
        "container-title": journal.get("title") or book.get("title"),
        "volume": journal.get("volume"),
        "issue": journal.get("issue"),
        "page": journal.get("pages") or book.get("pages"),
        "ISSN": journal.get("issn"),
        "ISBN": book.get("isbn"),
        "edition": book.get("edition"),
        "publisher-place": book.get("place"),
        "event-title": meeting.get("title"),
        "event-place": meeting.get("place"),
    }
