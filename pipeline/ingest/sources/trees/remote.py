"""Reading a file that is elsewhere: a stream that outlives its connections, and is of one state of the file."""

from __future__ import annotations

import io
import random
import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Protocol

from pipeline.display import shown
from pipeline.errors import Unavailable
from pipeline.ingest.sources.protocol import SourceReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import WriteableBuffer

TRIES = 5
"""Connections in a row that may break without having brought `PROGRESS` bytes."""
PROGRESS = 1 << 16
SETTLE = "Ingest again when nothing writes to the source."

_SKIP = 1 << 20


class Broken(Exception):
    """A connection ended before its time, or a server had trouble of its own: another may do better."""


class Body(Protocol):
    """The bytes of one answer; `start` is where in the file the first of them stands."""

    @property
    def start(self) -> int: ...

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, as many as there are before the answer ends or breaks off; none at its end. Raises
        `Broken`."""

    def close(self) -> None: ...


class RemoteReader(SourceReader):
    """A file of known size in some state, `stamp`. Nothing is asked for before the first byte is read; then one answer
    is read to its end, unless the reader is sent elsewhere. A connection that breaks is followed by another for the
    rest."""

    def __init__(self, path: str, size: int, stamp: str, pause: Callable[[float], None] = time.sleep) -> None:
        super().__init__()
        self.size = size
        self.stamp = stamp
        self.given = 0
        self.path = path
        self._pause = pause
        self._position = 0
        self._body: Body | None = None
        self._at = 0  # where in the file the body stands
        self._tries = 0
        self._told = 0  # what was given when the last connection broke

    @abstractmethod
    def ask(self, start: int) -> Body:
        """The file from `start` (below its size) on, or from before that, in the very state that was opened. Raises
        `Broken`, `SourceChanged`, and as trees do."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(origin + offset, 0)
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        with memoryview(buffer) as given, given.cast("B") as view:
            wanted = min(len(view), self.size - self._position)
            if wanted <= 0:
                return 0
            block = self._read(wanted)
            view[: len(block)] = block
        self._position += len(block)
        return len(block)

    def close(self) -> None:
        self._drop()
        super().close()

    def _read(self, wanted: int) -> bytes:
        while True:
            try:
                return self._next(wanted)
            except Broken as broken:
                self._drop()
                brought, self._told = self.given - self._told, self.given
                self._tries = 1 if brought >= PROGRESS else self._tries + 1
                if self._tries == TRIES:
                    raise Unavailable(
                        f"{shown(self.path)} cannot be read now: {broken}",
                        remedy="See that the server is up and can be reached, then run the same command again.",
                    ) from None
                self._pause(random.uniform(0.5, 1) * 0.2 * 2**self._tries)

    def _next(self, wanted: int) -> bytes:
        """The next bytes, in one piece. Raises `Broken`, also where there are none."""
        body = self._body
        # A little further on is sooner there by reading.
        if body is None or not self._at <= self._position <= self._at + _SKIP:
            self._drop()
            body = self._body = self.ask(self._position)
            self._at = body.start
        while self._at < self._position:
            self._take(body, min(_SKIP, self._position - self._at))
        return self._take(body, wanted)

    def _take(self, body: Body, most: int) -> bytes:
        block = body.read(most)
        self._at += len(block)
        self.given += len(block)
        if not block:
            raise Broken("its bytes end too early")
        return block

    def _drop(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()
