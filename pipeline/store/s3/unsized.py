"""An object whose size nobody knows before its end: S3 wants the length of a part before its first byte, so the bytes
of each are collected before it is sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline.errors import Rejected
from pipeline.model import Part
from pipeline.store.s3.bucket import Bucket
from pipeline.store.s3.buffers import Budget
from pipeline.store.s3.uploads import MultipartUpload
from pipeline.store.s3.wire import Target
from pipeline.store.transfer import IN_PARTS_FROM, MOST_PARTS

COLLECTED_PART = IN_PARTS_FROM
"""Bytes of every part but the last: what is smaller goes in one piece. Memory decides here, and with 10,000 parts an
object comes to 78 GiB; a larger one has to tell its size."""


class UnsizedUpload:
    """An object that goes in one piece at `commit` where it turns out to be small, else in parts. `begin` begins those
    when the first is full; `under_way` is what was begun before and is gone on with."""

    part_size = COLLECTED_PART

    def __init__(
        self,
        bucket: Bucket,
        name: str,
        budget: Budget,
        begin: Callable[[], MultipartUpload],
        under_way: MultipartUpload | None,
    ) -> None:
        self.id = under_way.id if under_way else ""
        self.offset = under_way.offset if under_way else 0
        self._bucket = bucket
        self._name = name
        self._budget = budget
        self._begin = begin
        self._parts = under_way
        self._position = self.offset
        self._collected = bytearray()
        self._holds = False

    def write(self, block: bytes | memoryview) -> None:
        view = memoryview(block).cast("B")
        while view:
            self._hold()
            piece = view[: self.part_size - len(self._collected)]
            self._collected += piece
            self._position += len(piece)
            view = view[len(piece) :]
            if len(self._collected) == self.part_size:
                self._send_part()

    def _hold(self) -> None:
        # All of a part's memory at once: of many that each hold a piece of theirs, none might ever come to send it.
        if not self._holds:
            self._budget.take(self.part_size)
            self._holds = True

    def _let_go(self) -> None:
        self._collected = bytearray()
        if self._holds:
            self._holds = False
            self._budget.give(self.part_size)

    def _send_part(self) -> None:
        if self._position > MOST_PARTS * self.part_size:
            raise Rejected(
                f"{MOST_PARTS * self.part_size:,} bytes came, and no end of them",
                remedy="send the file with its size as Content-Length",
            )
        if self._parts is None:
            self._parts = self._begin()
            self.id = self._parts.id
        self._parts.write(self._collected)
        self._let_go()

    def parts(self) -> Sequence[Part]:
        return self._parts.parts() if self._parts else ()

    def commit(self) -> None:
        if self._parts is None:
            checksum = self._bucket.abilities().checksum
            self._bucket.wire.put(Target(self._name), self._collected, checksum)
        else:
            self._parts.close_plan(self._position)
            self._parts.write(self._collected)
            self._parts.commit()
        self._let_go()

    def abort(self) -> None:
        self._let_go()
        if self._parts is not None:
            self._parts.abort()

    def leave(self) -> None:
        """What was not yet a part is lost."""
        self._let_go()
        if self._parts is not None:
            self._parts.leave()
