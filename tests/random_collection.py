"""Collections of any size, the same bytes for the same seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.instance import write_record

MIB = 1 << 20

_FILES_A_RECORD = 50
_SMALL = (4 << 10, 64 << 10)


@dataclass(frozen=True, slots=True)
class Collection:
    """`size` is the bytes of all payload files, `documents` those of the descriptions."""

    folder: Path
    records: int
    files: int
    size: int
    documents: int


def make_collection(folder: Path, seed: int, *, large: Sequence[int], small: int) -> Collection:
    """A collection of large files of those sizes in bytes, one a record, and so many of 4 to 64 KiB, 50 a record."""
    draw = random.Random(seed)
    size = 0
    for number, bytes_ in enumerate(large):
        path = write_record(folder / f"large-{number:03}", {}, title=f"Recording {number}") / "recording.bin"
        with path.open("wb") as file:
            for start in range(0, bytes_, MIB):
                file.write(draw.randbytes(min(MIB, bytes_ - start)))
        size += bytes_
    firsts = range(0, small, _FILES_A_RECORD)
    for first in firsts:
        files = {
            f"{number:06}.bin": draw.randbytes(draw.randint(*_SMALL))
            for number in range(first, min(first + _FILES_A_RECORD, small))
        }
        write_record(folder / f"small-{first:06}", files, title=f"Soundings from {first} on")
        size += sum(map(len, files.values()))
    documents = sum(path.stat().st_size for path in folder.glob("*/record.json"))
    return Collection(folder, len(large) + len(firsts), len(large) + small, size, documents)
