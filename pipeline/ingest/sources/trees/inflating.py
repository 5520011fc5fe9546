"""A deflated stream that is read from any offset: the decompressor's state is kept at points along the way, so that
going back costs no more than the way from the last of them."""

from __future__ import annotations

import zlib
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.ingest.sources.protocol import FileUnreadable

if TYPE_CHECKING:
    from typing import Any

    from pipeline.ingest.sources.protocol import SourceReader

RAW, GZIP = -15, 31
"""What is around the deflated bytes: nothing, or gzip's headers and trailers (RFC 1952)."""

_BLOCK = 64 << 10
_POINTS = 1024
_LEAST_APART = 1 << 20  # compressed bytes: a point holds some 42 KB, the window and tables of zlib
_GZIP_MAGIC = b"\x1f\x8b"
_COPY_AGAIN = "Copy the archive again from where it was made, or make it anew."


@dataclass(frozen=True, slots=True)
class _Point:
    """A state of the decompressor after `fed` compressed bytes had become `at` bytes."""

    at: int
    fed: int
    state: Any


class Inflated:
    """The stream in an archive's bytes from `start` on, `length` of them, wrapped as `kind` says; gzip's may be several
    one after the other. Holds the archive open at no time: who reads brings it. Not to be used by two threads at once.

    Reading raises `FileUnreadable` where the bytes are no such stream, where gzip's checksum is another, and where the
    stream ends too early."""

    def __init__(self, start: int, length: int, kind: int) -> None:
        self._start, self._length, self._kind = start, length, kind
        self._apart = max(_LEAST_APART, length // _POINTS)
        self._points = [_Point(0, 0, zlib.decompressobj(kind))]
        self._go_to(self._points[0])

    def read_into(self, archive: SourceReader, offset: int, buffer: memoryview) -> int:
        """Fill the buffer with what stands at `offset`, as far as the stream goes; how many bytes that were."""
        point = self._points[bisect_right(self._points, offset, key=lambda point: point.at) - 1]
        if not point.at <= self._at <= offset:
            self._go_to(point)
        while self._at < offset:
            if not self._inflated(archive, min(offset - self._at, 1 << 20)):
                return 0
        filled = 0
        while filled < len(buffer) and (block := self._inflated(archive, len(buffer) - filled)):
            buffer[filled : filled + len(block)] = block
            filled += len(block)
        return filled

    def _go_to(self, point: _Point) -> None:
        self._at, self._fed = point.at, point.fed
        self._state, self._left, self._is_over = point.state.copy(), b"", False

    def _inflated(self, archive: SourceReader, most: int) -> bytes:
        """The next bytes, `most` at most; none at the end."""
        while not self._is_over:
            self._feed(archive)
            is_last = not self._left
            try:
                block: bytes = self._state.decompress(self._left, most)
            except zlib.error as error:
                raise FileUnreadable(
                    f"the compressed bytes are damaged ({error})", remedy=_COPY_AGAIN
                ) from error
            self._left = self._state.unconsumed_tail
            self._at += len(block)
            if self._state.eof:
                self._end_stream(archive)
            elif is_last and not block:
                raise FileUnreadable("the compressed bytes end too early", remedy=_COPY_AGAIN)
            if block:
                return block
        return b""

    def _feed(self, archive: SourceReader) -> None:
        if self._left or self._fed == self._length:
            return
        if self._fed - self._points[-1].fed >= self._apart:
            self._points.append(_Point(self._at, self._fed, self._state.copy()))
        self._left = archive.read_at(self._start + self._fed, min(_BLOCK, self._length - self._fed))
        self._fed += len(self._left)

    def _end_stream(self, archive: SourceReader) -> None:
        if self._kind == RAW:
            self._is_over = True
            return
        # Where it was written to tape, zeros fill the last block.
        self._left = self._state.unused_data.lstrip(b"\0")
        while not self._left and self._fed < self._length:
            block = archive.read_at(self._start + self._fed, min(_BLOCK, self._length - self._fed))
            if not block:
                break
            self._fed += len(block)
            self._left = block.lstrip(b"\0")
        if not self._left:
            self._is_over = True
        elif _GZIP_MAGIC.startswith(self._left[:2]):
            self._state = zlib.decompressobj(GZIP)
        else:
            raise FileUnreadable("something else follows the compressed bytes", remedy=_COPY_AGAIN)
