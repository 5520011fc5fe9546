"""`SearchIndex` on an OpenSearch server, 2.12 or newer (tests run 3.8).

    <alias>.<digest>.<unique>     one index each: a generation, made by code whose schema has that digest
    <alias>                       alias of the generation in use, for people
    <alias>.<digest>              the same, for us: code of another schema finds nothing by its own
    <alias>.<digest>.building     alias of the generation that a rebuild is filling, if any

Any number of processes read and write. Versions are the server's external ones, so that a stale write changes nothing,
however late it comes; what is deleted stays as a document without words, since the server forgets versions of the
deleted after a minute (`index.gc_deletes`). What goes from one alias to another does so in one step, which fails where
somebody else was faster. Writes go to aliases only (`require_alias`): no index comes to be by a write to one that was
swapped out.

A writer looks where to write after it has read the catalogue. Where it sees no rebuild, the rebuild reads the catalogue
later, and finds there what was written; where it sees one, it writes to both. Who rebuilds says in the generation's
mapping (`_meta`) from time to time that it goes on; one that says nothing for `_DEAD_AFTER` is taken away by a writer.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import random
from typing import Any, Final, TypeVar

import orjson
from opensearchpy.exceptions import (
    HTTP_EXCEPTIONS,
    NotFoundError,
    RequestError,
    TransportError,
)

from pipeline.errors import Conflict, HeadraceError, Misconfigured, OutOfSpace, Rejected, Unavailable
from pipeline.index import dates, query_dsl, rebuilds
from pipeline.index.document import Entry, prepared
from pipeline.index.opensearch_server import OpenSearchServer, connect, reason, translated
from pipeline.index.query_dsl import SCHEMA_DIGEST
from pipeline.index.selection import select
from pipeline.model import JsonObject
from pipeline.ports import Clock, IndexDocument, IndexEntry, SearchPage, SearchRequest

R = TypeVar("R")

_OLDEST: Final = (2, 12)
_BULK_SECONDS: Final = 120.0
_BULK_BYTES: Final = 5 << 20
_REFRESH: Final = {"refresh_interval": "500ms"}
"""Writes are to be found within a second."""
_NO_REFRESH: Final = {"refresh_interval": "-1"}
_TRIES: Final = 5
_ENTRIES: Final = 5_000
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
_PATIENCE: Final = 30.0
"""Seconds for which a write waits where the server has too much to do; then the outbox does."""

_GENERATION: Final = re.compile(r"\.[0-9a-f]{8}\.(?:first|[0-9a-f]{12})")
_SAYS_ALIVE: Final = timedelta(minutes=1)
_DEAD_AFTER: Final = timedelta(minutes=15)
"""Longer than a rebuild waits for a server that is away."""

_FINE = (200, 201)
_STALE = 409
_BUSY = (429, 503)
_LOG = logging.getLogger(__name__)


class _MovedError(Exception):
    """An alias went to another index, or nowhere, since it was looked for."""


@dataclass(frozen=True, slots=True)
class _Generations:
    """Names of indices: of all, of those in use, of those that rebuilds are filling. More than one is so for a moment
    at most, while two processes begin at once."""

    every: tuple[str, ...]
    current: tuple[str, ...]
    building: tuple[str, ...]


class OpenSearchIndex:
    """`clock` tells which embargoes are over. Nothing is asked of the server before it is needed."""

    def __init__(self, server: OpenSearchServer, clock: Clock, *, rebuilding: str = "") -> None:
        """`rebuilding` names the generation of a rebuild under way; without it the index in use is meant."""
        self._server, self._clock, self._rebuilding = server, clock, rebuilding
        self._client = connect(server)
        self._said_alive = clock()
        self._alias = f"{server.alias}.{SCHEMA_DIGEST}"
        self._building = f"{self._alias}.building"

    def write(self, documents: Sequence[IndexDocument], *, at_once: bool = False) -> Mapping[int, str]:
        ready, refused = prepared(documents)
        if not ready:
            return refused
        chunks = list(_chunks(ready))
        with translated(self._server):
            for wait in _waits():
                with suppress(_MovedError):
                    for alias in self._targets():
                        for chunk in chunks:
                            refused |= self._send(alias, chunk, at_once=at_once)
                    return refused
                time.sleep(wait)
        raise Unavailable("The search index is being swapped again and again.")

    def search(self, request: SearchRequest) -> SearchPage:
        # Files open with a day: all day long the same question is the same request, whose answer the server keeps.
        now = dates.start_of_day(self._clock().astimezone(UTC).date())
        selection = select(request, now)
        searches = query_dsl.searches(selection, request.facets, now)

        def read(alias: str) -> SearchPage:
            page, counted = self._look_up(alias, searches)
            total = int(counted["hits"]["total"]["value"])
            return SearchPage(
                total, query_dsl.ids(page), query_dsl.counts(counted, selection, request.facets)
            )

        return self._reading(read)

    def count(self) -> int:
        return self._reading(
            lambda alias: int(self._client.count(index=alias, body=query_dsl.COUNTED)["count"])
        )

    def entries(self, after: int, upto: int) -> Iterator[IndexEntry]:
        self._reading(lambda alias: self._client.indices.refresh(index=alias))
        while batch := self._batch(after, upto):
            yield from batch
            after = batch[-1].id

    def _batch(self, after: int, upto: int) -> list[IndexEntry]:
        body = query_dsl.entries_body(after, upto, _ENTRIES)
        return self._reading(lambda alias: query_dsl.entries(self._ask(alias, body)))

    def describe(self) -> str:
        server = self._server
        with translated(server):
            version = self._require_version()
            building = self._generations().building
            rebuild = rebuilds.described(is_alive=all(map(self._is_alive, building))) if building else ""
        how = (", in TLS" * server.is_tls) + (f", as {server.user}" * bool(server.user))
        return f"OpenSearch {version} at {server.host}:{server.port}{how}, alias {server.alias}{rebuild}"

    def _require_version(self) -> str:
        """That of the server. Raises `Misconfigured` where it is another server, or too old."""
        found = self._client.info()["version"]
        number = str(found["number"])
        oldest = ".".join(map(str, _OLDEST))
        if found.get("distribution") != "opensearch" or _release(number) < _OLDEST:
            raise Misconfigured(
                f"{self._server.host}:{self._server.port} is {found.get('distribution', 'no OpenSearch,')} {number}, "
                f"and the search index needs OpenSearch {oldest} or newer",
                field="HEADRACE_INDEX",
                remedy=f"name a server of OpenSearch {oldest} or newer",
            )
        return number

    def close(self) -> None:
        if self._rebuilding:
            with suppress(HeadraceError, NotFoundError), translated(self._server):
                self._change(_removal(self._rebuilding))
        self._client.close()

    # ------------------------------------------------------------ rebuilding

    def begin_rebuild(self) -> OpenSearchIndex:
        """A rebuild that was under way before is abandoned: its next call raises `Conflict`."""
        with translated(self._server):
            unique = uuid.uuid4().hex[:12]
            # It is there already where the answer to a first request was lost.
            with suppress(_AlreadyThereError):
                self._create(unique, settings=_NO_REFRESH)
            name = f"{self._alias}.{unique}"
            for wait in _waits():
                others = [one for one in self._generations().building if one != name]
                with suppress(NotFoundError):
                    self._change({"add": {"index": name, "alias": self._building}}, *map(_removal, others))
                    if self._generations().building == (name,):
                        return OpenSearchIndex(self._server, self._clock, rebuilding=name)
                if name not in self._generations().every:
                    break
                time.sleep(wait)
        raise Conflict("Another rebuild of the index has begun.")

    def finish_rebuild(self) -> None:
        """Raises `Conflict` where another rebuild has begun since."""
        name = self._rebuilding
        if not name:
            raise Conflict(rebuilds.NONE_BEGAN)
        with translated(self._server):
            for wait in _waits():
                if self._is_swapped_in(name):
                    self._rebuilding = ""
                    return
                time.sleep(wait)
        raise Unavailable("The search index is being swapped again and again.")

    def _is_swapped_in(self, name: str) -> bool:
        found = self._generations()
        # It may be already, where the answer to a request was lost.
        if name not in found.current:
            self._require_under_way(found)
            self._client.indices.put_settings(index=name, body={"index": _REFRESH})
            self._client.indices.refresh(index=name, params={"request_timeout": _BULK_SECONDS})
            try:
                self._change(
                    {"remove": {"index": name, "alias": self._building, "must_exist": True}},
                    {"add": {"index": name, "alias": self._server.alias}},
                    {"add": {"index": name, "alias": self._alias}},
                    *(_removal(one) for one in found.every if one != name),
                )
            except NotFoundError:
                return False
        return True

    def _require_under_way(self, found: _Generations) -> None:
        if found.building != (self._rebuilding,):
            raise Conflict(rebuilds.UNDER_WAY)

    # ------------------------------------------------------------ generations

    def _generations(self) -> _Generations:
        """Ours alone: others may have indices whose names begin as ours do."""
        listed = self._client.indices.get_alias(index=f"{self._server.alias}.*")
        found = {name: known["aliases"] for name, known in listed.items() if self._is_ours(name)}
        return _Generations(
            every=tuple(found),
            current=tuple(name for name, aliases in found.items() if self._server.alias in aliases),
            building=tuple(
                name
                for name, aliases in found.items()
                if any(alias.endswith(".building") for alias in aliases)
            ),
        )

    def _is_ours(self, name: str) -> bool:
        return _GENERATION.fullmatch(name.removeprefix(self._server.alias)) is not None

    def _targets(self) -> list[str]:
        """Aliases that a batch goes to."""
        found = self._generations()
        if self._rebuilding:
            self._require_under_way(found)
            self._say_alive()
            return [self._building]
        if not found.current:
            self._create_first()
        self._require_fitting(found)
        building = [name for name in found.building if self._is_alive_or_goes(name)]
        if not all(map(self._fits, building)):
            raise rebuilds.rebuilt_elsewhere()
        return [self._alias, *([self._building] if building else [])]

    def _say_alive(self) -> None:
        now = self._clock()
        if now - self._said_alive > _SAYS_ALIVE:
            self._client.indices.put_mapping(index=self._rebuilding, body=_alive(now))
            self._said_alive = now

    def _is_alive_or_goes(self, name: str) -> bool:
        """Whether the rebuild that fills it goes on; where it does not, it is taken away."""
        with suppress(NotFoundError):
            if self._is_alive(name):
                return True
            self._change(_removal(name))
        return False

    def _is_alive(self, name: str) -> bool:
        found = self._client.indices.get_mapping(index=name)[name]["mappings"]
        said = found.get("_meta", {}).get("alive")
        return said is not None and self._clock() - datetime.fromisoformat(said) < _DEAD_AFTER

    def _require_fitting(self, found: _Generations) -> None:
        if not all(map(self._fits, found.current)):
            raise rebuilds.made_elsewhere()

    def _fits(self, name: str) -> bool:
        return name.startswith(f"{self._alias}.")

    def _create_first(self) -> None:
        # Processes that begin at once give it one name, so that there is one.
        with suppress(_AlreadyThereError):
            name = self._create("first", settings=_REFRESH, aliases={self._server.alias: {}, self._alias: {}})
            if self._generations().current != (name,):
                # A whole rebuild went by since there was none.
                self._change(_removal(name))

    def _create(
        self, unique: str, *, settings: Mapping[str, str], aliases: Mapping[str, Any] | None = None
    ) -> str:
        self._require_version()
        name = f"{self._alias}.{unique}"
        body = {
            "settings": {**query_dsl.SETTINGS, **settings},
            "mappings": {**query_dsl.MAPPINGS, **_alive(self._clock())},
            "aliases": aliases or {},
        }
        try:
            self._client.indices.create(index=name, body=body)
        except RequestError as error:
            if error.error == "resource_already_exists_exception":
                raise _AlreadyThereError from error
            raise
        return name

    def _change(self, *actions: Mapping[str, Any]) -> None:
        """All of it in one step, or nothing. Raises `NotFoundError` where an index or an alias is not there."""
        answer = self._client.indices.update_aliases(body={"actions": actions})
        if not answer["acknowledged"]:
            raise Unavailable("Not every node of OpenSearch has heard of the index's new generation.")

    # ------------------------------------------------------------ requests

    def _look_up(self, alias: str, searches: Sequence[JsonObject]) -> list[Any]:
        """The answers to several searches at once. Raises what the client does where one of them fails."""
        head = {"allow_partial_search_results": False}
        body = b"".join(b"%b\n%b\n" % (orjson.dumps(head), orjson.dumps(each)) for each in searches)
        answers: list[Any] = self._client.msearch(index=alias, body=body)["responses"]
        for status, error in ((each["status"], each["error"]) for each in answers if "error" in each):
            if status == 400:
                _LOG.warning("OpenSearch refuses a question: %s", error)
                raise Rejected("It is too much to be looked up at once.", field="q")
            raise HTTP_EXCEPTIONS.get(status, TransportError)(status, error.get("type", ""), {"error": error})
        return answers

    def _ask(self, alias: str, body: JsonObject) -> Any:
        params = {"allow_partial_search_results": "false"}
        return self._client.search(index=alias, body=orjson.dumps(body), params=params)

    def _reading(self, read: Callable[[str], R]) -> R:
        """`read` on the generation in use now; again where it was swapped out meanwhile."""
        failure: TransportError | None = None
        with translated(self._server):
            if self._rebuilding:
                self._client.indices.refresh(index=self._building)
                return read(self._building)
            for wait in _waits():
                try:
                    return read(self._alias)
                except NotFoundError:
                    self._require_or_create()
                except TransportError as error:
                    if not _may_be_swap(error):
                        raise
                    failure = error
                time.sleep(wait)
            if failure is not None:
                raise failure
        raise Unavailable("The search index is being swapped again and again.")

    def _require_or_create(self) -> None:
        found = self._generations()
        if not found.current:
            self._create_first()
        self._require_fitting(found)

    def _send(self, alias: str, entries: Mapping[int, bytes], *, at_once: bool) -> dict[int, str]:
        """Write, item by item where some fail: those that the server has no time for now are sent again. Answers why
        documents were refused, by id. Raises `_MovedError`."""
        refused: dict[int, str] = {}
        deadline = time.monotonic() + (0 if at_once else _PATIENCE)
        wait = _FIRST_WAIT
        left = entries
        while left := self._send_once(alias, left, refused, at_once=at_once):
            if time.monotonic() > deadline:
                raise Unavailable("OpenSearch has too much to do to take documents now.")
            time.sleep(wait * (1 + random()))
            wait = min(wait * 2, _LONGEST_WAIT)
        if at_once:
            self._refresh(alias)
        return refused

    def _refresh(self, alias: str) -> None:
        # Apart, since a bulk request whose documents are all there already refreshes nothing.
        try:
            self._client.indices.refresh(index=alias)
        except NotFoundError as error:
            raise _MovedError from error

    def _send_once(
        self, alias: str, entries: Mapping[int, bytes], refused: dict[int, str], *, at_once: bool
    ) -> Mapping[int, bytes]:
        """What is to be sent again."""
        try:
            answer = self._client.bulk(
                body=b"".join(entries.values()),
                index=alias,
                params={
                    "require_alias": "true",
                    "filter_path": "errors,items.index._id,items.index.status,items.index.error",
                    "request_timeout": None if at_once else _BULK_SECONDS,
                },
            )
        except TransportError as error:
            if error.status_code == 429:
                return entries
            if "no write index" in str(error):
                raise _MovedError from error
            raise
        if not answer["errors"]:
            return {}
        again = {}
        for item in (each["index"] for each in answer["items"]):
            number, status, why = int(item["_id"]), item["status"], item.get("error", {})
            if status in _FINE or status == _STALE:
                continue
            if status == 404:
                raise _MovedError
            if "disk usage exceeded" in why.get("reason", ""):
                raise OutOfSpace("No room left for the search index on the server of OpenSearch.")
            if status in _BUSY:
                again[number] = entries[number]
            elif status == 400:
                refused[number] = reason(why)
            else:
                raise Unavailable(f"OpenSearch takes no documents: {reason(why)}")
        return again


class _AlreadyThereError(Exception):
    """There is an index of that name."""


def _alive(now: datetime) -> JsonObject:
    """Part of the mapping of a generation that is being filled."""
    return {"_meta": {"alive": now.isoformat()}}


def _removal(name: str) -> Mapping[str, Any]:
    return {"remove_index": {"index": name}}


def _waits() -> Iterator[float]:
    """Seconds between tries where somebody else was faster."""
    return (0.02 * 2**nth * (1 + random()) for nth in range(_TRIES))


def _may_be_swap(error: TransportError) -> bool:
    """Whether an answer may come from an index that was deleted while it was searched."""
    return isinstance(error.status_code, int) and error.status_code >= 500


def _chunks(entries: Sequence[Entry]) -> Iterator[dict[int, bytes]]:
    """Lines of bulk requests of bounded size, by id."""
    chunk: dict[int, bytes] = {}
    size = 0
    for one in entries:
        lines = _lines(one)
        if chunk and size + len(lines) > _BULK_BYTES:
            yield chunk
            chunk, size = {}, 0
        chunk[one.id] = lines
        size += len(lines)
    yield chunk


def _release(number: str) -> tuple[int, ...]:
    """Major and minor of `3.8.0-SNAPSHOT`."""
    return tuple(int(part) for part in re.findall("[0-9]+", number)[:2])


def _lines(entry: Entry) -> bytes:
    action = b'{"index":{"_id":"%d","version":%d,"version_type":"external"}}\n' % (entry.id, entry.version)
    return b"%b%b\n" % (action, orjson.dumps(query_dsl.source(entry)))
