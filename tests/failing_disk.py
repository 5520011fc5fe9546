"""A disk that is full, or breaks, in the middle."""

from __future__ import annotations

import os

from pipeline.store.disk import Disk


class FailingDisk(Disk):
    """Fails with an error's `number` once `room` bytes were written."""

    def __init__(self, room: int, number: int) -> None:
        self._room = room
        self._number = number

    def write(self, descriptor: int, block: bytes | memoryview) -> None:
        self._room -= len(block)
        if self._room < 0:
            raise OSError(self._number, os.strerror(self._number))
        super().write(descriptor, block)
