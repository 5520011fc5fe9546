"""Use case: sweep away what nobody refers to any more."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from pipeline.catalogue import file_texts, references
from pipeline.ingest import abandonment, accession, multipart
from pipeline.people import signing_in
from pipeline.ports import OpenUpload
from pipeline.running.scratch import abandoned_runs
from pipeline.services import Services
from pipeline.stewardship.stocktaking import FindingKind, compare, keys_above


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a sweep takes away: an `object` or an `upload` by its key, or a `folder` of a run that died."""

    kind: str
    name: str
    size: int | None
    since: datetime | None


def sweep(services: Services, older_than: timedelta, *, dry_run: bool = False) -> Iterator[Leftover]:
    """End uploads, and delete staged bytes, that nothing refers to and that are older; and the folders of runs that
    died; and forget sessions that are over, and texts of files that nobody is served any more. Nothing in the storage
    root is touched but what was begun there and given up. Tells what goes as it goes, but for what is forgotten."""
    before = services.now() - older_than
    told = set()
    for gone in chain(_expired_uploads(services, dry_run=dry_run), _expired_files(services, dry_run=dry_run)):
        told.add(gone.name)
        yield gone
    for one in compare(services):
        if one.since is None or one.since >= before or not told.isdisjoint(keys_above(one.key)):
            continue
        if one.kind is FindingKind.OPEN_UPLOAD:
            if not dry_run:
                services.store.end_upload(OpenUpload(one.key, one.upload_id, one.since))
            yield Leftover("upload", one.key, None, one.since)
        elif one.kind is FindingKind.ORPHAN and _is_given_up(services, one.key):
            if not dry_run:
                services.store.delete(one.key)
            yield Leftover("object", one.key, one.size, one.since)
    if not dry_run:
        # Those that the ledger has and the store has no more.
        accession.end_leftovers(services, before=before)
        # Also where nobody signs in.
        with services.catalogue.write() as tx:
            signing_in.forget_ended(services, tx)
            file_texts.forget_unserved(tx)
    for folder in abandoned_runs(services.settings.home):
        if not dry_run:
            shutil.rmtree(folder, ignore_errors=True)
        yield Leftover("folder", str(folder), None, None)


def _expired_uploads(services: Services, *, dry_run: bool) -> Iterator[Leftover]:
    """Uploads in several requests wait for a time of their own."""
    for one in abandonment.expired(services):
        if dry_run or abandonment.end_expired(services, one):
            yield Leftover("upload", abandonment.place(services, one), one.offset, one.expires)


def _expired_files(services: Services, *, dry_run: bool) -> Iterator[Leftover]:
    """So do files that come in parts."""
    for one in multipart.expired(services):
        place = multipart.place(services, one)
        if dry_run or multipart.end(services, one):
            yield Leftover("upload", place, None, one.multipart.expires if one.multipart else None)


def _is_given_up(services: Services, key: str) -> bool:
    """Whether an orphan was staged, in staging or where its record would have been in the root."""
    if key.startswith("staging/"):
        return True
    with services.catalogue.read() as tx:
        return bool(references.deserted(tx, set(keys_above(key))))
