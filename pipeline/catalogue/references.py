"""What the catalogue says is in the store: for comparing the two, row by row however many there are.

Keys are put together by whoever asks; here are the parts that they follow from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from pipeline.catalogue import Transaction, ledger, record_files
from pipeline.catalogue.accessions import UNFINISHED
from pipeline.catalogue.deposits import PENDING
from pipeline.catalogue.tables import (
    accession,
    deposit,
    deposit_file,
    earlier_content,
    multipart,
    outbox,
    pending_file,
    quarantine,
    record,
    record_file,
    resumable,
    transfer,
    upload,
)
from pipeline.model import DepositState, EffectKind, FileState, QuarantineState
from pipeline.store import layout

_PAGE = 2000


class Work(NamedTuple):
    """A work with records: whether any of them is preserved, and whether any waits to be."""

    concept_id: int
    is_preserved: bool
    is_pending: bool


class PublishedBytes(NamedTuple):
    """A file's bytes in the version that brought them: in `ocfl_version`, or below the key `staged`."""

    record_id: int
    concept_id: int
    ocfl_version: int | None
    staged: str | None
    content: str
    size: int


class WaitingBytes(NamedTuple):
    """A file in custody of a record-to-be, whose bytes are at home below the key `home`."""

    record_id: int
    home: str
    content: str
    size: int


def works(tx: Transaction, *, after: int, limit: int) -> list[Work]:
    """Works with records, by id from behind `after` on."""
    wanted = sa.select(outbox.c.record_id).where(outbox.c.kind == EffectKind.PRESERVE)
    is_pending = sa.or_(record.c.staged.is_not(None), record.c.id.in_(wanted))
    rows = tx.execute(
        sa.select(
            record.c.concept_id,
            sa.func.max(sa.case((record.c.ocfl_version.is_not(None), 1), else_=0)),
            sa.func.max(sa.case((is_pending, 1), else_=0)),
        )
        .where(record.c.concept_id > after)
        .group_by(record.c.concept_id)
        .order_by(record.c.concept_id)
        .limit(limit)
    )
    return [Work(concept_id, bool(preserved), bool(pending)) for concept_id, preserved, pending in rows]


def published_bytes(tx: Transaction) -> Iterator[PublishedBytes]:
    """What each record brought itself and was not purged; the same content may come more than once."""
    is_own = sa.and_(record.c.id == record_file.c.record_id, record.c.id == record_file.c.holder_id)
    columns = (*record_files.place_in(record), record_file.c.content, record_file.c.size)
    statement = (
        sa.select(record.c.id, record.c.concept_id, *columns)
        .select_from(record_file)
        .join(record, is_own)
        .outerjoin(earlier_content, record_files.is_earlier())
        .where(record_file.c.purge_id.is_(None))
    )
    return (PublishedBytes._make(row) for row in _stream(tx, statement))


def waiting_bytes(tx: Transaction) -> Iterator[WaitingBytes]:
    """What deposits under way have in custody, but for what another record holds."""
    statement = (
        sa.select(deposit.c.record_id, deposit.c.home, deposit_file.c.content, deposit_file.c.size)
        .join(deposit, deposit.c.id == deposit_file.c.deposit_id)
        .where(
            deposit.c.state.in_(PENDING),
            deposit_file.c.state.in_([FileState.IN_CUSTODY, FileState.UNREAD]),
            deposit_file.c.holder_id.is_(None),
        )
    )
    return (WaitingBytes._make(row) for row in _stream(tx, statement))


def homes(tx: Transaction) -> Iterator[str]:
    """Keys below which bytes of deposits under way, and of records that wait to be preserved, are at home or on their
    way to it: when a deposit is held, they are moved to staging."""
    of_deposits = sa.select(deposit.c.home, deposit.c.record_id).where(
        deposit.c.state.in_(PENDING), deposit.c.home != ""
    )
    for home, record_id in _stream(tx, of_deposits):
        yield from (home, layout.staged(record_id))
    for (number,) in _stream(tx, sa.select(resumable.c.id)):
        yield layout.tails(number)
    for (home,) in _stream(tx, sa.select(record.c.staged).where(record.c.staged.is_not(None))):
        yield home


def deserted(tx: Transaction, chosen: Collection[str]) -> set[str]:
    """Of these keys, the ones that were home to deposits which were given up, and are to nobody now."""
    of_deposits = sa.select(deposit.c.home).where(deposit.c.home.in_(chosen))
    given_up = {home for (home,) in tx.execute(of_deposits)}
    under_way = {home for (home,) in tx.execute(of_deposits.where(deposit.c.state.in_(PENDING)))}
    published = {
        staged for (staged,) in tx.execute(sa.select(record.c.staged).where(record.c.staged.in_(chosen)))
    }
    return given_up - under_way - published


def quarantined(tx: Transaction) -> Iterator[tuple[str, int, bool]]:
    """(key, size, whether it must be there) of infected files that were put apart: one that is on its way back, or
    being destroyed, may be gone."""
    is_due = quarantine.c.state == QuarantineState.QUARANTINED
    has_bytes = quarantine.c.state.not_in([QuarantineState.RELEASED, QuarantineState.DESTROYED])
    statement = sa.select(quarantine.c.key, quarantine.c.size, is_due).where(has_bytes)
    return ((key, size, bool(due)) for key, size, due in _stream(tx, statement))


def unfinished_accessions(tx: Transaction) -> list[str]:
    """Ids."""
    return list(tx.execute(sa.select(accession.c.id).where(accession.c.state.in_(UNFINISHED))).scalars())


def receiving_homes(tx: Transaction, chosen: Collection[str], *, now: datetime) -> set[str]:
    """Of these keys, the ones below which an upload may be under way that is noted nowhere: homes to deposits of an
    accession whose files are being read, and to drafts that something is being sent into."""
    sent = sa.select(transfer.c.deposit_id).where(transfer.c.lease_until > now)
    is_receiving = sa.or_(
        deposit.c.accession_id.is_not(None),
        deposit.c.id.in_(sent),
        # Ended by themselves, with all that their requests began.
        deposit.c.id.in_(sa.select(resumable.c.deposit_id)),
    )
    found = sa.select(deposit.c.home).where(
        deposit.c.home.in_(chosen), deposit.c.state == DepositState.PLANNED, is_receiving
    )
    return set(tx.execute(found).scalars())


def noted_uploads(tx: Transaction, upload_ids: Sequence[str]) -> set[tuple[str, str]]:
    """(key, upload id) of those uploads that the ledger has, and somebody may go on with; and of files of drafts that
    come in parts."""
    chosen = sa.select(upload.c.file_id, upload.c.place, upload.c.upload_id)
    rows = tx.execute(chosen.where(upload.c.upload_id.in_(upload_ids))).all()
    left = ledger.leftovers(tx, [row.file_id for row in rows])
    of_files = (
        sa.select(deposit.c.home, multipart.c.content, multipart.c.upload_id)
        .join(pending_file, pending_file.c.id == multipart.c.file_id)
        .join(deposit, deposit.c.id == pending_file.c.deposit_id)
        .where(multipart.c.upload_id.in_(upload_ids))
    )
    return {
        *((row.place, row.upload_id) for row in rows if row.file_id not in left),
        *((layout.content(row.home, row.content), row.upload_id) for row in tx.execute(of_files)),
    }


def _stream(tx: Transaction, statement: sa.Select[Any]) -> Iterator[Sequence[Any]]:
    """Rows as they come: never more than a page of them in memory, whatever the driver would like."""
    return iter(tx.execute(statement, execution_options={"yield_per": _PAGE}))
