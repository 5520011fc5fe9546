"""Counts the bytes that sources hand out, over all processes of a run and however they end, without a hook in the
product.

In processes with the `environment` of a `Counter`, and in those that come of them, what a `LocalReader` hands out is
added up in a file of the process's own, mapped into memory: so the figure is there after a `kill -9`.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import uuid
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.at_import import ENVIRONMENT, when_imported

_VARIABLE = "HEADRACE_TEST_COUNT"
_NUMBER = struct.Struct("=Q")


class Counter:
    """The sum of what is counted in a folder, one file a process that read anything."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.environment: Mapping[str, str] = {**ENVIRONMENT, _VARIABLE: str(folder)}

    def bytes_read(self) -> int:
        """What all processes together were given until now."""
        return sum(_NUMBER.unpack(path.read_bytes())[0] for path in self._folder.iterdir())


def count() -> None:
    """Called in the process to be."""
    if folder := os.environ.get(_VARIABLE):
        when_imported("pipeline.ingest.sources.trees.local", lambda opening: _count_in(Path(folder), opening))


def _count_in(folder: Path, opening: ModuleType) -> None:
    tally = _Tally(folder)
    # Neither calls the other, and every other way to read goes through one of them.
    for name in ("readinto", "read"):
        setattr(opening.LocalReader, name, _counted(getattr(opening.LocalReader, name), tally))


def _counted(function: Callable[..., Any], tally: _Tally) -> Callable[..., Any]:
    @wraps(function)
    def call(*arguments: Any) -> Any:
        given = function(*arguments)
        tally.add(given if isinstance(given, int) else len(given))
        return given

    return call


class _Tally:
    """A sum of this process, in a file from the first byte on."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / uuid.uuid4().hex
        self._memory: mmap.mmap | None = None
        self._total = 0
        self._lock = threading.Lock()

    def add(self, number: int) -> None:
        with self._lock:
            if self._memory is None:
                self._memory = self._mapped()
            self._total += number
            _NUMBER.pack_into(self._memory, 0, self._total)

    def _mapped(self) -> mmap.mmap:
        # Whoever adds up meanwhile finds either no file or a whole one.
        hidden = self._path.parent.with_name(self._path.name)
        hidden.write_bytes(bytes(_NUMBER.size))
        with hidden.open("r+b") as file:
            memory = mmap.mmap(file.fileno(), _NUMBER.size)
        hidden.rename(self._path)
        return memory
