"""An upload whose commit was not heard of: its object is there, and the ledger does not know.

The process died between the commit and its report, or the store's answer was lost. Reading all of a large file again
for that would be a waste at the source, so the object is read instead, and believed as far as the ledger bears it out;
what the ledger does not reach is compared with the source, or with what a client sends again.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

import xxhash

from pipeline.errors import Missing, SourceChanged
from pipeline.model import Part, PartLedger
from pipeline.ports import ObjectStore
from pipeline.store.transfer import before_checkpoint


class CommittedUpload:
    """The object under `key`, as an `Upload` that has come to the ledger's checkpoint. What is written is compared with
    the object's bytes."""

    def __init__(self, store: ObjectStore, key: str, ledger: PartLedger) -> None:
        self.id = ledger.upload_id
        self.part_size = ledger.part_size
        self.offset = ledger.offset
        self._store = store
        self._key = key
        self._ledger = ledger
        self._blocks: Iterator[bytes] = store.read(key, ledger.offset)
        self._left = memoryview(b"")
        self._is_committed = False

    def write(self, block: bytes | memoryview) -> None:
        """Raises `SourceChanged` where the object has other bytes."""
        view = memoryview(block)
        while view:
            self._left = self._left or memoryview(next(self._blocks, b""))
            number = min(len(view), len(self._left))
            if number == 0 or view[:number] != self._left[:number]:
                raise SourceChanged(f"{self._key} in the store is not what the source has now")
            view, self._left = view[number:], self._left[number:]

    def parts(self) -> Sequence[Part]:
        return self._ledger.parts

    def commit(self) -> None:
        """End what there may be of uploads that were begun after the commit that nobody heard of."""
        for upload in self._store.open_uploads(self._key.rpartition("/")[0]):
            if upload.key == self._key:
                self._store.end_upload(upload)
        self._is_committed = True
        self.leave()

    def abort(self) -> None:
        if not self._is_committed:
            self._store.delete(self._key)

    def leave(self) -> None:
        self._left = memoryview(b"")
        if isinstance(self._blocks, Generator):
            # Its connection is given up now, not when somebody collects it, who may keep the error that ended this.
            self._blocks.close()


def find_committed(store: ObjectStore, key: str, size: int, ledger: PartLedger) -> CommittedUpload | None:
    """The object of `size` bytes under `key`, if up to the ledger's checkpoint it is the ledger's parts."""
    if ledger.offset == 0:
        return None
    try:
        is_there = store.size(key) == size and _bears_out(store, key, ledger)
    except Missing:
        return None
    return CommittedUpload(store, key, ledger) if is_there else None


def _bears_out(store: ObjectStore, key: str, ledger: PartLedger) -> bool:
    start = 0
    for number, part in enumerate(before_checkpoint(ledger), 1):
        if part.number != number or _xxh3(store, key, start, part.size) != part.xxh3:
            return False
        start += part.size
    return start == ledger.offset


def _xxh3(store: ObjectStore, key: str, start: int, size: int) -> str:
    running = xxhash.xxh3_128()
    for block in store.read(key, start, size):
        running.update(block)
    return running.hexdigest()
