"""A temporary database: what has to be joined or sorted and may be larger than memory."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def scratch_database(folder: Path, schema: str) -> Iterator[sqlite3.Connection]:
    """An empty database with this schema in a file below `folder`, gone afterwards. Nothing survives a
    crash, so nothing is synchronised. Tables with their sort order as primary key, WITHOUT ROWID, are
    sorted in that file; a sort of any other kind would go to the system's temporary folder."""
    with (
        TemporaryDirectory(dir=folder, prefix="survey-") as place,
        closing(sqlite3.connect(Path(place) / "scratch.sqlite", isolation_level=None)) as database,
    ):
        database.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;"
            f"PRAGMA cache_size=-65536; {schema}; BEGIN"
        )
        yield database
