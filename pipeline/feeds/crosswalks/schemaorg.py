"""schema.org JSON-LD for landing pages and dataset search (Google's guidelines for Dataset)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.feeds.crosswalks import facts
from pipeline.metadata import geometry, identifiers
from pipeline.metadata.legacy_form import additional_description
from pipeline.metadata.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.dissemination import Dissemination
    from pipeline.model import FileEntry, JsonObject

MOST_FILES = 100
"""Very large blocks are dropped by crawlers: further files are reached by the archive alone."""

_LONGEST_DESCRIPTION = 5000


def schema_org(d: Dissemination) -> JsonObject:
    """The record as a node that its DOI names. Files are listed while they are open to everybody."""
    metadata = facts.metadata(d)
    kind = facts.resource_type(d)["schema_org"]
    creators = [_agent(each) for each in metadata["creators"]]
    return facts.filled(
        {
            "@context": "https://schema.org/",
            "@type": kind,
            "@id": facts.doi_url(d.doi),
            "identifier": _identifiers(d),
            "url": d.url,
            "name": metadata["title"],
            "alternateName": [each["title"] for each in metadata.get("additional_titles", [])],
            "description": _shortened(facts.plain_description(d)),
            "creator": creators,
            "author": creators,
            "contributor": [
                _agent(each) for each in metadata.get("contributors", []) if not _is_editor(each)
            ],
            "editor": [_agent(each) for each in metadata.get("contributors", []) if _is_editor(each)],
            "publisher": {"@type": "Organization", "name": facts.publisher(d)},
            "datePublished": metadata["publication_date"],
            "dateModified": facts.timestamp(d.record.modified),
            "version": metadata.get("version"),
            "inLanguage": [facts.two_letters(each["id"]) for each in metadata.get("languages", [])],
            "keywords": facts.keywords(d),
            "license": _licences(d),
            "isAccessibleForFree": facts.is_open(d),
            "citation": facts.related_urls(d, "cites", "references", "issupplementto"),
            "isBasedOn": facts.related_urls(d, "isderivedfrom"),
            "hasPart": facts.related_urls(d, "haspart"),
            "isPartOf": facts.related_urls(d, "ispartof"),
            "sameAs": facts.related_urls(d, "isidenticalto"),
            "exampleOfWork": facts.doi_url(d.concept_doi) if d.concept_doi else None,
            "funding": facts.distinct(
                _grant(each) for each in metadata.get("funding", []) if each.get("funder", {}).get("name")
            ),
            "measurementTechnique": plain(additional_description(metadata, "methods") or "") or None,
            "temporalCoverage": _periods(metadata),
            "spatialCoverage": list(_places(metadata)),
            "includedInDataCatalog": _catalogue(d),
        }
        | _files(d, kind)
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_DESCRIPTION else f"{text[: _LONGEST_DESCRIPTION - 1]}…"


def _identifiers(d: Dissemination) -> list[str]:
    others = (facts.work_url(each) or each["identifier"] for each in facts.metadata(d).get("identifiers", []))
    return facts.distinct([facts.doi_url(d.doi), facts.oai_identifier(d), *others])


def _catalogue(d: Dissemination) -> JsonObject:
    return {"@type": "DataCatalog", "name": d.repository.name, "url": d.repository.base_url}


def _licences(d: Dissemination) -> list[str]:
    return facts.distinct(str(each.get("url", each["title"])) for each in facts.licences(d))


# ---------------------------------------------------------------- people and funding


def _is_editor(contributor: JsonObject) -> bool:
    return bool(contributor["role"]["id"] == "editor")


def _agent(person: JsonObject) -> JsonObject:
    who = person["person_or_org"]
    urls = [identifiers.person_url(each["scheme"], each["identifier"]) for each in who.get("identifiers", [])]
    links = [url for url in urls if url]
    personal = who.get("type", "personal") == "personal"
    return facts.filled(
        {
            "@type": "Person" if personal else "Organization",
            "@id": links[0] if links else None,
            "name": who["name"],
            "givenName": who.get("given_name"),
            "familyName": who.get("family_name") if personal else None,
            "affiliation": [
                _organisation(each["name"], each.get("id")) for each in person.get("affiliations", [])
            ],
            "sameAs": links,
        }
    )


def _organisation(name: str, ror: str | None) -> JsonObject:
    link = f"https://ror.org/{ror}" if ror else None
    return facts.filled({"@type": "Organization", "@id": link, "name": name})


def _grant(funding: JsonObject) -> JsonObject:
    funder, award = funding["funder"], funding.get("award", {})
    return facts.filled(
        {
            "@type": "Grant",
            "identifier": award.get("number"),
            "name": award.get("title", {}).get("en"),
            "funder": _organisation(funder["name"], funder.get("id")),
        }
    )


# ---------------------------------------------------------------- time and space


def _periods(metadata: JsonObject) -> list[str]:
    covering = [each for each in metadata.get("dates", []) if each["type"]["id"] in ("coverage", "collected")]
    return facts.distinct(each["date"] for each in covering)


def _places(metadata: JsonObject) -> Iterator[JsonObject]:
    for feature in metadata.get("locations", {}).get("features", []):
        yield facts.filled(
            {
                "@type": "Place",
                "name": feature.get("place"),
                "description": feature.get("description"),
                "geo": _geo(feature["geometry"]) if "geometry" in feature else None,
            }
        )


def _geo(shape: JsonObject) -> JsonObject:
    positions = list(geometry.positions(shape))
    if shape["type"] == "Point":
        longitude, latitude = positions[0]
        return {"@type": "GeoCoordinates", "latitude": latitude, "longitude": longitude}
    longitudes, latitudes = zip(*positions, strict=True)
    # schema.org: lower corner, then upper corner, latitude before longitude.
    box = f"{min(latitudes)} {min(longitudes)} {max(latitudes)} {max(longitudes)}"
    return {"@type": "GeoShape", "box": box}


# ---------------------------------------------------------------- files


def _files(d: Dissemination, kind: str) -> JsonObject:
    """`distribution` belongs to datasets; any other work has its files as `encoding`."""
    if not facts.is_open(d) or not d.record.file_count:
        return {}
    name, type_ = ("distribution", "DataDownload") if kind == "Dataset" else ("encoding", "MediaObject")
    kept = [file for file in d.files if file.purged is None]
    downloads = [_download(d, file, type_) for file in kept[:MOST_FILES]]
    if d.record.file_count > 1:
        archive = {"@type": type_, "contentUrl": facts.archive_url(d), "encodingFormat": "application/zip"}
        downloads.append(archive)
    return {name: downloads, "size": f"{d.record.total_bytes} B"}


def _download(d: Dissemination, file: FileEntry, type_: str) -> JsonObject:
    return facts.filled(
        {
            "@type": type_,
            "name": file.key,
            "contentUrl": facts.file_url(d, file),
            "encodingFormat": file.identification.mime,
            "contentSize": f"{file.size} B",
            "sha256": file.digests.get("sha256"),
        }
    )
