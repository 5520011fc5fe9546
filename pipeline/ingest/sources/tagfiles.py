"""The tag files of a BagIt bag, as text: no folder is touched.

Sources: RFC 8493 for version 1.0; the drafts draft-kunze-bagit-04 to -14 for versions 0.93 to 0.97, as the
BagIt conformance suite reads them.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, TypeAlias

from pipeline.display import shown
from pipeline.ingest.sources.declared import algorithm_named, digest_fault
from pipeline.ingest.sources.names import path_fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipeline.model import JsonObject

VERSIONS = ("0.93", "0.94", "0.95", "0.96", "0.97", "1.0")

PAYLOAD = "data"


@dataclass(frozen=True, slots=True)
class Declaration:
    """What `bagit.txt` says. `strict` from 1.0 on: each payload file in every manifest, once."""

    version: str
    encoding: str

    @property
    def strict(self) -> bool:
        return self.version == "1.0"


def declaration(text: bytes) -> Declaration:
    """`bagit.txt` (RFC 8493, section 2.1.1): two lines, UTF-8, no byte order mark; from 1.0 on with one
    blank after the colon and none elsewhere. Raises `ValueError` with the reason."""
    try:
        lines = text.decode().splitlines()
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    while lines and not lines[-1]:
        lines.pop()
    if len(lines) != 2:
        raise ValueError("it does not have its two lines, BagIt-Version and Tag-File-Character-Encoding")
    version = _value("BagIt-Version", lines[0])
    if version not in VERSIONS:
        raise ValueError(f"BagIt version {version} is not one of {', '.join(VERSIONS)}")
    found = Declaration(version, _value("Tag-File-Character-Encoding", lines[1]))
    if found.strict and lines != [
        f"BagIt-Version: {version}",
        f"Tag-File-Character-Encoding: {found.encoding}",
    ]:
        raise ValueError("BagIt 1.0 allows no blanks but one after each colon")
    try:
        "".encode(found.encoding)
    except (LookupError, UnicodeError) as error:
        raise ValueError(f"the encoding {found.encoding} is unknown") from error
    return found


def _value(label: str, line: str) -> str:
    found = re.fullmatch(rf"{label}[ \t]*:[ \t]*(\S+)[ \t]*", line)
    if found is None:
        raise ValueError(f"the line {shown(line)!r} should be '{label}: …'")
    return found[1]


# ---------------------------------------------------------------- manifests


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of a manifest: `warning` says what is tolerated about it."""

    path: str
    digest: str
    warning: str = ""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is none of what it should be, or that names what a bag may not name."""

    number: int
    reason: str


Lines: TypeAlias = "Iterator[Listed | BadLine]"

_LINE = re.compile(r"(\S+)[ \t]+(\*?)(.+)")


def manifest_algorithm(name: str) -> tuple[str, str | None] | None:
    """(`manifest` or `tagmanifest`, algorithm) for the name of a manifest, the algorithm None where it
    cannot be computed here; None for any other name (RFC 8493, sections 2.1.3 and 2.2.1)."""
    found = re.fullmatch(r"((?:tag)?manifest)-(.+)\.txt", name)
    return (found[1], algorithm_named(found[2])) if found else None


def manifest_lines(lines: Iterable[str], algorithm: str, declared: Declaration, *, payload: bool) -> Lines:
    """The lines of a payload or tag manifest (RFC 8493, sections 2.1.3 and 2.2.1)."""
    for number, text in enumerate(lines, start=1):
        line = text.rstrip("\n")
        if line.strip():
            yield _manifest_line(number, line, algorithm, declared, payload=payload)


def _manifest_line(
    number: int, line: str, algorithm: str, declared: Declaration, *, payload: bool
) -> Listed | BadLine:
    found = _LINE.fullmatch(line)
    if found is None:
        return BadLine(number, "it is not a digest, blanks and a path")
    digest, star, path = found.groups()
    path = decoded_path(path, declared)
    reason = digest_fault(algorithm, digest) or _place_fault(path.removeprefix("./"), payload=payload)
    if reason:
        return BadLine(number, reason)
    warnings = ["the `*` of md5sum stands before the path"] if star else []
    if path.startswith("./"):
        path = path[2:]
        warnings.append("the path begins with `./`")
    return Listed(path, digest.lower(), " and ".join(warnings))


def decoded_path(path: str, declared: Declaration) -> str:
    """RFC 8493, section 2.1.3: CR, LF and `%` are percent-encoded, nothing else is; before 1.0 a path
    means what it says."""
    if not declared.strict:
        return path
    return re.sub("%(0[AaDd]|25)", lambda found: chr(int(found[1], 16)), path)


def _place_fault(path: str, *, payload: bool) -> str:
    """Why a bag may not list the path (RFC 8493, sections 2.1.3, 2.2.1 and 5.2), or `""`."""
    if fault := path_fault(path):
        return fault
    if path.startswith("~"):
        return "the path begins with `~`"
    below = path.startswith(f"{PAYLOAD}/")
    if payload and not below:
        return f"the path does not lie below {PAYLOAD}/"
    if not payload and below:
        return "a tag manifest lists no payload"
    return ""


def fetch_lines(lines: Iterable[str], declared: Declaration) -> Iterator[str | BadLine]:
    """The paths of `fetch.txt` (RFC 8493, section 2.2.3): URL, length or `-`, path."""
    for number, text in enumerate(lines, start=1):
        line = text.rstrip("\n")
        if not line.strip():
            continue
        found = re.fullmatch(r"\S+[ \t]+(?:-|\d+)[ \t]+(.+)", line)
        if found is None:
            yield BadLine(number, "it is not a URL, a length or `-`, and a path")
            continue
        path = decoded_path(found[1], declared).removeprefix("./")
        fault = _place_fault(path, payload=True)
        yield BadLine(number, fault) if fault else path


# ---------------------------------------------------------------- bag-info.txt


@dataclass(frozen=True, slots=True)
class BagInfo:
    """Labels and values in order; labels do not differ by case (RFC 8493, section 2.2.2)."""

    fields: tuple[tuple[str, str], ...] = ()

    def all(self, label: str) -> list[str]:
        return [value for name, value in self.fields if name == label.casefold() and value]

    def first(self, label: str) -> str:
        return next(iter(self.all(label)), "")


def bag_info(lines: Iterable[str]) -> tuple[BagInfo, tuple[BadLine, ...]]:
    """`bag-info.txt`: `label: value`, long values folded onto lines that begin with a blank."""
    fields: list[tuple[str, str]] = []
    bad: list[BadLine] = []
    for number, text in enumerate(lines, start=1):
        line = text.rstrip("\n")
        label, colon, value = line.partition(":")
        if line[:1] in (" ", "\t") and fields:
            name, begun = fields[-1]
            fields[-1] = (name, f"{begun} {line.strip()}".strip())
        elif colon and label.strip():
            fields.append((label.strip().casefold(), value.strip()))
        elif line.strip():
            bad.append(BadLine(number, "it is not a label, a colon and a value"))
    return BagInfo(tuple(fields)), tuple(bad)


def oxum(info: BagInfo) -> tuple[int, int] | None:
    """Payload-Oxum as (bytes, files), None where there is none. Raises `ValueError` with the reason."""
    values = info.all("Payload-Oxum")
    if not values:
        return None
    found = re.fullmatch(r"(\d+)\.(\d+)", values[0], re.ASCII)
    if len(values) > 1 or found is None:
        raise ValueError("Payload-Oxum is not given once as bytes.files")
    return int(found[1]), int(found[2])


def metadata_from(info: BagInfo) -> JsonObject:
    """A Zenodo metadata object of what `bag-info.txt` says; what it does not say is left out."""
    descriptions = info.all("External-Description")
    creators = info.all("Source-Organization") or info.all("Contact-Name")
    title = textwrap.shorten(descriptions[0], 250, placeholder="…") if descriptions else ""
    document: JsonObject = {"upload_type": "dataset"}
    if title or info.first("External-Identifier"):
        document["title"] = title or info.first("External-Identifier")
    if creators:
        document["creators"] = [{"name": name} for name in creators]
    if descriptions:
        document["description"] = "\n\n".join(descriptions)
    if _is_day(info.first("Bagging-Date")):
        document["publication_date"] = info.first("Bagging-Date")
    return document


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
