"""A source, a store, and a worker that takes files from one into the other; what it tells is noted as by the flow."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.ingest.custody import CustodyTerms, FileReport, PartNote, Unit, take_unit
from pipeline.ingest.eicar import EicarScanner
from pipeline.ingest.sources.trees.local import LocalTree
from pipeline.model import PartLedger, PlannedFile
from pipeline.ports import Note, ObjectStore, Scanner
from pipeline.settings import ScannerLocation, SourceLocation, StoreLocation
from pipeline.store import layout

RECORD = 2


@dataclass
class Desk:
    """`ledgers` is what the catalogue would have of files under way, `pauses` how long the worker waited."""

    source: Path
    store: ObjectStore
    planned: list[PlannedFile] = field(default_factory=list)
    notes: list[PartNote] = field(default_factory=list)
    ledgers: dict[int, PartLedger] = field(default_factory=dict)
    pauses: list[float] = field(default_factory=list)

    def plan(self, key: str, content: bytes | None, **declared: str) -> PlannedFile:
        """Put a file into the source (none for None) and plan to take it in, as a survey would."""
        path = self.source / key
        size, stamp = 3, ""
        if content is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            size, stamp = len(content), str(path.stat().st_mtime_ns)
        place = layout.place(layout.staged(RECORD), key)
        named = {name.replace("_", "-"): digest for name, digest in declared.items()}
        file = PlannedFile(len(self.planned) + 1, 1, RECORD, "harbour", key, key, size, stamp, named, place)
        self.planned.append(file)
        return file

    def take(
        self,
        scanner: Scanner | None = None,
        *,
        digests: tuple[str, ...] = ("md5",),
        attempt: str = "1",
        bytes_per_second: int = 0,
    ) -> list[FileReport]:
        """Take in all that is planned; a single file goes on from what its ledger has."""
        files = tuple(self.planned)
        terms = CustodyTerms(
            "a1",
            SourceLocation(str(self.source)),
            StoreLocation(""),
            ScannerLocation("eicar:"),
            "sha256",
            digests,
            bytes_per_second=bytes_per_second,
        )
        resume = self.ledgers.get(files[0].id) if len(files) == 1 else None
        unit = Unit(terms, files, resume, attempt)
        return take_unit(
            self.store,
            scanner or EicarScanner(),
            LocalTree(terms.source),
            unit,
            self.hear,
            pause=self.pauses.append,
        )

    def hear(self, note: Note) -> None:
        """As the flow's writer: an upload takes the place of the one before, with its parts."""
        if not note:
            return
        told = PartNote.from_json(json.loads(json.dumps(note)))
        self.notes.append(told)
        before = self.ledgers.get(told.file_id)
        known = before.parts if before is not None and before.upload_id == told.upload_id else ()
        parts = {part.number: part for part in (*known, *told.parts)}
        self.ledgers[told.file_id] = PartLedger(
            told.upload_id,
            told.part_size,
            told.offset,
            told.checkpoint,
            tuple(parts[number] for number in sorted(parts)),
        )

    def replan(self, key: str) -> None:
        """As the survey of a later run would, which finds the file as it is now."""
        found = (self.source / key).stat()
        self.planned = [
            replace(file, size=found.st_size, stamp=str(found.st_mtime_ns)) if file.key == key else file
            for file in self.planned
        ]

    def staged(self) -> dict[str, bytes]:
        """Key → bytes of what is kept for the record."""
        prefix = f"{layout.staged(RECORD)}/content/data"
        return {
            one.key.removeprefix(f"{prefix}/"): b"".join(self.store.read(one.key))
            for one in self.store.list(prefix)
        }
