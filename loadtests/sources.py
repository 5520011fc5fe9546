"""What benchmarks ingest: collections that are made in a moment, and pushed out of the page cache."""

from __future__ import annotations

import json
import os
from pathlib import Path

_BLOCK = 1 << 20
_RECORD = {
    "title": "A record of the benchmark",
    "upload_type": "dataset",
    "description": "<p>Made by loadtests.bench.</p>",
    "creators": [{"name": "Bench, Mark", "affiliation": "Headrace"}],
    "publication_date": "2026-01-01",
    "access_right": "open",
    "license": "cc-by-4.0",
}


def make_large(folder: Path, files: int, mib: int) -> None:
    """Records of one file of `mib` MiB each, different in every block, without asking the system for randomness."""
    seed = os.urandom(_BLOCK)
    for number in range(files):
        _describe(folder / f"large-{number:02}")
        with (folder / f"large-{number:02}" / "data.bin").open("wb") as file:
            for block in range(mib):
                file.write((number << 32 | block).to_bytes(16, "big") + seed[16:])
            file.flush()
            os.fsync(file.fileno())


def make_small(folder: Path, files: int, per_record: int) -> None:
    """Files of 4 to 64 KiB: a quarter each of CSV, plain text, JSON and PNG images (with noise for pixels)."""
    contents = _contents()
    for number in range(files):
        record = folder / f"record-{number // per_record:05}"
        if number % per_record == 0:
            _describe(record)
        size = 4096 + number * 7919 % 61440
        suffix, begin, content = contents[number % len(contents)]
        start = number * 104729 % (1 << 16)
        body = f"{number:08}".encode() + content[start : start + size]
        (record / f"file-{number:06}.{suffix}").write_bytes((begin + body)[:size])
    os.sync()


def _contents() -> list[tuple[str, bytes, bytes]]:
    """(suffix, how a file begins, what it goes on with)."""
    rows = b"".join(
        b"%d,%d.%02d,%d\n" % (row, row * 7 % 90, row % 100, row * 31 % 1009) for row in range(12_000)
    )
    prose = b" ".join(b"Station %d was serviced on day %d." % (row % 97, row % 365) for row in range(6_000))
    objects = b",\n".join(b'{"id": %d, "depth": %d}' % (row, row * 13 % 5000) for row in range(8_000))
    png = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x01\x00\x00\x00\x01\x00\x08\x02\x00\x00\x00"
    return [
        ("csv", b"a,b,c\n", rows),
        ("txt", b"", prose),
        ("json", b"[\n", objects),
        ("png", png, os.urandom(1 << 18)),
    ]


def _describe(record: Path) -> None:
    record.mkdir(parents=True)
    (record / "record.json").write_text(json.dumps(_RECORD))


def make_cold(folder: Path) -> None:
    """Push the files out of the page cache."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
