"""Documents and whole answers that are kept for whoever asks next, in bounded memory."""

import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeAlias, TypeVar

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.access import Viewer
from pipeline.catalogue import records
from pipeline.model import Record
from pipeline.services import Services

MOST_BYTES = 24 << 20
_MOST_ANSWERS = 8 << 20
_LONGEST_ACCEPT = 256
LARGEST = 64 << 10
"""Bytes of a document that is kept: one of a record with thousands of files would drive out hundreds of others."""

_FASTEST, _RAW, _WINDOW = 1, -15, 32 << 10
"""How documents are packed: the level of zlib, its format without a header, and how far it looks back."""
_BESIDE = 350
"""Bytes that a document takes besides its own: its key, and its place among the others."""

T = TypeVar("T")

# ---------------------------------------------------------------- documents


class Kept(Generic[T]):
    """Documents by all that they are made of; those that nobody has asked for longest go first. For many threads."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._room = most_bytes
        self._documents: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, key: Hashable) -> T | None:
        """The document of that key, where it is kept."""
        with self._lock:
            if key not in self._documents:
                return None
            self._documents.move_to_end(key)
            return self._documents[key][0]

    def keep(self, key: Hashable, document: T, size: int) -> None:
        """Keep a document of so many bytes, unless one of that key is kept, or it is too large."""
        with self._lock:
            if size > LARGEST or key in self._documents:
                return
            self._documents[key] = document, size
            self._room -= size
            while self._room < 0:
                _, (_, freed) = self._documents.popitem(last=False)
                self._room += freed

    def forget(self, key: Hashable) -> None:
        """Another document of that key may be kept from now on."""
        with self._lock:
            _, freed = self._documents.pop(key, (None, 0))
            self._room += freed


class Documents:
    """Kept documents that are much alike: of each there is only what it has other than the first, which is a sixth of a
    hit of search. For many threads."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._packed = Kept[bytes](most_bytes)
        self._first = b""
        self._lock = threading.Lock()

    def find(self, key: Hashable) -> bytes | None:
        """The document of that key, where it is kept."""
        packed = self._packed.find(key)
        return None if packed is None else zlib.decompressobj(_RAW, self._first).decompress(packed)

    def keep(self, key: Hashable, document: bytes) -> None:
        """Keep a document, unless one of that key is kept, or it has more than `LARGEST` bytes, or takes more."""
        if len(document) > LARGEST or self._packed.find(key) is not None:
            return  # before it is packed, which is what costs
        with self._lock:
            # Whatever was packed can be read with this one only: it stays.
            self._first = self._first or document[-_WINDOW:]
        packing = zlib.compressobj(_FASTEST, wbits=_RAW, zdict=self._first)
        packed = packing.compress(document) + packing.flush()
        self._packed.keep(key, packed, len(packed) + _BESIDE)


def get(kept: Documents, key: Hashable, make: Callable[[], bytes]) -> bytes:
    """The document of that key: the one that is kept, else the one that is made now. Two that ask at once may both make
    it. Raises what `make` does."""
    found = kept.find(key)
    if found is not None:
        return found
    document = make()
    kept.keep(key, document)
    return document


# ---------------------------------------------------------------- answers

_FOR_ALL = "headrace.for-all"  # where in the ASGI scope it is said that the answer is every stranger's
_TELLING = frozenset(
    {b"authorization", b"cookie", b"if-match", b"if-modified-since", b"if-none-match", b"range"}
)
"""Headers that make a request somebody's own, or one for less than the whole."""

_Address: TypeAlias = tuple[bytes, bytes]
_State: TypeAlias = tuple[int, date]


@dataclass(slots=True)
class _Answer:
    """`state` is what it was last known to be right in, `change` the record that alone is shown, and its `change`."""

    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    route: object
    change: tuple[int, int] | None
    state: _State


def keep_for_strangers(request: Request, viewer: Viewer, *, shows: Record | None = None) -> None:
    """The answer, where it is a whole one to a stranger, is what all strangers are answered, for as long as neither the
    catalogue nor the day changes: nothing else goes into it but the address and the format that is asked for. Where it
    is made of nothing that the catalogue has but what the `change` of a published record is the mark of, as long as
    neither that nor the day changes."""
    if viewer.is_stranger:
        request.scope[_FOR_ALL] = None if shows is None else (shows.id, shows.change)


class KeptAnswers:
    """Gives strangers the answer that the last of them was given (`keep_for_strangers`). Whatever one may see, and
    whatever is seen, is in the catalogue. When anybody has committed anything to it, answers are as good as forgotten,
    those that show a single record only if that is another by then; where the catalogue cannot tell that without being
    asked for it, none is kept. To be used by one thread."""

    def __init__(self, app: ASGIApp, *, services: Services) -> None:
        self._app = app
        self._services = services
        self._answers = Kept[_Answer](_MOST_ANSWERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = _address(scope)
        # Before the answer is begun: what is committed meanwhile may be in it or not.
        state = self._state() if address else None
        if address is None or state is None:
            await self._app(scope, receive, send)
            return
        found = self._answers.find(address)
        if found is not None and self._holds(found, state):
            scope["route"] = found.route
            await send({"type": "http.response.start", "status": 200, "headers": list(found.headers)})
            await send({"type": "http.response.body", "body": found.body})
            return
        self._answers.forget(address)
        headers: tuple[tuple[bytes, bytes], ...] = ()

        async def noting(message: Message) -> None:
            nonlocal headers
            if message["type"] == "http.response.start":
                headers = tuple(message["headers"]) if message["status"] == 200 else ()
            elif headers and _FOR_ALL in scope and not message.get("more_body"):
                answer = _Answer(headers, message["body"], scope.get("route"), scope[_FOR_ALL], state)
                self._answers.keep(address, answer, _size(address, answer))
            await send(message)

        await self._app(scope, receive, noting)

    def _state(self) -> _State | None:
        """What answers are made of that are begun now."""
        state = self._services.catalogue.state()
        return None if state is None else (state, self._services.now().date())

    def _holds(self, answer: _Answer, state: _State) -> bool:
        """Whether the answer is right in a state that was asked for just now."""
        if answer.state == state:
            return True
        if answer.change is None or answer.state[1] != state[1]:
            return False
        record_id, change = answer.change
        if records.change_at_a_glance(self._services.catalogue, record_id) != change:
            return False
        # Whatever was committed since the state was asked for makes for another one.
        answer.state = state
        return True


def _size(address: _Address, answer: _Answer) -> int:
    """Bytes of all that is kept with an answer."""
    told = sum(len(name) + len(value) for name, value in answer.headers)
    return sum(map(len, address)) + told + len(answer.body)


def _address(scope: Scope) -> _Address | None:
    """(path, Accept) of a request whose answer may be kept. Addresses with a query are as many as anybody likes, and so
    are longer headers than browsers and libraries send."""
    if scope["type"] != "http" or scope["method"] != "GET" or scope["query_string"]:
        return None
    accept = b""
    for name, value in scope["headers"]:
        if name in _TELLING:
            return None
        if name == b"accept":
            accept += value + b","
    return (scope["raw_path"], accept) if len(accept) <= _LONGEST_ACCEPT else None
