"""Connections of the HTTP server: h11 reads all of it that can be misunderstood, and large bodies pass it by.

Of a body whose length was declared, the middle needs no parser, which would copy it four times in small pieces: bytes
are counted, and go to the application as they came. What the head says, and how the body ends, is h11's to tell. Of a
large body the middle needs no event loop either: it is lent to the thread that takes it, which reads the socket itself,
into memory of its own. (TLS is a proxy's: what the socket has is the body.)
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import cast

import h11
from fastapi import Request
from h11._readers import ContentLengthReader
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline import refusals
from pipeline.errors import Rejected

SILENCE = 120.0
"""Seconds that a client may send nothing."""
_LARGE = 1 << 20
"""Bytes of a body that are still to come, from which on they are worth being lent."""
_WORTH = 256 << 10
"""Bytes that are worth waking a thread for: they lie in the system meanwhile, which wants them for its window anyway.
Of more, some would be out of the processor's caches when they are read."""
_LOOK = 1.0
"""Seconds from one look to the next whether somebody who is waited for is wanted any more."""
_CONNECTION = "headrace.connection"
"""What a request's scope calls its connection, where that may lend."""


class Connection(H11Protocol):
    """A connection. While `_loan` is there, a thread reads it, and nobody else."""

    _loan: Loan | None = None

    def data_received(self, data: bytes) -> None:
        if self._loan is not None:
            # Somebody had the event loop read all the same: the thread will never have all of the body.
            self._loan.end()
            self.transport.abort()
        elif not self._passes_by(data):
            super().data_received(data)
        else:
            self.cycle.body += data
            if len(self.cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            self.cycle.message_event.set()

    def handle_events(self) -> None:
        super().handle_events()
        reader = body_reader(self.conn)
        if reader is not None and reader._remaining > _LARGE:
            # Before the application begins, which is a task by now.
            cast("dict[str, object]", self.scope)[_CONNECTION] = self

    def _passes_by(self, data: bytes) -> bool:
        """Whether they are of the middle of a body. Then they count as read."""
        reader = self._in_the_middle()
        if reader is None or reader._remaining <= len(data):
            return False
        reader._remaining -= len(data)
        return True

    def _in_the_middle(self) -> ContentLengthReader | None:
        """What counts the body of a request that is still to be answered, if h11 holds nothing of it."""
        # Until the first piece of the body has come, the client may be waiting to be asked for it.
        if self.conn.they_are_waiting_for_100_continue or self.conn.trailing_data != (b"", False):
            return None
        return body_reader(self.conn)

    def lend(self) -> Loan | None:
        """What is still to come of the body, but for its end, which is h11's. None where that is little or cannot be
        known, the application has not taken yet what came before, or there is no descriptor left. For the event loop,
        which reads nothing until `take_back`."""
        reader = self._in_the_middle()
        if reader is None or reader._remaining <= _LARGE or self.cycle.body or self.transport.is_closing():
            return None
        try:
            descriptor = os.dup(self.transport.get_extra_info("socket").fileno())
        except OSError:
            return None
        self.flow.pause_reading()
        self._loan = Loan(socket.socket(fileno=descriptor), reader._remaining - 1)
        return self._loan

    def take_back(self) -> None:
        """End the loan, if there is one: what was read of it counts as read. For the event loop."""
        loan, self._loan = self._loan, None
        if loan is not None:
            loan.end()
            if (reader := body_reader(self.conn)) is not None:
                reader._remaining -= loan.came


def connection_of(request: Request) -> Connection | None:
    """Who may lend some of this request's body."""
    found = request.scope.get(_CONNECTION)
    return found if isinstance(found, Connection) else None


def body_reader(conn: h11.Connection) -> ContentLengthReader | None:
    """What counts the body of a request that is still to be answered, if its length was declared."""
    is_awaited = (conn.our_state, conn.their_state) == (h11.SEND_RESPONSE, h11.SEND_BODY)
    return conn._reader if is_awaited and isinstance(conn._reader, ContentLengthReader) else None


class Loan:
    """`size` bytes of a body, of which `came` were read: by one thread, from the connection's socket."""

    def __init__(self, connection: socket.socket, size: int) -> None:
        self.came = 0
        self._size = size
        self._connection = connection
        self._is_ended = False
        connection.settimeout(_LOOK)
        self._wake_for(_WORTH)

    def blocks(self, size: int) -> Iterator[bytes]:
        """All of it, in blocks of `size` bytes and a last one. Raises `Rejected` where the client goes away or falls
        silent, and once this was ended."""
        buffer = memoryview(bytearray(min(size, self._size)))
        while self.came < self._size:
            block = buffer[: self._size - self.came]
            self._fill(block)
            yield bytes(block)

    def _fill(self, block: memoryview) -> None:
        heard = time.monotonic()
        while block:
            try:
                came = self._connection.recv_into(block)
            except TimeoutError:
                if time.monotonic() - heard > SILENCE:
                    raise Rejected(f"Nothing came for {SILENCE:.0f} seconds.") from None
                # From somebody who is slow, whatever comes is taken as it does.
                self._wake_for(1)
            except OSError:
                raise refusals.transfer_failed() from None
            else:
                self._count(came)
                block = block[came:]
                heard = time.monotonic()
            if self._is_ended:
                raise refusals.transfer_failed()

    def _count(self, came: int) -> None:
        if not came:
            raise refusals.transfer_failed()
        self.came += came
        if self._size - self.came < _WORTH:
            # What is waited for may be more than will ever come.
            self._wake_for(1)

    def _wake_for(self, size: int) -> None:
        # Ended meanwhile, it is closed.
        with suppress(OSError):
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)

    def end(self) -> None:
        """No more is read. A thread that is at it hears of that as if the client had gone."""
        if not self._is_ended:
            self._is_ended = True
            self._wake_for(1)
            self._connection.close()
