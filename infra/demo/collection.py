"""The sample collection of the demo: two dozen records of many sciences, some 340 files, one of them of
300 MB, and one of each thing that goes wrong. The same to the byte wherever and whenever it is made (with one
version of pyarrow, whose name stands in Parquet files).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from infra.demo.on_purpose import ODDITIES
from infra.demo.samples import RECORDS, checksum_file

if TYPE_CHECKING:
    from infra.demo.samples import Files

BULK_BYTES = 300_000_000
"""Size of the one large file."""

_BULK_RECORD, _BULK_FILE = "seismic-array-continuous", "waveforms/2021-03-04.dat"
_DECLARED = {"glacier-mass-balance-rhone": "md5", "north-sea-tide-gauges": "sha256"}
_DESCRIPTIONS = Path(__file__).with_name("descriptions")
_MODIFIED_NS = 1_614_834_368 * 10**9
_BLOCK = 1 << 20


def make_collection(directory: Path, *, bulk_bytes: int = BULK_BYTES) -> None:
    """Make the collection as `directory`, which must not be there yet: a folder for each record, with its
    description in `record.json`. It appears whole or not at all. Raises `OSError` where that fails."""
    partial = directory.with_name(directory.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    for key, make_files in RECORDS.items():
        files = make_files(Random(key))
        if key in _DECLARED:
            files[f"checksums.{_DECLARED[key]}"] = checksum_file(_DECLARED[key], files)
        _write_record(partial, key, files)
    for key, oddity in ODDITIES.items():
        _write_record(partial, key, oddity.files(Random(key)))
        for name, target in oddity.links.items():
            (partial / key / name).symlink_to(target)
    _write_bulk(partial / _BULK_RECORD / _BULK_FILE, bulk_bytes)
    _fix_times(partial)
    partial.rename(directory)


def _write_record(collection: Path, key: str, files: Files) -> None:
    description = (_DESCRIPTIONS / f"{key}.json").read_bytes()
    for name, content in {"record.json": description, **files}.items():
        path = collection / key / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _write_bulk(path: Path, size: int) -> None:
    # SHAKE gives bytes that do not compress and repeat nowhere, faster than Python's own generator.
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        for start in range(0, size, _BLOCK):
            file.write(hashlib.shake_128(b"waveform %d" % start).digest(min(_BLOCK, size - start)))


def _fix_times(collection: Path) -> None:
    for path in [collection, *collection.rglob("*")]:
        os.utime(path, ns=(_MODIFIED_NS, _MODIFIED_NS), follow_symlinks=False)
