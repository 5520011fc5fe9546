"""Documents that are kept for whoever asks next, in bounded memory."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

MOST_BYTES = 32 << 20
LARGEST = 64 << 10
"""Bytes of a document that is kept: one of a record with thousands of files would drive out hundreds of others."""


class Kept:
    """Documents by all that they are made of; those that nobody has asked for longest go first. For many threads."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._room = most_bytes
        self._documents: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """The document of that key: the one that is kept, else the one that is made now. Two that ask at once may both
        make it. Raises what `make` does."""
        with self._lock:
            if key in self._documents:
                self._documents.move_to_end(key)
                return self._documents[key]
        document = make()
        if len(document) <= LARGEST:
            self._keep(key, document)
        return document

    def _keep(self, key: Hashable, document: bytes) -> None:
        with self._lock:
            if key in self._documents:
                return
            self._documents[key] = document
            self._room -= len(document)
            while self._room < 0:
                _, forgotten = self._documents.popitem(last=False)
                self._room += len(forgotten)
