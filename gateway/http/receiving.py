"""The body of a request as blocks for a thread: what sends it is held back to the pace of what takes it."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread
from fastapi import Request
from starlette.requests import ClientDisconnect

from gateway.http.connections import SILENCE, Loan, connection_of
from gateway.http.headers import whole_number
from pipeline import refusals
from pipeline.catalogue import MOST_THREADS
from pipeline.errors import Rejected, Unavailable
from pipeline.running.fan_out import STREAMS

T = TypeVar("T")

BLOCK = 1 << 20
"""Bytes that are collected before they go to the thread: a hop costs the same for one byte."""
_SMALL_BLOCK = 128 << 10
"""The same where more bodies come at once than there are cores: they have enough to do, and blocks cost memory."""
SERVING = 40
"""Threads of a gateway that do everything else."""
_AT_ONCE = (MOST_THREADS - SERVING) // 2
"""Each has another thread beside it, which renews its lease (`pipeline.ingest.transferring`)."""
_TURN = 30.0


def declared_length(request: Request) -> int | None:
    """Bytes that the body is said to have; None for one in chunks, which says only at its end how long it was (RFC 9112
    §7.1). Raises `Rejected`."""
    text = request.headers.get("content-length")
    if text is None:
        return None
    size = whole_number(text)
    if size is None:
        raise Rejected("Content-Length is not a number of bytes.")
    return size


class Receivers:
    """The threads of a gateway that take bodies; others serve everybody else."""

    def __init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(_AT_ONCE)

    async def take(self, request: Request, use: Callable[[Iterator[bytes]], T]) -> T:
        """What `use` makes of the body's blocks, in a thread. Raises `Unavailable` where too many are at it already,
        and into `use` `Rejected` where the client goes away or falls silent."""
        try:
            with anyio.fail_after(_TURN):
                await self._limiter.acquire()
        except TimeoutError:
            raise Unavailable("too many uploads at once") from None
        try:
            body = _Body(request, BLOCK if self._limiter.borrowed_tokens <= STREAMS else _SMALL_BLOCK)
            try:
                return await anyio.to_thread.run_sync(use, body.blocks(), limiter=anyio.CapacityLimiter(1))
            finally:
                body.end()
        finally:
            self._limiter.release()


class _Body:
    """`block` bytes at a time: collected by the event loop, or, of the middle of a large one, by the thread itself."""

    def __init__(self, request: Request, block: int) -> None:
        self._stream = request.stream()
        self._connection = connection_of(request)
        self._loan: Loan | None = None
        self._block = block
        self._is_over = False

    def blocks(self) -> Iterator[bytes]:
        # Most bodies are one block, behind which nothing needs to be asked for.
        while not self._is_over and (block := anyio.from_thread.run(self._next)):
            yield block
            # Of many uploads at once, each would hold a block that is done with while it waits for the next.
            del block
            if self._connection is not None and self._loan is not None:
                yield from self._loan.blocks(self._block)
                anyio.from_thread.run_sync(self._connection.take_back)
                self._loan = None

    def end(self) -> None:
        """Nobody takes any of it any more. For the event loop."""
        if self._connection is not None:
            self._connection.take_back()

    async def _next(self) -> bytes:
        """The next block; empty where nothing comes any more."""
        pieces: list[bytes] = []
        size = 0
        try:
            while size < self._block and self._loan is None:
                with anyio.fail_after(SILENCE):
                    piece = await anext(self._stream, None)
                if piece is None:
                    self._is_over = True
                    break
                pieces.append(piece)
                size += len(piece)
                if self._connection is not None:
                    self._loan = self._connection.lend()
        except ClientDisconnect:
            raise refusals.transfer_failed() from None
        except TimeoutError:
            raise Rejected(f"Nothing came for {SILENCE:.0f} seconds.") from None
        return b"".join(pieces)
