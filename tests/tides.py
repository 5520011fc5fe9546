"""A collection of two sound records, as a folder tree, and what tests of accessions do to it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipeline.model import JsonObject
from tests.instance import write_record

TIDES = {"readings.csv": b"time,level\n0,1.2\n", "raw/gauge.bin": bytes(range(256)) * 40}
"""The files of the record `harbour`."""


def write_tides(top: Path) -> Path:
    """Two sound records, `harbour` and `lighthouse`; once published they have the ids 2 and 4."""
    write_record(top / "harbour", TIDES)
    write_record(top / "lighthouse", {"notes.txt": b"calm\n"})
    return top


def ids(document: JsonObject) -> list[int]:
    """Of the records that a run published."""
    return [one["id"] for one in document["records"]]


def spoil(source: Path) -> None:
    """Of the record `harbour`, declare a digest that its readings do not have."""
    _declare(source / "harbour", "readings.csv", hashlib.sha256(b"other").hexdigest())


def mend(source: Path) -> None:
    """Declare the digest that they have."""
    _declare(source / "harbour", "readings.csv", hashlib.sha256(TIDES["readings.csv"]).hexdigest())


def _declare(folder: Path, name: str, digest: str) -> None:
    """Put a checksum file beside a record's data."""
    (folder / "SHA256SUMS").write_text(f"{digest}  {name}\n", encoding="utf-8")
