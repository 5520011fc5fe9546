"""Files on servers of the web, by their URLs or by paths below one (HTTP semantics: RFC 9110).

A file's stamp is its strong `ETag`, else its `Last-Modified`, else nothing: then only its size tells whether it
changed, and a reading that is cut off is begun anew by the next worker.
"""

from __future__ import annotations

import re
import stat
import time
from collections.abc import Callable
from contextlib import closing
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote_from_bytes, urlsplit

import httpx

from pipeline.display import shown
from pipeline.errors import SourceChanged
from pipeline.ingest.sources.names import escaped, is_web, path_fault, url_fault
from pipeline.ingest.sources.protocol import Entry, NearTree, NotRegular
from pipeline.ingest.sources.trees.addresses import address_fault
from pipeline.ingest.sources.trees.remote import SETTLE, Broken, RemoteReader
from pipeline.ingest.sources.trees.web import AWAY, Web, refusal

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pipeline.ingest.sources.protocol import Folder, SourceReader
    from pipeline.ingest.sources.trees.remote import Body
    from pipeline.settings import SourceLocation

_SLOWEST = 1024
"""Bytes a second that a server must give, on average of a minute: who gives less would hold a worker for ever."""
_PATIENCE = 60.0


class Facts(NamedTuple):
    """What a server says of a file."""

    size: int
    stamp: str
    mtime_ns: int | None


class HttpTree(NearTree):
    """What is below `location.url`, and any other URL: it is a path here, too. Folders cannot be listed."""

    def __init__(self, location: SourceLocation, pause: Callable[[float], None] = time.sleep) -> None:
        self.location = location
        self._pause = pause
        self._web = Web((lambda _: "") if location.private_addresses else address_fault, pause)

    @property
    def name(self) -> str:
        url = urlsplit(self.location.url)
        return escaped(url.path.rstrip("/").rpartition("/")[2] or url.netloc)

    def folder(self, path: str) -> AbstractContextManager[Folder]:
        raise NotRegular(
            f"{shown(self._url(path))} is no folder that could be listed",
            remedy="Name its files in a manifest.",
        )

    def look(self, path: str) -> Entry:
        facts = self.facts(path)
        name = path.rpartition("/")[2]
        return Entry(name, escaped(name), stat.S_IFREG, facts.size, facts.mtime_ns, facts.stamp)

    def open(self, path: str, size: int, stamp: str) -> SourceReader:
        if stamp:
            return HttpReader(self, path, size, stamp, self._pause)
        reader = self.open_now(path)
        if reader.size != size:
            raise SourceChanged(f"{shown(path)} changed since the survey", remedy=SETTLE)
        return reader

    def open_now(self, path: str) -> SourceReader:
        facts = self.facts(path)
        return HttpReader(self, path, facts.size, facts.stamp, self._pause)

    def is_far(self, path: str) -> bool:  # noqa: ARG002 - so are all
        return True

    def close(self) -> None:
        """Give up connections that are kept for the next request."""
        self._web.close()

    def facts(self, path: str) -> Facts:
        """Asked for by HEAD; where that is refused or says too little, by a GET of the first byte."""
        url = self._url(path)
        with closing(self._web.ask("HEAD", url, {})) as answer:
            if facts := _facts(answer):
                return facts
            if answer.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
                raise refusal(answer, shown(url))
        with closing(self._web.ask("GET", url, {"range": "bytes=0-0"})) as answer:
            if facts := _facts(answer):
                return facts
            raise refusal(answer, shown(url))

    def body(self, path: str, start: int, size: int, stamp: str) -> Body:
        """The file from `start` on, or from its beginning where the server gives nothing else, `size` bytes long in
        all, with that stamp. Raises `Broken`, and as trees do."""
        url, headers = self._url(path), {}
        if start:
            headers = {"range": f"bytes={start}-"} | ({"if-range": stamp} if stamp else {})
        answer = self._web.ask("GET", url, headers)
        try:
            facts = _facts(answer, size)
            if facts is None:
                raise refusal(answer, shown(url))
            is_part = answer.status_code == HTTPStatus.PARTIAL_CONTENT
            # A part that was asked for on condition need not say again what it is of (RFC 9110, section 15.3.7).
            if facts.size != size or facts.stamp not in ((stamp, "") if is_part else (stamp,)):
                raise SourceChanged(f"{shown(path)} changed since the survey", remedy=SETTLE)
            return _Answer(answer, _start(answer))
        except BaseException:
            answer.close()
            raise

    def _url(self, path: str) -> str:
        """Raises `NotRegular` for what is no path and no URL."""
        fault = url_fault(path) if is_web(path) else path_fault(path)
        if fault:
            raise NotRegular(
                f"{shown(path)}: {fault}",
                remedy="Name a file of the web, or one below the list.",
            )
        if is_web(path):
            return path
        return f"{self.location.url.rstrip('/')}/{quote_from_bytes(path.encode(errors='surrogateescape'))}"


class HttpReader(RemoteReader):
    """Every answer must have the one stamp, and be of the one size."""

    def __init__(
        self, tree: HttpTree, path: str, size: int, stamp: str, pause: Callable[[float], None]
    ) -> None:
        super().__init__(path, size, stamp, pause)
        self._tree = tree

    def ask(self, start: int) -> Body:
        return self._tree.body(self.path, start, self.size, self.stamp)

    def still_same(self) -> None:
        facts = self._tree.facts(self.path)
        if (facts.size, facts.stamp) != (self.size, self.stamp):
            raise SourceChanged(f"{shown(self.path)} changed while it was read", remedy=SETTLE)


class _Answer:
    def __init__(self, answer: httpx.Response, start: int) -> None:
        self.start = start
        self._answer = answer
        self._blocks = answer.iter_raw()
        self._rest = bytearray()

    def read(self, size: int) -> bytes:
        began, before = time.monotonic(), len(self._rest)
        try:
            while len(self._rest) < size and (block := next(self._blocks, b"")):
                self._rest += block
                waited = time.monotonic() - began
                if waited > _PATIENCE and len(self._rest) - before < waited * _SLOWEST:
                    raise Broken("its server is too slow")
        except AWAY as error:
            if not self._rest:
                raise Broken(f"its server breaks off ({type(error).__name__})") from None
        found = bytes(self._rest[:size])
        del self._rest[:size]
        return found

    def close(self) -> None:
        self._answer.close()


# ---------------------------------------------------------------- headers


def _facts(answer: httpx.Response, otherwise: int | None = None) -> Facts | None:
    """What a good answer says of the file, as it lies there; None for any other. `otherwise` is the size where the
    answer has the whole of it and says none."""
    headers, size = answer.headers, _size(answer, otherwise)
    if size is None or headers.get("content-encoding", "identity") != "identity":
        return None
    etag, modified = headers.get("etag", ""), headers.get("last-modified", "")
    return Facts(size, etag if etag.startswith('"') else modified, _nanoseconds(modified))


def _size(answer: httpx.Response, otherwise: int | None) -> int | None:
    """The size of the whole file: of a part, Content-Range tells it (RFC 9110, section 14.4)."""
    if answer.status_code in (HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
        found = re.fullmatch(r"bytes (?:\d+-\d+|\*)/(\d+)", answer.headers.get("content-range", ""))
        return int(found[1]) if found else None
    if answer.status_code != HTTPStatus.OK:
        return None
    length = answer.headers.get("content-length", "")
    return int(length) if length.isdecimal() else otherwise


def _start(answer: httpx.Response) -> int:
    """Where in the file the answer begins."""
    found = re.match(r"bytes (\d+)-", answer.headers.get("content-range", ""))
    return int(found[1]) if found and answer.status_code == HTTPStatus.PARTIAL_CONTENT else 0


def _nanoseconds(modified: str) -> int | None:
    try:
        return int(parsedate_to_datetime(modified).timestamp()) * 1_000_000_000
    except (TypeError, ValueError, OverflowError):
        return None
