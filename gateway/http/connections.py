"""Connections of the HTTP server: h11 reads all of it that can be misunderstood, and large bodies pass it by."""

import h11
from h11._readers import ContentLengthReader
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.h11_impl import H11Protocol


class Connection(H11Protocol):
    """Of a body whose length was declared, bytes in the middle need no parser, which copies them four times: they are
    counted, and go to the application as they came. What the head says, and how the body ends, is h11's to tell."""

    def data_received(self, data: bytes) -> None:
        if not self._are_of_the_body(data):
            super().data_received(data)
            return
        if self.cycle.body:
            self.cycle.body += data
        else:
            self.cycle.body = data  # type: ignore[assignment] # what takes it makes bytes of it
        if len(self.cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        self.cycle.message_event.set()

    def _are_of_the_body(self, data: bytes) -> bool:
        """Whether they are of the body of a request that is still being answered, and not its end. Then they count as
        read."""
        conn = self.conn
        if (conn.our_state, conn.their_state) != (h11.SEND_RESPONSE, h11.SEND_BODY):
            return False
        # Until the first piece of the body has come, the client may be waiting to be asked for it.
        if conn.they_are_waiting_for_100_continue or conn.trailing_data != (b"", False):
            return False
        reader = conn._reader
        if not isinstance(reader, ContentLengthReader) or reader._remaining <= len(data):
            return False
        reader._remaining -= len(data)
        return True
