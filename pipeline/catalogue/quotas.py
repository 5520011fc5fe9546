"""How much works may hold: those that somebody has said it of, and all of some account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.dialects import insert
from pipeline.catalogue.drafts import is_open
from pipeline.catalogue.tables import account_quota, deposit, record, user, work_quota
from pipeline.model import Quota


@dataclass(frozen=True, slots=True)
class WorkQuota:
    """What a work may hold. `account_id` is out of whose allowance it comes, None where administrators set it."""

    quota: Quota
    account_id: int | None


def of_work(tx: Transaction, concept_id: int) -> WorkQuota | None:
    """None where nobody has said."""
    row = tx.execute(sa.select(work_quota).where(work_quota.c.concept_id == concept_id)).one_or_none()
    return None if row is None else WorkQuota(Quota(row.quota_size, row.max_file_size), row.account_id)


def of_account(tx: Transaction, account_id: int) -> Quota | None:
    """What each work of an account may hold; None where nobody has said."""
    chosen = sa.select(account_quota).where(account_quota.c.account_id == account_id)
    row = tx.execute(chosen).one_or_none()
    return None if row is None else Quota(row.quota_size, row.max_file_size)


def set_work(
    tx: Transaction,
    concept_id: int,
    quota: Quota,
    *,
    account_id: int | None = None,
    notes: str = "",
    now: datetime,
) -> None:
    """In the place of what was said before."""
    values = {
        "account_id": account_id,
        "quota_size": quota.size,
        "max_file_size": quota.file_size,
        "notes": notes,
        "changed": now,
    }
    added = insert(tx, work_quota).values(concept_id=concept_id, **values)
    tx.execute(added.on_conflict_do_update(index_elements=["concept_id"], set_=values))


def forget_work(tx: Transaction, concept_id: int) -> None:
    """It may hold what every work may."""
    tx.execute(sa.delete(work_quota).where(work_quota.c.concept_id == concept_id))


def set_account(tx: Transaction, account_id: int, quota: Quota, *, notes: str, now: datetime) -> None:
    """In the place of what was said before."""
    values = {"quota_size": quota.size, "max_file_size": quota.file_size, "notes": notes, "changed": now}
    added = insert(tx, account_quota).values(account_id=account_id, **values)
    tx.execute(added.on_conflict_do_update(index_elements=["account_id"], set_=values))


def lock_account(tx: Transaction, account_id: int) -> None:
    """Nobody else takes anything out of the account's allowance until the transaction ends; what else refers to the
    account goes on."""
    held = sa.select(user.c.id).where(user.c.id == account_id)
    tx.execute(held.with_for_update(key_share=True)).one()


def taken(tx: Transaction, account_id: int, *, beyond: int, besides: int) -> int:
    """Bytes that works have out of an account's allowance: what each may hold `beyond` what it might anyway. The work
    `besides` does not count."""
    extra = sa.func.sum(work_quota.c.quota_size - beyond)
    found = tx.execute(
        sa.select(sa.func.coalesce(extra, 0)).where(
            work_quota.c.account_id == account_id,
            work_quota.c.quota_size > beyond,
            work_quota.c.concept_id != besides,
        )
    )
    return int(found.scalar_one())


def held(tx: Transaction, concept_id: int) -> int:
    """Bytes of the largest of a work's versions, drafts among them."""
    drafted = sa.select(sa.func.max(deposit.c.bytes_total)).where(
        deposit.c.concept_id == concept_id, is_open()
    )
    published = sa.select(sa.func.max(record.c.total_bytes)).where(record.c.concept_id == concept_id)
    return max(tx.execute(one).scalar_one() or 0 for one in (drafted, published))
