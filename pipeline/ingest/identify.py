"""Format identification by PRONOM signatures (pygfried: siegfried with its signatures built in).

The engine takes paths only, holds the GIL while it works, hangs in a forked child, and reads a large file to
its end when no signature settles it. So it is given a *sample*: a file in memory with the
depositor's extension (plain text formats are told by it) that holds the whole of a small file, else its
beginning and end: at their own offsets, with a hole between, where a container's directory must be found;
side by side for all others. The bytes come from the one read of the source.

Identification costs more than all else that is done with a small file, and a call has a price of its own: ask for many
files at once (decision 0007).
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

import pygfried

from pipeline.model import UNIDENTIFIED, Identification

if TYPE_CHECKING:
    from pygfried import File

WHOLE = 4 << 20
HEAD = 1 << 20
TAIL = 256 << 10
_ZIP = b"PK\x03\x04"
_TOOL = f"siegfried {pygfried.version()}"

# Whoever waits for the engine waits here, not for the GIL that it holds.
_ENGINE = threading.Lock()


@dataclass(slots=True)
class Sample:
    """Collects what identification needs from the blocks of one file of `size` bytes, fed in order."""

    size: int
    head: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)
    _at: int = 0

    def go_on(self, offset: int, read: Callable[[int, int], bytes]) -> None:
        """Begin at `offset`; of what lies before it, `read(start, length)` gives what is needed."""
        self.feed(read(0, min(self._head, offset)))
        self._at = max(self._at, min(offset, self.size - TAIL))
        if self._at < offset:
            self.feed(read(self._at, offset - self._at))

    @property
    def _head(self) -> int:
        return self.size if self.size <= WHOLE else HEAD

    def feed(self, block: bytes | memoryview) -> None:
        # What a file has grown by since it was measured is nobody's: it will be rejected.
        block = block[: max(0, self.size - self._at)]
        wanted = self._head - len(self.head)
        if wanted > 0:
            self.head += block[:wanted]
        start = max(self.size - TAIL, WHOLE if self.size <= WHOLE else HEAD)
        if self._at + len(block) > start:
            self.tail += block[max(0, start - self._at) :]
        self._at += len(block)


def identify_many(files: Sequence[tuple[str, Sample]]) -> list[Identification]:
    """What formats files have, as far as their samples tell: (name, sample) of each, answers in the same order. All
    samples are in memory twice meanwhile."""
    answers = [Identification(puid="", warning="empty file", tool=_TOOL)] * len(files)
    paths: dict[int, str] = {}
    with ExitStack() as stack:
        for number, (name, sample) in enumerate(files):
            if sample.head:
                try:
                    paths[number] = stack.enter_context(_shown_to_engine(name, sample))
                except OSError as error:
                    answers[number] = _not_identified(error)
        for number, answer in zip(paths, _ask(list(paths.values())), strict=True):
            answers[number] = answer
    return answers


def _not_identified(reason: object) -> Identification:
    # No room for the sample, or the engine's own trouble: no reason to refuse the file.
    return Identification(puid="", warning=f"not identified: {reason}", tool=_TOOL)


@contextmanager
def _shown_to_engine(name: str, sample: Sample) -> Iterator[str]:
    """The sample as a file in memory; its path."""
    suffix = PurePosixPath(name).suffix
    is_usable = suffix.isascii() and suffix[1:].isalnum() and len(suffix) < 20
    with tempfile.NamedTemporaryFile(
        dir=_memory(), prefix="headrace-", suffix=suffix if is_usable else ""
    ) as file:
        _fill(file.file, sample)
        yield file.name


def _memory() -> Path | None:
    shared = Path("/dev/shm")  # noqa: S108 - the file has a random name and is made exclusively
    return shared if shared.is_dir() and os.access(shared, os.W_OK) else None


def _fill(file: IO[bytes], sample: Sample) -> None:
    file.write(sample.head)
    if sample.tail and sample.head.startswith(_ZIP):
        file.seek(sample.size - len(sample.tail))
    file.write(sample.tail)
    file.flush()


def _ask(paths: Sequence[str]) -> list[Identification]:
    if not paths:
        return []
    try:
        with _ENGINE:
            answer = pygfried.identify_many(paths)
    except OSError as error:
        return [_not_identified(error)] * len(paths)
    # Not by position: nothing promises that answers come in the order of questions.
    found = {one["filename"]: one for one in answer["files"]}
    return [_read(found[path]) for path in paths]


def _read(found: File) -> Identification:
    matches = found.get("matches") or []
    if not matches:
        return UNIDENTIFIED
    match = matches[0]
    puid = match.get("id", "")
    return Identification(
        puid="" if puid == "UNKNOWN" else puid,
        format=match.get("format", ""),
        version=match.get("version", ""),
        mime=match.get("mime", ""),
        basis=match.get("basis", ""),
        warning=match.get("warning", ""),
        tool=_TOOL,
    )
