"""How the bytes of a file are put into an HTTP answer (pure): type, disposition, ranges, conditions.

Nothing that was uploaded may run in a browser under our name: texts are shown as plain text, common images
as themselves, all else is a download (Zenodo's REST API, files).
"""

import mimetypes
import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import quote

from gateway.http.problems import RangeNotSatisfiable
from pipeline.model import FileEntry

BLOCK = 1 << 20
PLAIN_TEXT = "text/plain; charset=utf-8"
BINARY = "application/octet-stream"

# A table of its own: the machine's mime.types must not change what is served.
_TYPES = mimetypes.MimeTypes()
_TYPES.add_type("image/webp", ".webp")
_TYPES.add_type("image/avif", ".avif")
_TYPES.add_type("text/markdown", ".md")
for _ending in (
    ".bib",
    ".geojson",
    ".ipynb",
    ".jl",
    ".log",
    ".r",
    ".rst",
    ".sql",
    ".tex",
    ".toml",
    ".yaml",
    ".yml",
):
    _TYPES.add_type("text/plain", _ending)

_IMAGES = frozenset(
    {"image/avif", "image/bmp", "image/gif", "image/jpeg", "image/png", "image/tiff", "image/webp"}
)
_DOWNLOADS = frozenset({"text/markdown"})
"""Texts that Zenodo gives as downloads."""
_TEXTS = frozenset({"application/json", "application/xml", "application/javascript", "application/x-sh"})


def guessed_type(entry: FileEntry) -> str:
    """The media type that the name tells, else the one that the bytes told when they were identified."""
    return _by_name(entry.key) or entry.identification.mime.partition(",")[0].strip() or BINARY


def type_by_name(key: str) -> str:
    """The media type that a file's name tells."""
    return _by_name(key) or BINARY


def _by_name(key: str) -> str:
    by_name, encoding = _TYPES.guess_type(f"x/{key.rpartition('/')[2]}")
    return f"application/{encoding}" if encoding is not None else by_name or ""


def served_type(entry: FileEntry) -> tuple[str, bool]:
    """The Content-Type that is safe to serve, and whether a browser may show it in place."""
    guessed = guessed_type(entry)
    if guessed in _IMAGES:
        return guessed, True
    if guessed in _DOWNLOADS:
        return BINARY, False
    if guessed.startswith("text/") or guessed in _TEXTS or guessed.endswith(("+json", "+xml")):
        return PLAIN_TEXT, True
    return BINARY, False


def disposition(key: str, *, attachment: bool) -> str:
    """A Content-Disposition with the file's own name in any script (RFC 6266 §4.3, RFC 8187)."""
    name = key.rpartition("/")[2]
    kind = "attachment" if attachment else "inline"
    fallback = re.sub(r'[^ -~]|["\\%]', "_", name)
    extended = "" if fallback == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'{kind}; filename="{fallback}"{extended}'


def entity_tag(entry: FileEntry) -> str:
    """A strong ETag: equal bytes have equal tags, on every server."""
    algorithm = "md5" if "md5" in entry.digests else min(entry.digests)
    return f'"{algorithm}:{entry.digests[algorithm]}"'


# ---------------------------------------------------------------- conditions


@dataclass(frozen=True, slots=True)
class Validators:
    """What a representation can be recognised by."""

    etag: str
    modified: datetime

    @property
    def last_modified(self) -> str:
        return format_datetime(self.modified.astimezone(UTC), usegmt=True)


def is_unchanged(headers: Mapping[str, str], validators: Validators) -> bool:
    """Whether the client's copy is still good, so that 304 is the answer (RFC 9110 §13.2.2)."""
    if "if-none-match" in headers:
        return is_same_tag(headers, validators.etag)
    since = _parsed_date(headers.get("if-modified-since"))
    return since is not None and validators.modified.replace(microsecond=0) <= since


def is_same_tag(headers: Mapping[str, str], etag: str) -> bool:
    """Whether If-None-Match names this tag."""
    tags = headers.get("if-none-match", "")
    return tags.strip() == "*" or etag in (_strong(tag) for tag in tags.split(","))


def _strong(tag: str) -> str:
    # If-None-Match compares weakly (RFC 9110 §13.1.2).
    return tag.strip().removeprefix("W/")


def _parsed_date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    return date.replace(tzinfo=UTC) if date is not None and date.tzinfo is None else date


# ---------------------------------------------------------------- ranges


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` to `stop` (not included) of a file of `size` bytes."""

    start: int
    stop: int
    size: int

    @property
    def length(self) -> int:
        return self.stop - self.start

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.stop - 1}/{self.size}"


_RANGE = re.compile(r"bytes=[ \t]*(\d{0,40})-(\d{0,40})[ \t]*", re.IGNORECASE | re.ASCII)


def requested_span(headers: Mapping[str, str], validators: Validators, size: int) -> Span | None:
    """The part that a Range header asks for (RFC 9110 §14), None for all of it: also for several ranges, for
    what cannot be read, and where If-Range tells of another state. Raises `RangeNotSatisfiable`."""
    asked = headers.get("range")
    if asked is None or not _is_same(headers.get("if-range"), validators):
        return None
    found = _RANGE.fullmatch(asked)
    if found is None or found[1] == found[2] == "":
        return None
    first, last = found.groups()
    if first == "":
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), size if last == "" else min(size, int(last) + 1)
        if last != "" and int(last) < start:
            return None
    if start >= size or start >= stop:
        raise RangeNotSatisfiable(size)
    return Span(start, stop, size)


def _is_same(condition: str | None, validators: Validators) -> bool:
    """Whether If-Range holds: strong comparison, or exactly the date that we gave (RFC 9110 §13.1.5)."""
    return condition is None or condition.strip() in (validators.etag, validators.last_modified)


# ---------------------------------------------------------------- blocks


def in_blocks(blocks: Iterator[bytes], size: int = BLOCK) -> Generator[bytes, None, None]:
    """The same bytes in blocks of `size`, so that one step across threads carries much, and none too much."""
    waiting = bytearray()
    for block in blocks:
        if not waiting and len(block) == size:
            yield block
            continue
        waiting += block
        while len(waiting) >= size:
            yield bytes(waiting[:size])
            del waiting[:size]
    if waiting:
        yield bytes(waiting)
