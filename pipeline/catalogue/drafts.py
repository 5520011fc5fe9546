"""Drafts: deposits that people make over HTTP. A draft belongs to no accession."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.dml import ReturningInsert

from pipeline import codec, refusals
from pipeline.catalogue import Transaction, deposits
from pipeline.catalogue.deposits import PENDING, Deposit
from pipeline.catalogue.dialects import insert_into
from pipeline.catalogue.tables import (
    account_quota,
    deposit,
    draft,
    raised_quota,
    record,
    user,
    work_quota,
)
from pipeline.errors import Conflict, Denied, FieldFault
from pipeline.model import (
    DepositAction,
    DepositState,
    Description,
    JsonObject,
    Quota,
    RecordState,
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A record-to-be, or a change to a published record, as its owner sees it. `revision` counts its changes from 1;
    `dropped` are the fields that were given and could not be kept, as `{"field", "message"}`. `quota` is what it may
    hold, where somebody has said that of its work, or of all that is its owner's. `files_until` is until when an edit
    whose files were opened may be published.
    """

    deposit: Deposit
    account_id: int
    owner: str
    created: datetime
    modified: datetime
    revision: int
    has_metadata: bool
    dropped: tuple[JsonObject, ...]
    quota: Quota | None = None
    files_until: datetime | None = None

    @property
    def record_id(self) -> int:
        return self.deposit.record_id

    @property
    def description(self) -> Description:
        return codec.description_from_json(self.deposit.description or {"metadata": {}})

    @property
    def is_submitted(self) -> bool:
        """Whether it is to be published as soon as nothing was found in its files."""
        return self.deposit.state is DepositState.SEALED

    @property
    def is_edit(self) -> bool:
        """Whether it changes the description of a record that is published already."""
        return self.deposit.action is DepositAction.REVISION

    @property
    def has_own_files(self) -> bool:
        """Whether its files may be changed; of an edit they are the record's, unless they were opened."""
        return self.deposit.home != ""


@dataclass(frozen=True, slots=True)
class NewDraft:
    """What a draft begins as. `base_record_id` is the published version that it changes or follows."""

    concept_id: int
    record_id: int
    base_record_id: int | None
    action: DepositAction
    home: str
    description: Description
    has_metadata: bool
    dropped: Sequence[JsonObject]


def is_open() -> sa.ColumnElement[bool]:
    """Whether a deposit is a draft that has not come to an end. In the very words of the unique indexes of open drafts,
    not with parameters: only then does a database know that it may look there."""
    states: list[sa.ColumnElement[str]] = [sa.literal_column(f"'{state}'") for state in PENDING]
    return sa.and_(deposit.c.accession_id.is_(None), deposit.c.state.in_(states))


def add(tx: Transaction, new: NewDraft, *, account_id: int, now: datetime) -> Draft:
    """Raises `Conflict` where the record has a draft, or the work a new version, already."""
    row = {
        "accession_id": None,
        "key": str(new.record_id),
        "concept_id": new.concept_id,
        "record_id": new.record_id,
        "base_record_id": new.base_record_id,
        "action": new.action,
        "state": DepositState.PLANNED,
        "home": new.home,
        "description": codec.description_to_json(new.description),
    }
    deposit_id = tx.execute(_adding(tx.dialect.name), row).scalar_one_or_none()
    if deposit_id is None:
        raise Conflict("there is an open draft already")
    tx.execute(
        _ADD,
        {
            "deposit_id": deposit_id,
            "account_id": account_id,
            "created": now,
            "modified": now,
            "revision": 1,
            "has_metadata": new.has_metadata,
            "dropped": list(new.dropped),
        },
    )
    return get(tx, new.record_id)


@cache
def _adding(dialect: str) -> ReturningInsert[tuple[int]]:
    """Nothing comes of one where another is there: whoever asked for it may go on in the same transaction."""
    return insert_into(dialect, deposit).on_conflict_do_nothing().returning(deposit.c.id)


def get(tx: Transaction, record_id: int) -> Draft:
    """The open draft of a record. Raises `Missing`."""
    row = tx.execute(_OPEN_OF_RECORD, {"wanted": record_id}).one_or_none()
    if row is None:
        raise refusals.unknown_id()
    return _draft(row)


def by_deposit(tx: Transaction, deposit_id: int) -> Draft:
    """Raises `Missing`."""
    row = tx.execute(_OPEN.where(deposit.c.id == deposit_id)).one_or_none()
    if row is None:
        raise refusals.unknown_id()
    return _draft(row)


def depositor(tx: Transaction, deposit_id: int) -> int:
    """Whose account a draft is, or was."""
    chosen = sa.select(draft.c.account_id).where(draft.c.deposit_id == deposit_id)
    account_id: int = tx.execute(chosen).scalar_one()
    return account_id


def of_works(tx: Transaction, concept_ids: Collection[int]) -> list[Draft]:
    """The open drafts of works, whoever they are."""
    return [_draft(row) for row in tx.execute(_OPEN.where(deposit.c.concept_id.in_(concept_ids)))]


def next_version(tx: Transaction, concept_id: int) -> Draft | None:
    """The new version of a work that is being drafted, if there is one."""
    row = tx.execute(
        _OPEN.where(deposit.c.concept_id == concept_id, deposit.c.action == DepositAction.VERSION)
    ).one_or_none()
    return None if row is None else _draft(row)


def sealed(tx: Transaction, record_id: int) -> Deposit | None:
    """The deposit of a draft that is to be published, and waits for verdicts on its files; nobody else changes it until
    the transaction ends."""
    row = tx.execute(
        sa.select(deposit)
        .where(deposit.c.record_id == record_id, is_open(), deposit.c.state == DepositState.SEALED)
        .with_for_update()
    ).one_or_none()
    return None if row is None else deposits.from_row(row)


def waiting(tx: Transaction, record_ids: Collection[int]) -> list[int]:
    """Those of the records whose drafts wait for verdicts on their files."""
    return list(tx.execute(_WAITING, {"wanted": list(record_ids)}).scalars())


def locked(tx: Transaction, deposit_id: int, *, may_be_sealed: bool = False) -> Deposit:
    """The deposit of an open draft, which nobody else changes until the transaction ends. Raises `Missing` where it is
    open no more, `Denied` where it waits to be published, unless that does not matter."""
    return locked_draft(tx, deposit_id, may_be_sealed=may_be_sealed).deposit


def locked_draft(tx: Transaction, deposit_id: int, *, may_be_sealed: bool = False) -> Draft:
    """As `locked`, with all that is known of the draft."""
    row = tx.execute(_LOCKED, {"wanted": deposit_id}).one_or_none()
    if row is None:
        raise refusals.unknown_id()
    found = _draft(row)
    if found.is_submitted and not may_be_sealed:
        raise Denied(
            "The deposition is being published: it waits for the virus scan of its files.",
            remedy="Wait until it is published; then edit it, or make a new version.",
        )
    return found


def note_refusal(tx: Transaction, one: Deposit, faults: Sequence[FieldFault], *, now: datetime) -> None:
    """What kept a draft from being published is told with it until it is described anew."""
    before = tx.execute(sa.select(draft.c.dropped).where(draft.c.deposit_id == one.id)).scalar_one()
    told = [
        {"field": one.field, "message": text, **({"remedy": one.remedy} if one.remedy else {})}
        for one in faults
        for text in one.messages
    ]
    note_change(tx, one.id, now, dropped=[*(each for each in before if each not in told), *told])


def describe(
    tx: Transaction,
    one: Draft,
    description: Description,
    *,
    has_metadata: bool,
    dropped: Sequence[JsonObject],
    now: datetime,
) -> Draft:
    """The draft, which is `locked`, as it is then."""
    document = codec.description_to_json(description)
    deposits.change(tx, one.deposit.id, description=document)
    note_change(tx, one.deposit.id, now, has_metadata=has_metadata, dropped=list(dropped))
    return replace(
        one,
        deposit=replace(one.deposit, description=document),
        modified=now,
        revision=one.revision + 1,
        has_metadata=has_metadata,
        dropped=tuple(dropped),
    )


def note_change(tx: Transaction, deposit_id: int, now: datetime, **values: Any) -> None:
    """What its owner sees of a draft, or has said (columns of `draft`), is another from now on."""
    tx.execute(_NOTE_CHANGE, {"wanted": deposit_id, "modified": now, **values})


def home(tx: Transaction, deposit_id: int) -> str:
    """The key below which the bytes of a draft are, or were."""
    found: str = tx.execute(sa.select(deposit.c.home).where(deposit.c.id == deposit_id)).scalar_one()
    return found


# ---------------------------------------------------------------- lists


@dataclass(frozen=True, slots=True)
class Owned:
    """What is somebody's own: open drafts, and published records without one; of a work only the newest, unless
    `all_versions`. With `is_published` only what has a published version (an edit has), or only what has none.
    `concept_id` and `record_id` narrow it to one work or number."""

    account_id: int
    email: str
    all_versions: bool = False
    is_published: bool | None = None
    concept_id: int | None = None
    record_id: int | None = None


def owned(tx: Transaction, mine: Owned, *, page: int, size: int) -> list[Draft | int]:
    """A page of it, the newest first: drafts, and the ids of records."""
    drafted, published = _owned(mine)
    # Each by its index, and no further than the page.
    newest = [
        (created, number, is_draft)
        for statement, is_draft in (
            (drafted.order_by(draft.c.created.desc(), deposit.c.record_id.desc()), True),
            (published.order_by(record.c.created.desc(), record.c.id.desc()), False),
        )
        for created, number in tx.execute(statement.limit(page * size))
    ]
    shown = sorted(newest, reverse=True)[(page - 1) * size : page * size]
    numbers = [number for _, number, is_draft in shown if is_draft]
    found = {row.record_id: _draft(row) for row in tx.execute(_OPEN.where(deposit.c.record_id.in_(numbers)))}
    return [found[number] if is_draft else number for _, number, is_draft in shown]


def count_owned(tx: Transaction, mine: Owned) -> int:
    """How many there are on all pages."""
    drafted, published = (sa.select(sa.func.count()).select_from(one.subquery()) for one in _owned(mine))
    return int(tx.execute(sa.select(drafted.scalar_subquery() + published.scalar_subquery())).scalar_one())


def _owned(mine: Owned) -> tuple[sa.Select[Any], sa.Select[Any]]:
    """Time and number of drafts, and of published records."""
    drafted = (
        sa.select(draft.c.created, deposit.c.record_id)
        .join(deposit, deposit.c.id == draft.c.deposit_id)
        .where(draft.c.account_id == mine.account_id, is_open())
    )
    published = sa.select(record.c.created, record.c.id).where(
        record.c.owner == mine.email,
        sa.true() if mine.all_versions else record.c.is_latest,
        record.c.state == RecordState.PUBLISHED,
        ~sa.exists().where(deposit.c.record_id == record.c.id, is_open()),
    )
    if mine.is_published is not None:
        is_edit = deposit.c.action == DepositAction.REVISION
        drafted = drafted.where(is_edit if mine.is_published else ~is_edit)
        published = published.where(sa.true() if mine.is_published else sa.false())
    if mine.concept_id is not None:
        drafted = drafted.where(deposit.c.concept_id == mine.concept_id)
        published = published.where(record.c.concept_id == mine.concept_id)
    if mine.record_id is not None:
        drafted = drafted.where(deposit.c.record_id == mine.record_id)
        published = published.where(record.c.id == mine.record_id)
    return drafted, published


# ---------------------------------------------------------------- rows

_OPEN = (
    sa.select(
        deposit,
        draft.c.account_id,
        draft.c.created,
        draft.c.modified,
        draft.c.revision,
        draft.c.has_metadata,
        draft.c.dropped,
        draft.c.files_until,
        user.c.email,
        sa.func.coalesce(work_quota.c.quota_size, account_quota.c.quota_size).label("quota_size"),
        sa.func.coalesce(work_quota.c.max_file_size, account_quota.c.max_file_size).label("max_file_size"),
        raised_quota.c.quota_size.label("raised_size"),
    )
    .join(draft, draft.c.deposit_id == deposit.c.id)
    .join(user, user.c.id == draft.c.account_id)
    .outerjoin(work_quota, work_quota.c.concept_id == deposit.c.concept_id)
    .outerjoin(raised_quota, raised_quota.c.concept_id == deposit.c.concept_id)
    .outerjoin(account_quota, account_quota.c.account_id == draft.c.account_id)
    .where(is_open())
)
_WAITING = sa.select(deposit.c.record_id).where(
    deposit.c.record_id.in_(sa.bindparam("wanted", expanding=True)),
    is_open(),
    deposit.c.state == DepositState.SEALED,
)
# Said once: to put a statement together takes longer than to carry it out.
_ADD = sa.insert(draft)
_NOTE_CHANGE = (
    sa.update(draft).where(draft.c.deposit_id == sa.bindparam("wanted")).values(revision=draft.c.revision + 1)
)
_OPEN_OF_RECORD = _OPEN.where(deposit.c.record_id == sa.bindparam("wanted"))
_LOCKED = _OPEN.where(deposit.c.id == sa.bindparam("wanted")).with_for_update(
    # Both, in this order: whoever waited for another's change is to see all of it.
    of=[deposit, draft]
)


def _draft(row: sa.Row[Any]) -> Draft:
    return Draft(
        deposit=deposits.from_row(row),
        account_id=row.account_id,
        owner=row.email,
        created=row.created,
        modified=row.modified,
        revision=row.revision,
        has_metadata=row.has_metadata,
        dropped=tuple(row.dropped),
        quota=_quota(row),
        files_until=row.files_until,
    )


def _quota(row: sa.Row[Any]) -> Quota | None:
    raised = row.raised_size
    if row.quota_size is None:
        return None if raised is None else Quota(raised, raised)
    return Quota(row.quota_size, row.max_file_size).raised(raised or 0)
