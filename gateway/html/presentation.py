"""A record as its landing page shows it (pure): words instead of codes, links where there are any.

Everything in here came from a depositor: only http(s) URLs become links, text stays text (the templates
escape it), and HTML goes through the sanitiser once more.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import quote, urlencode, urlsplit

from markupsafe import Markup

from gateway.http import content
from pipeline.access import ScanGate, Withheld, withheld
from pipeline.dissemination import Dissemination, VersionRef
from pipeline.feeds import crosswalks
from pipeline.feeds.crosswalks import facts
from pipeline.metadata import identifiers, text, vocabulary
from pipeline.model import FileEntry, FilesAccess, JsonObject, RecordState, ScanStatus

_RIGHT_TO_LEFT = frozenset(
    {"ara", "arc", "ckb", "div", "fas", "heb", "nqo", "pes", "pus", "snd", "syr", "uig", "urd", "yid"}
)
_SNIPPET = 280
_PRONOM = "https://www.nationalarchives.gov.uk/PRONOM/"


@dataclass(frozen=True, slots=True)
class Link:
    """A text, and where it leads if anywhere; `note` says how it is meant."""

    text: str
    url: str = ""
    note: str = ""


def pager(page: int, address: Callable[[int], str], *, has_next: bool) -> list[Link]:
    """From one page of a list to those before and after it, where there are such; `address` is that of each."""
    before, after = (
        Link("Previous page", address(page - 1), "prev"),
        Link("Next page", address(page + 1), "next"),
    )
    return [before] * (page > 1) + [after] * has_next


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    orcid: str
    profile: Link | None
    affiliations: str
    role: str


@dataclass(frozen=True, slots=True)
class Checksum:
    """A digest and where it stands: `computed` by us, and whether the depositor `declared` the same."""

    algorithm: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file in the table. `url` is empty where the file is not served, and `scan` says why; `download` saves it."""

    key: str
    url: str
    download: str
    size: str
    bytes: int
    md5: str
    checksums: tuple[Checksum, ...]
    format: Link
    scan: str
    scan_state: str


@dataclass(frozen=True, slots=True)
class Reference:
    """A record in a list of records."""

    id: int
    title: str
    creators: str
    published: str
    resource_type: str
    snippet: str


@dataclass(frozen=True, slots=True)
class Language:
    """What the attributes `lang` and `dir` of the record's own text say."""

    code: str
    direction: str


# ---------------------------------------------------------------- description


def title(described: Dissemination) -> str:
    return str(described.record.description.metadata.get("title") or "Untitled")


def description(described: Dissemination) -> Markup:
    """The description's HTML."""
    return _html(described.record.description.metadata.get("description"))


def _html(markup: object) -> Markup:
    # It was sanitised when it came in. What is shown is sanitised whatever came in, and by whichever way.
    return Markup(text.sanitise(str(markup or "")))  # noqa: S704


def language(metadata: JsonObject) -> Language:
    """That of the record's text, where it says exactly one."""
    codes = [str(one.get("id", "")) for one in metadata.get("languages", [])]
    if len(codes) != 1 or codes[0] not in vocabulary.languages():
        return Language("", "auto")
    # HTML wants the shortest code (BCP 47).
    code = str(vocabulary.languages()[codes[0]].get("two", codes[0]))
    return Language(code, "rtl" if codes[0] in _RIGHT_TO_LEFT else "ltr")


def people(metadata: JsonObject, group: str) -> list[Person]:
    """`group` is `creators` or `contributors`."""
    return [_person(one) for one in metadata.get(group, [])]


def _person(one: JsonObject) -> Person:
    who = one.get("person_or_org", {})
    known = {each.get("scheme", ""): str(each.get("identifier", "")) for each in who.get("identifiers", [])}
    links = [
        Link(scheme.upper(), url)
        for scheme, value in sorted(known.items(), key=lambda each: each[0] != "orcid")
        if (url := identifiers.person_url(scheme, value))
    ]
    role = str(one.get("role", {}).get("id", ""))
    return Person(
        name=str(who.get("name", "")),
        orcid=known.get("orcid", ""),
        profile=links[0] if links else None,
        affiliations=", ".join(
            str(each.get("name", "")) for each in one.get("affiliations", []) if each.get("name")
        ),
        role=_title(vocabulary.contributor_roles(), role),
    )


def resource_type(metadata: JsonObject) -> str:
    return _title(vocabulary.resource_types(), str(metadata.get("resource_type", {}).get("id", "")))


def licences(metadata: JsonObject) -> list[Link]:
    found = []
    for one in metadata.get("rights", []):
        entry = vocabulary.licences().get(str(one.get("id", "")), {})
        name = entry.get("title") or one.get("title", {}).get("en") or one.get("id") or one.get("link") or ""
        found.append(Link(str(name), _web(str(entry.get("url") or one.get("link") or ""))))
    return [one for one in found if one.text]


def keywords(metadata: JsonObject) -> list[str]:
    return [str(one["subject"]) for one in metadata.get("subjects", []) if one.get("subject")]


def related(metadata: JsonObject) -> list[Link]:
    """Related identifiers, with the relation as the note."""
    return [
        Link(
            str(one.get("identifier", "")),
            _web(identifiers.url(str(one.get("scheme", "")), str(one.get("identifier", ""))) or ""),
            _title(vocabulary.relation_types(), str(one.get("relation_type", {}).get("id", ""))),
        )
        for one in metadata.get("related_identifiers", [])
        if one.get("identifier")
    ]


def languages(metadata: JsonObject) -> list[str]:
    return [_title(vocabulary.languages(), str(one.get("id", ""))) for one in metadata.get("languages", [])]


def more_descriptions(metadata: JsonObject) -> list[Link]:
    """Further descriptions as sanitised HTML, with their type as the note."""
    return [
        Link(
            _html(one.get("description")),
            note=_title(vocabulary.description_types(), str(one.get("type", {}).get("id", ""))),
        )
        for one in metadata.get("additional_descriptions", [])
    ]


def dates(metadata: JsonObject) -> list[Link]:
    """Further dates, with their type as the note."""
    return [
        Link(
            str(one.get("date", "")),
            "",
            _title(vocabulary.date_types(), str(one.get("type", {}).get("id", ""))),
        )
        for one in metadata.get("dates", [])
        if one.get("date")
    ]


def _title(entries: vocabulary.Vocabulary, key: str) -> str:
    return str(entries.get(key, {}).get("title", key))


def _web(url: str) -> str:
    """The URL where a browser may be sent there, else nothing."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.netloc else ""


def reference(
    described: Dissemination, *, begins: Callable[[str], int] = lambda _description: 0
) -> Reference:
    """The record as lists show it. Where its description is long, what is shown is around where what matters
    `begins`."""
    metadata = described.record.description.metadata
    names = [one.name for one in people(metadata, "creators")]
    shown = "; ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    plain = text.plain(str(metadata.get("description") or "")).replace("\n", " ")
    return Reference(
        id=described.record.id,
        title=title(described),
        creators=shown,
        published=str(metadata.get("publication_date", "")),
        resource_type=resource_type(metadata),
        snippet=excerpt(plain, begins(plain)),
    )


def excerpt(plain: str, begins: int) -> str:
    """Of a long text a piece around where what matters `begins`."""
    if len(plain) <= _SNIPPET:
        return plain
    # Some words before it are shown as well, and no end of a word.
    first = 0 if begins < _SNIPPET // 2 else plain.rfind(" ", 0, begins - _SNIPPET // 4) + 1
    rest = plain[first:]
    shown = rest if len(rest) <= _SNIPPET else rest[:_SNIPPET].rsplit(" ", 1)[0] + " …"
    return f"… {shown}" if first else shown


# ---------------------------------------------------------------- access and files


def access_sentence(described: Dissemination, status: str) -> str:
    access = described.record.description.access
    if status == "embargoed":
        reason = f" Reason: {access.embargo_reason}" if access.embargo_reason else ""
        return f"The files open on {access.embargo_until}.{reason}"
    if status == "restricted":
        return "Only the owner, and whom the owner shares them with, can read the files."
    opened = access.embargo_until if access.files is FilesAccess.RESTRICTED else None
    return f"Everybody can read the files since {opened}." if opened else "Everybody can read the files."


def file_row(address: str, entry: FileEntry, gate: ScanGate, presented: Mapping[str, str]) -> FileRow:
    """`address` is the record's, below which files lie; `presented` what is to be told with each request."""
    why = withheld(entry.scan, gate)
    url = f"{address}/files/{quote(entry.key)}"
    found = entry.identification
    version = f" {found.version}" if found.version else ""
    named = found.format + version if found.format else "Unknown format"
    return FileRow(
        key=entry.key,
        url="" if why or entry.purged else with_query(url, presented),
        download=with_query(url, {"download": "1", **presented}),
        size=readable_size(entry.size),
        bytes=entry.size,
        md5=entry.digests.get("md5", ""),
        checksums=tuple(_checksums(entry)),
        format=Link(named, f"{_PRONOM}{quote(found.puid)}" if found.puid else "", found.puid),
        scan=_scan_sentence(entry, why),
        scan_state="purged" if entry.purged else entry.scan.status.value,
    )


def with_query(url: str, parameters: Mapping[str, str]) -> str:
    return f"{url}?{urlencode(parameters)}" if parameters else url


def _checksums(entry: FileEntry) -> Iterator[Checksum]:
    for algorithm, value in sorted(entry.digests.items()):
        declared = entry.declared.get(algorithm, "").lower() == value
        note = "computed here, equal to the declared one" if declared else "computed here"
        yield Checksum(algorithm, value, note)
    for algorithm, value in sorted(entry.declared.items()):
        if algorithm not in entry.digests:
            yield Checksum(algorithm, value, "declared by the depositor, not verified")


_SCANS = {
    ScanStatus.CLEAN: "No virus found",
    ScanStatus.INFECTED: "Infected, not served",
    ScanStatus.PARTIAL: "Scanned in part",
    ScanStatus.UNSCANNED: "Not scanned",
    ScanStatus.STALE: "Scanned with older signatures",
    ScanStatus.RELEASED: "A virus alarm was found to be false",
}


def _scan_sentence(entry: FileEntry, why: Withheld | None) -> str:
    if entry.purged is not None:
        return f"Purged on {entry.purged.at:%Y-%m-%d}, not kept any more"
    if why is Withheld.BEING_SCANNED:
        return "Being scanned, served as soon as it is found clean"
    if entry.scan.status is ScanStatus.UNSCANNED or not entry.scan.engine:
        return _SCANS[entry.scan.status]
    signatures = f", signatures {entry.scan.database}" if entry.scan.database else ""
    return f"{_SCANS[entry.scan.status]} ({entry.scan.engine}{signatures})"


def readable_size(size: int) -> str:
    """Decimal units, three significant digits: `1.25 MB`."""
    value, units = float(size), iter(("kB", "MB", "GB", "TB", "PB"))
    unit = "B"
    # What rounds to 1000 belongs to the next unit.
    while value >= 999.5 and (larger := next(units, "")):
        value, unit = value / 1000, larger
    return f"{size} B" if unit == "B" else f"{value:.3g} {unit}"


# ---------------------------------------------------------------- for machines


def json_ld(described: Dissemination) -> Markup:
    """The schema.org block. Nothing in it can end the script element or begin another."""
    block = json.dumps(crosswalks.schema_org(described), ensure_ascii=False)
    for char in "<>&\u2028\u2029":
        block = block.replace(char, f"\\u{ord(char):04x}")
    return Markup(block)  # noqa: S704


def citation_tags(described: Dissemination, files: Sequence[FileEntry]) -> list[tuple[str, str]]:
    """`citation_*` meta tags, as Google Scholar reads them; `files` are those that everybody may read."""
    metadata = described.record.description.metadata
    tags = [
        ("citation_title", title(described)),
        *(("citation_author", one.name) for one in people(metadata, "creators")),
        ("citation_publication_date", str(metadata.get("publication_date", "")).replace("-", "/")),
        ("citation_publisher", str(metadata.get("publisher") or described.repository.name)),
        ("citation_doi", described.doi),
        ("citation_language", language(metadata).code),
        *(("citation_keywords", one) for one in keywords(metadata)),
        ("citation_abstract_html_url", described.url),
    ]
    kept = (one for one in files if one.purged is None)
    pdfs = (one.key for one in kept if content.guessed_type(one) == "application/pdf")
    tags += [("citation_pdf_url", f"{described.url}/files/{quote(key)}") for key in pdfs]
    return [(name, value) for name, value in tags if value]


_MOST_AUTHORS, _MOST_ITEMS = 10, 20


def signposts(
    described: Dissemination, formats: Sequence[tuple[str, str]], files: Sequence[FileEntry]
) -> str:
    """The Link header of FAIR Signposting, level 1: bounded, as proxies bound headers.
    `formats` are (address, media type)."""
    metadata = described.record.description.metadata
    authors = [one.profile.url for one in people(metadata, "creators") if one.profile]
    kind = vocabulary.resource_types().get(str(metadata.get("resource_type", {}).get("id", "")), {})
    licence = next((one.url for one in licences(metadata) if one.url), "")
    links = [(facts.doi_url(described.doi), "cite-as", "")] if described.doi else []
    links += [("https://schema.org/AboutPage", "type", "")]
    links += [(f"https://schema.org/{kind.get('schema_org', 'CreativeWork')}", "type", "")]
    links += [(url, "author", "") for url in authors[:_MOST_AUTHORS]]
    links += [(licence, "license", "")] if licence else []
    links += [(url, "describedby", media_type) for url, media_type in formats]
    if len(files) <= _MOST_ITEMS:
        links += [
            (f"{described.url}/files/{quote(one.key)}", "item", content.served_type(one)[0])
            for one in files
            if one.purged is None
        ]
    return ", ".join(_link(*one) for one in links)


def _link(url: str, relation: str, media_type: str) -> str:
    # A URI has nothing in it that could end the header's field, or the URI itself.
    kind = f'; type="{media_type}"' if media_type else ""
    return f'<{facts.safe_uri(url)}>; rel="{relation}"{kind}'


# ---------------------------------------------------------------- versions


def version_label(version: VersionRef) -> str:
    return version.label or f"Version {version.version}"


def is_withdrawn(version: VersionRef) -> bool:
    return version.state is RecordState.WITHDRAWN


def short_date(at: date) -> str:
    return at.strftime("%Y-%m-%d")
