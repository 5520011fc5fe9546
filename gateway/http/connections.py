"""Connections of the HTTP server: h11 reads all of it that can be misunderstood, and large bodies pass it by.

Of a body whose length was declared, the middle needs no parser, which would copy it four times in small pieces: bytes
are counted, and go to the application as they came. What the head says, and how the body ends, is h11's to tell. Once
an application has taken a MiB of one, the system writes the rest into a buffer that is used again and again.
"""

import asyncio

import h11
from h11._readers import ContentLengthReader
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.h11_impl import H11Protocol

_BUFFER = 1 << 20
_MOST_BUFFERS = 8
"""Of a process: those that send fast end soon, and what comes beyond is read piece by piece."""


class Connection(H11Protocol):
    """A connection, as long as each piece is read into memory of its own."""

    def data_received(self, data: bytes) -> None:
        if not self._passes_by(data):
            super().data_received(data)
            return
        if self.cycle.body:
            self.cycle.body += data
        else:
            # What takes it makes bytes of it.
            self.cycle.body = data  # type: ignore[assignment]
        if len(self.cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        self._buffer_what_comes()
        self.cycle.message_event.set()

    def _passes_by(self, data: bytes) -> bool:
        """Whether they are of the body of a request that is still to be answered, and not its end. Then they count as
        read."""
        # Until the first piece of the body has come, the client may be waiting to be asked for it.
        if self.conn.they_are_waiting_for_100_continue or self.conn.trailing_data != (b"", False):
            return False
        reader = body_reader(self.conn)
        if reader is None or reader._remaining <= len(data):
            return False
        reader._remaining -= len(data)
        return True

    def _buffer_what_comes(self) -> None:
        """Once the application has taken a MiB."""
        reader, untaken = body_reader(self.conn), len(self.cycle.body)
        if reader is None or untaken > _BUFFER or reader._remaining < 2 * _BUFFER:
            return
        if reader._length - reader._remaining - untaken >= _BUFFER and _Buffered.number < _MOST_BUFFERS:
            self.transport.set_protocol(_Buffered(self, reader))


def body_reader(conn: h11.Connection) -> ContentLengthReader | None:
    """What counts the body of a request that is still to be answered, if its length was declared."""
    is_awaited = (conn.our_state, conn.their_state) == (h11.SEND_RESPONSE, h11.SEND_BODY)
    return conn._reader if is_awaited and isinstance(conn._reader, ContentLengthReader) else None


class _Buffered(asyncio.BufferedProtocol):
    """A connection in the middle of a large body."""

    number = 0
    """How many there are in this process, which has one event loop."""

    def __init__(self, connection: Connection, reader: ContentLengthReader) -> None:
        _Buffered.number += 1
        self._connection = connection
        self._reader = reader
        self._buffer = memoryview(bytearray(_BUFFER))
        untaken = connection.cycle.body
        self._buffer[: len(untaken)] = untaken
        self._came = self._buffer[: len(untaken)]
        """What the application has not taken; the cycle has something else once it has."""
        self._offer()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        # Where there is no room and yet more is read, the request was answered: nobody will take what is there.
        if self._connection.cycle.body is not self._came or len(self._came) == _BUFFER:
            self._came = self._buffer[:0]
        # Never up to the end: that is h11's.
        return self._buffer[len(self._came) :][: self._reader._remaining - 1]

    def buffer_updated(self, nbytes: int) -> None:
        connection, start = self._connection, len(self._came)
        if body_reader(connection.conn) is not self._reader:
            # Answered meanwhile: what still comes is not taken.
            piece = bytes(self._buffer[start : start + nbytes])
            self._end()
            connection.data_received(piece)
            return
        self._reader._remaining -= nbytes
        self._came = self._buffer[: start + nbytes]
        self._offer()
        if len(self._came) == _BUFFER:
            # As soon as it is taken, there is room again.
            connection.flow.pause_reading()
        if self._reader._remaining <= _BUFFER:
            self._end()
        connection.cycle.message_event.set()

    def _offer(self) -> None:
        # What takes it makes bytes of it.
        self._connection.cycle.body = self._came  # type: ignore[assignment]

    def _end(self) -> None:
        """Give the connection back, which appends to what was not taken."""
        self._connection.cycle.body = bytearray(self._connection.cycle.body)
        self._connection.transport.set_protocol(self._connection)
        _Buffered.number -= 1

    # All else is as it was.

    def eof_received(self) -> None:
        self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        _Buffered.number -= 1
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()
