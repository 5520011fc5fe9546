"""What several formats say alike of a record: pure look-ups in a `Dissemination`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from pipeline.dissemination import Dissemination, VersionRef
from pipeline.errors import FieldFault
from pipeline.metadata import dates, identifiers, vocabulary
from pipeline.metadata.text import plain
from pipeline.model import FileEntry, FilesAccess, JsonObject, RecordState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

T = TypeVar("T")

EU_REPO_ACCESS = {
    "open": ("Open Access", "info:eu-repo/semantics/openAccess"),
    "embargoed": ("Embargoed Access", "info:eu-repo/semantics/embargoedAccess"),
    "restricted": ("Restricted Access", "info:eu-repo/semantics/restrictedAccess"),
}
"""Access rights that aggregators know (OpenAIRE's guidelines): words and URI."""


def fault_json(fault: FieldFault) -> JsonObject:
    """What is wrong with a field; `remedy`, which Zenodo does not have, where it can be said what to do."""
    remedy = {"remedy": fault.remedy} if fault.remedy else {}
    return {"field": fault.field, "messages": list(fault.messages), **remedy}


def metadata(d: Dissemination) -> JsonObject:
    return d.record.description.metadata


def publisher(d: Dissemination) -> str:
    """Who publishes: the repository, unless the description names another."""
    named: str = metadata(d).get("publisher") or d.repository.name
    return named


def resource_type(d: Dissemination) -> Mapping[str, Any]:
    """The vocabulary's entry of the record's type."""
    return vocabulary.resource_types()[metadata(d)["resource_type"]["id"]]


def publication_year(d: Dissemination) -> str:
    return dates.year(metadata(d)["publication_date"])


def is_open(d: Dissemination) -> bool:
    return d.record.description.access.files is FilesAccess.PUBLIC


def plain_description(d: Dissemination) -> str:
    return plain(metadata(d).get("description", ""))


def keywords(d: Dissemination) -> list[str]:
    return distinct(each["subject"] for each in metadata(d).get("subjects", []) if "subject" in each)


def two_letters(code: str) -> str:
    """The ISO 639-1 form of a language where there is one."""
    short: str = vocabulary.languages()[code].get("two", code)
    return short


def licences(d: Dissemination) -> Iterator[JsonObject]:
    """`{title, url?, spdx?}` of each licence, those of the vocabulary and those in the depositor's words."""
    for each in metadata(d).get("rights", []):
        if key := each.get("id"):
            entry = vocabulary.licences()[key]
            yield {name: entry[name] for name in ("title", "url", "spdx") if name in entry}
        else:
            title = each.get("title", {}).get("en") or each.get("link", "")
            yield {"title": title} | ({"url": safe_uri(each["link"])} if each.get("link") else {})


def related_urls(d: Dissemination, *relations: str) -> list[str]:
    """Where the related works of these relations resolve; those that resolve nowhere are left out."""
    related = metadata(d).get("related_identifiers", [])
    chosen = [each for each in related if each["relation_type"]["id"] in relations]
    return distinct(filter(None, (work_url(each) for each in chosen)))


def work_url(identifier: JsonObject) -> str | None:
    """Where a related or alternate identifier resolves, if it does."""
    url = identifiers.url(identifier["scheme"], identifier["identifier"])
    return safe_uri(url) if url else None


# ---------------------------------------------------------------- addresses


def doi_path(doi: str) -> str:
    """A DOI as it stands in the path of an address."""
    return quote(doi, safe=_SAFE.replace("?", ""))


def doi_url(doi: str) -> str:
    return f"https://doi.org/{doi_path(doi)}"


def record_api(d: Dissemination) -> str:
    return f"{d.repository.base_url}/api/records/{d.record.id}"


def file_url(d: Dissemination, file: FileEntry) -> str:
    """Where a file's bytes are: slashes in keys stay (Zenodo's REST API, records)."""
    return f"{record_api(d)}/files/{quote(file.key, safe='/')}/content"


def archive_url(d: Dissemination) -> str:
    return f"{record_api(d)}/files-archive"


def oai_identifier(d: Dissemination) -> str:
    return f"oai:{d.repository.id}:{d.record.id}"


def community_urls(d: Dissemination) -> list[str]:
    return [f"{d.repository.base_url}/communities/{community.slug}" for community in d.communities]


_SAFE = "/:?@!$&'()*+,;=~-._"
_STRAY = re.compile(r"%(?![0-9A-Fa-f]{2})")


def safe_uri(text: str) -> str:
    """`text` as a URI: every character that RFC 3986 does not allow where it stands, percent-encoded."""
    address, mark, fragment = _STRAY.sub("%25", text).partition("#")
    scheme, slashes, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    encoded = f"{scheme}{slashes}{quote(host, safe=_SAFE + '%[]')}{slash}{quote(path, safe=_SAFE + '%')}"
    return encoded + (f"{mark}{quote(fragment, safe=_SAFE + '%')}" if mark else "")


# ---------------------------------------------------------------- versions, times, lists


def published_versions(d: Dissemination) -> list[VersionRef]:
    """The versions that are there to be seen, oldest first."""
    return [each for each in d.versions if each.state is RecordState.PUBLISHED]


def neighbours(d: Dissemination) -> tuple[VersionRef | None, VersionRef | None]:
    """The published versions next before and next after the record's own."""
    others = [each for each in published_versions(d) if each.record_id != d.record.id]
    before = [each for each in others if each.version < d.record.version]
    after = [each for each in others if each.version > d.record.version]
    return (before[-1] if before else None), (after[0] if after else None)


def timestamp(at: datetime) -> str:
    """As Zenodo's REST API writes times: UTC, microseconds, `+00:00`."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def mime_types(d: Dissemination) -> list[str]:
    return sorted({file.identification.mime for file in d.files if file.identification.mime})


def distinct(values: Iterable[T]) -> list[T]:
    """Without repetitions, in order; the values need not be hashable."""
    kept: list[T] = []
    for value in values:
        if value not in kept:
            kept.append(value)
    return kept


def filled(value: JsonObject) -> JsonObject:
    """Without the fields that hold nothing."""
    return {key: each for key, each in value.items() if each not in (None, "", [], {})}
